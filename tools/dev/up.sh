#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev up [--hosts N] [--uplink IF]: packages and binaries here, hosts and daemons in tools/lab/up.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

[ -x tools/lab/up ] || lab up
need_deps
build_binaries release
lab up "$@"
