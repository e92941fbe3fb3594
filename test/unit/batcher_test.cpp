// Batches that clock themselves: what gathers while one is under way is the next.
#include "storage/batcher.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <exception>
#include <random>
#include <string>
#include <string_view>

namespace repasse {
namespace {

/// Takes batches as a ledger's writer does: notes each as `[…]`, and ends it when told to.
class writer {
public:
  explicit writer(std::size_t batch_max) : batches_(time_, batch_max), commit_(time_) {
    asio::co_spawn(context_.get_executor(), write(), [](const std::exception_ptr& thrown) {
      if (thrown) std::terminate();
    });
    turn();
  }
  ~writer() {
    time_.abandon();
    turn();
  }

  void push(std::string_view entries) {
    for (const char entry : entries)
      batches_.push(entry);
  }
  /// The batch under way is done.
  void commit() {
    commit_.notify();
    turn();
  }
  /// Runs what can run now.
  void turn() {
    context_.restart();
    context_.poll();
  }
  std::string drop() {
    std::string dropped;
    batches_.drop([&dropped](char entry) { dropped += entry; });
    return dropped;
  }

  [[nodiscard]] const std::string& notes() const { return notes_; }
  [[nodiscard]] std::size_t gathered() const { return batches_.size(); }

private:
  task<> write() {
    for (;;) {
      const std::span<char> batch = co_await batches_.next();
      notes_ += "[" + std::string(batch.begin(), batch.end()) + "]";
      co_await commit_.wait_until();
    }
  }

  asio::io_context context_{1};
  clock time_{context_};
  batcher<char> batches_;
  event commit_;
  std::string notes_;
};

task<> take_one(batcher<std::string>& from, std::span<std::string>& to) { to = co_await from.next(); }

} // namespace

BOOST_AUTO_TEST_SUITE(batcher_test)

BOOST_AUTO_TEST_CASE(a_single_entry_is_a_batch_at_once) {
  writer here(10);
  here.push("a");
  here.turn();
  BOOST_TEST(here.notes() == "[a]");
  BOOST_TEST(here.gathered() == 0U);
}

BOOST_AUTO_TEST_CASE(entries_of_one_turn_share_a_batch) {
  writer here(10);
  here.push("abc");
  BOOST_TEST(here.notes().empty());
  BOOST_TEST(here.gathered() == 3U);
  here.turn();
  BOOST_TEST(here.notes() == "[abc]");
}

BOOST_AUTO_TEST_CASE(what_arrives_while_one_is_under_way_is_the_next) {
  writer here(10);
  here.push("a");
  here.turn();
  for (const std::string_view more : {"b", "c", "de"}) {
    here.push(more);
    here.turn();
  }
  BOOST_TEST(here.notes() == "[a]");
  BOOST_TEST(here.gathered() == 4U);
  here.commit();
  BOOST_TEST(here.notes() == "[a][bcde]");
}

BOOST_AUTO_TEST_CASE(a_commit_with_nothing_gathered_waits_for_the_next_entry) {
  writer here(10);
  here.push("a");
  here.turn();
  here.push("b");
  here.commit();
  here.commit();
  here.turn();
  BOOST_TEST(here.notes() == "[a][b]");
  here.push("c");
  here.turn();
  BOOST_TEST(here.notes() == "[a][b][c]");
}

BOOST_AUTO_TEST_CASE(a_batch_holds_no_more_than_allowed_and_the_rest_comes_in_order) {
  writer here(3);
  here.push("abcdefgh");
  here.turn();
  BOOST_TEST(here.notes() == "[abc]");
  BOOST_TEST(here.gathered() == 5U);
  here.push("ij");
  here.commit();
  here.commit();
  here.commit();
  BOOST_TEST(here.notes() == "[abc][def][gh][ij]");
  BOOST_TEST(here.gathered() == 0U);
}

BOOST_AUTO_TEST_CASE(drop_takes_back_what_no_batch_has_taken_up_in_order) {
  writer here(2);
  here.push("abcde");
  here.turn();
  here.push("fg");
  BOOST_TEST(here.drop() == "cdefg");
  BOOST_TEST(here.gathered() == 0U);
  BOOST_TEST(here.drop().empty());
  here.commit();
  BOOST_TEST(here.notes() == "[ab]");
}

BOOST_AUTO_TEST_CASE(after_a_drop_new_entries_come_as_ever) {
  writer here(2);
  here.push("abc");
  here.turn();
  here.drop();
  here.push("d");
  here.commit();
  BOOST_TEST(here.notes() == "[ab][d]");
}

BOOST_AUTO_TEST_CASE(a_drop_before_the_first_batch_leaves_its_reader_waiting) {
  writer here(2);
  here.push("ab");
  BOOST_TEST(here.drop() == "ab");
  here.turn();
  BOOST_TEST(here.notes().empty());
  here.push("c");
  here.turn();
  BOOST_TEST(here.notes() == "[c]");
}

BOOST_AUTO_TEST_CASE(the_batch_under_way_outlives_pushes_and_drops) {
  asio::io_context context{1};
  clock time(context);
  batcher<std::string> batches(time, 2);
  std::span<std::string> batch;
  const std::string long_text(100, 'x');
  for (int i = 0; i < 5; ++i)
    batches.push(long_text);
  asio::co_spawn(context.get_executor(), take_one(batches, batch), [](const std::exception_ptr&) {});
  context.poll();
  for (int i = 0; i < 1'000; ++i)
    batches.push("y");
  batches.drop([](const std::string&) {});
  BOOST_REQUIRE(batch.size() == 2U);
  BOOST_TEST(batch[0] == long_text);
  BOOST_TEST(batch[1] == long_text);
}

BOOST_AUTO_TEST_CASE(every_entry_is_written_or_dropped_once_and_in_order) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937_64 random(seed);
      writer here(1 + random() % 5);
      std::string kept;
      for (int step = 0; step < 500; ++step) {
        const std::uint64_t what = random() % 32;
        if (what < 5) {
          here.commit();
        } else if (what < 10) {
          here.turn();
        } else if (what < 11) {
          const std::string dropped = here.drop();
          BOOST_REQUIRE(kept.ends_with(dropped));
          kept.resize(kept.size() - dropped.size());
        } else {
          kept += static_cast<char>('a' + random() % 26);
          here.push(kept.substr(kept.size() - 1));
        }
      }
      while (here.gathered() > 0)
        here.commit();
      std::string written = here.notes();
      std::erase_if(written, [](char mark) { return mark == '[' || mark == ']'; });
      BOOST_TEST(written == kept);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
