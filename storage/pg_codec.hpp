// PostgreSQL's binary formats of the types that our statements use: what goes into a parameter and what comes
// out of a column, each with the type's OID, so that a statement's C++ types can be compared with the
// server's. Sources: src/backend/utils/adt (…send, …recv) as documented in PostgreSQL 15, 55.2 and the
// catalog pg_type. Nothing here needs libpq.
#pragma once

#include "storage/check.hpp"
#include "storage/payment.hpp"

#include <boost/endian/conversion.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace repasse {

/// A type's number in the server's catalog.
using pg_oid = std::uint32_t;

template <typename T>
struct pg_type;

namespace detail {

template <typename Int>
void put_int(std::string& to, Int value) {
  const Int wire = boost::endian::native_to_big(value);
  to.append(reinterpret_cast<const char*>(&wire), sizeof wire);
}

template <typename Int>
Int get_int(std::string_view from) {
  REPASSE_CHECK(from.size() == sizeof(Int));
  Int wire;
  std::memcpy(&wire, from.data(), sizeof wire);
  return boost::endian::big_to_native(wire);
}

template <typename Int, pg_oid Oid, pg_oid ArrayOid>
struct pg_integer {
  static constexpr pg_oid oid = Oid;
  static constexpr pg_oid array_oid = ArrayOid;
  static void put(std::string& to, Int value) { put_int(to, value); }
  static Int get(std::string_view from) { return get_int<Int>(from); }
};

} // namespace detail

template <>
struct pg_type<std::int16_t> : detail::pg_integer<std::int16_t, 21, 1005> {};
template <>
struct pg_type<std::int32_t> : detail::pg_integer<std::int32_t, 23, 1007> {};
template <>
struct pg_type<std::int64_t> : detail::pg_integer<std::int64_t, 20, 1016> {};

template <>
struct pg_type<bool> {
  static constexpr pg_oid oid = 16;
  static constexpr pg_oid array_oid = 1000;
  static void put(std::string& to, bool value) { to.push_back(value ? '\1' : '\0'); }
  static bool get(std::string_view from) { return detail::get_int<std::int8_t>(from) != 0; }
};

/// uuid
template <>
struct pg_type<payment_id> {
  static constexpr pg_oid oid = 2950;
  static constexpr pg_oid array_oid = 2951;
  static void put(std::string& to, const payment_id& id) {
    to.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  }
  static payment_id get(std::string_view from) {
    payment_id id;
    REPASSE_CHECK(from.size() == id.bytes.size());
    std::memcpy(id.bytes.data(), from.data(), id.bytes.size());
    return id;
  }
};

/// timestamptz: microseconds since 2000-01-01. What is finer than a millisecond is cut off; `min()` and
/// `max()` are -infinity and infinity.
template <>
struct pg_type<wall_time> {
  static constexpr pg_oid oid = 1184;
  static constexpr pg_oid array_oid = 1185;
  static void put(std::string& to, wall_time time) { detail::put_int(to, micros(time)); }
  static wall_time get(std::string_view from) {
    const auto value = detail::get_int<std::int64_t>(from);
    if (value == earliest) return wall_time::min();
    if (value == latest) return wall_time::max();
    return std::chrono::floor<std::chrono::milliseconds>(epoch + std::chrono::microseconds{value});
  }

private:
  static constexpr std::chrono::sys_time<std::chrono::microseconds> epoch{
      std::chrono::sys_days{std::chrono::year{2000} / 1 / 1}};
  static constexpr std::int64_t earliest = INT64_MIN;
  static constexpr std::int64_t latest = INT64_MAX;

  static std::int64_t micros(wall_time time) {
    if (time == wall_time::min()) return earliest;
    if (time == wall_time::max()) return latest;
    return (std::chrono::sys_time<std::chrono::microseconds>{time} - epoch).count();
  }
};

/// text; what is read is copied.
template <>
struct pg_type<std::string> {
  static constexpr pg_oid oid = 25;
  static constexpr pg_oid array_oid = 1009;
  static void put(std::string& to, std::string_view value) { to.append(value); }
  static std::string get(std::string_view from) { return std::string{from}; }
};
/// A parameter only: what is read must be copied.
template <>
struct pg_type<std::string_view> : pg_type<std::string> {
  static std::string_view get(std::string_view from) = delete;
};

/// A column or parameter that may be NULL.
template <typename T>
struct pg_type<std::optional<T>> : pg_type<T> {};

/// An array of one dimension without NULLs; a parameter only.
template <typename T>
struct pg_type<std::span<const T>> {
  static constexpr pg_oid oid = pg_type<T>::array_oid;
  static void put(std::string& to, std::span<const T> values) {
    detail::put_int<std::int32_t>(to, values.empty() ? 0 : 1); // dimensions
    detail::put_int<std::int32_t>(to, 0);                      // no NULLs
    detail::put_int<std::uint32_t>(to, pg_type<T>::oid);
    if (values.empty()) return;
    detail::put_int<std::int32_t>(to, static_cast<std::int32_t>(values.size()));
    detail::put_int<std::int32_t>(to, 1); // the first index
    for (const T& value : values) {
      const std::size_t length_at = to.size();
      detail::put_int<std::int32_t>(to, 0);
      pg_type<T>::put(to, value);
      const auto length = static_cast<std::int32_t>(to.size() - length_at - sizeof(std::int32_t));
      const std::int32_t wire = boost::endian::native_to_big(length);
      std::memcpy(to.data() + length_at, &wire, sizeof wire);
    }
  }
};

/// An array of one dimension without NULLs, of a type of fixed size; a column only.
template <typename T>
struct pg_type<std::vector<T>> {
  static constexpr pg_oid oid = pg_type<T>::array_oid;
  static std::vector<T> get(std::string_view from) {
    std::vector<T> values;
    if (from.size() <= array_head) return values; // no dimension
    const auto count = static_cast<std::size_t>(detail::get_int<std::int32_t>(from.substr(12, 4)));
    from.remove_prefix(array_head);
    values.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto length = static_cast<std::size_t>(detail::get_int<std::int32_t>(from.substr(0, 4)));
      values.push_back(pg_type<T>::get(from.substr(4, length)));
      from.remove_prefix(4 + length);
    }
    return values;
  }

private:
  static constexpr std::size_t array_head = 20; ///< dimensions, NULLs, type, count, first index
};

} // namespace repasse
