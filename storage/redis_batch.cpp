#include "storage/check.hpp"
#include "storage/redis_link.hpp"

namespace repasse {
namespace {

void write_number(std::string& to, char kind, std::size_t number) {
  to.push_back(kind);
  to.append(std::to_string(number)).append("\r\n");
}

} // namespace

void redis_batch::clear() {
  bytes_.clear();
  ends_.clear();
}

void redis_batch::add(std::span<const std::string_view> arguments) {
  REPASSE_CHECK(!arguments.empty());
  write_number(bytes_, '*', arguments.size());
  for (const std::string_view one : arguments) {
    write_number(bytes_, '$', one.size());
    bytes_.append(one).append("\r\n");
  }
  ends_.push_back(bytes_.size());
}

const redis_reply& redis_batch::reply(std::size_t number) const {
  REPASSE_CHECK(number < ends_.size() && number < replies_.size());
  return replies_[number];
}

redis_call::~redis_call() {
  if (sent_on != nullptr) sent_on->forget(*this);
}

void redis_call::end(redis_verdict how) {
  sent_on = nullptr;
  verdict = how;
  has_ended = true;
  moved.notify();
}

std::string_view redis_call::command(const redis_batch& of, std::size_t which) {
  const std::size_t begin = which == 0 ? 0 : of.ends_[which - 1];
  return {of.bytes_.data() + begin, of.ends_[which] - begin};
}

void redis_call::make_room() {
  if (work.replies_.size() < work.size()) work.replies_.resize(work.size());
}

} // namespace repasse
