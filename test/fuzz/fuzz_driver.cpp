#include "test/fuzz/fuzz_driver.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace {

constexpr int rounds_usual = 200'000;
constexpr std::size_t input_bytes_max = 4'096;

/// One small change of `text`: a byte, a piece, a part left out, a part said twice, a part of another text.
void mutate(std::string& text, const std::vector<std::string>& corpus, const std::vector<std::string>& pieces,
            std::mt19937& random) {
  const auto below = [&random](std::size_t bound) { return bound == 0 ? 0 : random() % bound; };
  const std::size_t at = below(text.size() + 1);
  const std::size_t bytes = below(std::min<std::size_t>(text.size() - at, 16) + 1);
  switch (below(6)) {
  case 0:
    if (at < text.size()) text[at] = static_cast<char>(below(256));
    break;
  case 1:
    text.insert(at, pieces[below(pieces.size())]);
    break;
  case 2:
    text.erase(at, bytes);
    break;
  case 3:
    text.insert(below(text.size() + 1), text.substr(at, bytes));
    break;
  case 4:
    text.replace(at, bytes, pieces[below(pieces.size())]);
    break;
  case 5: {
    const std::string& other = corpus[below(corpus.size())];
    text = text.substr(0, at) + other.substr(std::min(other.size(), below(other.size() + 1)));
    break;
  }
  }
  text.resize(std::min(text.size(), input_bytes_max));
}

} // namespace

/// The argument, if any, is the number of rounds.
int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : rounds_usual;
  const std::vector<std::string> corpus = repasse::fuzz_corpus();
  const std::vector<std::string> pieces = repasse::fuzz_pieces();
  std::mt19937 random(20250715);
  for (int round = 0; round < rounds; ++round) {
    std::string text = corpus[random() % corpus.size()];
    for (auto changes = random() % 5; changes > 0; --changes)
      mutate(text, corpus, pieces, random);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
  std::printf("%d inputs\n", rounds);
}
