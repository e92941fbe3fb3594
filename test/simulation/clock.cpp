#include "test/simulation/virtual_time.hpp"

namespace repasse {
namespace simulation {
namespace {

constexpr wall_time wall_origin{std::chrono::milliseconds{1'752'580'800'000}};
steady_time now_of_all{std::chrono::hours{1}};
std::chrono::milliseconds skew_of_next{0};

} // namespace

steady_time virtual_now() { return now_of_all; }
void set_virtual_now(steady_time now) { now_of_all = now; }
void set_wall_skew(std::chrono::milliseconds skew) { skew_of_next = skew; }

wall_time true_wall() {
  return wall_origin + std::chrono::floor<std::chrono::milliseconds>(now_of_all.time_since_epoch());
}

} // namespace simulation

struct clock::driver {
  std::chrono::milliseconds skew;
};

clock::clock(asio::io_context& context)
    : executor_(context.get_executor()),
      driver_(std::make_unique<driver>(driver{simulation::skew_of_next})) {}

clock::~clock() = default;

steady_time clock::now() const { return simulation::virtual_now(); }
wall_time clock::wall() const { return simulation::true_wall() + driver_->skew; }

/// The world looks at next_due() of every clock before it moves the time on.
void clock::arm(steady_time) {}

} // namespace repasse
