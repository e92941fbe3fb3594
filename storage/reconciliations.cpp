#include "storage/reconciliations.hpp"

namespace repasse {

std::string_view to_string(finding_kind kind) {
  static constexpr std::array<std::string_view, finding_kinds> names{
      "not-settled", "ours-not-theirs", "theirs-not-ours", "other-amount", "other-time"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(finding_state state) {
  static constexpr std::array<std::string_view, 3> names{"open", "mended", "explained"};
  return names[static_cast<std::size_t>(state)];
}

std::string_view to_string(run_status status) {
  static constexpr std::array<std::string_view, 3> names{"running", "done", "failed"};
  return names[static_cast<std::size_t>(status)];
}

std::string reconciliation_finding::subject() const {
  return payment ? to_string(*payment) : to_string(window.from);
}

bool reconciliation_finding::is_same_difference(const reconciliation_finding& other) const {
  return processor == other.processor && kind == other.kind && payment == other.payment &&
         window.from == other.window.from && window.to == other.window.to && ours == other.ours &&
         theirs == other.theirs;
}

} // namespace repasse
