// Runs the cases of its binary. `--planted ERROR=CASE...` instead runs each of these cases as it is, when it
// must pass, and with that error planted, when it must fail: so the error is found.
#define BOOST_TEST_MODULE repasse_integration
#define BOOST_TEST_NO_MAIN
#include "storage/planted.hpp"

#include <boost/test/framework.hpp>
#include <boost/test/results_collector.hpp>
#include <boost/test/tree/traverse.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace repasse {
namespace {

#ifdef REPASSE_PLANTED_ERRORS

namespace tests = boost::unit_test;

struct case_finder : tests::test_tree_visitor {
  explicit case_finder(std::string_view name) : wanted(name) {}
  using test_tree_visitor::visit;
  void visit(const tests::test_case& one) override {
    if (one.full_name() == wanted) found = one.p_id;
  }

  std::string_view wanted;
  tests::test_unit_id found = tests::INV_TEST_UNIT_ID;
};

bool passes(tests::test_unit_id one, planted error) {
  planted_error = error;
  tests::framework::run(one, false);
  planted_error = planted::none;
  return tests::results_collector.results(one).passed();
}

/// What became of `ERROR=CASE`; empty if the case finds the error.
std::string failure_of(std::string_view pair) {
  const std::size_t middle = pair.find('=');
  if (middle == std::string_view::npos) return "it is not ERROR=CASE";
  const planted error = planted_of(pair.substr(0, middle));
  if (error == planted::count) return "there is no such error";
  case_finder finder(pair.substr(middle + 1));
  tests::traverse_test_tree(tests::framework::master_test_suite().p_id, finder, true);
  if (finder.found == tests::INV_TEST_UNIT_ID) return "there is no such case";
  if (!passes(finder.found, planted::none)) return "the case fails without it";
  if (passes(finder.found, error)) return "NOT FOUND";
  return {};
}

int run_planted(char* program, std::span<char*> pairs) {
  std::string quiet = "--report_level=no";
  char* arguments[] = {program, quiet.data(), nullptr};
  tests::framework::init(&init_unit_test, 2, arguments);
  tests::framework::finalize_setup_phase();
  bool all_found = !pairs.empty();
  for (const std::string_view pair : pairs) {
    const auto begun = std::chrono::steady_clock::now();
    const std::string failure = failure_of(pair);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("== %s: %s (%.1f s)\n", pair.data(), failure.empty() ? "found" : failure.c_str(),
                took.count());
    if (!failure.empty()) all_found = false;
  }
  tests::framework::shutdown();
  return all_found ? EXIT_SUCCESS : EXIT_FAILURE;
}

#else

int run_planted(char*, std::span<char*>) {
  std::fprintf(stderr, "this build holds no planted errors\n");
  return EXIT_FAILURE;
}

#endif

} // namespace
} // namespace repasse

int main(int count, char** values) {
  const std::span<char*> arguments{values, static_cast<std::size_t>(count)};
  if (count > 1 && std::string_view{values[1]} == "--planted")
    return repasse::run_planted(values[0], arguments.subspan(2));
  return boost::unit_test::unit_test_main(&init_unit_test, count, values);
}
