// Runs what never waits to its end, at once: the memory ledger's calls.
#pragma once

#include "storage/clock.hpp"

#include <boost/asio/co_spawn.hpp>

#include <utility>

namespace repasse::simulation {

template <typename Result>
Result run_now(task<Result> work) {
  asio::io_context context(1);
  Result result{};
  asio::co_spawn(context.get_executor(), std::move(work),
                 [&result](const std::exception_ptr&, Result got) { result = std::move(got); });
  context.run();
  return result;
}

} // namespace repasse::simulation
