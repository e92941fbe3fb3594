// One connection to PostgreSQL, kept alive: libpq in pipeline mode on the reactor's own loop.
// Only pg_link.cpp, pg_setup.cpp and pg_transaction.cpp know PQ*. Anyone on the reactor's thread may commit()
// at any time; what is committed goes out in that order and each transaction costs one Sync. It never
// retries: who asks knows what may be repeated.
#pragma once

#include "storage/clock.hpp"
#include "storage/histogram.hpp"
#include "storage/pg_statement.hpp"

#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct pg_result; // libpq's PGresult

namespace repasse {

struct pg_commit;

/// What is known of a transaction once commit() comes back; as many values as a caller has reactions.
enum class [[nodiscard]] pg_verdict : std::uint8_t{
    done,        ///< committed; its rows are there
    unavailable, ///< nothing was written; the same may work later
    overtaken,   ///< nothing was written, since another brought the same key first: look again
    in_doubt,    ///< it may have been committed, now or later
    refused      ///< nothing was written, and the same will be refused again: logged as an error
};

/// Shared by the connections of a process; the figures of its pool.
struct pg_figures {
  std::uint32_t connected = 0;
  std::uint32_t active = 0;  ///< with a transaction under way
  std::uint32_t waiting = 0; ///< transactions that wait for a connection to be there
  std::uint64_t transactions = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t slow = 0;
  std::chrono::nanoseconds waited{0}; ///< by transactions, for a connection to be there, in all
  duration_histogram took;            ///< a transaction, from its sending to its last reply

  void add(const pg_figures& other);
};

/// A transaction: statements that are sent together and commit together. Lives in its caller's frame; it may
/// be used again after commit() has come back, and keeps its memory.
class pg_transaction {
public:
  pg_transaction();
  ~pg_transaction();
  pg_transaction(const pg_transaction&) = delete;
  pg_transaction& operator=(const pg_transaction&) = delete;

  /// Forgets statements and rows.
  void clear();

  template <typename Row, typename... Params>
  void add(const pg_statement<Row(Params...)>& statement, const std::type_identity_t<Params>&... values) {
    call& one = next_call(statement.prototype());
    one.parameters.encode(values...);
  }

  /// The rows of the `number`th statement, which must be `statement`; after `done` only.
  template <typename Row, typename... Params>
  [[nodiscard]] std::size_t count(std::size_t number, const pg_statement<Row(Params...)>& statement) const {
    return rows_of(number, statement.prototype());
  }
  /// How many rows the `number`th statement has written.
  template <typename Row, typename... Params>
  [[nodiscard]] std::size_t written(std::size_t number, const pg_statement<Row(Params...)>& statement) const {
    return written_by(number, statement.prototype());
  }
  template <typename Row, typename... Params>
  [[nodiscard]] Row row(std::size_t number, const pg_statement<Row(Params...)>& statement,
                        std::size_t index) const {
    REPASSE_CHECK(index < count(number, statement));
    Row read{};
    std::size_t column = 0;
    boost::pfr::for_each_field(read, [&](auto& field) { get(field, number, index, column++); });
    return read;
  }

private:
  friend class pg_link;
  friend struct pg_commit;
  struct call {
    const pg_prototype* statement = nullptr;
    pg_parameters parameters;
    pg_result* result = nullptr;
  };

  call& next_call(const pg_prototype& statement);
  [[nodiscard]] std::span<const call> calls() const { return {calls_.data(), used_}; }
  /// Takes over the reply to the `number`th statement.
  void keep(std::size_t number, pg_result* result);
  [[nodiscard]] std::size_t rows_of(std::size_t number, const pg_prototype& statement) const;
  [[nodiscard]] std::size_t written_by(std::size_t number, const pg_prototype& statement) const;
  /// Null data for NULL.
  [[nodiscard]] std::string_view value(std::size_t number, std::size_t row, std::size_t column) const;

  template <typename T>
  void get(T& field, std::size_t number, std::size_t row, std::size_t column) const {
    const std::string_view bytes = value(number, row, column);
    REPASSE_CHECK(bytes.data() != nullptr);
    field = pg_type<T>::get(bytes);
  }
  template <typename T>
  void get(std::optional<T>& field, std::size_t number, std::size_t row, std::size_t column) const {
    const std::string_view bytes = value(number, row, column);
    if (bytes.data() != nullptr) field = pg_type<T>::get(bytes);
  }

  std::vector<call> calls_; ///< those beyond used_ keep their memory
  std::size_t used_ = 0;
  pg_commit* under_way_ = nullptr; ///< told when this is destroyed too early
};

/// Built by its owner; run() is spawned once and ends with stop() or the end of the reactor.
class pg_connection {
public:
  struct config {
    std::string url; ///< of libpq: `postgresql://user:password@host1,host2/db?sslmode=…`, or key=value
    std::string application_name; ///< `repasse append 17`
    /// Prepared on every new connection; types that differ from the server's keep the connection from being
    /// used, with an error that names statement and column.
    std::vector<const pg_prototype*> statements;
    /// Run on every new connection before anything else: `SET …`.
    std::vector<std::string> settings;
    std::chrono::nanoseconds connect_limit = std::chrono::seconds{1}; ///< of one attempt
    /// Between two attempts, less up to a quarter at random; eight times as long while a server turns us away
    /// in its own words (a wrong password, a missing table). Other hosts are tried at once.
    std::chrono::nanoseconds attempt_period = std::chrono::milliseconds{250};
    /// After that, less up to a quarter at random, the connection is replaced; 0: never.
    std::chrono::nanoseconds lifetime = std::chrono::hours{1};
    std::chrono::nanoseconds slow = std::chrono::milliseconds{100}; ///< logged by name
    /// How long a transaction waits for a connection before it is unavailable, if one was lost just now or is
    /// about to be replaced; while the server is known to be away there is no waiting.
    std::chrono::nanoseconds patience = std::chrono::milliseconds{500};
    /// Transactions that are sent or wait; one more is unavailable at once.
    std::size_t in_flight_max = 1024;
    /// After so long without a byte from a server that owes a reply which nobody waits for any more, the
    /// connection is lost.
    std::chrono::nanoseconds silence = std::chrono::seconds{5};
    bool may_write = true; ///< false: a standby is as good (target_session_attrs=any)
    std::uint32_t jitter_seed = 1;
  };
  enum class state : std::uint8_t { connecting, connected, away, stopped };

  pg_connection(clock& time, config settings);
  ~pg_connection();
  pg_connection(const pg_connection&) = delete;
  pg_connection& operator=(const pg_connection&) = delete;

  /// Connects, prepares, reconnects with back-off and jitter, replaces the connection after its lifetime
  /// without failing a transaction.
  task<> run();
  /// What is under way comes back as in_doubt, or unavailable if not sent.
  void stop();

  /// What becomes of a transaction whose time is over before its reply is there.
  enum class late : std::uint8_t {
    lose_connection, ///< the server is taken for dead, and the connection with all that is under way is lost
    abandon          ///< its reply will be read and dropped; for reads
  };

  /// Ends by `due`. `work` must not be touched until then; the caller may not vanish before.
  task<pg_verdict> commit(pg_transaction& work, steady_time due, late when_late = late::lose_connection);

  /// What a script came to: the rows of its last statement as text, NULL as an empty string.
  struct script_result {
    pg_verdict verdict = pg_verdict::unavailable;
    std::string error; ///< the server's words, with its SQLSTATE
    std::vector<std::vector<std::string>> rows;
  };
  /// Any number of statements in one string, by the simple protocol: for migrations and operators, never on
  /// the way of a payment. Waits until nothing else is under way on this connection; for a server that is
  /// away no longer than commit() does.
  task<script_result> script(std::string sql, steady_time due);

  [[nodiscard]] state now_in() const;
  [[nodiscard]] steady_time since() const;
  /// As long as this stays the same and is not 0, transactions are carried out and answered in the order of
  /// their commit(). It counts replacements and losses; 0 before all, and while one that was replaced still
  /// owes replies.
  [[nodiscard]] std::uint64_t order() const;
  /// Why it is away, in one line without secrets; empty while connected.
  [[nodiscard]] const std::string& trouble() const;
  /// Of the last transaction: round trip.
  [[nodiscard]] std::chrono::nanoseconds last_latency() const;
  [[nodiscard]] const pg_figures& figures() const;

private:
  struct state_of;
  std::unique_ptr<state_of> self_;
};

/// What `url` says, as far as a start can check without a server: empty if well-formed, else what is wrong,
/// without secrets.
[[nodiscard]] std::string pg_url_error(const std::string& url);

} // namespace repasse
