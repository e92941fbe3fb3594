// The PostgreSQL ledger passes the ledger's contract.
#include "test/integration/ledger_server.hpp"

namespace repasse {

using ledgers_under_test = std::tuple<postgres_fixture>;

} // namespace repasse

#include "test/ledger_contract.hpp"
