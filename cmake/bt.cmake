# SPDX-License-Identifier: GPL-2.0-or-later
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# bt_pkg(NAME MODULE): imported target PkgConfig::NAME
macro(bt_pkg name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
endmacro()

# bt_library(FOLDER [DEPS ...]): static library of every .c in FOLDER (main.c excluded), named after
# the folder with "/" as "_". DEPS are folders or imported targets.
function(bt_library folder)
  cmake_parse_arguments(A "" "" "DEPS;SOURCES" ${ARGN})
  string(REPLACE "/" "_" target ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  list(APPEND sources ${A_SOURCES})
  set(deps)
  foreach(d IN LISTS A_DEPS)
    string(REPLACE "/" "_" d ${d})
    list(APPEND deps ${d})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
    target_link_libraries(${target} PUBLIC ${deps})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
    target_link_libraries(${target} INTERFACE ${deps})
  endif()
endfunction()

# bt_binary(NAME FOLDER [DEPS ...]): executable from FOLDER/main.c, if it is there.
function(bt_binary name folder)
  cmake_parse_arguments(A "" "" "DEPS" ${ARGN})
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${folder}/main.c)
    return()
  endif()
  add_executable(${name} ${CMAKE_SOURCE_DIR}/${folder}/main.c)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  foreach(d IN LISTS A_DEPS)
    string(REPLACE "/" "_" d ${d})
    target_link_libraries(${name} PRIVATE ${d})
  endforeach()
endfunction()

# bt_tests(SUITE): every tests/SUITE/**/test_*.c becomes a cmocka program linked with the library of
# the folder it mirrors (unit), or with the libraries named in a `/* link: a_b c_d */` line.
function(bt_tests suite)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${suite}/test_*.c)
  foreach(source IN LISTS sources)
    file(RELATIVE_PATH rel ${CMAKE_SOURCE_DIR}/tests/${suite} ${source})
    get_filename_component(dir ${rel} DIRECTORY)
    get_filename_component(base ${rel} NAME_WE)
    string(REPLACE "/" "_" lib "${dir}")
    set(target t_${suite}_${lib}_${base})
    file(STRINGS ${source} link REGEX "^/\\* link: .* \\*/$" LIMIT_COUNT 1)
    set(libs)
    if(link)
      string(REGEX REPLACE "^/\\* link: (.*) \\*/$" "\\1" libs "${link}")
      string(REPLACE " " ";" libs "${libs}")
    elseif(TARGET ${lib})
      set(libs ${lib})
    endif()
    file(GLOB extra CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${suite}/${dir}/lib_*.c)
    add_executable(${target} ${source} ${extra})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${target} PRIVATE ${libs} PkgConfig::CMOCKA)
    # cmocka's assert macros convert between integer types on purpose.
    target_compile_options(${target} PRIVATE -Wno-conversion -Wno-missing-prototypes)
    set_target_properties(${target} PROPERTIES
      OUTPUT_NAME ${base} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/${suite}/${dir})
    add_dependencies(tests_${suite} ${target})
  endforeach()
endfunction()

# bt_embed(TARGET FOLDER SYMBOL): the .sql files of FOLDER as one generated C table (tools/gen/embed_sql).
function(bt_embed folder symbol out)
  file(GLOB sql CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.sql)
  set(c ${CMAKE_BINARY_DIR}/gen/${symbol}.c)
  add_custom_command(OUTPUT ${c}
    COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tools/gen/embed_sql.py ${symbol} ${c} ${sql}
    DEPENDS ${sql} ${CMAKE_SOURCE_DIR}/tools/gen/embed_sql.py VERBATIM)
  set(${out} ${c} PARENT_SCOPE)
endfunction()
