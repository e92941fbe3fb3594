#include "bench/hostility.hpp"

#include <numeric>

namespace repasse {
namespace {

constexpr std::array<hostile_effect, hostile_mode_count> effects = {{
    {"none", true, delivery::whole},
    {"take-then-drop", true, delivery::close},
    {"take-then-reset", true, delivery::reset},
    {"take-then-late", true, delivery::whole},
    {"take-never-answer", true, delivery::nothing},
    {"half-answer", true, delivery::half},
    {"nonsense", true, delivery::nonsense},
    {"error-when-taken", true, delivery::whole},
    {"drop-before-take", false, delivery::close},
    {"never-answer", false, delivery::nothing},
    {"wrong-status", false, delivery::whole},
    {"status-400", false, delivery::whole},
    {"status-401", false, delivery::whole},
    {"refuse-429", false, delivery::whole},
}};

} // namespace

const hostile_effect& effect_of(hostile_mode mode) { return effects[static_cast<std::size_t>(mode)]; }

std::optional<hostile_mode> parse_hostile_mode(std::string_view name) {
  for (std::size_t i = 0; i < effects.size(); ++i)
    if (effects[i].name == name) return static_cast<hostile_mode>(i);
  return std::nullopt;
}

std::string hostile_mode_names() {
  std::string names;
  for (std::size_t i = 1; i < effects.size(); ++i)
    names.append(i == 1 ? "" : ", ").append(effects[i].name);
  return names;
}

bool hostility::set(hostile_mode mode, double share) {
  if (mode == hostile_mode::none) {
    shares_ = {};
    share_of_any_ = 0;
    return true;
  }
  std::array<double, hostile_mode_count> wished{};
  if (share != 1) wished = shares_;
  wished[static_cast<std::size_t>(mode)] = share;
  const double sum = std::accumulate(wished.begin(), wished.end(), 0.0);
  constexpr double rounding_slack = 1e-9;
  if (!(share >= 0) || sum > 1 + rounding_slack) return false;
  shares_ = wished;
  share_of_any_ = sum;
  return true;
}

hostile_mode hostility::draw() {
  if (share_of_any_ == 0) return hostile_mode::none;
  double drawn = std::uniform_real_distribution<double>(0, 1)(random_);
  for (std::size_t i = 1; i < shares_.size(); ++i) {
    if (drawn < shares_[i]) return static_cast<hostile_mode>(i);
    drawn -= shares_[i];
  }
  return hostile_mode::none;
}

} // namespace repasse
