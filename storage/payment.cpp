#include "storage/payment.hpp"

#include <charconv>
#include <random>

namespace repasse {
namespace {

constexpr std::array<std::int8_t, 256> hex_values = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i)
    values[static_cast<std::size_t>('0' + i)] = static_cast<std::int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    values[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
    values[static_cast<std::size_t>('A' + i)] = static_cast<std::int8_t>(10 + i);
  }
  return values;
}();

constexpr std::array<std::uint8_t, 16> id_text_positions = {0,  2,  4,  6,  9,  11, 14, 16,
                                                            19, 21, 24, 26, 28, 30, 32, 34};

constexpr std::array<std::string_view, payment_status_count> status_names = {"accepted", "sending", "unknown",
                                                                             "processed", "rejected"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char* write_digits(char* to, unsigned value, int width) {
  for (int i = width - 1; i >= 0; --i) {
    to[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return to + width;
}

/// A cursor over fixed-width numbers; every read fails once one has failed.
struct digits_reader {
  std::string_view rest;
  bool ok = true;

  int number(std::size_t width) {
    if (rest.size() < width) return fail();
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (!is_digit(rest[i])) return fail();
      value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(width);
    return value;
  }

  bool take(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }

  int fail() {
    ok = false;
    return 0;
  }
};

/// Milliseconds of the fraction that `reader` stands at, rounded; at least one digit, at most nine.
int read_fraction(digits_reader& reader, rounding round) {
  int nanos = 0;
  int count = 0;
  while (!reader.rest.empty() && is_digit(reader.rest.front())) {
    if (++count > 9) return reader.fail();
    nanos = nanos * 10 + (reader.rest.front() - '0');
    reader.rest.remove_prefix(1);
  }
  if (count == 0) return reader.fail();
  for (; count < 9; ++count)
    nanos *= 10;
  constexpr int nanos_per_milli = 1'000'000;
  return round == rounding::up ? (nanos + nanos_per_milli - 1) / nanos_per_milli : nanos / nanos_per_milli;
}

/// Minutes east of UTC; none means UTC.
int read_zone(digits_reader& reader) {
  if (reader.rest.empty() || reader.take('Z') || reader.take('z')) return 0;
  const bool west = reader.rest.front() == '-';
  if (!west && reader.rest.front() != '+') return reader.fail();
  reader.rest.remove_prefix(1);
  const int hours = reader.number(2);
  const bool colon = reader.take(':');
  const int minutes = colon || !reader.rest.empty() ? reader.number(2) : 0;
  if (hours > 23 || minutes > 59) return reader.fail();
  return (west ? -1 : 1) * (hours * 60 + minutes);
}

} // namespace

const std::array<std::uint64_t, 2> id_hash_key = [] {
  std::random_device device;
  const auto draw = [&device] { return (std::uint64_t{device()} << 32) | device(); };
  return std::array<std::uint64_t, 2>{draw(), draw()};
}();

std::optional<payment_id> parse_payment_id(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return std::nullopt;
  payment_id id;
  int bad = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    const int high = hex_values[static_cast<std::uint8_t>(text[id_text_positions[i]])];
    const int low = hex_values[static_cast<std::uint8_t>(text[id_text_positions[i] + 1U])];
    bad |= high | low;
    id.bytes[i] = static_cast<std::uint8_t>((high << 4) | (low & 0xf));
  }
  if (bad < 0) return std::nullopt;
  return id;
}

char* write_payment_id(char* to, const payment_id& id) {
  static constexpr char hex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < 16; ++i) {
    to[id_text_positions[i]] = hex[id.bytes[i] >> 4];
    to[id_text_positions[i] + 1U] = hex[id.bytes[i] & 0xf];
  }
  to[8] = to[13] = to[18] = to[23] = '-';
  return to + 36;
}

std::string to_string(const payment_id& id) {
  std::string text(36, '\0');
  write_payment_id(text.data(), id);
  return text;
}

std::string_view to_string(payment_status status) { return status_names[static_cast<std::size_t>(status)]; }

std::optional<payment_status> parse_payment_status(std::string_view text) {
  for (std::size_t i = 0; i < status_names.size(); ++i)
    if (status_names[i] == text) return static_cast<payment_status>(i);
  return std::nullopt;
}

amount_text parse_amount(std::string_view number) {
  using verdict = amount_text::verdict;
  const bool negative = !number.empty() && number.front() == '-';
  if (negative) number.remove_prefix(1);

  // The digits without point and leading zeros, and the power of ten of the last one.
  std::int64_t exponent = 0;
  if (const auto e = number.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view text = number.substr(e + 1);
    const bool minus = !text.empty() && text.front() == '-';
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    for (const char c : text)
      if (exponent < 1'000'000'000) exponent = exponent * 10 + (c - '0');
    if (minus) exponent = -exponent;
    number = number.substr(0, e);
  }

  // Trailing zeros of the digits are carried in the exponent, so `19.900` and `0e99` need no care.
  std::int64_t value = 0;
  std::int64_t pending_zeros = 0;
  bool seen_point = false;
  for (const char c : number) {
    if (c == '.') {
      seen_point = true;
      continue;
    }
    if (seen_point) --exponent;
    if (c == '0') {
      if (value != 0) ++pending_zeros;
      continue;
    }
    for (; pending_zeros > 0; --pending_zeros) {
      value *= 10;
      if (value > 1'000'000'000'000'000) break;
    }
    if (value > 1'000'000'000'000'000) {
      // More significant digits than any allowed amount has: too fine or too large, by the magnitude.
      pending_zeros = 0;
      continue;
    }
    value = value * 10 + (c - '0');
  }
  if (value == 0 || negative) return {verdict::not_positive, 0};
  exponent += pending_zeros + 2; // in cents
  if (value > 1'000'000'000'000'000)
    return {exponent < 0 ? verdict::too_many_decimals : verdict::too_large, 0};
  if (exponent < 0) return {verdict::too_many_decimals, 0};
  for (; exponent > 0; --exponent) {
    value *= 10;
    if (value > amount_cents_max) return {verdict::too_large, 0};
  }
  if (value > amount_cents_max) return {verdict::too_large, 0};
  return {verdict::ok, value};
}

char* write_amount(char* to, std::int64_t cents) {
  to = std::to_chars(to, to + 21, cents / 100).ptr;
  *to++ = '.';
  return write_digits(to, static_cast<unsigned>(cents % 100), 2);
}

std::optional<wall_time> parse_time(std::string_view text, rounding round) {
  using namespace std::chrono;
  digits_reader reader{text};
  const int year_number = reader.number(4);
  if (!reader.take('-')) return std::nullopt;
  const int month_number = reader.number(2);
  if (!reader.take('-')) return std::nullopt;
  const int day_number = reader.number(2);
  const year_month_day date{year{year_number}, month{static_cast<unsigned>(month_number)},
                            day{static_cast<unsigned>(day_number)}};
  if (!reader.ok || !date.ok()) return std::nullopt;

  int hour = 0;
  int minute = 0;
  int second = 0;
  int millis = 0;
  int zone_minutes = 0;
  if (!reader.rest.empty()) {
    if (!reader.take('T') && !reader.take('t') && !reader.take(' ')) return std::nullopt;
    hour = reader.number(2);
    if (!reader.take(':')) return std::nullopt;
    minute = reader.number(2);
    if (reader.take(':')) {
      second = reader.number(2);
      if (reader.take('.') || reader.take(',')) millis = read_fraction(reader, round);
    }
    zone_minutes = reader.ok ? read_zone(reader) : 0;
  }
  if (!reader.ok || !reader.rest.empty() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return wall_time{sys_days{date}} + hours{hour} + minutes{minute - zone_minutes} + seconds{second} +
         milliseconds{millis};
}

char* write_time(char* to, wall_time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  to = write_digits(to, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  *to++ = '-';
  to = write_digits(to, static_cast<unsigned>(date.month()), 2);
  *to++ = '-';
  to = write_digits(to, static_cast<unsigned>(date.day()), 2);
  *to++ = 'T';
  to = write_digits(to, static_cast<unsigned>(clock.hours().count()), 2);
  *to++ = ':';
  to = write_digits(to, static_cast<unsigned>(clock.minutes().count()), 2);
  *to++ = ':';
  to = write_digits(to, static_cast<unsigned>(clock.seconds().count()), 2);
  *to++ = '.';
  to = write_digits(to, static_cast<unsigned>(clock.subseconds().count()), 3);
  *to++ = 'Z';
  return to;
}

std::string to_string(wall_time time) {
  std::string text(24, '\0');
  write_time(text.data(), time);
  return text;
}

} // namespace repasse
