/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* Fleet settings: key and text. Which keys there are, and their defaults, is for the layer above.
 */
struct repo_setting_row {
    char *key;
    char *value;
    int64_t updated_at;
};

extern const struct db_table repo_setting_table;

/** Text of a key into a new string. NOT_FOUND. */
int repo_setting_get(struct db_tx *tx, const char *key, char **ret, struct bt_err *err);

/** Integer of a key, @fallback when it is not set. INVALID when the text is not a number. */
int repo_setting_int(struct db_tx *tx, const char *key, int64_t fallback, int64_t *ret,
                     struct bt_err *err);

/** Set a key (NULL = remove). */
int repo_setting_set(struct db_tx *tx, const char *key, const char *value, struct bt_err *err);

/** All of them in order of key: rows of struct repo_setting_row. */
int repo_setting_list(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err);
