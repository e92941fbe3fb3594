// How a simulated processor misbehaves towards a share of its `POST /payments`: names, shares and the draw.
// What each mode does to a request and to its answer stands in the one table of hostility.cpp.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace repasse {

enum class hostile_mode : std::uint8_t {
  none,
  take_then_drop,    ///< closes without an answer
  take_then_reset,   ///< the same by RST
  take_then_late,    ///< answers `late_after` after taking
  take_never_answer, ///< the connection stays open
  half_answer,       ///< takes; half of the answer's bytes, then closes
  nonsense,          ///< takes; bytes that are not HTTP, then closes
  error_when_taken,  ///< 500 instead of 422 for an id that an earlier send has taken
  drop_before_take,
  never_answer, ///< does not take either; the connection stays open
  wrong_status, ///< not taken; 302, 418, or `100 Continue` and no more, in turn
  status_400,   ///< not taken
  status_401,   ///< not taken
  refuse_429,   ///< not taken, answered without delay
};
inline constexpr std::size_t hostile_mode_count = 14;

/// What the client sees of an answer.
enum class delivery : std::uint8_t { whole, half, nonsense, close, reset, only_continue, nothing };

/// What a mode means for one request.
struct hostile_effect {
  std::string_view name;
  bool works; ///< the payment is taken, or fails, as without hostility
  delivery how;
};

[[nodiscard]] const hostile_effect& effect_of(hostile_mode mode);
/// `none` included.
[[nodiscard]] std::optional<hostile_mode> parse_hostile_mode(std::string_view name);
/// All names but `none`, for messages.
[[nodiscard]] std::string hostile_mode_names();

class hostility {
public:
  /// Sets the share of one mode, 0 to 1, beside those already set, or in place of them all if it is 1; of
  /// `none`, ends them all.
  /// False, and nothing changes, if all shares together would exceed 1.
  bool set(hostile_mode mode, double share);

  void seed(unsigned from) { random_.seed(from); }
  /// The mode that hits the next request.
  hostile_mode draw();

  std::chrono::milliseconds late_after{31'000};

private:
  std::array<double, hostile_mode_count> shares_{};
  double share_of_any_ = 0;
  std::minstd_rand random_{20250715};
};

} // namespace repasse
