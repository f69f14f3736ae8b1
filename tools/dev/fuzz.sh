#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev fuzz TARGET [SECONDS]: run one libFuzzer program. New inputs go to build/fuzz/corpus/TARGET, crashes to
# build/fuzz/crash/; what is worth keeping is copied by hand to tests/fuzz/corpus/TARGET, where every test run replays it.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

targets() {
    local file
    for file in tests/fuzz/fuzz_*.c; do
        [ -f "$file" ] || continue
        file=${file##*/fuzz_}
        printf ' %s' "${file%.c}"
    done
}

target=${1:-}
seconds=${2:-60}
[[ $target =~ ^[a-z0-9_]+$ && -f tests/fuzz/fuzz_$target.c ]] ||
    die "usage: ./dev fuzz TARGET [SECONDS]; targets:$(targets)"
[[ $seconds =~ ^[0-9]+$ ]] || die "not a number of seconds: $seconds"
need_deps
build_preset fuzz "fuzz_$target"
kept=tests/fuzz/corpus/$target
work=build/fuzz/corpus/$target
mkdir -p "$work" build/fuzz/crash
corpora=("$work")
if [ -d "$kept" ]; then corpora+=("$kept"); fi
export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
exec "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/crash/$target-" "${corpora[@]}" </dev/null
