#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev build [PRESET [TARGET...]]: configure and build; binaries lie in build/PRESET/bin.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

preset=${1:-release}
[ $# -eq 0 ] || shift
case $preset in
dev | release | asan | tsan | fuzz | coverage) ;;
*) die "no such preset: $preset (dev release asan tsan fuzz coverage)" ;;
esac
need_deps
build_preset "$preset" "$@"
