#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev ps: see tools/lab/ps.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

lab ps "$@"
