// pg_connection and a server in good health: values there and back, and what a transaction comes to.
#include "test/integration/pg_fixture.hpp"

#include <array>

namespace repasse {
namespace {

using namespace std::chrono_literals;

struct every_type {
  std::optional<std::int16_t> small;
  std::optional<std::int32_t> medium;
  std::optional<std::int64_t> big;
  std::optional<bool> flag;
  std::optional<payment_id> id;
  std::optional<wall_time> time;
  std::optional<std::string> text;
};
constexpr pg_statement<every_type(std::optional<std::int16_t>, std::optional<std::int32_t>,
                                  std::optional<std::int64_t>, std::optional<bool>, std::optional<payment_id>,
                                  std::optional<wall_time>, std::optional<std::string_view>)>
    echo{"echo",
         "SELECT $1::smallint, $2::integer, $3::bigint, $4::boolean, $5::uuid, $6::timestamptz, $7::text"};

struct texts {
  std::string numbers;
  std::string ids;
  std::string words;
  std::string times;
  std::string flags;
};
constexpr pg_statement<texts(std::span<const std::int64_t>, std::span<const payment_id>,
                             std::span<const std::string_view>, std::span<const wall_time>,
                             std::span<const bool>)>
    show_arrays{"show_arrays", "SELECT $1::bigint[]::text, $2::uuid[]::text, $3::text[]::text,"
                               " (extract(epoch FROM ($4::timestamptz[])[1]))::text, $5::boolean[]::text"};

struct told {
  wall_time time{};
  std::string words;
};
constexpr pg_statement<told(wall_time)> tell_time{
    "tell_time",
    "SELECT $1::timestamptz + interval '999 microseconds', ($1::timestamptz AT TIME ZONE 'UTC')::text"};
constexpr pg_statement<pg_nothing(std::int64_t)> note_order{
    "note_order", "INSERT INTO notes (id, text) SELECT $1, count(*)::text FROM notes WHERE id >= 1000"};
constexpr pg_statement<pg_nothing(std::int64_t)> insert_deferred{"insert_deferred",
                                                                 "INSERT INTO deferred (id) VALUES ($1)"};

pg_connection::config with(pg_connection::config how, std::initializer_list<const pg_prototype*> more) {
  how.statements.insert(how.statements.end(), more);
  return how;
}

/// The verdict of one statement.
template <typename Row, typename... Params>
pg_verdict verdict_of(kept_connection& books, const pg_statement<Row(Params...)>& statement,
                      const std::type_identity_t<Params>&... values) {
  pg_transaction work;
  work.add(statement, values...);
  return books.commit(work);
}

BOOST_AUTO_TEST_SUITE(pg_connection_test)

BOOST_AUTO_TEST_CASE(values_of_every_type_come_back_as_they_were) {
  loop here;
  kept_connection books(here, with(config_of(shared_server().url()), {&echo.prototype()}));
  const payment_id id = *parse_payment_id("01234567-89ab-cdef-0123-456789abcdef");
  const wall_time time{1'790'000'000'123ms};
  const std::string text = "açaí 'quoted' \\ \n";
  pg_transaction work;
  work.add(echo, INT16_MIN, INT32_MAX, INT64_MIN, true, id, time, text);
  work.add(echo, {}, {}, {}, {}, {}, {}, {});
  work.add(echo, 0, -1, INT64_MAX, false, payment_id{}, wall_time::max(), "");
  work.add(echo, {}, {}, {}, {}, {}, wall_time::min(), {});
  BOOST_REQUIRE((books.commit(work) == pg_verdict::done));

  const every_type first = work.row(0, echo, 0);
  BOOST_TEST(first.small.value() == INT16_MIN);
  BOOST_TEST(first.medium.value() == INT32_MAX);
  BOOST_TEST(first.big.value() == INT64_MIN);
  BOOST_TEST(first.flag.value() == true);
  BOOST_TEST((first.id == id));
  BOOST_TEST((first.time == time));
  BOOST_TEST(first.text.value() == text);
  const every_type none = work.row(1, echo, 0);
  BOOST_TEST(
      (!none.small && !none.medium && !none.big && !none.flag && !none.id && !none.time && !none.text));
  const every_type third = work.row(2, echo, 0);
  BOOST_TEST(third.big.value() == INT64_MAX);
  BOOST_TEST(third.flag.value() == false);
  BOOST_TEST((third.time == wall_time::max()));
  BOOST_TEST(third.text.value() == "");
  BOOST_TEST((work.row(3, echo, 0).time == wall_time::min()));
}

BOOST_AUTO_TEST_CASE(arrays_arrive_in_order_and_may_be_empty) {
  loop here;
  kept_connection books(here, with(config_of(shared_server().url()), {&show_arrays.prototype()}));
  const std::array<std::int64_t, 3> numbers{1, -2, INT64_MAX};
  const std::array<payment_id, 1> ids{*parse_payment_id("01234567-89ab-cdef-0123-456789abcdef")};
  const std::array<std::string_view, 3> words{"one", "", "two words"};
  const std::array<wall_time, 1> times{wall_time{1'500ms}};
  const std::array<bool, 2> flags{true, false};
  pg_transaction work;
  work.add(show_arrays, numbers, ids, words, times, flags);
  BOOST_REQUIRE((books.commit(work) == pg_verdict::done));
  const texts seen = work.row(0, show_arrays, 0);
  BOOST_TEST(seen.numbers == "{1,-2,9223372036854775807}");
  BOOST_TEST(seen.ids == "{01234567-89ab-cdef-0123-456789abcdef}");
  BOOST_TEST(seen.words == R"({one,"","two words"})");
  BOOST_TEST(seen.times == "1.500000");
  BOOST_TEST(seen.flags == "{t,f}");

  work.clear();
  work.add(show_arrays, {}, {}, {}, times, {});
  BOOST_REQUIRE((books.commit(work) == pg_verdict::done));
  BOOST_TEST(work.row(0, show_arrays, 0).numbers == "{}");
  BOOST_TEST(work.row(0, show_arrays, 0).words == "{}");
}

BOOST_AUTO_TEST_CASE(time_is_cut_to_the_millisecond) {
  loop here;
  kept_connection books(here, with(config_of(shared_server().url()), {&tell_time.prototype()}));
  for (const wall_time time : {wall_time{0ms}, wall_time{-1ms}, wall_time{946'684'800'000ms}}) {
    pg_transaction work;
    work.add(tell_time, time);
    BOOST_REQUIRE((books.commit(work) == pg_verdict::done));
    BOOST_TEST((work.row(0, tell_time, 0).time == time));
  }
  pg_transaction work;
  work.add(tell_time, wall_time{946'684'799'999ms});
  BOOST_REQUIRE((books.commit(work) == pg_verdict::done));
  BOOST_TEST(work.row(0, tell_time, 0).words == "1999-12-31 23:59:59.999");
}

BOOST_AUTO_TEST_CASE(rows_larger_than_any_buffer_pass_both_ways_at_once) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  const std::string large(6'000'000, 'x');
  pg_transaction work;
  for (std::int64_t id = 100; id < 104; ++id) {
    work.add(insert_note, id, large);
    work.add(find_note, id);
  }
  BOOST_REQUIRE((books.commit(work, 15s) == pg_verdict::done));
  for (std::size_t i = 1; i < 8; i += 2)
    BOOST_TEST((work.row(i, find_note, 0).text == large));
}

BOOST_AUTO_TEST_CASE(transactions_under_way_together_are_done_in_their_order) {
  loop here;
  kept_connection books(here, with(config_of(shared_server().url()), {&note_order.prototype()}));
  constexpr std::size_t count = 50;
  std::array<pg_transaction, count> work;
  std::vector<loop::started<pg_verdict>> running;
  for (std::size_t i = 0; i < count; ++i) { // the first of them wait for the connection
    if (i == count / 2) books.until_connected();
    work[i].add(note_order, static_cast<std::int64_t>(1000 + i));
    running.push_back(here.start(books.link.commit(work[i], here.time.now() + 5s)));
    if (i == 0 || i == count / 2) here.turn();
  }
  for (const auto& one : running)
    BOOST_TEST((here.await(one) == pg_verdict::done));
  BOOST_TEST(shared_server().sql(
                 "SELECT count(*) FROM notes WHERE id >= 1000 AND id - 1000 <> text::integer") == "0");
}

BOOST_AUTO_TEST_CASE(an_error_in_the_second_statement_undoes_the_first_and_nothing_else) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  books.until_connected();
  BOOST_REQUIRE((verdict_of(books, insert_note, 10, "there") == pg_verdict::done));
  pg_transaction bad;
  bad.add(insert_note, 11, "undone");
  bad.add(insert_note, 10, "twice");
  bad.add(insert_note, 12, "not run");
  pg_transaction good;
  good.add(insert_note, 13, "next");
  const auto first = here.start(books.link.commit(bad, here.time.now() + 5s));
  const auto second = here.start(books.link.commit(good, here.time.now() + 5s));
  BOOST_TEST((here.await(first) == pg_verdict::overtaken));
  BOOST_TEST((here.await(second) == pg_verdict::done));
  BOOST_TEST(shared_server().sql(
                 "SELECT string_agg(id::text, ' ' ORDER BY id) FROM notes WHERE id BETWEEN 10 AND 19") ==
             "10 13");
}

BOOST_AUTO_TEST_CASE(an_error_of_the_commit_itself_is_no_success) {
  shared_server().sql("SET ROLE repasse; CREATE TABLE IF NOT EXISTS deferred"
                      " (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  loop here;
  kept_connection books(here, with(config_of(shared_server().url()), {&insert_deferred.prototype()}));
  pg_transaction work;
  work.add(insert_deferred, 1);
  work.add(insert_deferred, 1);
  BOOST_TEST((books.commit(work) == pg_verdict::overtaken));
  BOOST_TEST(shared_server().sql("SELECT count(*) FROM deferred") == "0");
  BOOST_TEST((verdict_of(books, insert_deferred, 2) == pg_verdict::done));
}

BOOST_AUTO_TEST_CASE(every_error_has_its_verdict) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  for (const char* later : {"40001", "40P01", "53100", "53200", "55P03", "57014", "57P03", "58030"})
    BOOST_TEST((verdict_of(books, fail_with, later) == pg_verdict::unavailable), later);
  BOOST_TEST((verdict_of(books, fail_with, "23505") == pg_verdict::overtaken));
  for (const char* never_ever : {"22012", "23514", "42501", "P0001", "XX000"})
    BOOST_TEST((verdict_of(books, fail_with, never_ever) == pg_verdict::refused), never_ever);
  BOOST_TEST(books.link.figures().reconnects == 0U);
}

BOOST_AUTO_TEST_CASE(a_connection_that_is_unfit_is_replaced) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  std::int64_t process = books.number(backend);
  for (const char* unfit : {"25006", "0A000", "26000"}) {
    BOOST_TEST((verdict_of(books, fail_with, unfit) == pg_verdict::unavailable), unfit);
    const std::int64_t next = books.number(backend);
    BOOST_TEST(next != process);
    process = next;
  }
}

BOOST_AUTO_TEST_CASE(an_altered_table_is_no_lasting_harm) {
  shared_server().sql(
      "SET ROLE repasse; CREATE TABLE wide (id bigint, more bigint); INSERT INTO wide VALUES (1, 2)");
  static constexpr pg_statement<counted()> read_wide{"read_wide", "SELECT id FROM (SELECT * FROM wide) AS w"};
  loop here;
  kept_connection books(here, with(config_of(shared_server().url()), {&read_wide.prototype()}));
  BOOST_TEST(books.number(read_wide) == 1);
  shared_server().sql("ALTER TABLE wide DROP COLUMN more");
  const pg_verdict verdict = verdict_of(books, read_wide);
  BOOST_TEST((verdict == pg_verdict::done || verdict == pg_verdict::unavailable));
  BOOST_TEST(books.number(read_wide) == 1);
}

BOOST_AUTO_TEST_CASE(the_refused_are_logged_by_name_once_and_without_values) {
  loop here;
  heard_log log;
  kept_connection books(here, config_of(shared_server().url()));
  for (int i = 0; i < 5; ++i)
    BOOST_TEST((verdict_of(books, fail_with, "22012") == pg_verdict::refused));
  BOOST_TEST(log.count("fail_with") == 1U);
  BOOST_TEST(log.count("SQLSTATE 22012") == 1U);
}

BOOST_AUTO_TEST_CASE(the_slow_are_counted_and_logged_by_name) {
  loop here;
  heard_log log;
  pg_connection::config how = config_of(shared_server().url());
  how.slow = 20ms;
  kept_connection books(here, how);
  books.number(doze, 30);
  books.number(doze, 30);
  BOOST_TEST(books.link.figures().slow == 2U);
  BOOST_TEST(books.link.figures().transactions == 2U);
  BOOST_TEST((books.link.last_latency() >= 30ms));
  BOOST_TEST(log.count("doze") == 1U);
}

BOOST_AUTO_TEST_CASE(a_read_that_is_given_up_leaves_the_connection_to_others) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  const std::int64_t process = books.number(backend);
  pg_transaction slow;
  slow.add(doze, 4000);
  const steady_time before = here.time.now();
  BOOST_TEST((books.commit(slow, 30ms, pg_connection::late::abandon) == pg_verdict::in_doubt));
  BOOST_TEST((here.time.now() - before < 3s));
  BOOST_TEST(books.number(backend) == process); // behind the abandoned one
}

BOOST_AUTO_TEST_CASE(a_write_that_is_late_costs_the_connection) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  const std::int64_t process = books.number(backend);
  pg_transaction slow;
  slow.add(doze, 1000);
  pg_transaction behind;
  behind.add(insert_note, 20, "behind");
  const auto first = here.start(books.link.commit(slow, here.time.now() + 30ms));
  const auto second = here.start(books.link.commit(behind, here.time.now() + 5s));
  BOOST_TEST((here.await(first) == pg_verdict::in_doubt));
  BOOST_TEST((here.await(second) == pg_verdict::in_doubt));
  BOOST_TEST(books.number(backend) != process);
}

BOOST_AUTO_TEST_CASE(more_than_the_limit_are_unavailable_at_once) {
  loop here;
  pg_connection::config how = config_of(shared_server().url());
  how.in_flight_max = 2;
  kept_connection books(here, how);
  books.until_connected();
  std::array<pg_transaction, 3> work;
  std::vector<loop::started<pg_verdict>> running;
  for (pg_transaction& each : work) {
    each.add(doze, 20);
    running.push_back(here.start(books.link.commit(each, here.time.now() + 5s)));
  }
  BOOST_TEST((here.await(running[2]) == pg_verdict::unavailable));
  BOOST_TEST(!running[0].has_ended());
  BOOST_TEST((here.await(running[0]) == pg_verdict::done));
  BOOST_TEST((here.await(running[1]) == pg_verdict::done));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
