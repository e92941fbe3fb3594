// Runs seeds and says what they went through; --planted [NAME] switches planted errors on, one after the
// other or that one, and expects each to be found. `--seed S` begins there, `--seeds N` runs so many.

#include "storage/planted.hpp"
#include "test/simulation/seed.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace repasse::simulation {
namespace {

struct arguments {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 200;
  bool planted = false;
  std::string_view only; ///< this planted error; empty: all
  bool logs = false;
};

constexpr std::uint64_t planted_seeds_max = 1500;

struct named_count {
  const char* name;
  std::uint64_t count;
};

/// False if something was never hit.
bool print(const coverage& seen) {
  bool all_hit = true;
  const auto row = [&all_hit](std::string_view name, std::uint64_t count) {
    std::printf("  %-36.*s %12llu%s\n", static_cast<int>(name.size()), name.data(),
                static_cast<unsigned long long>(count), count == 0 ? "  NEVER HIT" : "");
    if (count == 0) all_hit = false;
  };
  for (std::size_t i = 0; i < seen.seen.size(); ++i)
    row(to_string(static_cast<evidence>(i)), seen.seen[i]);
  const flow_counters& flow = seen.flow;
  const auto of = [&seen](oversight::verdict what) { return seen.overseen[static_cast<std::size_t>(what)]; };
  const named_count counts[] = {{"accepted", flow.accepted},
                                {"replayed", flow.replayed},
                                {"refused with 503", flow.refused()},
                                {"settled", flow.settled},
                                {"rejected", flow.rejected},
                                {"in doubt", flow.doubts},
                                {"sent again in doubt", flow.resends},
                                {"taken over", flow.adopted},
                                {"released on drain", flow.released},
                                {"found before the first send", flow.found},
                                {"refused choice of processor", flow.refused_choices},
                                {"refused mark of doubt", flow.refused_doubts},
                                {"refused rejection", flow.refused_rejections},
                                {"append repeated", flow.repeated_appends},
                                {"change repeated", flow.repeated_amends},
                                {"settle repeated", flow.repeated_settles},
                                {"taken in by Redis", flow.taken_in},
                                {"imported", seen.imported},
                                {"claimed from the dead", seen.redis.claimed},
                                {"brought back by a torn file", seen.redis.brought_back},
                                {"taken in again after loss", seen.taken_in_again},
                                {"known at import", seen.imports.known},
                                {"conflict at import", seen.imports.conflicts},
                                {"put back at import", seen.imports.put_back},
                                {"Redis batch in doubt", seen.redis.doubts},
                                {"Redis command given up, carried out", seen.redis.carried_out_late},
                                {"Redis restarted", seen.redis.restarts},
                                {"Redis emptied", seen.redis.emptied},
                                {"instances killed", seen.crashes},
                                {"instances stalled", seen.stalls},
                                {"instances drained", seen.drains},
                                {"ledger restored", seen.restores},
                                {"asked by hand, still in doubt", of(oversight::verdict::asked)},
                                {"asked by hand, settled", of(oversight::verdict::settled)},
                                {"declared, noted", of(oversight::verdict::noted)},
                                {"declared against the word", of(oversight::verdict::against_word)},
                                {"carried out as declared", flow.declared}};
  for (const named_count& one : counts)
    row(one.name, one.count);
  return all_hit;
}

int run_seeds(const arguments& given) {
  const auto begun = std::chrono::steady_clock::now();
  coverage seen;
  std::uint64_t failed = 0;
  std::chrono::nanoseconds virtual_time{0};
  for (std::uint64_t seed = given.first_seed; seed < given.first_seed + given.seeds; ++seed) {
    const seed_result result = run_seed(seed);
    seen.add(result.seen);
    virtual_time += result.virtual_time;
    if (result.violations.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s (%zu findings)\n", static_cast<unsigned long long>(seed),
                result.violations.front().c_str(), result.violations.size());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%llu seeds, %llu failed, %.1f virtual hours in %.1f s\n",
              static_cast<unsigned long long>(given.seeds), static_cast<unsigned long long>(failed),
              std::chrono::duration<double>(virtual_time).count() / 3600, took.count());
  const bool all_hit = print(seen);
  return failed == 0 && (all_hit || given.seeds < 200) ? EXIT_SUCCESS : EXIT_FAILURE;
}

#ifdef REPASSE_PLANTED_ERRORS
int run_planted(const arguments& given) {
  bool all_found = true;
  const planted only = planted_of(given.only);
  if (!given.only.empty() && (only == planted::none || only >= first_of_postgres)) {
    std::fprintf(stderr, "there is no such planted error\n");
    return 2;
  }
  for (std::size_t i = 1; i < static_cast<std::size_t>(first_of_postgres); ++i) {
    if (!given.only.empty() && planted_names[i] != given.only) continue;
    planted_error = static_cast<planted>(i);
    std::uint64_t seed = given.first_seed;
    std::string finding;
    for (; finding.empty() && seed < given.first_seed + planted_seeds_max; ++seed) {
      const seed_result result = run_seed(seed);
      if (!result.violations.empty()) finding = result.violations.front();
    }
    std::printf("%-26s %s\n", planted_names[i].data(),
                finding.empty() ? "NOT FOUND"
                                : ("found by seed " + std::to_string(seed - 1) + ": " + finding).c_str());
    if (finding.empty()) all_found = false;
  }
  planted_error = planted::none;
  return all_found ? EXIT_SUCCESS : EXIT_FAILURE;
}
#else
int run_planted(const arguments&) {
  std::fprintf(stderr, "this build holds no planted errors\n");
  return EXIT_FAILURE;
}
#endif

int run(int count, char** values) {
  arguments given;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    const bool has_value = i + 1 < count;
    if (name == "--seeds" && has_value)
      given.seeds = std::strtoull(values[++i], nullptr, 10);
    else if (name == "--seed" && has_value)
      given.first_seed = std::strtoull(values[++i], nullptr, 10);
    else if (name == "--planted") {
      given.planted = true;
      if (has_value && values[i + 1][0] != '-') given.only = values[++i];
    } else if (name == "--log")
      given.logs = true;
    else {
      std::fprintf(stderr, "usage: simulation [--seed S] [--seeds N] [--planted [NAME]] [--log]\n");
      return 2;
    }
  }
  spdlog::set_level(given.logs ? spdlog::level::debug : spdlog::level::off);
  return given.planted ? run_planted(given) : run_seeds(given);
}

} // namespace
} // namespace repasse::simulation

int main(int count, char** values) { return repasse::simulation::run(count, values); }
