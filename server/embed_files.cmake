# Writes OUTPUT, a source that holds the files that server/static_files.hpp names, as they are and by gzip:
#   cmake -D OUTPUT=… -D FILES=/path=file|/path=file… -P embed_files.cmake
# The same files make the same bytes, on every machine.
set(types html "text/html\; charset=utf-8" css "text/css\; charset=utf-8" js "text/javascript\; charset=utf-8"
  svg "image/svg+xml" json "application/json")

function(read_bytes name literal size)
  file(READ ${name} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "(..)" "\\\\x\\1" hex "${hex}")
  set(${literal} "${hex}" PARENT_SCOPE)
  set(${size} ${bytes} PARENT_SCOPE)
endfunction()

set(entries "")
string(REPLACE "|" ";" FILES "${FILES}")
list(LENGTH FILES count)
foreach(pair IN LISTS FILES)
  string(REGEX MATCH "^([^=]*)=(.*)$" unused "${pair}")
  set(path ${CMAKE_MATCH_1})
  set(file ${CMAKE_MATCH_2})
  cmake_path(GET file EXTENSION LAST_ONLY extension)
  string(SUBSTRING ${extension} 1 -1 extension)
  list(FIND types ${extension} found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${file}: no Content-Type is known for .${extension}")
  endif()
  math(EXPR found "${found} + 1")
  list(GET types ${found} type)
  execute_process(COMMAND gzip -9nc ${file} OUTPUT_FILE ${OUTPUT}.gz COMMAND_ERROR_IS_FATAL ANY)
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  read_bytes(${file} plain plain_size)
  read_bytes(${OUTPUT}.gz packed packed_size)
  string(APPEND entries "    {\"${path}\", \"${type}\", R\"(\"${hash}\")\", R\"(\"${hash}-gzip\")\",\n"
    "     {\"${plain}\", ${plain_size}},\n     {\"${packed}\", ${packed_size}}},\n")
endforeach()
file(REMOVE ${OUTPUT}.gz)
file(WRITE ${OUTPUT} "#include \"server/static_files.hpp\"

#include <array>

namespace repasse {

std::span<const static_file> static_files() {
  static constexpr std::array<static_file, ${count}> all{{
${entries}  }};
  return all;
}

} // namespace repasse
")
