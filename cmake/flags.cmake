# SPDX-License-Identifier: GPL-2.0-or-later
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Debug)
endif()

add_compile_definitions(_GNU_SOURCE BT_VERSION="${PROJECT_VERSION}")
add_compile_options(
  -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wno-format-nonliteral -Wstrict-prototypes -Wmissing-prototypes
  -Wswitch-enum -Wvla -Wundef -Wwrite-strings -Wno-missing-field-initializers -Werror
  -fno-strict-aliasing -fno-common -fstack-protector-strong -fPIE)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Cutting text to a buffer is what snprintf is used for here; gcc 12 sees pointers to locals escape
  # from callbacks that have ended.
  add_compile_options(-Wno-format-truncation -Wno-dangling-pointer)
endif()
add_link_options(-pie -Wl,-z,relro,-z,now -Wl,--as-needed)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
  # Assertions stay on in production: a broken invariant must stop the process, not the data.
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
  add_compile_options(-D_FORTIFY_SOURCE=2 -g1)
endif()
if(BT_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
if(BT_TSAN)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
if(BT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
if(BT_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
