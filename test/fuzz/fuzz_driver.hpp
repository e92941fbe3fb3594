// Runs a libFuzzer target without libFuzzer: a fixed number of mutations of a corpus in code, from a fixed
// seed, so that a failure repeats. With clang, link a target with -fsanitize=fuzzer instead of the driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace repasse {

/// What a target starts from; each target defines it.
std::vector<std::string> fuzz_corpus();
/// Pieces that mutations put in.
std::vector<std::string> fuzz_pieces();

} // namespace repasse
