#include "storage/clock.hpp"

#include <boost/asio/steady_timer.hpp>

namespace repasse {

struct clock::driver {
  explicit driver(asio::io_context& context) : timer(context) {}

  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                             executor>
      timer;
  steady_time armed = never;
};

clock::clock(asio::io_context& context)
    : executor_(context.get_executor()), driver_(std::make_unique<driver>(context)) {}

clock::~clock() = default;

steady_time clock::now() const { return std::chrono::steady_clock::now(); }

wall_time clock::wall() const {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

void clock::arm(steady_time due) {
  if (due >= driver_->armed) return;
  driver_->armed = due;
  driver_->timer.expires_at(due);
  driver_->timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return; // armed anew, or the end of the reactor
    driver_->armed = never;
    fire(now());
    if (const steady_time next = next_due(); next != never) arm(next);
  });
}

} // namespace repasse
