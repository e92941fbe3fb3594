// What the dashboard shows: the views of all reactors that are known, put together, and what became of those
// that are seen no more. Pure: it is told what was seen and when. One in the process, in event_feed.
#pragma once

#include "server/instance_view.hpp"
#include "storage/ledger.hpp"

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace repasse {

class overview {
public:
  static constexpr std::chrono::minutes lost_kept{5};
  /// Less than the 5 s that Redis keeps what one shows of itself: who is killed is lost in the first look
  /// that does not find it.
  static constexpr std::chrono::seconds gone_after{4};
  /// Between two looks: after longer ones the own process was late itself, and none of its reactors silent.
  static constexpr std::chrono::seconds late_after{2};
  static constexpr std::size_t changes_max = 50;
  static constexpr std::size_t views_max = 6;  ///< kept of each, a second apart: what percentiles are of
  static constexpr std::size_t known_max = 64; ///< beyond, the lost ones give way, then new ones are not seen

  overview(const config& settings, std::string own_instance);

  // A look, once a second: begin(), see_own() for each reactor of the own process, see() for each that shows
  // itself in Redis, the own ones too, end().
  void begin(steady_time now);
  void see_own(const instance_view& view);
  void see(const instance_view& view);
  /// `others_answered`: who was not seen in this look was not there. Who is not there is gone once that has
  /// been so for `gone_after`: a Redis that comes back empty has forgotten the living too, for a second or
  /// two. A reactor of the own process is gone if it alone is not seen.
  void end(bool others_answered, wall_time wall);
  /// The number of the last change that it has been told by whoever shows this.
  [[nodiscard]] std::uint64_t last_change(const instance_view& of) const;

  struct point {
    double accepted = 0; ///< per second
    double settled = 0;
    std::size_t held = 0;
    std::optional<double> accept_p99{}; ///< ms
    std::optional<double> end_to_end_p99{};
    std::optional<std::uint64_t> in_redis{}; ///< payments taken in; empty: not known, or no intake
  };
  [[nodiscard]] point now() const; ///< of the last look

  struct more {
    wall_time wall{};
    double uptime_seconds = 0;
    const std::vector<reactor_report>* reports = nullptr; ///< of the own process
    const summary* books = nullptr;                       ///< null: never known
    bool are_books_current = false;
    std::size_t viewers = 0;
  };
  /// Of the last look: one line, as the page reads it.
  [[nodiscard]] std::string json(const more& of) const;

private:
  struct heard_view {
    instance_view view;
    steady_time heard{}; ///< when it came
  };
  struct known_instance {
    std::deque<heard_view> views; ///< oldest first, never empty
    steady_time looked{};         ///< when it was last there
    std::uint64_t last_change = 0;
    bool is_own = false;
    bool is_lost = false;
    /// From the ledger, since it has said so; the beginning of time: it is not.
    steady_time cut_off{};
    std::vector<std::string> takers{}; ///< instances that have said that they took over its payments
    [[nodiscard]] const instance_view& last() const { return views.back().view; }
    [[nodiscard]] steady_time heard() const { return views.back().heard; }
  };
  struct known_change {
    std::string instance;
    instance_view::change what;
    steady_time heard{};
  };
  /// Of all that are known: counters with those lost, what is held without.
  struct sums {
    instance_view all;
    double accepted_rate = 0;
    double settled_rate = 0;
    duration_counts accept{}; ///< of the last seconds
    duration_counts end_to_end{};
  };

  bool make_room();
  static double seconds_between(const heard_view& before, const heard_view& after);
  void lose(known_instance& one, wall_time wall);
  void find_takers(known_instance& lost) const;
  [[nodiscard]] std::string_view state_of(const known_instance& one, const ledger_health& books) const;
  void keep(std::string_view instance, const instance_view::change& what);
  [[nodiscard]] sums add_up() const;
  [[nodiscard]] std::string payments_json() const;
  [[nodiscard]] std::string books_json(const more& of) const;
  [[nodiscard]] std::string processors_json(const more& of) const;
  [[nodiscard]] std::string stores_json(const more& of) const;
  [[nodiscard]] std::string instances_json(const more& of) const;
  [[nodiscard]] std::string changes_json() const;

  const config& settings_;
  std::string own_;
  steady_time now_{};
  steady_time unheard_{};     ///< the last look for which the others were not known
  steady_time own_unheard_{}; ///< the last one that came late
  bool sees_own_ = false;
  /// By name, reactor and start: a container begins again under the name that it had.
  std::map<std::string, known_instance, std::less<>> known_;
  std::deque<known_change> changes_; ///< by the look that heard of it, then by its time
  sums sums_;                        ///< as the last look has ended
};

} // namespace repasse
