// Cores and open files of a machine: the texts of cgroups, and once the real ones.
#include "server/config_machine.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {

BOOST_AUTO_TEST_SUITE(config_machine_test)

BOOST_AUTO_TEST_CASE(a_cpu_quota_counts_part_of_a_core_as_one) {
  BOOST_TEST(cores_of_quota("150000 100000\n").value() == 2);
  BOOST_TEST(cores_of_quota("50000 100000\n").value() == 1);
  BOOST_TEST(cores_of_quota("200000 100000\n").value() == 2);
  BOOST_TEST(!cores_of_quota("max 100000\n"));
  for (const auto* text : {"", "100000", "100000 0\n", "x y\n"})
    BOOST_TEST(!cores_of_quota(text), text);
  BOOST_TEST(cores_of_quota("150000\n", "100000\n").value() == 2);
  BOOST_TEST(!cores_of_quota("-1\n", "100000\n"));
  BOOST_TEST(!cores_of_quota("", ""));
}

BOOST_AUTO_TEST_CASE(finds_the_groups_path_of_either_version) {
  constexpr std::string_view groups = "4:memory:/m\n2:cpu,cpuacct:/docker/1\n1:cpuset:/s\n0::/slice/unit\n";
  BOOST_TEST(group_path(groups, "") == "/slice/unit");
  BOOST_TEST(group_path(groups, "cpu") == "/docker/1");
  BOOST_TEST(group_path(groups, "pids").empty());
  BOOST_TEST(group_path("0::/\n", "").empty());
  BOOST_TEST(group_path("nonsense", "").empty());
}

BOOST_AUTO_TEST_CASE(this_machine_has_a_core_and_some_open_files) {
  const auto machine = claim_machine_limits();
  BOOST_TEST(machine.cores >= 1);
  BOOST_TEST(machine.open_files == raise_open_files_limit());
}

BOOST_AUTO_TEST_CASE(this_process_uses_some_memory) {
  BOOST_TEST(resident_mib() > 1.0);
  BOOST_TEST(resident_mib() < 10'000.0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
