/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/id.h"
#include "common/base/world.h"
#include "db/core/db_sql.h"

/* Facts about this database itself: controller_id, key ids. Both schemas have the table. */

/** Text of a key into a new string. NOT_FOUND. */
int repo_meta_get(struct db_tx *tx, const char *key, char **ret, struct bt_err *err);

/** Set a key (NULL = remove). */
int repo_meta_set(struct db_tx *tx, const char *key, const char *value, struct bt_err *err);

/** The uuid of this controller, made on first use from @random. */
int repo_meta_controller_id(struct db_tx *tx, const struct bt_random *random,
                            char ret[BT_UUID_LEN + 1], struct bt_err *err);
