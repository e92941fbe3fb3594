#include "storage/totals_copy.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::array<char, span_levels> level_letters{'s', 'm', 'h', 'd'};
/// Fields of one command.
constexpr std::size_t fields_a_step = 500;
/// Of one command of the writer.
constexpr std::chrono::nanoseconds write_limit = 1s;
/// Spans that one statement reads, by level: some thousand rows of totals.
constexpr std::array<std::int64_t, span_levels> spans_a_step{600, 720, 720, 4000};
/// What a check of the image compares, by level.
constexpr std::array<std::int64_t, span_levels> spans_a_check{300, 120, 120, 60};

/// Spans that are read anew because of payments settled late; beyond, all is.
constexpr std::size_t old_spans_max = 200;
constexpr int old_looks_max = 4;

/// KEYS mark, totals; ARGV copier, books, epoch, sequence, as-of, layout, first, how many fields are set,
/// those and their values, those that are dropped. 0: this copier has to write all of it, or is none any
/// more.
constexpr std::string_view change_copy = R"(
local mark = redis.pcall('GET', KEYS[1])
local books, purged = string.match(type(mark) == 'string' and mark or '', '^1 (%x+) (%d+)$')
if books ~= ARGV[2] or tonumber(purged) >= tonumber(ARGV[3]) then return 0 end
if redis.pcall('HGET', KEYS[2], 'copier') ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', KEYS[2], 'sequence')) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], 'sequence', ARGV[4], 'as-of', ARGV[5], 'layout', ARGV[6], 'first', ARGV[7])
local last = 8 + 2 * tonumber(ARGV[8])
for i = 9, last, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
return 1)";

/// KEYS mark, totals, the whole copy beside it; ARGV as above, up to `first`.
constexpr std::string_view replace_copy = R"(
local mark = redis.pcall('GET', KEYS[1])
local books, purged = string.match(type(mark) == 'string' and mark or '', '^1 (%x+) (%d+)$')
if books ~= ARGV[2] or tonumber(purged) >= tonumber(ARGV[3]) then return 0 end
local copier = redis.pcall('HGET', KEYS[2], 'copier')
local theirs, epoch = string.match(type(copier) == 'string' and copier or '', '^1 (%x+) (%d+)$')
if theirs == ARGV[2] then
  if tonumber(epoch) > tonumber(ARGV[3]) then return 0 end
  if epoch == ARGV[3] and tonumber(redis.call('HGET', KEYS[2], 'sequence') or 0) >= tonumber(ARGV[4]) then return 0 end
end
redis.call('HSET', KEYS[3], 'copier', ARGV[1], 'sequence', ARGV[4], 'as-of', ARGV[5], 'layout', ARGV[6], 'first', ARGV[7])
redis.call('RENAME', KEYS[3], KEYS[2])
redis.call('PERSIST', KEYS[2])
return 1)";

std::string text_of(const processor_total& sum) {
  return std::to_string(sum.requests) + ' ' + std::to_string(sum.amount_cents);
}

/// Numbers with a space between; false if `text` is anything else.
template <typename... Numbers>
bool read_numbers(std::string_view text, Numbers&... numbers) {
  const char* at = text.data();
  const char* const end = at + text.size();
  bool is_well = true;
  bool is_first = true;
  const auto read = [&](auto& number) {
    if (!std::exchange(is_first, false) && (at == end || *at++ != ' ')) is_well = false;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc{}) is_well = false;
    at = next;
  };
  (read(numbers), ...);
  return is_well && at == end;
}

std::string text_of(const totals_layout& layout) {
  std::string made;
  for (const std::int64_t begins : layout.begins)
    made.append(std::to_string(begins)).push_back(' ');
  return made + std::to_string(layout.end);
}

std::string field_text(std::size_t level, std::int64_t begins, const std::string& processor) {
  std::string made{level_letters[level], ':'};
  return made.append(std::to_string(begins)).append(":").append(processor);
}

redis_batch& add_words(redis_batch& to, const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  to.add(views);
  return to;
}

} // namespace

void copy_figures::add(const copy_figures& other) {
  copies += other.copies;
  whole += other.whole;
  checked += other.checked;
  mismatches += other.mismatches;
  last_written = std::max(last_written, other.last_written);
}

totals_copy::totals_copy(clock& time, postgres_ledger& books, cached_ledger& cache, redis_connection& redis,
                         const redis_names& names, config settings)
    : clock_(time),
      books_(books),
      cache_(cache),
      redis_(redis),
      names_(names),
      config_(std::move(settings)),
      random_(config_.seed),
      stopping_(time),
      tasks_(time) {}

void totals_copy::start() { tasks_.spawn(copy_while_eldest()); }

void totals_copy::stop() {
  stopped_ = true;
  stopping_.notify();
}

task<> totals_copy::copy_while_eldest() {
  next_check_ = clock_.now() + config_.check_period;
  while (!stopped_) {
    const steady_time begun = clock_.now();
    const bool is_current = co_await copy();
    if (is_current && clock_.now() >= next_check_ && !stopped_) {
      next_check_ = clock_.now() + config_.check_period;
      co_await check();
    }
    co_await stopping_.wait_until(begun + config_.period);
  }
}

// The writer.

task<bool> totals_copy::copy() {
  const auto rights = cache_.eldest();
  if (!rights || !books_.health().is_up) {
    if (!rights) image_.reset();
    co_return false;
  }
  if (rights->epoch != rights_.epoch || rights->edition != rights_.edition) image_.reset();
  rights_ = *rights;
  if (!image_) {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count();
    const bool filled = co_await fill(now);
    if (!filled) image_.reset();
    if (!image_) co_return false;
  }
  const bool applied = co_await apply_changes();
  if (!applied) co_return false;
  if (redis_.generation() != written_by_) is_whole_in_redis_ = false;
  bool written = false;
  if (is_whole_in_redis_) written = co_await write_changes();
  if (!written) written = co_await write_whole();
  co_return written;
}

/// In steps, each of one snapshot; what changes meanwhile is noted, and applied behind it.
task<bool> totals_copy::fill(std::int64_t now) {
  is_whole_in_redis_ = false;
  const bool begun = co_await books_.begin_copy();
  if (!begun) co_return false;
  image_.emplace(layout_at(now));
  const totals_layout layout = image_->layout();
  for (std::size_t level = 0; level < span_levels; ++level) {
    const std::int64_t last = level == 0 ? now + span_seconds[3] : layout.begins[level - 1];
    for (std::int64_t at = layout.begins[level]; at < last;) {
      std::int64_t next = std::min(last, at + spans_a_step[level] * span_seconds[level]);
      if (level == 0 && at > now) next = last; // of processors whose clocks are ahead
      const auto sums = co_await books_.read_totals(level, at, next);
      if (!sums || stopped_) co_return false;
      for (const copied_total& one : *sums)
        image_->load({level, one.begins, one.processor}, one.sum);
      at = next;
    }
  }
  co_return true;
}

/// False: the image is as old as it was, or is no more.
task<bool> totals_copy::apply_changes() {
  auto changes = co_await books_.read_changes();
  if (!changes) co_return false;
  std::vector<copied_total> old;
  for (int look = 0; changes->is_whole; ++look) {
    const std::size_t more = note_old(changes->seconds, old);
    apply_seconds(changes->seconds);
    if (more == 0) {
      as_of_ = changes->as_of;
      image_->move_to(layout_at(std::chrono::floor<std::chrono::seconds>(as_of_).time_since_epoch().count()));
      co_return true;
    }
    if (look == old_looks_max) break;
    const bool read = co_await read_old(old);
    if (!read) break;
    changes = co_await books_.read_changes();
    if (!changes) break;
  }
  image_.reset(); // what was told is told once
  co_return false;
}

/// Seconds that are still there by themselves.
void totals_copy::apply_seconds(std::span<const copied_total> seconds) {
  std::vector<processor_total> sums;
  for (auto one = seconds.begin(); one != seconds.end();) {
    sums.assign(config_.processors.size(), {});
    const std::int64_t second = one->begins;
    for (; one != seconds.end() && one->begins == second; ++one)
      sums[one->processor] = one->sum;
    if (image_->finest_level(second) == 0U) image_->set(0, second, sums);
  }
}

/// A payment can be settled hours late. Of its time the image has only coarser spans, which are read anew;
/// those are of the snapshots before and behind them if the seconds are the same in both. Adds to `old` what
/// is not in it, and says how much.
std::size_t totals_copy::note_old(std::span<const copied_total> seconds,
                                  std::vector<copied_total>& old) const {
  std::size_t more = 0;
  for (const copied_total& one : seconds) {
    const auto level = image_->finest_level(one.begins);
    if (!level || *level == 0 || std::find(old.begin(), old.end(), one) != old.end()) continue;
    old.push_back(one);
    ++more;
  }
  return more;
}

task<bool> totals_copy::read_old(std::span<const copied_total> old) {
  std::vector<std::pair<std::size_t, std::int64_t>> spans;
  for (const copied_total& one : old) {
    const std::size_t level = *image_->finest_level(one.begins);
    spans.emplace_back(level, span_of(level, one.begins));
  }
  std::sort(spans.begin(), spans.end());
  spans.erase(std::unique(spans.begin(), spans.end()), spans.end());
  if (spans.size() > old_spans_max) co_return false;
  for (const auto& [level, begins] : spans) {
    const auto told = co_await books_.read_totals(level, begins, begins + span_seconds[level]);
    if (!told) co_return false;
    std::vector<processor_total> sums(config_.processors.size());
    for (const copied_total& one : *told)
      sums[one.processor] = one.sum;
    image_->set(level, begins, sums);
  }
  co_return true;
}

/// Copier to `first`, as the scripts want them.
void totals_copy::add_state(std::vector<std::string>& words) const {
  const std::string books = books_text(rights_.edition.books);
  const std::string epoch = std::to_string(rights_.epoch);
  const auto first = image_->sums().lower_bound({span_levels - 1, INT64_MIN, 0});
  const std::int64_t first_day = first == image_->sums().end() ? image_->layout().end : first->first.begins;
  words.insert(words.end(), {"1 " + books + ' ' + epoch, books, epoch, std::to_string(sequence_),
                             std::to_string(as_of_.time_since_epoch().count()), text_of(image_->layout()),
                             std::to_string(first_day)});
}

task<bool> totals_copy::write_changes() {
  const totals_image::changes changes = image_->take_changes();
  ++sequence_;
  std::vector<std::string> words{"EVAL", std::string{change_copy}, "2", names_.edition(), names_.totals()};
  add_state(words);
  words.push_back(std::to_string(changes.set.size()));
  for (const total_key& key : changes.set) {
    words.push_back(field_of(key));
    words.push_back(text_of(image_->sums().at(key)));
  }
  for (const total_key& key : changes.dropped)
    words.push_back(field_of(key));
  is_whole_in_redis_ = false; // until it is known
  redis_batch work;
  add_words(work, words);
  const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + write_limit);
  if (verdict != redis_verdict::done || work.reply(0).as_number() != 1) co_return false;
  is_whole_in_redis_ = true;
  ++figures_.copies;
  figures_.last_written = clock_.now();
  co_return true;
}

task<bool> totals_copy::write_whole() {
  static_cast<void>(image_->take_changes());
  const std::uint64_t connection = redis_.generation();
  const std::string beside = names_.next_totals(rights_.epoch, ++sequence_);
  redis_batch work;
  const auto& sums = image_->sums();
  for (auto one = sums.begin(); one != sums.end();) {
    std::vector<std::string> words{"HSET", beside};
    for (std::size_t i = 0; i < fields_a_step && one != sums.end(); ++i, ++one) {
      words.push_back(field_of(one->first));
      words.push_back(text_of(one->second));
    }
    work.clear();
    add_words(work, words);
    work.add({"EXPIRE", beside, "60"}); // should it never take its place
    const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + write_limit);
    if (verdict != redis_verdict::done || work.reply(0).is_error()) co_return false;
  }
  std::vector<std::string> words{"EVAL",           std::string{replace_copy}, "3",
                                 names_.edition(), names_.totals(),           beside};
  add_state(words);
  work.clear();
  add_words(work, words);
  const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + write_limit);
  if (verdict != redis_verdict::done || work.reply(0).as_number() != 1) co_return false;
  is_whole_in_redis_ = true;
  written_by_ = connection;
  ++figures_.copies;
  ++figures_.whole;
  figures_.last_written = clock_.now();
  co_return true;
}

std::string totals_copy::field_of(const total_key& key) const {
  return field_text(key.level, key.begins, config_.processors[key.processor]);
}

// The reader.

task<std::optional<totals_copy::copied_summary>> totals_copy::read(time_window wanted) {
  const steady_time due = clock_.now() + config_.read_limit;
  const std::string totals = names_.totals();
  const std::string mark_key = names_.edition();
  const std::size_t processors = config_.processors.size();
  const auto floor_of = [](wall_time time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  const std::int64_t from = wanted.from == wall_time::min()
                                ? INT64_MIN / 2
                                : floor_of(wanted.from + std::chrono::milliseconds{999});
  const std::int64_t to =
      wanted.to == wall_time::max() ? INT64_MAX / 2 : floor_of(wanted.to + std::chrono::milliseconds{1});
  while (clock_.now() < due) {
    redis_batch work;
    work.add({"HMGET", totals, "copier", "sequence", "as-of", "layout", "first"});
    redis_verdict verdict = co_await redis_.exec(work, due);
    if (verdict != redis_verdict::done || work.reply(0).list.size() != 5) co_return std::nullopt;
    const std::vector<redis_reply> state = work.reply(0).list;
    const auto copier =
        read_edition_mark(state[0].as_text().value_or("")); // the epoch stands where purges do
    totals_layout layout;
    std::int64_t as_of = 0;
    std::int64_t first = 0;
    auto& begins = layout.begins;
    const bool is_well = read_numbers(state[3].as_text().value_or(""), begins[0], begins[1], begins[2],
                                      begins[3], layout.end) &&
                         read_numbers(state[2].as_text().value_or(""), as_of) &&
                         read_numbers(state[4].as_text().value_or(""), first);
    if (!copier || !is_well) co_return std::nullopt;
    const span_plan plan = plan_spans(layout, from, to);

    std::vector<std::string> words{"HMGET", totals, "copier", "sequence"};
    for (const auto& [level, at] : plan.spans) {
      if (at < first) continue; // there is nothing
      for (const std::string& name : config_.processors)
        words.push_back(field_text(level, at, name));
    }
    work.clear();
    add_words(work, words).add({"GET", mark_key});
    verdict = co_await redis_.exec(work, due);
    if (verdict != redis_verdict::done || work.reply(0).list.size() != words.size() - 2)
      co_return std::nullopt;
    const std::vector<redis_reply>& told = work.reply(0).list;
    if (told[0].text != state[0].text || told[1].text != state[1].text) continue; // it was written meanwhile
    const auto mark = read_edition_mark(work.reply(1).as_text().value_or(""));
    if (!cache_.believes(copier->books, copier->purged, mark, true)) co_return std::nullopt;
    copied_summary made;
    for (std::size_t i = 2; i < told.size(); ++i) {
      if (told[i].is_nil()) continue;
      processor_total sum;
      if (!read_numbers(told[i].as_text().value_or(""), sum.requests, sum.amount_cents))
        co_return std::nullopt;
      processor_total& own = made.sums[(i - 2) % processors];
      own.requests += sum.requests;
      own.amount_cents += sum.amount_cents;
    }
    made.as_of = wall_time{std::chrono::milliseconds{as_of}};
    made.window.from = wall_time{std::chrono::seconds{plan.from}};
    made.window.to = // before its beginning if no whole span lies within
        std::min(wanted.to, wall_time{std::chrono::seconds{plan.to}} - std::chrono::milliseconds{1});
    co_return made;
  }
  co_return std::nullopt;
}

// The check.

task<> totals_copy::check() {
  if (!image_ || !is_whole_in_redis_) co_return;
  ++figures_.checked;
  bool is_right = co_await is_image_right();
  if (image_ && is_right) is_right = co_await is_redis_right();
  if (is_right || !image_) co_return;
  ++figures_.mismatches;
  image_.reset(); // the next copy is read and written anew
}

/// A stretch of each level, chosen at random. What differs is looked at again behind all changes.
task<bool> totals_copy::is_image_right() {
  for (std::size_t level = 0; level < span_levels; ++level) {
    const totals_layout layout = image_->layout();
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    const std::int64_t width = span_seconds[level];
    const auto spans = static_cast<std::uint64_t>((layout.end - layout.begins[level]) / width);
    const std::int64_t from =
        layout.begins[level] +
        static_cast<std::int64_t>((random_ >> 33) % std::max<std::uint64_t>(spans, 1)) * width;
    const std::int64_t to = from + spans_a_check[level] * width;
    bool is_same = false;
    for (int look = 0; look < 3 && !is_same; ++look) {
      const auto sums = co_await books_.read_totals(level, from, to);
      if (!sums) co_return true; // nothing can be said
      std::map<total_key, processor_total> there;
      for (const copied_total& one : *sums)
        there[{level, one.begins, one.processor}] = one.sum;
      const bool applied = co_await apply_changes();
      if (!applied) co_return true;
      const std::map<total_key, processor_total> own(image_->sums().lower_bound({level, from, 0}),
                                                     image_->sums().lower_bound({level, to, 0}));
      is_same = own == there;
    }
    if (!is_same) co_return false;
  }
  co_return true;
}

/// Some fields, as they were last written.
task<bool> totals_copy::is_redis_right() {
  const bool written = co_await write_changes();
  if (!written) co_return true; // a whole copy follows
  const auto& sums = image_->sums();
  if (sums.empty()) co_return true;
  random_ = random_ * 6364136223846793005U + 1442695040888963407U;
  auto one = std::next(sums.begin(), static_cast<std::ptrdiff_t>((random_ >> 33) % sums.size()));
  std::vector<std::string> words{"HMGET", names_.totals()};
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < std::min(fields_a_step, sums.size()); ++i) {
    words.push_back(field_of(one->first));
    expected.push_back(text_of(one->second));
    if (++one == sums.end()) one = sums.begin();
  }
  redis_batch work;
  add_words(work, words);
  const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + write_limit);
  if (verdict != redis_verdict::done) co_return true;
  const std::vector<redis_reply>& told = work.reply(0).list;
  co_return std::equal(told.begin(), told.end(), expected.begin(), expected.end(),
                       [](const redis_reply& a, const std::string& b) { return a.as_text() == b; });
}

} // namespace repasse
