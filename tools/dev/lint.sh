#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dev lint [CHECK...]: every program of tools/check/ over the tracked files.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

need_deps
exec tools/check/all "$@"
