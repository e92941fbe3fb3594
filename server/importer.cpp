#include "server/importer.hpp"

#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch_max = 1'000;
/// Between two looks while there is nothing to import, and while the ledger is away.
constexpr std::chrono::nanoseconds idle_look = 200ms;

} // namespace

importer::importer(clock& time, intake& from, payment_flow& flow)
    : clock_(time), intake_(from), flow_(flow), all_answered_(time), pause_(time), tasks_(time) {}

void importer::stop() {
  stopping_ = true;
  pause_.notify();
}

task<> importer::run() {
  while (!stopping_) {
    bool some = false;
    const std::size_t room = std::min(batch_max, flow_.room());
    const bool may_import =
        flow_.may_import() && (!is_planted(planted::import_only_on_return) || flow_.counters().taken_in > 0);
    if (may_import && room > 0) {
      std::vector<taken_payment> batch = co_await intake_.next(room);
      if (!batch.empty()) some = co_await bring(std::move(batch));
    }
    if (!some && imported_ > 0)
      spdlog::info("{} payments were imported from the intake", std::exchange(imported_, 0));
    if (!some || !flow_.may_import()) co_await pause_.wait_for(idle_look);
  }
}

task<bool> importer::bring(std::vector<taken_payment> batch) {
  if (is_planted(planted::import_forgets_first)) co_await intake_.forget(batch);
  verdicts_.assign(batch.size(), accept_verdict::unavailable);
  open_ = batch.size();
  for (std::uint32_t i = 0; i < batch.size(); ++i)
    flow_.import(batch[i], {&importer::answered, this, {.exchange = i}});
  while (open_ > 0)
    co_await all_answered_.wait_until();
  std::vector<taken_payment> here;
  std::vector<taken_payment> left;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    switch (verdicts_[i]) {
    case accept_verdict::conflict:
      spdlog::critical("payment {} was taken in with another amount than the ledger had: it stands as it was",
                       to_string(batch[i].id));
      ++figures_.conflicts;
      here.push_back(batch[i]);
      break;
    case accept_verdict::replayed:
      ++figures_.known;
      [[fallthrough]];
    case accept_verdict::accepted:
      here.push_back(batch[i]);
      break;
    case accept_verdict::overloaded:
    case accept_verdict::unavailable:
      left.push_back(batch[i]);
      break;
    }
  }
  figures_.put_back += left.size();
  intake_.put_back(left);
  if (here.empty()) co_return false;
  imported_ += here.size();
  co_await intake_.forget(std::move(here));
  co_return true;
}

void importer_figures::add(const importer_figures& other) {
  known += other.known;
  conflicts += other.conflicts;
  put_back += other.put_back;
}

void importer::answered(void* self, const accept_reply::place& where, accept_verdict verdict) {
  auto& own = *static_cast<importer*>(self);
  own.verdicts_[where.exchange] = verdict;
  if (--own.open_ == 0) own.all_answered_.notify();
}

} // namespace repasse
