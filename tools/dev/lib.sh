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

# Configure and build one preset; two of these on the same preset wait for each other.
build_preset() {
    local preset=$1
    mkdir -p build
    (
        flock 9
        # 9 is the lock; compilers must not inherit it.
        cmake --preset "$preset" 9>&- >"build/$preset.configure.log" 2>&1 || {
            cat "build/$preset.configure.log" >&2
            exit 1
        }
        cmake --build --preset "$preset" 9>&-
    ) 9>"build/$preset.lock"
}
