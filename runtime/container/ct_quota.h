/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "common/base/err.h"

/*
 * Quota back ends, each tried in directory @dir by writing past a limit. 0 = the write was stopped;
 * otherwise the error says why it cannot be used. Nothing stays behind. *@ret_grows is cleared when
 * what was limited cannot be raised.
 */

/** Project quota of XFS (quotactl(2)). */
int ct_quota_try_xfs(const char *dir, bool *ret_grows, struct bt_err *err);

/** Project quota of ext4. */
int ct_quota_try_ext4(const char *dir, bool *ret_grows, struct bt_err *err);

/** An ext4 image on a loop device. */
int ct_quota_try_loop(const char *dir, bool *ret_grows, struct bt_err *err);
