/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "runtime/container/ct.h"

/** Reply with the state as it is now (struct helper_container_stat). */
int ct_stat_reply(struct ct *c, struct bt_err *err);

/** Open @name of RUN_DIR/UUID as the monitor (or, when it is lost, nobody) sees it; -1. */
int ct_open_in_monitor(const struct ct *c, int64_t monitor, const char *name);
