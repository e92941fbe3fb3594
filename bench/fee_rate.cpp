#include "bench/fee_rate.hpp"

#include <charconv>

namespace repasse {

std::int64_t fee_rate::of(std::int64_t amount_cents) const {
  constexpr std::int64_t million = 1'000'000;
  return amount_cents / million * millionths + (amount_cents % million * millionths + million / 2) / million;
}

bool fee_rate::parse(std::string_view text, fee_rate& fee) {
  double share = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), share, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !(share >= 0 && share <= 1)) return false;
  const auto millionths = static_cast<std::int64_t>(share * 1e6 + 0.5);
  const bool exact = static_cast<double>(millionths) / 1e6 == share;
  if (exact) fee.millionths = millionths;
  return exact;
}

} // namespace repasse
