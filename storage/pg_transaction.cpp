#include "storage/pg_session.hpp"

#include <libpq-fe.h>

#include <charconv>
#include <cstring>

namespace repasse {

pg_transaction::pg_transaction() = default;

pg_transaction::~pg_transaction() {
  if (under_way_ != nullptr) under_way_->work = nullptr;
  for (const call& one : calls_)
    PQclear(one.result);
}

void pg_transaction::clear() {
  REPASSE_CHECK(under_way_ == nullptr);
  for (call& one : calls_)
    PQclear(std::exchange(one.result, nullptr));
  used_ = 0;
}

pg_transaction::call& pg_transaction::next_call(const pg_prototype& statement) {
  REPASSE_CHECK(under_way_ == nullptr);
  if (used_ == calls_.size()) calls_.emplace_back();
  call& one = calls_[used_++];
  one.statement = &statement;
  return one;
}

void pg_transaction::keep(std::size_t number, PGresult* result) {
  PQclear(std::exchange(calls_[number].result, result));
}

std::size_t pg_transaction::rows_of(std::size_t number, const pg_prototype& statement) const {
  REPASSE_CHECK(number < used_ && calls_[number].statement == &statement);
  return static_cast<std::size_t>(PQntuples(calls_[number].result)); // 0 of null
}

std::size_t pg_transaction::written_by(std::size_t number, const pg_prototype& statement) const {
  REPASSE_CHECK(number < used_ && calls_[number].statement == &statement);
  const char* const text = PQcmdTuples(calls_[number].result); // empty if it is no such statement
  std::size_t rows = 0;
  std::from_chars(text, text + std::strlen(text), rows);
  return rows;
}

std::string_view pg_transaction::value(std::size_t number, std::size_t row, std::size_t column) const {
  const PGresult* const result = calls_[number].result;
  const int at_row = static_cast<int>(row);
  const int at_column = static_cast<int>(column);
  if (PQgetisnull(result, at_row, at_column) == 1) return {};
  return {PQgetvalue(result, at_row, at_column),
          static_cast<std::size_t>(PQgetlength(result, at_row, at_column))};
}

} // namespace repasse
