// Control groups as files in a folder of the test's own: both versions, and both of Docker's ways to name
// them.
#include "bench/container_samples.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view id = "1f2e3d4c5b6a79880102030405060708090a0b0c0d0e0f101112131415161718";

class group_tree {
public:
  group_tree() {
    std::string name = (fs::temp_directory_path() / "groups.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    root_ = name;
  }
  ~group_tree() { fs::remove_all(root_); }
  group_tree(const group_tree&) = delete;
  group_tree& operator=(const group_tree&) = delete;

  void write(const std::string& path, std::string_view content) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  [[nodiscard]] const fs::path& root() const { return root_; }

private:
  fs::path root_;
};

void write_split(const group_tree& tree) {
  const std::string group = "/docker/" + std::string(id);
  tree.write("cpu" + group + "/cpu.stat",
             "nr_periods 312\nnr_throttled 12\nthrottled_time 34000000\nnr_bursts 0\n");
  tree.write("cpu" + group + "/cpu.cfs_quota_us", "27000\n");
  tree.write("cpu" + group + "/cpu.cfs_period_us", "100000\n");
  tree.write("cpuacct" + group + "/cpuacct.usage", "5260074973\n");
  tree.write(
      "memory" + group + "/memory.stat",
      "cache 9\nrss 9\nshmem 9\ntotal_cache 9000\ntotal_rss 7000\ntotal_rss_huge 0\ntotal_shmem 2000\n");
  tree.write("memory" + group + "/memory.kmem.usage_in_bytes", "400\n");
  tree.write("memory" + group + "/memory.kmem.tcp.usage_in_bytes", "50\n");
  tree.write("memory" + group + "/memory.limit_in_bytes", "20971520\n");
  tree.write("memory" + group + "/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
}

void write_unified(const group_tree& tree, const std::string& group) {
  tree.write(group + "/cpu.stat",
             "usage_usec 5000\nuser_usec 1\nsystem_usec 1\nnr_periods 20\nnr_throttled 5\n"
             "throttled_usec 700\n");
  tree.write(group + "/cpu.max", "150000 100000\n");
  tree.write(group + "/memory.stat",
             "anon 7000\nfile 9000\nkernel_stack 10\npagetables 20\npercpu 30\nsock 40\n"
             "shmem 2000\nslab_reclaimable 100000\nslab_unreclaimable 50\n");
  tree.write(group + "/memory.max", "max\n");
  tree.write(group + "/memory.events", "low 0\nhigh 0\nmax 0\noom 1\noom_kill 2\n");
}

timed_sample sample_at(double second, std::chrono::nanoseconds cpu, std::uint64_t held, std::uint64_t periods,
                       std::uint64_t throttled) {
  timed_sample made{second, {}};
  made.sample.cpu = cpu;
  made.sample.anonymous_bytes = held;
  made.sample.periods = periods;
  made.sample.throttled_periods = throttled;
  return made;
}

BOOST_AUTO_TEST_SUITE(container_samples)

BOOST_AUTO_TEST_CASE(version_1_is_read_from_a_mount_of_each_controller) {
  const group_tree tree;
  write_split(tree);
  const auto folders = find_container(id, tree.root());
  BOOST_REQUIRE(folders.has_value());
  const container_sample read = read_container(*folders);
  BOOST_TEST(read.cpu.count() == 5260074973);
  BOOST_TEST(read.anonymous_bytes == 7000U);
  BOOST_TEST(read.shared_bytes == 2000U);
  BOOST_TEST(read.kernel_bytes == 450U);
  BOOST_TEST(read.cache_bytes == 7000U);
  BOOST_TEST(read.held_bytes() == 9450U);
  BOOST_TEST(read.periods == 312U);
  BOOST_TEST(read.throttled_periods == 12U);
  BOOST_TEST((read.throttled == 34ms));
  BOOST_TEST(read.oom_kills == 3U);
  const container_limits limits = read_limits(*folders);
  BOOST_TEST(limits.cores == 0.27);
  BOOST_TEST(limits.memory_bytes == 20'971'520U);
}

BOOST_AUTO_TEST_CASE(version_2_is_read_from_one_folder_by_either_name) {
  for (const std::string& group :
       {"docker/" + std::string(id), "system.slice/docker-" + std::string(id) + ".scope"}) {
    const group_tree tree;
    write_unified(tree, group);
    const auto folders = find_container(id, tree.root());
    BOOST_REQUIRE(folders.has_value());
    const container_sample read = read_container(*folders);
    BOOST_TEST((read.cpu == 5ms));
    BOOST_TEST(read.anonymous_bytes == 7000U);
    BOOST_TEST(read.shared_bytes == 2000U);
    BOOST_TEST(read.kernel_bytes == 150U);
    BOOST_TEST(read.cache_bytes == 7000U);
    BOOST_TEST(read.periods == 20U);
    BOOST_TEST(read.throttled_periods == 5U);
    BOOST_TEST((read.throttled == 700us));
    BOOST_TEST(read.oom_kills == 2U);
    BOOST_TEST(read_limits(*folders).cores == 1.5);
    BOOST_TEST(read_limits(*folders).memory_bytes == 0U);
  }
}

BOOST_AUTO_TEST_CASE(the_beginning_of_an_id_or_a_path_will_do_if_it_is_one_group) {
  const group_tree tree;
  write_unified(tree, "docker/" + std::string(id));
  write_unified(tree, "docker/1f2eaaaa");
  write_unified(tree, "system.slice/nginx.service");
  BOOST_TEST(find_container("1f2e3d", tree.root()).has_value());
  BOOST_TEST(!find_container("1f2e", tree.root()).has_value());
  BOOST_TEST(!find_container("2f", tree.root()).has_value());
  BOOST_TEST(!find_container("", tree.root()).has_value());
  BOOST_TEST(find_container("/system.slice/nginx.service", tree.root()).has_value());
  BOOST_TEST(!find_container("/system.slice/other.service", tree.root()).has_value());
}

BOOST_AUTO_TEST_CASE(files_that_are_gone_read_as_zero) {
  const group_tree tree;
  write_split(tree);
  const auto folders = find_container(id, tree.root());
  fs::remove_all(tree.root() / "memory");
  BOOST_TEST(read_container(folders.value()).held_bytes() == 0U);
}

BOOST_AUTO_TEST_CASE(usage_is_what_grew_and_the_most_there_was) {
  const container_usage usage = usage_over(
      {sample_at(0, 1s, 100, 10, 2), sample_at(1, 1500ms, 300, 20, 4), sample_at(2, 1600ms, 200, 30, 4)});
  BOOST_TEST((usage.cpu == 600ms));
  BOOST_TEST(usage.cores_mean == 0.3);
  BOOST_TEST(usage.cores_max == 0.5);
  BOOST_TEST(usage.held_bytes_max == 300U);
  BOOST_TEST(usage.periods == 20U);
  BOOST_TEST(usage.throttled_share() == 0.1);
}

BOOST_AUTO_TEST_CASE(a_container_that_began_again_counts_from_zero) {
  const container_usage usage = usage_over(
      {sample_at(0, 5s, 100, 50, 9), sample_at(1, 200ms, 100, 4, 1), sample_at(2, 300ms, 100, 8, 1)});
  BOOST_TEST((usage.cpu == 300ms));
  BOOST_TEST(usage.periods == 8U);
  BOOST_TEST(usage.throttled_periods == 1U);
}

BOOST_AUTO_TEST_CASE(two_samples_close_together_tell_nothing_of_the_most) {
  const container_usage usage = usage_over({sample_at(0, 1s, 0, 0, 0), sample_at(0.01, 1008ms, 0, 0, 0)});
  BOOST_TEST(usage.cores_max == 0);
  BOOST_TEST((usage.cpu == 8ms));
}

BOOST_AUTO_TEST_CASE(without_samples_nothing_was_used) {
  BOOST_TEST(usage_over({}).cores_mean == 0);
  BOOST_TEST(usage_over({sample_at(0, 5s, 100, 50, 9)}).cpu.count() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
