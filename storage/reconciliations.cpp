#include "storage/reconciliations.hpp"

namespace repasse {

std::string_view to_string(finding_kind kind) {
  static constexpr std::array<std::string_view, finding_kinds> names{
      "not-settled", "ours-not-theirs", "theirs-not-ours", "other-amount", "other-time"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(finding_state state) { return state == finding_state::open ? "open" : "mended"; }

std::string_view to_string(run_status status) {
  static constexpr std::array<std::string_view, 3> names{"running", "done", "failed"};
  return names[static_cast<std::size_t>(status)];
}

std::string reconciliation_finding::subject() const {
  return payment ? to_string(*payment) : to_string(window.from);
}

} // namespace repasse
