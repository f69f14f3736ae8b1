#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev down: see tools/lab/down.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

lab down "$@"
