// Self-clocking batches: while one is under way, whatever arrives gathers as the next. At low load a batch
// is one entry and adds no delay; at high load one commit serves many.
#pragma once

#include "storage/clock.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

namespace repasse {

/// Entries are moved; both buffers keep their capacity, so a steady load allocates nothing.
template <typename Entry>
class batcher {
public:
  batcher(clock& time, std::size_t batch_max) : arrived_(time), batch_max_(batch_max) {}

  void push(Entry entry) {
    gathering_.push_back(std::move(entry));
    if (gathering_.size() == 1) arrived_.notify();
  }

  /// What has gathered, oldest first, at least one entry and at most batch_max; valid until the next call.
  /// One caller, in a loop.
  task<std::span<Entry>> next() {
    if (taken_ == batch_.size()) {
      batch_.clear();
      taken_ = 0;
      while (gathering_.empty())
        co_await arrived_.wait_until();
      batch_.swap(gathering_);
    }
    const std::size_t count = std::min(batch_.size() - taken_, batch_max_);
    const std::span<Entry> entries{batch_.data() + taken_, count};
    taken_ += count;
    co_return entries;
  }

  /// Takes back what no batch has taken up yet.
  template <typename Drop>
  void drop(Drop each) {
    std::vector<Entry> left(std::make_move_iterator(batch_.begin() + static_cast<std::ptrdiff_t>(taken_)),
                            std::make_move_iterator(batch_.end()));
    left.insert(left.end(), std::make_move_iterator(gathering_.begin()),
                std::make_move_iterator(gathering_.end()));
    batch_.erase(batch_.begin() + static_cast<std::ptrdiff_t>(taken_), batch_.end());
    gathering_.clear();
    for (Entry& entry : left)
      each(entry);
  }

  /// Entries that no batch has taken up yet.
  [[nodiscard]] std::size_t size() const { return gathering_.size() + batch_.size() - taken_; }

private:
  event arrived_;
  std::size_t batch_max_;
  std::vector<Entry> gathering_;
  std::vector<Entry> batch_;
  std::size_t taken_ = 0;
};

} // namespace repasse
