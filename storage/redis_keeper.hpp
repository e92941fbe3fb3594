// Keeps one connection to Redis alive: looks for the server, gets in, watches over the link, begins again.
// What redis_connection and redis_subscription have in common; they own it, its run() shares it until its
// own end. Time limits and back-off are here, bytes are the link's. redis_dial.cpp is one attempt.
#pragma once

#include "storage/redis_address.hpp"
#include "storage/redis_link.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <map>
#include <random>

namespace repasse {

class redis_keeper : public boost::intrusive_ref_counter<redis_keeper, boost::thread_unsafe_counter> {
public:
  using state = redis_connection::state;
  using link = redis_link::handle;

  /// With a channel it subscribes on each link.
  redis_keeper(clock& time, redis_connection::config settings, std::string channel = {},
               redis_subscription::calls to = {});
  ~redis_keeper();
  redis_keeper(const redis_keeper&) = delete;
  redis_keeper& operator=(const redis_keeper&) = delete;

  static task<> run(boost::intrusive_ptr<redis_keeper> self);
  void stop();

  /// The link that works; null while there is none.
  [[nodiscard]] link serving() const { return is_serving() ? serving_ : nullptr; }
  /// A loss that run() has not come to yet is one.
  [[nodiscard]] state now_in() const {
    return at_ == state::connected && !is_serving() ? state::connecting : at_;
  }
  [[nodiscard]] steady_time since() const { return since_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] event& changed() { return changed_; }
  [[nodiscard]] const std::string& trouble() const {
    return now_in() == at_ ? trouble_ : serving_->trouble();
  }
  [[nodiscard]] bool is_sentinel() const { return target_.is_sentinel(); }
  [[nodiscard]] redis_session& session() { return session_; }

private:
  using tcp = asio::ip::tcp;
  /// Outlives this object until the last lookup has ended; one at a time.
  struct lookup : boost::intrusive_ref_counter<lookup, boost::thread_unsafe_counter> {
    explicit lookup(executor runs_on) : resolver(runs_on) {}
    void begin(std::string of, redis_session& told);

    asio::ip::basic_resolver<tcp, executor> resolver;
    redis_session* session = nullptr; ///< null once the keeper is gone
    std::string name;
    bool is_under_way = false;
    std::string trouble;
    std::vector<std::string> addresses;
  };

  // One attempt.
  task<link> dial();
  task<link> dial_master();
  task<link> dial_file();
  // What these refer to lives in the frame that awaits them.
  task<std::optional<redis_host>> ask_sentinel(const redis_host& sentinel);
  task<link> reach(const redis_host& host, steady_time due);
  task<std::vector<std::string>> addresses_of(const std::string& name, steady_time due);
  task<bool> opens(const link& fresh, steady_time due);
  task<bool> gets_in(const link& fresh, steady_time due);
  task<bool> subscribes(const link& fresh, steady_time due);
  [[nodiscard]] std::string refusal(const redis_batch& work, const std::vector<const char*>& names) const;
  void add_auth(redis_batch& work) const;
  link begin();
  static std::string why(const link& lost);

  // The life between two attempts.
  void serve(link fresh, const std::string& where);
  steady_time look_after(steady_time now);
  void leave();
  void fail();
  void enter(state to, std::string why);
  [[nodiscard]] bool is_serving() const { return at_ == state::connected && serving_->is_open(); }
  [[nodiscard]] bool is_stopped() const { return at_ == state::stopped; }
  [[nodiscard]] steady_time now() const { return session_.time.now(); }
  [[nodiscard]] std::chrono::nanoseconds pause();

  const redis_connection::config settings_;
  const redis_target target_;
  const std::string channel_;
  redis_session session_;
  event changed_;
  std::minstd_rand random_;
  redis_batch ping_;
  boost::intrusive_ptr<lookup> lookup_;
  std::map<std::string, std::vector<std::string>> found_; ///< by name, should the name server be away

  state at_ = state::connecting;
  steady_time since_;
  std::string trouble_;
  std::uint64_t generation_ = 0;
  std::size_t first_ = 0; ///< the sentinel that has answered
  std::string where_;     ///< the server last tried
  std::string said_;      ///< logged last
  std::chrono::nanoseconds pause_{0};
  steady_time next_{};
  link trying_; ///< to be closed by stop()
  link serving_;
};

} // namespace repasse
