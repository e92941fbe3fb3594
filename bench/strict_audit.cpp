#include "bench/strict_audit.hpp"

#include "bench/audit_reader.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <thread>
#include <utility>

namespace repasse {
namespace {

using found_verdict = told_payment::verdict;

/// Runs `work(reader, first, last)` over steps of 0..count on several threads, each with its own reader.
template <typename Work>
void in_parallel(const audit_config& config, std::size_t count, std::size_t step, Work work) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < std::max<std::size_t>(config.threads, 1); ++i)
    threads.emplace_back([&] {
      audit_reader reader(config);
      for (std::size_t first = next.fetch_add(step); first < count; first = next.fetch_add(step))
        work(reader, first, std::min(first + step, count));
    });
}

std::string amount_words(std::int64_t cents) {
  std::string text(24, '\0');
  text.resize(static_cast<std::size_t>(write_amount(text.data(), cents) - text.data()));
  return text;
}

std::string time_words(const std::optional<wall_time>& time) { return time ? to_string(*time) : "no time"; }

std::string totals_words(const told_totals& totals) {
  return std::to_string(totals.requests) + " payments of " + amount_words(totals.amount_cents);
}

/// One run over one set of payments; its functions are called in the order in which they stand.
class strict_audit {
public:
  strict_audit(const audit_config& config, std::span<const posted_entry> posted)
      : config_(config),
        posted_(posted),
        by_repasse_(posted.size()),
        by_processors_(config.processors.size(), std::vector<told_payment>(posted.size())) {
    for (const posted_entry& each : posted)
      ids_.push_back(each.id);
  }

  void wait_until_settled();
  void read_processors();
  void judge_payments();
  void judge_words();
  void judge_totals();
  void judge_windows();

  audit_report report;

private:
  void read_repasse(const std::vector<std::size_t>& which);
  [[nodiscard]] std::vector<std::size_t> unsettled() const;
  void judge_payment(std::size_t index);
  void judge_at_processor(std::size_t index, std::size_t processor);
  [[nodiscard]] std::vector<audit_window> make_windows() const;
  std::vector<std::string> compare_window(audit_reader& reader, const audit_window& window) const;
  void find(std::string finding);
  [[nodiscard]] std::string name_of(std::size_t index) const { return "payment " + to_string(ids_[index]); }

  const audit_config& config_;
  std::span<const posted_entry> posted_;
  std::vector<payment_id> ids_;
  std::vector<told_payment> by_repasse_;
  std::vector<std::vector<told_payment>> by_processors_;
};

void strict_audit::find(std::string finding) {
  ++report.finding_count;
  if (report.findings.size() < audit_report::findings_shown_max)
    report.findings.push_back(std::move(finding));
}

void strict_audit::wait_until_settled() {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::size_t> open(ids_.size());
  for (std::size_t i = 0; i < open.size(); ++i)
    open[i] = i;
  read_repasse(open);
  constexpr std::chrono::milliseconds pause{200};
  for (open = unsettled(); !open.empty(); open = unsettled()) {
    if (std::chrono::steady_clock::now() - start > config_.settle_within) break;
    std::this_thread::sleep_for(pause);
    read_repasse(open);
  }
  report.waited =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

void strict_audit::read_repasse(const std::vector<std::size_t>& which) {
  in_parallel(config_, which.size(), audit_reader::ids_at_once_max,
              [&](audit_reader& reader, std::size_t first, std::size_t last) {
                std::vector<payment_id> ids;
                for (std::size_t i = first; i < last; ++i)
                  ids.push_back(ids_[which[i]]);
                const std::vector<told_payment> told = reader.ask_repasse(ids);
                for (std::size_t i = first; i < last; ++i)
                  by_repasse_[which[i]] = told[i - first];
              });
}

/// What had no answer counts as unsettled, and is asked for again.
std::vector<std::size_t> strict_audit::unsettled() const {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const told_payment& told = by_repasse_[i];
    const bool settled =
        told.what == found_verdict::found ? is_final(told.status) : told.what == found_verdict::not_found;
    if (!settled) open.push_back(i);
  }
  return open;
}

void strict_audit::read_processors() {
  in_parallel(config_, ids_.size(), audit_reader::ids_at_once_max,
              [&](audit_reader& reader, std::size_t first, std::size_t last) {
                for (std::size_t p = 0; p < by_processors_.size(); ++p) {
                  const auto told = reader.ask_processor(p, std::span(ids_).subspan(first, last - first));
                  std::ranges::copy(told, by_processors_[p].begin() + static_cast<std::ptrdiff_t>(first));
                }
              });
}

void strict_audit::judge_payments() {
  report.posted = posted_.size();
  for (std::size_t i = 0; i < ids_.size(); ++i)
    judge_payment(i);
}

void strict_audit::judge_payment(std::size_t index) {
  const told_payment& told = by_repasse_[index];
  const bool acknowledged = posted_[index].acknowledged;
  report.acknowledged += acknowledged ? 1 : 0;
  if (told.what == found_verdict::no_answer) return find(name_of(index) + ": repasse gave no usable answer");
  if (told.what == found_verdict::not_found) {
    ++report.unknown_to_repasse;
    if (acknowledged) find(name_of(index) + " was acknowledged, and repasse does not know it");
  } else {
    report.processed += told.status == payment_status::processed ? 1 : 0;
    report.rejected += told.status == payment_status::rejected ? 1 : 0;
    if (!is_final(told.status)) find(name_of(index) + " is still " + std::string(to_string(told.status)));
    if (told.amount_cents != posted_[index].amount_cents)
      find(name_of(index) + " was posted with " + amount_words(posted_[index].amount_cents) +
           ", repasse has it with " + amount_words(told.amount_cents));
    if (told.status == payment_status::processed && told.processor >= config_.processors.size())
      find(name_of(index) + " is processed by none of the processors");
  }
  for (std::size_t p = 0; p < by_processors_.size(); ++p)
    judge_at_processor(index, p);
}

void strict_audit::judge_at_processor(std::size_t index, std::size_t processor) {
  const told_payment& ours = by_repasse_[index];
  const told_payment& theirs = by_processors_[processor][index];
  const std::string& name = config_.processors[processor].name;
  if (theirs.what == found_verdict::no_answer)
    return find(name_of(index) + ": processor " + name + " gave no usable answer");
  const bool is_there = theirs.what == found_verdict::found;
  const bool known = ours.what == found_verdict::found;
  const bool names_it = known && ours.status == payment_status::processed && ours.processor == processor;
  const bool same_amount = is_there && theirs.amount_cents == posted_[index].amount_cents;
  if (names_it && !is_there)
    return find(name_of(index) + " is processed by " + name + ", which has not taken it");
  if (names_it && !same_amount)
    return find(name_of(index) + " is at " + name + " with " + amount_words(theirs.amount_cents));
  if (names_it && ours.requested_at != theirs.requested_at)
    return find(name_of(index) + ": requestedAt is " + time_words(ours.requested_at) + " by repasse and " +
                time_words(theirs.requested_at) + " by " + name);
  const bool rejected = known && ours.status == payment_status::rejected;
  if (!names_it && is_there && (!rejected || same_amount))
    find(name_of(index) + " is at " + name + ", where it should not be");
}

/// Whether a processed payment is where it should be, as declared or not, is judged with all others.
void strict_audit::judge_words() {
  audit_reader reader(config_);
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const std::optional<payment_status> word = posted_[i].declared;
    if (!word) continue;
    const std::string declared = "declared " + std::string(to_string(*word));
    const std::optional<std::string> trail = reader.trail_of(ids_[i]);
    if (!trail)
      find(name_of(i) + " has an audit trail without a usable answer");
    else if (trail->find(R"("event":")" + declared + R"(","by":"administrator")") == trail->npos)
      find(name_of(i) + " was " + declared + ", which is not in its audit trail");
    const bool is_somewhere = std::ranges::any_of(
        by_processors_, [i](const auto& at_one) { return at_one[i].what == found_verdict::found; });
    if (by_repasse_[i].status != *word && !is_somewhere)
      find(name_of(i) + " was " + declared + ", and is " + std::string(to_string(by_repasse_[i].status)) +
           " against no processor's word");
  }
}

void strict_audit::judge_totals() {
  audit_reader reader(config_);
  const auto ours = reader.summary(std::nullopt);
  if (!ours) find("repasse's summary without bounds has no usable answer");
  for (std::size_t p = 0; p < by_processors_.size(); ++p) {
    told_totals found;
    told_totals in_our_books;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      if (by_processors_[p][i].what == found_verdict::found) {
        ++found.requests;
        found.amount_cents += by_processors_[p][i].amount_cents;
      }
      if (by_repasse_[i].status != payment_status::processed || by_repasse_[i].processor != p) continue;
      ++in_our_books.requests;
      in_our_books.amount_cents += by_repasse_[i].amount_cents;
    }
    const std::string& name = config_.processors[p].name;
    const auto theirs = reader.summary_of(p, std::nullopt);
    if (!theirs)
      find("the summary of " + name + " has no usable answer");
    else if (*theirs != found)
      find(name + " has taken " + totals_words(*theirs) + ", and we find " + totals_words(found) +
           " of ours there");
    if (ours && (*ours)[p] != in_our_books)
      find("repasse's summary of " + name + " tells " + totals_words((*ours)[p]) +
           ", its payments one by one are " + totals_words(in_our_books));
  }
}

void strict_audit::judge_windows() {
  const std::vector<audit_window> windows = make_windows();
  std::vector<std::vector<std::string>> findings(windows.size());
  constexpr std::size_t windows_at_once = 16;
  in_parallel(config_, windows.size(), windows_at_once,
              [&](audit_reader& reader, std::size_t first, std::size_t last) {
                for (std::size_t i = first; i < last; ++i)
                  findings[i] = compare_window(reader, windows[i]);
              });
  report.windows = windows.size();
  for (std::vector<std::string>& each : findings)
    for (std::string& finding : each)
      find(std::move(finding));
}

std::vector<audit_window> strict_audit::make_windows() const {
  std::vector<wall_time> times;
  for (const std::vector<told_payment>& at_one : by_processors_)
    for (const told_payment& told : at_one)
      if (told.what == found_verdict::found && told.requested_at) times.push_back(*told.requested_at);
  if (times.empty()) return {};
  using std::chrono::milliseconds;
  const auto [earliest, latest] = std::ranges::minmax(times);
  std::mt19937_64 random(config_.seed);
  std::uniform_int_distribution<std::int64_t> offset(-1000, (latest - earliest).count() + 1000);
  std::uniform_int_distribution<std::size_t> any_payment(0, times.size() - 1);
  std::uniform_int_distribution<int> beside(-1, 1);
  std::vector<audit_window> windows;
  for (std::size_t i = 0; i < config_.windows; ++i) {
    audit_window window{earliest + milliseconds(offset(random)), earliest + milliseconds(offset(random))};
    if (i % 2 == 0) window.from = times[any_payment(random)] + milliseconds(beside(random));
    if (i % 4 == 0) window.to = times[any_payment(random)] + milliseconds(beside(random));
    if (window.from > window.to) std::swap(window.from, window.to);
    windows.push_back(window);
  }
  return windows;
}

std::vector<std::string> strict_audit::compare_window(audit_reader& reader,
                                                      const audit_window& window) const {
  const std::string words = "from " + to_string(window.from) + " to " + to_string(window.to);
  const auto ours = reader.summary(window);
  if (!ours) return {words + " repasse's summary has no usable answer"};
  std::vector<std::string> findings;
  for (std::size_t p = 0; p < config_.processors.size(); ++p) {
    const std::string& name = config_.processors[p].name;
    const auto theirs = reader.summary_of(p, window);
    if (!theirs)
      findings.push_back(words + " the summary of " + name + " has no usable answer");
    else if (*theirs != (*ours)[p])
      findings.push_back(words + " " + name + " has " + totals_words(*theirs) + ", repasse tells " +
                         totals_words((*ours)[p]));
  }
  return findings;
}

} // namespace

audit_report audit_strictly(const audit_config& config, std::span<const posted_entry> posted) {
  const auto start = std::chrono::steady_clock::now();
  strict_audit audit(config, posted);
  audit.wait_until_settled();
  audit.read_processors();
  audit.judge_payments();
  audit.judge_words();
  audit.judge_totals();
  audit.judge_windows();
  audit.report.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  return std::move(audit.report);
}

std::string audit_report::to_text() const {
  std::string text = "strict audit: " + std::to_string(posted) + " posted, " + std::to_string(acknowledged) +
                     " acknowledged, " + std::to_string(processed) + " processed, " +
                     std::to_string(rejected) + " rejected, " + std::to_string(unknown_to_repasse) +
                     " unknown to repasse; " + std::to_string(windows) + " windows compared; settled after " +
                     std::to_string(waited.count()) + " ms, took " + std::to_string(took.count()) + " ms: ";
  if (ok()) return text + "no finding";
  text += std::to_string(finding_count) + " findings";
  for (const std::string& finding : findings)
    text += "\n  " + finding;
  if (finding_count > findings.size())
    text += "\n  and " + std::to_string(finding_count - findings.size()) + " more";
  return text;
}

} // namespace repasse
