#include "storage/payment.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <set>

namespace repasse {
namespace {

using verdict = amount_text::verdict;

std::string time_text(std::string_view text, rounding round = rounding::down) {
  const auto time = parse_time(text, round);
  return time ? to_string(*time) : "none";
}

std::string amount(std::int64_t cents) {
  char text[24];
  return {text, write_amount(text, cents)};
}

} // namespace

BOOST_AUTO_TEST_SUITE(payment_test)

BOOST_AUTO_TEST_CASE(ids_are_read_in_either_case_and_written_in_lower) {
  const auto id = parse_payment_id("4A7901b8-7D26-4d9d-AA19-4dc1c7cf60B3");
  BOOST_REQUIRE(id);
  BOOST_TEST(to_string(*id) == "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3");
  BOOST_TEST((parse_payment_id(to_string(*id)) == id));
  BOOST_TEST(parse_payment_id("00000000-0000-0000-0000-000000000000").has_value());
}

BOOST_AUTO_TEST_CASE(what_is_not_a_uuid_is_no_id) {
  const std::string good = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const char wrong : {'g', '-', '0', ' ', '\0', '\xff', '/', ':', '@', '`'}) {
      std::string text = good;
      const bool is_dash = text[i] == '-';
      if (is_dash ? wrong == '-' : wrong == '0') continue;
      text[i] = wrong;
      BOOST_TEST(!parse_payment_id(text), text);
    }
  BOOST_TEST(!parse_payment_id(""));
  BOOST_TEST(!parse_payment_id(good.substr(1)));
  BOOST_TEST(!parse_payment_id(good + " "));
  BOOST_TEST(!parse_payment_id("{" + good + "}"));
  BOOST_TEST(!parse_payment_id("4a7901b87d264d9daa194dc1c7cf60b3"));
}

BOOST_AUTO_TEST_CASE(ids_that_differ_in_a_bit_hash_apart) {
  std::set<std::uint64_t> hashes;
  for (std::size_t bit = 0; bit < 128; ++bit) {
    payment_id id;
    id.bytes[bit / 8] = static_cast<std::uint8_t>(1U << (bit % 8));
    hashes.insert(hash_of(id));
  }
  BOOST_TEST(hashes.size() > 120U);
}

BOOST_AUTO_TEST_CASE(statuses_have_names) {
  for (std::size_t i = 0; i < payment_status_count; ++i) {
    const auto status = static_cast<payment_status>(i);
    BOOST_TEST((parse_payment_status(to_string(status)) == status));
  }
  BOOST_TEST(!parse_payment_status(""));
  BOOST_TEST(!parse_payment_status("Accepted"));
  BOOST_TEST(!parse_payment_status("settled"));
}

BOOST_AUTO_TEST_CASE(amounts_are_exact_cents) {
  struct {
    std::string_view text;
    std::int64_t cents;
  } const cases[] = {
      {"19.9", 1990},
      {"1990e-2", 1990},
      {"19.900", 1990},
      {"19.90000000000000000000000000000000000000000", 1990},
      {"1.99e1", 1990},
      {"0.199E+2", 1990},
      {"1", 100},
      {"0.01", 1},
      {"1e-2", 1},
      {"0.1", 10},
      {"0.29", 29},
      {"1.15", 115},
      {"99999999.99", amount_cents_max},
      {"9999999999e-2", amount_cents_max},
      {"99999999.99000", amount_cents_max},
      {"0.0000000000000000000000009999999999e32", amount_cents_max},
      {"1e7", 1'000'000'000},
      {"10000000000000000000000e-15", 1'000'000'000},
      {"0.000000000000000000000000000001e30", 100},
      {"1000000000000000000000000000000e-30", 100},
      {"1e00000000000000000000000000000000000", 100},
  };
  for (const auto& each : cases) {
    const amount_text read = parse_amount(each.text);
    BOOST_TEST((read.what == verdict::ok), each.text);
    BOOST_TEST(read.cents == each.cents, each.text);
  }
  const std::string long_zeros = "19.9" + std::string(16'000, '0');
  BOOST_TEST(parse_amount(long_zeros).cents == 1990);
  BOOST_TEST(parse_amount("0." + std::string(9'999, '0') + "1e9999").cents == 10);
}

BOOST_AUTO_TEST_CASE(amounts_out_of_bounds_say_why) {
  for (const std::string_view text : {"0", "-0", "0.00", "0e5", "0e999999999999999999999", "-1", "-0.01",
                                      "-1e99", "-19.905", "0.0e-99999999999999999999"})
    BOOST_TEST((parse_amount(text).what == verdict::not_positive), text);
  for (const std::string_view text :
       {"19.905", "0.001", "0.009", "1e-3", "1e-999999999999999999999", "1.000000000000000000000000000001",
        "99999999.991", "12345678901234567890.123", "1000000000000000000001e-18", "12345678901234567e-20",
        "1.5e-2", "0.0000000000000000000000000000000012345678901234567890"})
    BOOST_TEST((parse_amount(text).what == verdict::too_many_decimals), text);
  for (const std::string_view text :
       {"100000000", "100000000.00", "99999999.99e1", "1e8", "1e999999999999999999999",
        "12345678901234567890", "9223372036854775807", "18446744073709551617", "1000000000000000000001",
        "123456789012345678901234567890e5"})
    BOOST_TEST((parse_amount(text).what == verdict::too_large), text);
}

BOOST_AUTO_TEST_CASE(every_amount_survives_the_way_there_and_back) {
  for (std::int64_t cents = 1; cents < amount_cents_max; cents = cents * 3 / 2 + 1) {
    const amount_text read = parse_amount(amount(cents));
    BOOST_TEST((read.what == verdict::ok && read.cents == cents), cents);
  }
  BOOST_TEST(amount(0) == "0.00");
  BOOST_TEST(amount(5) == "0.05");
  BOOST_TEST(amount(41'554'234'598) == "415542345.98");
  BOOST_TEST(amount(std::numeric_limits<std::int64_t>::max()) == "92233720368547758.07");
}

BOOST_AUTO_TEST_CASE(times_are_read_in_their_forms) {
  for (const std::string_view text :
       {"2025-07-15T12:34:56.789Z", "2025-07-15T12:34:56.789", "2025-07-15T12:34:56.789z",
        "2025-07-15t12:34:56.789Z", "2025-07-15 12:34:56.789Z", "2025-07-15T14:34:56.789+02:00",
        "2025-07-15T14:34:56.789+0200", "2025-07-15T14:34:56.789+02", "2025-07-15T07:04:56.789-05:30",
        "2025-07-16T12:33:56.789+23:59", "2025-07-15T12:34:56.789-00:00", "2025-07-15T12:34:56,789Z",
        "2025-07-15T12:34:56.789000000Z"})
    BOOST_TEST(time_text(text) == "2025-07-15T12:34:56.789Z", text);
  BOOST_TEST(time_text("2025-07-15") == "2025-07-15T00:00:00.000Z");
  BOOST_TEST(time_text("2025-07-15T12:34") == "2025-07-15T12:34:00.000Z");
  BOOST_TEST(time_text("2025-07-15T12:34+01:00") == "2025-07-15T11:34:00.000Z");
  BOOST_TEST(time_text("2025-01-01T00:30:00+01:00") == "2024-12-31T23:30:00.000Z");
}

BOOST_AUTO_TEST_CASE(fractions_are_rounded_to_the_millisecond_as_asked) {
  BOOST_TEST(time_text("2025-07-15T12:34:56.0000000009Z") == "none");
  BOOST_TEST(time_text("2025-07-15T12:34:56.7Z") == "2025-07-15T12:34:56.700Z");
  BOOST_TEST(time_text("2025-07-15T12:34:56.7891Z") == "2025-07-15T12:34:56.789Z");
  BOOST_TEST(time_text("2025-07-15T12:34:56.789999999Z") == "2025-07-15T12:34:56.789Z");
  BOOST_TEST(time_text("2025-07-15T12:34:56.789Z", rounding::up) == "2025-07-15T12:34:56.789Z");
  BOOST_TEST(time_text("2025-07-15T12:34:56.789000001Z", rounding::up) == "2025-07-15T12:34:56.790Z");
  BOOST_TEST(time_text("2025-12-31T23:59:59.999000001Z", rounding::up) == "2026-01-01T00:00:00.000Z");
  // Before 1970 down is still down.
  BOOST_TEST(time_text("1969-12-31T23:59:59.9999Z") == "1969-12-31T23:59:59.999Z");
  BOOST_TEST(time_text("1969-12-31T23:59:59.9991Z", rounding::up) == "1970-01-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(the_calendar_holds) {
  BOOST_TEST(time_text("2024-02-29") == "2024-02-29T00:00:00.000Z");
  BOOST_TEST(time_text("2000-02-29") == "2000-02-29T00:00:00.000Z");
  BOOST_TEST(time_text("0000-01-01") == "0000-01-01T00:00:00.000Z");
  BOOST_TEST(time_text("9999-12-31T23:59:59.999Z") == "9999-12-31T23:59:59.999Z");
  BOOST_TEST(time_text("2016-12-31T23:59:60Z") == "2017-01-01T00:00:00.000Z");
  for (const std::string_view text : {"2025-02-29", "1900-02-29", "2025-02-30", "2025-04-31", "2025-13-01",
                                      "2025-00-01", "2025-01-00", "2025-01-32"})
    BOOST_TEST(time_text(text) == "none", text);
}

BOOST_AUTO_TEST_CASE(what_is_no_time_is_refused) {
  for (const std::string_view text : {"",
                                      "now",
                                      "2025",
                                      "2025-07",
                                      "20250715",
                                      "2025-7-15",
                                      "25-07-15",
                                      "+2025-07-15",
                                      "-2025-07-15",
                                      "12025-07-15",
                                      "2025-07-15T",
                                      "2025-07-15Z",
                                      "2025-07-15T12",
                                      "2025-07-15T12Z",
                                      "2025-07-15T12:",
                                      "2025-07-15T12:3",
                                      "2025-07-15T12:34:",
                                      "2025-07-15T12:34:5",
                                      "2025-07-15T24:00:00",
                                      "2025-07-15T12:60:00",
                                      "2025-07-15T12:34:61",
                                      "2025-07-15T12:34:56.",
                                      "2025-07-15T12:34:56.Z",
                                      "2025-07-15T12:34:56.1234567890",
                                      "2025-07-15T12:34:56 Z",
                                      "2025-07-15T12:34:56ZZ",
                                      "2025-07-15T12:34:56+",
                                      "2025-07-15T12:34:56+2",
                                      "2025-07-15T12:34:56+02:",
                                      "2025-07-15T12:34:56+02:0",
                                      "2025-07-15T12:34:56+02:60",
                                      "2025-07-15T12:34:56+24:00",
                                      "2025-07-15T12:34:56+020",
                                      "2025-07-15T12:34:56+02:00:00",
                                      "2025-07-15T12:34:56 02:00",
                                      "2025-07-15T12:34:56Z+02:00",
                                      " 2025-07-15",
                                      "2025-07-15 ",
                                      "2025-07-15T12:34:56Z\n",
                                      "2025/07/15",
                                      "2025-07-15T-1:00:00",
                                      "2025-07-15T12:34:+6"})
    BOOST_TEST(time_text(text) == "none", text);
  BOOST_TEST(time_text(std::string_view("2025-07-15\0", 11)) == "none");
}

BOOST_AUTO_TEST_CASE(times_survive_the_way_there_and_back) {
  for (std::int64_t millis = -62'167'219'200'000; millis < 253'402'300'799'999;
       millis += 86'399'999'987 * 3) {
    const wall_time time{std::chrono::milliseconds{millis}};
    BOOST_TEST((parse_time(to_string(time), rounding::up) == time), millis);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
