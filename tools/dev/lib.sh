# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the verbs of ./dev share. Sourced, never run. BERTH_ROOT is set by ./dev.

set -euo pipefail
: "${BERTH_ROOT:?run it through ./dev}"
cd "$BERTH_ROOT"

# Say why and end with the exit status for wrong use.
die() {
    echo "dev: $*" >&2
    exit 2
}

# The packages of tools/packages.txt are there (fast when they are).
need_deps() {
    bash tools/dev/deps.sh
}

# build_preset PRESET [TARGET...]: configure and build. Two of these on one preset wait for each other;
# the lock (9) is not handed to the compilers, or a stray one would hold it.
build_preset() {
    local preset=$1 log=build/$1.configure.log
    shift
    mkdir -p build
    (
        flock 9
        if ! cmake --preset "$preset" 9>&- >"$log" 2>&1; then
            cat "$log" >&2
            exit 1
        fi
        cmake --build --preset "$preset" ${1:+--target "$@"} 9>&- >&2
    ) 9>"build/$preset.lock"
}

# The programs that this tree has so far: the bt_binary() rows whose main.c is there.
binaries() {
    local name folder
    while read -r name folder; do
        if [ -f "$folder/main.c" ]; then echo "$name"; fi
    done < <(sed -n 's/^bt_binary(\([^ ]*\) \([^ )]*\).*/\1 \2/p' cmake/folders.cmake)
}

# build_binaries PRESET [TARGET...]: the programs alone, without their tests, and these targets.
build_binaries() {
    local names
    mapfile -t names < <(binaries)
    [ "${#names[@]}" -eq 0 ] || build_preset "$@" "${names[@]}"
}

# lab SCRIPT [ARG...]: hand over to the scripts of the development hosts.
lab() {
    local script=tools/lab/$1
    shift
    [ -x "$script" ] || die "$script is not there: this tree has no development hosts yet"
    exec "$script" "$@"
}
