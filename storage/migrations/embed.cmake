# Writes OUTPUT, a source that holds every .up.sql and .down.sql of FOLDER:
#   cmake -D FOLDER=… -D OUTPUT=… -P embed.cmake
# Stops the build for a file whose name, number, pair or first line is not as storage/migrations.hpp says.
file(GLOB names RELATIVE ${FOLDER} ${FOLDER}/*.sql)
list(SORT names)
set(entries "")
set(count 0)
foreach(name IN LISTS names)
  if(name MATCHES "^[0-9]+_[a-z0-9_]+\\.down\\.sql$")
    continue()
  endif()
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.up\\.sql$")
    message(FATAL_ERROR "${name}: expected NNNNNN_name.up.sql or .down.sql")
  endif()
  set(title ${CMAKE_MATCH_1}_${CMAKE_MATCH_2})
  set(own_name ${CMAKE_MATCH_2})
  math(EXPR count "${count} + 1")
  string(REGEX REPLACE "^0+" "" version ${CMAKE_MATCH_1})
  if(NOT version EQUAL count)
    message(FATAL_ERROR "${name}: expected number ${count}")
  endif()
  if(NOT EXISTS ${FOLDER}/${title}.down.sql)
    message(FATAL_ERROR "${name}: expected ${title}.down.sql beside it")
  endif()
  file(READ ${FOLDER}/${name} up)
  file(READ ${FOLDER}/${title}.down.sql down)
  if(NOT up MATCHES "^-- works with: [1-9][0-9]*\n")
    message(FATAL_ERROR "${name}: expected the first line `-- works with: N`")
  endif()
  string(APPEND entries "    {${version}, \"${own_name}\", R\"repasse_sql(${up})repasse_sql\",\n"
    "     R\"repasse_sql(${down})repasse_sql\"},\n")
endforeach()
file(GLOB downs ${FOLDER}/*.down.sql)
list(LENGTH downs down_count)
if(NOT down_count EQUAL count)
  message(FATAL_ERROR "${FOLDER}: expected an .up.sql for each .down.sql")
endif()
file(WRITE ${OUTPUT} "#include \"storage/migrations.hpp\"

#include <array>

namespace repasse {

std::span<const migration> embedded_migrations() {
  static constexpr std::array<migration, ${count}> all{{
${entries}  }};
  return all;
}

} // namespace repasse
")
