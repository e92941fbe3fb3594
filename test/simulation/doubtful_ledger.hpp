// The ledger as an instance may find it: away, late, and in doubt, with what it was asked to write written
// not at all, at once, or later. Wraps the real one; what copes with it lives above.
#pragma once

#include "storage/ledger.hpp"
#include "test/simulation/world.hpp"

namespace repasse::simulation {

/// Set by the faults of a seed.
struct ledger_weather {
  bool is_away = false;
  bool refuses = false; ///< while away, at once: nothing is in doubt
  double doubt = 0;     ///< share of the writes
  std::chrono::nanoseconds latency_max = 2ms;
};

class doubtful_ledger final : public ledger {
public:
  doubtful_ledger(clock& time, ledger& inner, const ledger_weather& weather)
      : clock_(time), inner_(inner), weather_(weather) {}

  task<ledger_status> append(epoch_id epoch, std::span<append_item> items) override;
  task<ledger_status> amend(epoch_id epoch, std::span<amend_item> items) override;
  task<ledger_status> settle(std::span<settle_item> items) override;
  task<std::optional<epoch_id>> open_epoch() override;
  task<std::optional<beat_answer>> beat(epoch_id epoch, std::span<const probe> learned) override;
  task<ledger_status> end_epoch(epoch_id epoch) override;
  task<ledger_status> release(epoch_id epoch, std::size_t rows_max, std::size_t& released) override;
  task<ledger_status> adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) override;
  task<ledger_status> unsettled(epoch_id epoch, std::uint64_t& position, std::span<owned_row> rows,
                                std::size_t& found) override;
  task<std::optional<std::optional<payment_record>>> find(payment_id id) override;
  task<std::optional<page>> read_page(page_query query) override;
  task<std::optional<summary>> summarize(time_window window) override;
  task<std::optional<std::vector<audit_entry>>> audit(payment_id id) override;
  task<ledger_status> note(payment_id id, audit_entry entry) override;
  task<ledger_status> declare(declaration& what) override;
  task<std::optional<std::vector<declaration>>> declarations(std::span<const payment_id> ids) override;
  task<ledger_status> purge() override;
  task<std::optional<books_edition>> edition() override;
  [[nodiscard]] ledger_health health() const override { return inner_.health(); }

private:
  enum class fate { well, away, doubt_never, doubt_done, doubt_later };

  task<fate> draw();

  clock& clock_;
  ledger& inner_;
  const ledger_weather& weather_;
};

} // namespace repasse::simulation
