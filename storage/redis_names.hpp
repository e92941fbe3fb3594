// How everything is called in Redis (CONTRACT section 5), all under one prefix. With `{…}` as the prefix all
// names share a hash slot.
#pragma once

#include "storage/payment.hpp"

#include <string>
#include <string_view>

namespace repasse {

class redis_names {
public:
  /// Empty: the names stand alone.
  explicit redis_names(std::string_view prefix) : root_(prefix) {
    if (!root_.empty()) root_ += ':';
  }

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string health(std::string_view processor) const {
    return under("processor:health:", processor);
  }
  [[nodiscard]] std::string health_updates() const { return root_ + "processor:health:updates"; }
  /// Of the session cache.
  [[nodiscard]] std::string payment(const payment_id& id) const { return under(cached, to_string(id)); }
  /// Every payment of the session cache has this before its id.
  [[nodiscard]] std::string payments() const { return under(cached, ""); }
  /// Which edition of the books is current.
  [[nodiscard]] std::string edition() const { return root_ + "payment:edition"; }
  /// The amount of a payment taken in, until it is imported.
  [[nodiscard]] std::string taken_in(const payment_id& id) const { return under(waiting, to_string(id)); }
  /// Every such key has this before its id.
  [[nodiscard]] std::string all_taken_in() const { return under(waiting, ""); }
  /// The stream of payments taken in.
  [[nodiscard]] std::string intake() const { return root_ + "intake"; }
  /// The copy of the totals by second.
  [[nodiscard]] std::string totals() const { return root_ + "totals"; }
  /// The next one, while it is being written by the `attempt`th attempt of an epoch.
  [[nodiscard]] std::string next_totals(epoch_id epoch, std::uint64_t attempt) const {
    return root_ + "totals:next:" + std::to_string(epoch) + ':' + std::to_string(attempt);
  }
  /// Which epochs show themselves: a sorted set, by when they did so last.
  [[nodiscard]] std::string instances() const { return root_ + "instances"; }
  /// What an instance shows of itself.
  [[nodiscard]] std::string instance(std::string_view epoch) const { return under("instances:", epoch); }
  [[nodiscard]] std::string instance(epoch_id epoch) const { return instance(std::to_string(epoch)); }

private:
  static constexpr std::string_view cached = "payment:correlation:";
  static constexpr std::string_view waiting = "intake:";

  [[nodiscard]] std::string under(std::string_view kind, std::string_view which) const {
    std::string made;
    made.reserve(root_.size() + kind.size() + which.size());
    return made.append(root_).append(kind).append(which);
  }

  std::string root_;
};

} // namespace repasse
