// What the tests of pg_connection share: the server of this binary, connections to it, a table, statements.
#pragma once

#include "storage/pg_connection.hpp"
#include "test/integration/heard_log.hpp"
#include "test/integration/loop.hpp"
#include "test/integration/postgres_server.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace repasse {

/// Of this binary, with the table `notes`; runs, and is as it was, at the beginning of each case.
postgres_server& shared_server();

struct note {
  std::int64_t id = 0;
  std::optional<std::string> text;
};
struct counted {
  std::int64_t count = 0;
};

inline constexpr pg_statement<pg_nothing(std::int64_t, std::optional<std::string_view>)> insert_note{
    "insert_note", "INSERT INTO notes (id, text) VALUES ($1, $2)"};
inline constexpr pg_statement<note(std::int64_t)> find_note{"find_note",
                                                            "SELECT id, text FROM notes WHERE id = $1"};
inline constexpr pg_statement<counted()> count_notes{"count_notes", "SELECT count(*) FROM notes"};
/// Sleeps for some milliseconds.
inline constexpr pg_statement<counted(std::int32_t)> doze{"doze",
                                                          "SELECT count(pg_sleep($1::integer / 1000.0))"};
/// Raises an error of that SQLSTATE.
inline constexpr pg_statement<counted(std::string_view)> fail_with{"fail_with", "SELECT fail_with($1::text)"};
inline constexpr pg_statement<counted()> backend{"backend", "SELECT pg_backend_pid()::bigint"};

/// A connection that is run; stopped, destroyed, and seen to end with this object.
class kept_connection {
public:
  kept_connection(loop& of, pg_connection::config how)
      : loop_(of), all_(of.time), link(of.time, std::move(how)) {
    all_.spawn(link.run());
  }
  ~kept_connection() {
    link.stop();
    loop_.until([&] { return all_.running() == 0; });
  }
  kept_connection(const kept_connection&) = delete;
  kept_connection& operator=(const kept_connection&) = delete;

  void until(pg_connection::state wanted) {
    loop_.until([&] { return link.now_in() == wanted; });
  }
  void until_connected() { until(pg_connection::state::connected); }

  pg_verdict commit(pg_transaction& work, std::chrono::nanoseconds limit = std::chrono::seconds{20},
                    pg_connection::late when_late = pg_connection::late::lose_connection) {
    return loop_.await(link.commit(work, loop_.time.now() + limit, when_late));
  }
  /// The single number that a statement answers.
  template <typename... Values>
  std::int64_t number(const pg_statement<counted(Values...)>& statement,
                      const std::type_identity_t<Values>&... values) {
    pg_transaction work;
    work.add(statement, values...);
    const pg_verdict verdict = commit(work);
    BOOST_REQUIRE_MESSAGE(verdict == pg_verdict::done, link.trouble());
    return work.row(0, statement, 0).count;
  }
  bool has_note(std::int64_t id) {
    pg_transaction work;
    work.add(find_note, id);
    const pg_verdict verdict = commit(work);
    BOOST_REQUIRE_MESSAGE(verdict == pg_verdict::done, link.trouble());
    return work.count(0, find_note) == 1;
  }

private:
  loop& loop_;
  task_group all_;

public:
  pg_connection link;
};

/// With the statements above, and more patience with a busy machine.
pg_connection::config config_of(const std::string& url);

} // namespace repasse
