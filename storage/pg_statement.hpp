// A statement whose parameters and rows are C++ types: `pg_statement<row(std::int64_t, std::span<const
// payment_id>)>`. What does not fit its signature does not compile; what the server sees otherwise is found
// when a connection prepares it, before anything runs. Statements are named constants above the function that
// uses them.
#pragma once

#include "storage/pg_codec.hpp"

#include <boost/pfr/core.hpp>

#include <array>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace repasse {

/// What preparing a statement takes, and what it must come to.
struct pg_prototype {
  const char* name; ///< unique; also what slow statements are logged by
  const char* sql;
  std::span<const pg_oid> parameters;
  std::span<const pg_oid> columns;
};

/// The row of a statement that returns none.
struct pg_nothing {};

template <typename Signature>
class pg_statement;

/// `Row` is an aggregate with a member for each column, in their order; optional members may be NULL.
template <typename Row, typename... Params>
class pg_statement<Row(Params...)> {
public:
  using row_type = Row;

  constexpr pg_statement(const char* name, const char* sql)
      : prototype_{name, sql, parameter_oids, std::span{column_oids}} {}

  [[nodiscard]] constexpr const pg_prototype& prototype() const { return prototype_; }

private:
  static constexpr std::array<pg_oid, sizeof...(Params)> parameter_oids{
      pg_type<std::remove_cvref_t<Params>>::oid...};

  template <std::size_t... I>
  static constexpr auto oids_of(std::index_sequence<I...>) {
    return std::array<pg_oid, sizeof...(I)>{pg_type<boost::pfr::tuple_element_t<I, Row>>::oid...};
  }
  static constexpr auto column_oids = oids_of(std::make_index_sequence<boost::pfr::tuple_size_v<Row>>{});

  pg_prototype prototype_;
};

/// The parameters of one call, in binary, one behind the other. Reused: it keeps its memory.
class pg_parameters {
public:
  template <typename... Params>
  void encode(const Params&... values) {
    bytes_.clear();
    ends_.clear();
    (put(values), ...);
  }

  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  /// Null data for NULL.
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    const part& one = ends_[i];
    if (one.is_null) return {};
    return {bytes_.data() + one.begin, one.end - one.begin};
  }

private:
  struct part {
    std::size_t begin;
    std::size_t end;
    bool is_null;
  };

  template <typename T>
  void put(const T& value) {
    const std::size_t begin = bytes_.size();
    pg_type<T>::put(bytes_, value);
    ends_.push_back({begin, bytes_.size(), false});
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    if (value) return put(*value);
    ends_.push_back({bytes_.size(), bytes_.size(), true});
  }

  std::string bytes_;
  std::vector<part> ends_;
};

} // namespace repasse
