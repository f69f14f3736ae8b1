#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev bench [NAME] [--json FILE]: release build, then tests/bench/run.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

[ -x tests/bench/run ] || die "tests/bench/run is not there: this tree has no benchmarks yet"
need_deps
build_preset release
exec tests/bench/run "$@"
