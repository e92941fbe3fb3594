// Which payments are traced, and what their lines hold.
#include "server/json_members.hpp"
#include "server/payment_trace.hpp"

#include <boost/test/unit_test.hpp>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "server/log.hpp"

#include <sstream>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr steady_time start{1h};
const std::string sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const std::string unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

trace_key key(std::uint8_t number) {
  trace_key made;
  made.id.bytes[15] = number;
  return made;
}

/// The members of the lines that are logged while it lives, each as an object.
class heard_traces : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
public:
  [[nodiscard]] static std::shared_ptr<heard_traces> open() {
    auto made = std::make_shared<heard_traces>();
    before() = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("heard", made));
    return made;
  }
  static void close() { spdlog::set_default_logger(before()); }

  std::vector<std::string> lines;

private:
  static std::shared_ptr<spdlog::logger>& before() {
    static std::shared_ptr<spdlog::logger> kept;
    return kept;
  }
  void sink_it_(const spdlog::details::log_msg&) override {
    lines.push_back("{" + fields_of_line()->members().substr(1) + "}");
  }
  void flush_() override {}
};

struct heard {
  std::shared_ptr<heard_traces> log = heard_traces::open();
  payment_traces traces{7};
  ~heard() { heard_traces::close(); }

  /// One that takes the sample, so that what follows is none.
  void take_sample() {
    BOOST_TEST(traces.begin(key(200), "", start));
    traces.end(key(200), "settled", start);
    log->lines.clear();
  }
};

bool has(const std::string& line, std::string_view part) { return line.find(part) != std::string::npos; }

} // namespace

BOOST_FIXTURE_TEST_SUITE(traced_payments, heard)

BOOST_AUTO_TEST_CASE(one_payment_in_ten_seconds_is_a_sample_however_many_come) {
  std::size_t traced = 0;
  for (int i = 0; i < 100'000; ++i) {
    const steady_time now = start + i * 1ms; // 100 s
    if (!traces.wants("", now)) continue;
    if (traces.begin(key(1), "", now)) ++traced;
    traces.end(key(1), "settled", now);
  }
  BOOST_TEST(traced == 10U);
  BOOST_TEST(log->lines.size() == 10U);
}

BOOST_AUTO_TEST_CASE(samples_begin_traces_of_their_own) {
  BOOST_TEST(traces.begin(key(1), "", start));
  BOOST_TEST(traces.begin(key(2), "", start + 10s));
  const trace_context one = traces.find(key(1))->context();
  const trace_context two = traces.find(key(2))->context();
  BOOST_TEST(one.trace.exists());
  BOOST_TEST((one.trace != two.trace));
  BOOST_TEST((one.parent != two.parent));
  BOOST_TEST(one.is_sampled);
  payment_traces again{7};
  BOOST_TEST(again.begin(key(1), "", start));
  BOOST_TEST((again.find(key(1))->context() == one));
}

BOOST_AUTO_TEST_CASE(a_clients_trace_goes_on_with_a_span_of_our_own) {
  take_sample();
  BOOST_TEST(traces.wants(sampled, start));
  BOOST_TEST(traces.begin(key(1), sampled, start));
  const trace_context own = traces.find(key(1))->context();
  BOOST_TEST((own.trace == parse_traceparent(sampled)->trace));
  BOOST_TEST((own.parent != parse_traceparent(sampled)->parent));
  traces.end(key(1), "settled", start + 5ms);
  BOOST_TEST_REQUIRE(log->lines.size() == 1U);
  BOOST_TEST(has(log->lines[0], R"("traceId":"4bf92f3577b34da6a3ce929d0e0e4736")"), log->lines[0]);
  BOOST_TEST(has(log->lines[0], R"("parentId":"00f067aa0ba902b7")"), log->lines[0]);
  BOOST_TEST(has(log->lines[0], R"("ms":5.000)"), log->lines[0]);
  BOOST_TEST(traces.find(key(1)) == nullptr);
}

BOOST_AUTO_TEST_CASE(what_the_client_does_not_sample_is_passed_on_and_not_logged) {
  take_sample();
  BOOST_TEST(traces.begin(key(1), unsampled, start));
  BOOST_TEST(!traces.find(key(1))->context().is_sampled);
  traces.end(key(1), "settled", start);
  BOOST_TEST(log->lines.empty());
}

BOOST_AUTO_TEST_CASE(a_malformed_header_is_as_good_as_none) {
  BOOST_TEST(traces.begin(key(1), "00-what", start)); // as a sample
  BOOST_TEST(!traces.begin(key(2), "00-what", start));
  BOOST_TEST(traces.find(key(2)) == nullptr);
}

BOOST_AUTO_TEST_CASE(spans_stand_in_their_order_with_their_times) {
  BOOST_TEST(traces.begin(key(1), sampled, start));
  payment_trace& trace = *traces.find(key(1));
  trace.add({.name = "accept", .from = start, .to = start + 2ms});
  trace.add({.name = "charge",
             .from = start + 2ms,
             .to = start + 5ms,
             .processor = "a \"b\"",
             .attempt = 1,
             .seen = "taken"});
  trace.await("settle", start + 5ms);
  trace.arrived(start + 9ms);
  trace.arrived(start + 10ms); // nothing is awaited any more
  traces.end(key(1), "settled", start + 9ms);
  BOOST_TEST(has(log->lines[0], R"("spans":[{"span":"accept","at":0.000,"ms":2.000},)"
                                R"({"span":"charge","at":2.000,"ms":3.000,"processor":"a \"b\"","attempt":1,)"
                                R"("seen":"taken"},{"span":"settle","at":5.000,"ms":4.000}])"),
             log->lines[0]);
}

BOOST_AUTO_TEST_CASE(of_many_spans_the_first_and_the_last_are_kept) {
  BOOST_TEST(traces.begin(key(1), sampled, start));
  for (std::uint32_t i = 1; i <= 1'000; ++i)
    traces.find(key(1))->add({.name = "charge",
                              .from = start,
                              .to = start + 10h,
                              .processor = "a processor with quite a long name",
                              .attempt = i,
                              .seen = "failed, missing"});
  traces.end(key(1), "settled", start + 10h);
  const std::string& line = log->lines[0];
  BOOST_TEST(line.size() < log_fields::bytes_max + 100);
  BOOST_TEST(has(line, R"("attempt":1,)"), line);
  BOOST_TEST(has(line, R"("attempt":1000,)"), line);
  BOOST_TEST(has(line, R"("spansLeftOut":986)"), line);
  BOOST_TEST((read_members(line, {}) == json_verdict::object));
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_payments_are_not_traced_until_others_end) {
  std::size_t traced = 0;
  trace_key one = key(1);
  for (one.place = 0; one.place < 5'000; ++one.place)
    if (traces.begin(one, unsampled, start)) ++traced;
  BOOST_TEST(traced == payment_traces::alive_max);
  traces.end(key(1), "settled", start);
  BOOST_TEST(traces.begin(one, unsampled, start));
  traces.end_all("given up", start);
  BOOST_TEST(traces.find(one) == nullptr);
}

BOOST_AUTO_TEST_CASE(
    two_posts_of_one_payment_have_a_trace_each_and_the_cache_tells_of_the_one_that_is_settled) {
  trace_key second = key(1);
  second.place = 7;
  BOOST_TEST(traces.begin(key(1), sampled, start));
  BOOST_TEST(traces.begin(second, sampled, start));
  BOOST_TEST(!traces.begin(second, sampled, start));
  BOOST_TEST(!traces.find_settling(key(1).id).has_value());
  traces.find(second)->await("settle", start);
  BOOST_TEST((traces.find_settling(key(1).id) == second));
  traces.find(second)->arrived(start);
  BOOST_TEST((traces.find_settling(key(1).id) == second));
  BOOST_TEST(!traces.find_settling(key(2).id).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
