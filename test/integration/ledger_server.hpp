// The server that the tests of the PostgreSQL ledger share, with our schema in it.
#pragma once

#include "storage/postgres_ledger.hpp"
#include "test/integration/loop.hpp"
#include "test/integration/postgres_server.hpp"

#include <memory>
#include <string>
#include <vector>

namespace repasse {

/// Of this binary; running, with the schema, and empty of payments at the beginning of each case.
postgres_server& ledger_server();
/// The same, as it is.
postgres_server& ledger_server_running();

/// A ledger as one reactor has it, on a loop that others may share; the loop must not run once it is gone.
class test_ledger {
public:
  test_ledger(loop& of, const std::string& url, std::uint32_t number = 0,
              std::vector<std::string> processors = {"default", "fallback", "third"});
  ~test_ledger();
  test_ledger(const test_ledger&) = delete;
  test_ledger& operator=(const test_ledger&) = delete;

  postgres_ledger& get() { return *ledger_; }
  void until_up();

private:
  loop& loop_;
  schema_state schema_;
  std::unique_ptr<postgres_ledger> ledger_;
};

/// What `ledgers_under_test` asks for: a ledger as one reactor has it, on the shared server.
class postgres_fixture {
public:
  explicit postgres_fixture(const std::string& url = ledger_server().url());
  postgres_fixture(const postgres_fixture&) = delete;
  postgres_fixture& operator=(const postgres_fixture&) = delete;

  postgres_ledger& get() { return ledger_.get(); }
  template <typename T>
  T run(task<T> work) {
    return loop_.await(std::move(work));
  }
  /// For beats and the audit trail alone: the server's clock cannot be moved, so what it has noted is.
  void advance(std::chrono::milliseconds time);
  loop& reactor() { return loop_; }

private:
  loop loop_;
  test_ledger ledger_;
};

} // namespace repasse
