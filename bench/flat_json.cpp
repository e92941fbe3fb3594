#include "bench/flat_json.hpp"

#include <charconv>

namespace repasse {
namespace {

constexpr int depth_max = 8;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A cursor over the grammar; each function takes what its name says and tells whether it was there.
struct json_cursor {
  std::string_view rest;

  void space() {
    while (!rest.empty() &&
           (rest.front() == ' ' || rest.front() == '\n' || rest.front() == '\r' || rest.front() == '\t'))
      rest.remove_prefix(1);
  }

  bool character(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }

  bool word(std::string_view expected) {
    if (!rest.starts_with(expected)) return false;
    rest.remove_prefix(expected.size());
    return true;
  }

  bool digits() {
    if (rest.empty() || !is_digit(rest.front())) return false;
    while (!rest.empty() && is_digit(rest.front()))
      rest.remove_prefix(1);
    return true;
  }

  bool number() {
    character('-');
    if (!character('0') && !digits()) return false;
    if (character('.') && !digits()) return false;
    if (character('e') || character('E')) {
      if (!character('+')) character('-');
      return digits();
    }
    return true;
  }

  bool escape() {
    if (character('u')) {
      if (rest.size() < 4) return false;
      const bool hexadecimal = rest.substr(0, 4).find_first_not_of("0123456789abcdefABCDEF") == rest.npos;
      rest.remove_prefix(4);
      return hexadecimal;
    }
    if (rest.empty() || std::string_view("\"\\/bfnrt").find(rest.front()) == std::string_view::npos)
      return false;
    rest.remove_prefix(1);
    return true;
  }

  bool string() {
    if (!character('"')) return false;
    while (!rest.empty()) {
      const char c = rest.front();
      rest.remove_prefix(1);
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool array(int depth) {
    if (!character('[')) return false;
    space();
    if (character(']')) return true;
    do {
      space();
      if (!value(depth + 1)) return false;
      space();
    } while (character(','));
    return character(']');
  }

  template <typename OnMember>
  bool object(int depth, OnMember on_member) {
    if (!character('{')) return false;
    space();
    if (character('}')) return true;
    do {
      space();
      const std::string_view name_start = rest;
      if (!string()) return false;
      const std::string_view name = name_start.substr(1, name_start.size() - rest.size() - 2);
      space();
      if (!character(':')) return false;
      space();
      const std::string_view value_start = rest;
      if (!value(depth + 1)) return false;
      if (!on_member(name, value_start.substr(0, value_start.size() - rest.size()))) return false;
      space();
    } while (character(','));
    return character('}');
  }

  bool value(int depth) {
    if (rest.empty() || depth > depth_max) return false;
    switch (rest.front()) {
    case '"':
      return string();
    case '{':
      return object(depth, [](std::string_view, std::string_view) { return true; });
    case '[':
      return array(depth);
    case 't':
      return word("true");
    case 'f':
      return word("false");
    case 'n':
      return word("null");
    default:
      return number();
    }
  }
};

} // namespace

std::optional<flat_json> flat_json::read(std::string_view text) {
  flat_json members;
  json_cursor cursor{text};
  cursor.space();
  const bool whole = cursor.object(0, [&members](std::string_view name, std::string_view value) {
    if (members.members_.size() == members_max) return false;
    members.members_.push_back({name, value});
    return true;
  });
  cursor.space();
  if (!whole || !cursor.rest.empty()) return std::nullopt;
  return members;
}

std::optional<std::string_view> flat_json::text_of(std::string_view name) const {
  for (const member& each : members_) {
    if (each.name != name) continue;
    if (each.value == "null") return std::nullopt;
    return each.value;
  }
  return std::nullopt;
}

std::optional<std::string_view> flat_json::string(std::string_view name) const {
  const auto text = text_of(name);
  if (!text || text->front() != '"' || text->find('\\') != text->npos) return std::nullopt;
  return text->substr(1, text->size() - 2);
}

std::optional<std::string_view> flat_json::number(std::string_view name) const {
  const auto text = text_of(name);
  if (!text || (!is_digit(text->front()) && text->front() != '-')) return std::nullopt;
  return text;
}

std::optional<bool> flat_json::boolean(std::string_view name) const {
  const auto text = text_of(name);
  if (!text || (*text != "true" && *text != "false")) return std::nullopt;
  return *text == "true";
}

std::optional<flat_json> flat_json::object(std::string_view name) const {
  const auto text = text_of(name);
  return text ? read(*text) : std::nullopt;
}

std::optional<std::size_t> flat_json::count(std::string_view name) const {
  const auto text = number(name);
  std::size_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

} // namespace repasse
