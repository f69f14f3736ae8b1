#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev test [SUITE...] [--list] [--full] [--seed N] [--match TEXT]: build what the suites need, then tools/run_tests.
# asan for unit, fake, torture and fuzz replay; release for what runs real daemons; --full adds tsan.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

suites=()
full=
list=
next=
for arg; do
    case $next$arg in
    --list) list=1 ;;
    --full) full=1 ;;
    --seed | --match) next=value: ; continue ;;
    value:* | --seed=* | --match=*) ;;
    style | unit | fake | torture | fuzz | integration | system | e2e | vm) suites+=("$arg") ;;
    *) die "usage: ./dev test [style|unit|fake|torture|integration|system|e2e|vm|fuzz ...] [--list] [--full] [--seed N] [--match TEXT]" ;;
    esac
    next=
done
[ -z "$next" ] || die "the last option needs a value"
need_deps
if [ -n "$list" ]; then exec tools/run_tests "$@"; fi

# wants SUITE...: one of them was asked for, or all were.
wants() {
    local suite
    [ "${#suites[@]}" -gt 0 ] || return 0
    for suite in "${suites[@]}"; do
        [[ " $* " != *" $suite "* ]] || return 0
    done
    return 1
}

# A build that fails is a failed test, not a reason to say nothing about the others.
export BERTH_BUILD_FAILED=
try() {
    "$@" || BERTH_BUILD_FAILED+="${BERTH_BUILD_FAILED:+, }$*"
}

targets=()
for suite in unit fake torture fuzz; do
    if wants "$suite"; then targets+=("tests_$suite"); fi
done
if [ "${#targets[@]}" -gt 0 ]; then try build_preset asan "${targets[@]}"; fi
if [ -n "$full" ] && wants unit fake; then try build_preset tsan tests_unit tests_fake; fi
if wants integration system e2e vm; then try build_binaries release tests_system; fi
exec tools/run_tests "$@"
