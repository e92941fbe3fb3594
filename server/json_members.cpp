#include "server/json_members.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <cstring>

namespace repasse {
namespace {

namespace json = boost::json;

constexpr std::size_t depth_max = 32;

/// FNV-1a: two names of one object with the same hash count as repeated, which only their sender can bring
/// about.
struct name_hash {
  std::uint64_t value = 0xcbf29ce484222325ULL;
  void add(std::string_view text) {
    for (const char c : text)
      value = (value ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  }
};

/// The names of all open objects, as hashes.
class open_names {
public:
  void open() { begins_[depth_++] = static_cast<std::uint32_t>(hashes_.size()); }
  void add(std::uint64_t hash) { hashes_.push_back(hash); }
  /// Closes the innermost object; false if a name was repeated in it.
  bool close() {
    const auto begin = hashes_.begin() + begins_[--depth_];
    std::sort(begin, hashes_.end());
    const bool unique = std::adjacent_find(begin, hashes_.end()) == hashes_.end();
    hashes_.erase(begin, hashes_.end());
    return unique;
  }

private:
  boost::container::small_vector<std::uint64_t, 16> hashes_;
  std::array<std::uint32_t, depth_max + 1> begins_;
  std::size_t depth_ = 0;
};

/// What Boost.JSON's parser calls; the names are its own.
struct members_handler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  std::span<json_member> wanted;
  json_member* current = nullptr; ///< whose value comes next
  std::size_t depth = 0;
  bool is_object = false;
  bool repeats = false;
  open_names names;
  name_hash key_hash;
  std::array<char, json_member::string_bytes_max> key;
  std::size_t key_bytes = 0; ///< counts on beyond the array

  explicit members_handler(std::span<json_member> members) : wanted(members) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  bool on_object_begin(json::error_code&) {
    take(json_member::kind::other);
    if (depth++ == 0) is_object = true;
    names.open();
    return true;
  }

  bool on_object_end(std::size_t, json::error_code& ec) {
    --depth;
    current = nullptr;
    repeats = !names.close();
    if (repeats) ec = json::error::syntax;
    return !repeats;
  }

  bool on_array_begin(json::error_code&) {
    take(json_member::kind::other);
    ++depth;
    return true;
  }

  bool on_array_end(std::size_t, json::error_code&) {
    --depth;
    current = nullptr;
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    key_hash.add({part.data(), part.size()});
    if (depth == 1 && key_bytes + part.size() <= key.size())
      std::memcpy(key.data() + key_bytes, part.data(), part.size());
    key_bytes += part.size();
    return true;
  }

  bool on_key(json::string_view part, std::size_t size, json::error_code& ec) {
    on_key_part(part, size, ec);
    names.add(key_hash.value);
    if (depth == 1) find_wanted();
    key_hash = {};
    key_bytes = 0;
    return true;
  }

  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    if (json_member* const member = take(json_member::kind::string)) append(*member, part);
    return true;
  }

  bool on_string(json::string_view part, std::size_t size, json::error_code& ec) {
    on_string_part(part, size, ec);
    current = nullptr;
    return true;
  }

  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view text, json::error_code&) { return on_number(text); }
  bool on_uint64(std::uint64_t, json::string_view text, json::error_code&) { return on_number(text); }
  bool on_double(double, json::string_view text, json::error_code&) { return on_number(text); }

  bool on_bool(bool truth, json::error_code&) {
    if (json_member* const member = take(json_member::kind::boolean)) member->truth = truth;
    current = nullptr;
    return true;
  }

  bool on_null(json::error_code&) {
    take(json_member::kind::null);
    current = nullptr;
    return true;
  }

private:
  json_member* take(json_member::kind what) {
    if (depth != 1 || current == nullptr) return nullptr;
    current->what = what;
    return current;
  }

  // The text was given whole, so a number comes in one part.
  bool on_number(json::string_view text) {
    if (json_member* const member = take(json_member::kind::number))
      member->number = {text.data(), text.size()};
    current = nullptr;
    return true;
  }

  static void append(json_member& member, json::string_view part) {
    if (member.whole != nullptr) member.whole->append(part.data(), part.size());
    member.is_cut = member.is_cut || member.string_bytes + part.size() > member.characters.size();
    if (member.is_cut) return;
    std::memcpy(member.characters.data() + member.string_bytes, part.data(), part.size());
    member.string_bytes = static_cast<std::uint8_t>(member.string_bytes + part.size());
  }

  void find_wanted() {
    current = nullptr;
    if (key_bytes > key.size()) return;
    const std::string_view name{key.data(), key_bytes};
    for (json_member& member : wanted)
      if (member.name == name) current = &member;
  }
};

} // namespace

json_verdict read_members(std::string_view text, std::span<json_member> wanted) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::basic_parser<members_handler> parser(options, wanted);
  json::error_code ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  if (parser.handler().repeats) return json_verdict::repeated_member;
  if (ec == json::error::exponent_overflow) {
    if (json_member* const member = parser.handler().current) member->what = json_member::kind::number;
    return json_verdict::number_too_large;
  }
  if (ec || read < text.size()) return json_verdict::malformed;
  return parser.handler().is_object ? json_verdict::object : json_verdict::other_value;
}

} // namespace repasse
