/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "common/base/err.h"

/**
 * Descriptor of a user namespace that maps 0.. to @base.. (@count ids, users and groups), made by a
 * child that lives no longer than this call. For mount_setattr(2), MOUNT_ATTR_IDMAP.
 */
int ct_idmap_userns(int64_t base, int64_t count, struct bt_err *err);
