/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"
#include "proto/helper_container.h"
#include "runtime/container/ct_cgroup.h"

/** Apply RUN_DIR/UUID/limits to the groups of @place. */
int ct_limits_at_boot(int dir, const struct helper_container_place *place, struct bt_err *err);

/** Limits of the running instance as the kernel has them; @upper: its disk, or -1. */
void ct_limits_effective(const struct ct_cg *cg, const struct helper_container_place *place,
                         int upper, struct limits *ret);

/** Usage of groups and disk. */
void ct_limits_usage(const struct ct_cg *cg, const struct helper_container_place *place, int upper,
                     struct helper_container_usage *ret);
