#include "server/poller.hpp"

#include "storage/check.hpp"

#include <sys/epoll.h>

namespace repasse {

poller::poller(asio::io_context& context)
    : epoll_(context, ::epoll_create1(EPOLL_CLOEXEC)),
      events_(std::make_unique<std::array<epoll_event, events_max>>()) {
  wait();
}

poller::~poller() = default;

void poller::close() {
  is_closed_ = true;
  epoll_.cancel();
}

bool poller::add(watched& one, std::uint32_t events) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.ptr = &one;
  one.interest = events;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, one.fd, &wanted) == 0;
}

void poller::want(watched& one, std::uint32_t events) {
  if (one.interest == events) return;
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.ptr = &one;
  one.interest = events;
  REPASSE_CHECK(::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_MOD, one.fd, &wanted) == 0);
}

void poller::remove(watched& one) {
  ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, one.fd, nullptr);
  for (std::size_t i = next_; i < count_; ++i)
    if ((*events_)[i].data.ptr == &one) (*events_)[i].data.ptr = nullptr;
}

void poller::wait() {
  epoll_.async_wait(asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    if (error || is_closed_) return;
    turn();
    wait();
  });
}

void poller::turn() {
  const int count = ::epoll_wait(epoll_.native_handle(), events_->data(), events_max, 0);
  count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  for (next_ = 0; next_ < count_ && !is_closed_;) {
    const epoll_event& came = (*events_)[next_++];
    auto* one = static_cast<watched*>(came.data.ptr);
    if (one != nullptr) one->ready(*one, came.events);
  }
  count_ = 0;
  next_ = 0;
}

} // namespace repasse
