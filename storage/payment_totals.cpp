#include "storage/payment_totals.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace repasse {

namespace {

constexpr std::size_t width = 64;

struct totals_entry {
  std::int64_t first_ms = 0; // of the subtree; a leaf's entry is that one millisecond
  std::int64_t amount_cents = 0;
  std::uint32_t requests = 0;
};

} // namespace

struct payment_totals::node {
  using children = std::array<std::unique_ptr<node>, width>;

  std::size_t size = 0;
  std::array<std::int64_t, width> first_ms{};
  std::array<std::int64_t, width> amount_cents{};
  std::array<std::uint32_t, width> requests{};
  std::unique_ptr<children> below; // of an inner node

  /// Entries that begin before `ms`.
  [[nodiscard]] std::size_t count_before(std::int64_t ms) const {
    const auto begin = first_ms.begin();
    return static_cast<std::size_t>(std::lower_bound(begin, begin + static_cast<std::ptrdiff_t>(size), ms) -
                                    begin);
  }
  [[nodiscard]] processor_total sum_of_first(std::size_t entries) const {
    processor_total total;
    for (std::size_t i = 0; i < entries; ++i) {
      total.requests += requests[i];
      total.amount_cents += amount_cents[i];
    }
    return total;
  }

  void set(std::size_t at, const totals_entry& entry);
  void move_entry(std::size_t from, node& target, std::size_t to);
  /// Makes room at `at` and fills it. Returns the new right neighbour if this node was full.
  std::unique_ptr<node> insert(std::size_t at, const totals_entry& entry, std::unique_ptr<node> child,
                               bool latest);
  /// The right half, cut off; with `keep_all` an empty node, since nothing will come before its entries.
  std::unique_ptr<node> split(bool keep_all);
  /// Adds one payment; `latest` if no entry of the whole tree is as late. Returns as insert() does.
  std::unique_ptr<node> add(std::int64_t ms, std::int64_t cents, bool latest);
  /// The entry that stands for `child` in the node above.
  static totals_entry entry_of(const node& child);
};

void payment_totals::node::set(std::size_t at, const totals_entry& entry) {
  first_ms[at] = entry.first_ms;
  amount_cents[at] = entry.amount_cents;
  requests[at] = entry.requests;
}

totals_entry payment_totals::node::entry_of(const node& child) {
  const processor_total total = child.sum_of_first(child.size);
  return {child.first_ms[0], total.amount_cents, static_cast<std::uint32_t>(total.requests)};
}

void payment_totals::node::move_entry(std::size_t from, node& target, std::size_t to) {
  target.set(to, {first_ms[from], amount_cents[from], requests[from]});
  if (below) (*target.below)[to] = std::move((*below)[from]);
}

std::unique_ptr<payment_totals::node> payment_totals::node::split(bool keep_all) {
  auto right = std::make_unique<node>();
  if (below) right->below = std::make_unique<children>();
  if (keep_all) return right;
  for (std::size_t from = width / 2; from < width; ++from)
    move_entry(from, *right, right->size++);
  size = width / 2;
  return right;
}

std::unique_ptr<payment_totals::node> payment_totals::node::insert(std::size_t at, const totals_entry& entry,
                                                                   std::unique_ptr<node> child, bool latest) {
  std::unique_ptr<node> right;
  if (size == width) {
    right = split(latest);
    if (at > size || (at == size && latest)) {
      right->insert(at - size, entry, std::move(child), latest);
      return right;
    }
  }
  for (std::size_t i = size++; i > at; --i)
    move_entry(i - 1, *this, i);
  set(at, entry);
  if (below) (*below)[at] = std::move(child);
  return right;
}

std::unique_ptr<payment_totals::node> payment_totals::node::add(std::int64_t ms, std::int64_t cents,
                                                                bool latest) {
  std::size_t at = count_before(ms);
  if (!below) {
    if (at == size || first_ms[at] != ms) return insert(at, {ms, cents, 1}, nullptr, latest);
    amount_cents[at] += cents;
    ++requests[at];
    return nullptr;
  }
  // The subtree that begins at `ms` or last before it; the first one also takes what comes before it.
  if (at == size || (first_ms[at] != ms && at > 0)) --at;
  std::unique_ptr<node> split_off = (*below)[at]->add(ms, cents, latest);
  if (!split_off) {
    first_ms[at] = std::min(first_ms[at], ms);
    amount_cents[at] += cents;
    ++requests[at];
    return nullptr;
  }
  set(at, entry_of(*(*below)[at]));
  const totals_entry entry = entry_of(*split_off);
  return insert(at + 1, entry, std::move(split_off), latest);
}

payment_totals::payment_totals() = default;
payment_totals::~payment_totals() = default;
payment_totals::payment_totals(payment_totals&&) noexcept = default;
payment_totals& payment_totals::operator=(payment_totals&&) noexcept = default;

void payment_totals::add(wall_time requested_at, std::int64_t amount_cents) {
  if (!root_) root_ = std::make_unique<node>();
  const bool latest = requested_at > latest_;
  latest_ = std::max(latest_, requested_at);
  std::unique_ptr<node> right = root_->add(requested_at.time_since_epoch().count(), amount_cents, latest);
  if (!right) return;
  auto above = std::make_unique<node>();
  above->below = std::make_unique<node::children>();
  const totals_entry left_entry = node::entry_of(*root_);
  const totals_entry right_entry = node::entry_of(*right);
  above->insert(0, left_entry, std::move(root_), latest);
  above->insert(1, right_entry, std::move(right), latest);
  root_ = std::move(above);
}

processor_total payment_totals::sum(time_window window) const {
  if (window.from > window.to) return {};
  const wall_time end = window.to == wall_time::max() ? window.to : window.to + std::chrono::milliseconds{1};
  const processor_total earlier = before(window.from);
  const processor_total all = before(end);
  return {all.requests - earlier.requests, all.amount_cents - earlier.amount_cents};
}

processor_total payment_totals::before(wall_time end) const {
  const std::int64_t end_ms = end.time_since_epoch().count();
  processor_total total;
  for (const node* at = root_.get(); at != nullptr;) {
    const std::size_t entries = at->count_before(end_ms);
    if (entries == 0) break;
    const std::size_t whole = at->below ? entries - 1 : entries; // the last subtree may reach beyond
    const processor_total sum = at->sum_of_first(whole);
    total.requests += sum.requests;
    total.amount_cents += sum.amount_cents;
    at = at->below ? (*at->below)[whole].get() : nullptr;
  }
  return total;
}

} // namespace repasse
