// What an administrator may do about a payment in doubt: have its processor asked now, or declare what became
// of it. One per reactor; the endpoints call it. It never writes against what the processor says, and never
// changes a row that may still be sent: that is for the payment's owner, in whichever instance it is, who
// finds what was declared in the audit trail (payment_flow_word.cpp).
#pragma once

#include "server/payment_flow.hpp"
#include "server/processor.hpp"
#include "storage/ledger.hpp"

#include <memory>
#include <optional>
#include <span>

namespace repasse {

struct oversight {
  enum class verdict : std::uint8_t {
    unavailable, ///< the ledger
    no_such_payment,
    is_final,     ///< already
    not_in_doubt, ///< it is on its way
    asked,        ///< its processor, which has not settled it
    settled,      ///< its processor has it: it is in the books now
    against_word, ///< its processor says otherwise; if it has the payment, that is in the books now
    may_be_known, ///< it names a processor that is not configured here, but perhaps where its owner is
    noted,        ///< its owner will carry out what is declared
    done          ///< it is as declared
  };
  verdict what = verdict::unavailable;
  std::optional<holding::verdict> said; ///< by its processor; empty: it could not be asked
  payment_record payment;               ///< as it is now; not of the first two verdicts
};

class overseer {
public:
  overseer(clock& time, ledger& books, std::span<const std::unique_ptr<processor>> processors,
           payment_flow& flow)
      : clock_(time), ledger_(books), processors_(processors), flow_(flow) {}

  task<oversight> ask(payment_id id);
  task<oversight> declare(declaration what);

private:
  task<oversight> look(payment_id id);
  task<oversight> look_again(oversight::verdict what, oversight seen);
  task<oversight> ask_processor(oversight seen);
  task<oversight> settle(oversight seen, wall_time requested_at);

  clock& clock_;
  ledger& ledger_;
  std::span<const std::unique_ptr<processor>> processors_;
  payment_flow& flow_; ///< whose batches settle
};

} // namespace repasse
