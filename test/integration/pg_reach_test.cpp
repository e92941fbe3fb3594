// pg_connection and the way to a server: addresses, names, passwords, rights, and what is wrong with them.
#include "test/integration/pg_fixture.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using state = pg_connection::state;

/// An address that answers no SYN: a listening socket whose backlog is full.
class black_hole {
public:
  black_hole() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BOOST_REQUIRE((::bind(listener_, any, size) == 0 && ::listen(listener_, 0) == 0));
    BOOST_REQUIRE(::getsockname(listener_, any, &size) == 0);
    port_ = ntohs(address.sin_port);
    for (int& each : fillers_) {
      each = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      ::connect(each, any, size);
    }
  }
  ~black_hole() {
    ::close(listener_);
    for (const int each : fillers_)
      ::close(each);
  }
  black_hole(const black_hole&) = delete;
  black_hole& operator=(const black_hole&) = delete;

  [[nodiscard]] std::string port() const { return std::to_string(port_); }

private:
  int listener_ = -1;
  std::array<int, 4> fillers_{};
  std::uint16_t port_ = 0;
};

/// The longest time between two turns of the loop that it was asked for every millisecond.
struct pulse {
  task<> run(clock& time) {
    event pause(time);
    steady_time last = time.now();
    while (!is_over) {
      co_await pause.wait_for(1ms);
      const steady_time now = time.now();
      longest = std::max(longest, now - last);
      last = now;
    }
  }
  std::chrono::nanoseconds longest{0};
  bool is_over = false;
};

std::string port() { return std::to_string(shared_server().port()); }
std::string url_of(const std::string& hosts, const std::string& rest = "") {
  return "postgresql://repasse:" + std::string{postgres_server::password} + "@" + hosts + "/repasse" + rest;
}

BOOST_AUTO_TEST_SUITE(pg_reach_test)

BOOST_AUTO_TEST_CASE(a_url_is_judged_without_a_server_and_without_secrets) {
  for (const char* good :
       {"postgresql://u:p@h/d", "postgresql:///d?host=/run/postgresql", "host=a,b port=1,2 user=x",
        "postgres://", "postgresql://a:1,b:2/d?sslmode=verify-full&target_session_attrs=read-write",
        "hostaddr=127.0.0.1"})
    BOOST_TEST(pg_url_error(good) == "", good);
  for (const char* bad :
       {"", "mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:x/d", "host=a port=hunter2",
        "host=a,b,c port=1,2", "host=a port=0", "host=a port=65536", "service=hunter2",
        "postgresql://h/d?sslmode=hunter2", "hostaddr=hunter2", "host=a,b hostaddr=127.0.0.1",
        "postgresql://h/d?password=hunter2&nonsense=hunter2", "password='hunter2",
        "postgresql://u:hunter2%zz@h/d", "host=a target_session_attrs=hunter2"}) {
    BOOST_TEST(pg_url_error(bad) != "", bad);
    BOOST_TEST(pg_url_error(bad).find("hunter2") == std::string::npos, bad);
  }
}

BOOST_AUTO_TEST_CASE(a_host_that_swallows_packets_does_not_hide_the_second) {
  const black_hole hole;
  loop here;
  pulse heart;
  here.start(heart.run(here.time));
  pg_connection::config how = config_of(url_of("127.0.0.1:" + hole.port() + ",127.0.0.1:" + port()));
  how.connect_limit = 20s; // the first host may take half of it
  const steady_time before = here.time.now();
  kept_connection books(here, how);
  books.until_connected();
  BOOST_TEST((here.time.now() - before < 20s));
  BOOST_TEST((heart.longest < 3s));
  // The one that worked comes first now.
  const std::int64_t process = books.number(backend);
  here.holds_within(300ms, [] { return false; });
  shared_server().sql("SELECT pg_terminate_backend(" + std::to_string(process) + ", 5000)");
  here.turn();
  const steady_time lost = here.time.now();
  BOOST_TEST(books.number(backend) != process);
  BOOST_TEST((here.time.now() - lost < 3s));
  heart.is_over = true;
}

BOOST_AUTO_TEST_CASE(a_server_that_only_accepts_does_not_hide_the_second) {
  loop here;
  asio::ip::tcp::acceptor mute(here.context, {asio::ip::address_v4::loopback(), 0});
  const std::string mute_port = std::to_string(mute.local_endpoint().port());
  pg_connection::config how = config_of(url_of("127.0.0.1:" + mute_port + ",127.0.0.1:" + port()));
  how.connect_limit = 20s; // the first host may take half of it
  const steady_time before = here.time.now();
  kept_connection books(here, how);
  books.until_connected();
  BOOST_TEST((here.time.now() - before < 20s));
}

BOOST_AUTO_TEST_CASE(a_refusing_host_does_not_delay_the_second) {
  loop here;
  heard_log log;
  kept_connection books(here, config_of(url_of("127.0.0.1:1,127.0.0.1:" + port())));
  pg_transaction work;
  work.add(backend);
  BOOST_TEST((books.commit(work) == pg_verdict::done)); // it waited
}

BOOST_AUTO_TEST_CASE(a_name_is_resolved_and_its_addresses_tried) {
  loop here;
  const pg_connection::config how = config_of(url_of("localhost:" + port())); // ::1 may refuse
  const steady_time before = here.time.now();
  kept_connection books(here, how);
  books.until_connected();
  BOOST_TEST((here.time.now() - before < 10s));
}

BOOST_AUTO_TEST_CASE(a_name_that_does_not_resolve_is_trouble_and_no_delay) {
  loop here;
  heard_log log;
  pulse heart;
  here.start(heart.run(here.time));
  kept_connection lost(here, config_of(url_of("no-such-host.invalid")));
  kept_connection books(here, config_of(url_of("no-such-host.invalid,127.0.0.1:" + port())));
  books.until_connected();
  lost.until(state::away);
  here.until(
      [&] { return lost.link.trouble().find("no-such-host.invalid does not resolve") != std::string::npos; });
  BOOST_TEST((heart.longest < 3s));
  BOOST_TEST(log.count("no-such-host.invalid does not resolve") >= 1U);
  heart.is_over = true;
}

using acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor>;

/// Tells whoever comes that it is starting up; counts them.
task<> start_for_ever(acceptor& at, std::size_t& refusals) {
  const std::string words = "SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"s;
  const std::string reply = "E\0\0\0"s + static_cast<char>(words.size() + 4) + words;
  std::array<char, 512> hello{};
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
  while (!error) {
    asio::basic_stream_socket<asio::ip::tcp, executor> client(at.get_executor());
    co_await at.async_accept(client, token);
    if (error) co_return;
    ++refusals;
    co_await client.async_read_some(asio::buffer(hello), token);
    co_await asio::async_write(client, asio::buffer(reply), token);
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_starts_is_asked_often) {
  loop here;
  heard_log log;
  std::size_t refusals = 0;
  acceptor starting(here.time.get_executor(), {asio::ip::address_v4::loopback(), 0});
  here.start(start_for_ever(starting, refusals));
  const std::string its_port = std::to_string(starting.local_endpoint().port());
  kept_connection books(here, config_of(url_of("127.0.0.1:" + its_port, "?sslmode=disable")));
  here.holds_within(1900ms, [] { return false; });
  BOOST_TEST(log.count("the database system is starting up") == 1U);
  BOOST_TEST(refusals >= 6U);
}

BOOST_AUTO_TEST_CASE(a_wrong_password_is_said_once_and_mended_without_a_restart) {
  shared_server().sql("CREATE ROLE forgetful LOGIN PASSWORD 'another-one'");
  loop here;
  heard_log log;
  kept_connection books(here, config_of("postgresql://forgetful:hunter2@127.0.0.1:" + port() +
                                        "/repasse?target_session_attrs=any"));
  books.until(state::away);
  here.holds_within(900ms, [] { return false; }); // several attempts
  BOOST_TEST(log.count("password authentication failed for user \"forgetful\"") == 1U);
  BOOST_TEST(log.count("28P01") == 1U);
  BOOST_TEST(log.count("hunter2") == 0U);
  BOOST_TEST(books.link.trouble().find("hunter2") == std::string::npos);
  BOOST_TEST(books.link.trouble().find("password authentication failed") != std::string::npos);
  shared_server().sql("GRANT ALL ON notes TO forgetful; ALTER ROLE forgetful PASSWORD 'hunter2'");
  books.until_connected();
}

BOOST_AUTO_TEST_CASE(what_the_server_refuses_is_told_in_its_words) {
  shared_server().sql(
      "CREATE ROLE crowd LOGIN PASSWORD 'x' CONNECTION LIMIT 0; CREATE ROLE stranger LOGIN PASSWORD 'x'");
  shared_server().sql("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0", "postgres");
  loop here;
  heard_log log;
  const auto trouble_of = [&](const std::string& url) {
    kept_connection books(here, config_of(url));
    books.until(state::away);
    return books.link.trouble();
  };
  const std::string at = "@127.0.0.1:" + port();
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  BOOST_TEST(
      has(trouble_of("postgresql://crowd:x" + at + "/repasse"), "53300: too many connections for role"));
  BOOST_TEST(has(trouble_of("postgresql://stranger:x" + at + "/nowhere"),
                 "3D000: database \"nowhere\" does not exist"));
  BOOST_TEST(has(trouble_of("postgresql://stranger:x" + at + "/latin"), "encoding is LATIN1"));
  kept_connection prepared_only(here, config_of("postgresql://stranger:x" + at + "/repasse"));
  pg_transaction work;
  work.add(insert_note, 70, "not mine");
  BOOST_TEST((prepared_only.commit(work) == pg_verdict::refused)); // rights are looked at when it runs
  BOOST_TEST(log.count("permission denied for table notes (SQLSTATE 42501)") == 1U);
}

BOOST_AUTO_TEST_CASE(types_that_differ_keep_the_connection_away_until_they_do_not) {
  static constexpr pg_statement<note(std::int32_t)> narrow_parameter{
      "narrow_parameter", "SELECT id, text FROM notes WHERE id = $1"};
  static constexpr pg_statement<counted()> narrow_column{"narrow_column", "SELECT 1 AS one"};
  static constexpr pg_statement<counted()> two_columns{"two_columns", "SELECT 1::bigint, 2"};
  static constexpr pg_statement<pg_nothing()> one_too_many{"one_too_many", "DELETE FROM notes WHERE id = $1"};
  static constexpr pg_statement<counted()> no_table{"no_table", "SELECT id FROM late_table"};
  loop here;
  heard_log log;
  const auto expect = [&](const pg_prototype& statement, const char* trouble) {
    pg_connection::config how = config_of(shared_server().url());
    how.statements.push_back(&statement);
    kept_connection books(here, how);
    books.until(state::away);
    BOOST_TEST(books.link.trouble() == trouble);
  };
  expect(narrow_parameter.prototype(),
         "statement narrow_parameter: parameter $1 is integer here and bigint there");
  expect(narrow_column.prototype(),
         "statement narrow_column: column 1 (one) is bigint here and integer there");
  expect(two_columns.prototype(), "statement two_columns: it has 1 columns here and 2 there");
  expect(one_too_many.prototype(), "statement one_too_many: it has 0 parameters here and 1 there");
  pg_connection::config how = config_of(shared_server().url());
  how.statements.push_back(&no_table.prototype());
  kept_connection books(here, how);
  books.until(state::away);
  BOOST_TEST(books.link.trouble() ==
             "statement no_table: relation \"late_table\" does not exist (SQLSTATE 42P01)");
  shared_server().sql("SET ROLE repasse; CREATE TABLE late_table (id bigint)");
  books.until_connected();
}

BOOST_AUTO_TEST_CASE(a_server_that_may_not_be_written_is_for_readers_only) {
  loop here;
  heard_log log;
  shared_server().sql("ALTER ROLE repasse SET default_transaction_read_only = on");
  pg_connection::config how = config_of(shared_server().url());
  kept_connection writer(here, how);
  how.may_write = false;
  kept_connection reader(here, how);
  reader.until_connected();
  writer.until(state::away);
  BOOST_TEST(writer.link.trouble().find("read-only") != std::string::npos);
  shared_server().sql("ALTER ROLE repasse RESET default_transaction_read_only");
  writer.until_connected();
}

BOOST_AUTO_TEST_CASE(a_server_that_forgets_is_not_written_to) {
  loop here;
  heard_log log;
  shared_server().configure("fsync = off\n");
  shared_server().restart();
  pg_connection::config how = config_of(shared_server().url());
  kept_connection writer(here, how);
  how.may_write = false;
  kept_connection reader(here, how);
  writer.until(state::away);
  reader.until_connected();
  BOOST_TEST(writer.link.trouble() == "the server runs with fsync=off, and would lose payments");
  shared_server().configure("fsync = on\n");
  shared_server().reload();
  writer.until_connected();
}

BOOST_AUTO_TEST_CASE(a_folder_of_unix_sockets_is_a_host) {
  shared_server().allow("local repasse repasse trust\n");
  shared_server().reload();
  loop here;
  kept_connection books(here, config_of("host=" + shared_server().folder().string() + " port=" + port() +
                                        " user=repasse dbname=repasse"));
  BOOST_TEST(books.number(backend) > 0);
}

BOOST_AUTO_TEST_CASE(tls_is_spoken_and_its_records_are_read_to_the_end) {
  const std::string data = (shared_server().folder() / "data").string();
  const std::string make =
      "cd " + data +
      " && openssl req -new -x509 -days 2 -nodes -newkey rsa:2048 -subj /CN=localhost"
      " -addext subjectAltName=DNS:localhost -out server.crt -keyout server.key 2>/dev/null"
      " && chown --reference=. server.crt server.key && chmod 600 server.key";
  BOOST_REQUIRE(std::system(make.c_str()) == 0);
  loop here;
  heard_log log;
  {
    kept_connection plain(here, config_of(url_of("127.0.0.1:" + port(), "?sslmode=require")));
    plain.until(state::away);
    BOOST_TEST(plain.link.trouble().find("does not support SSL") != std::string::npos);
  }
  shared_server().configure("ssl = on\n");
  shared_server().reload();
  kept_connection books(here, config_of(url_of("127.0.0.1:" + port(), "?sslmode=require")));
  const std::string large(1'000'000, 'x');
  for (std::size_t bytes : {8'000U, 16'300U, 16'384U, 16'500U, 24'600U, 33'000U, 65'000U, 1'000'000U}) {
    pg_transaction work;
    const std::int64_t id = 300'000 + static_cast<std::int64_t>(bytes);
    work.add(insert_note, id, std::string_view{large}.substr(0, bytes));
    work.add(find_note, id);
    BOOST_TEST((books.commit(work) == pg_verdict::done), bytes);
  }
  const std::string verified = "?sslmode=verify-full&sslrootcert=" + data + "/server.crt";
  kept_connection by_name(here, config_of(url_of("localhost:" + port(), verified)));
  by_name.until_connected();
  kept_connection by_address(here, config_of(url_of("127.0.0.1:" + port(), verified)));
  by_address.until(state::away);
  BOOST_TEST(by_address.link.trouble().find("localhost") != std::string::npos);
  shared_server().configure("ssl = off\n");
  shared_server().reload();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
