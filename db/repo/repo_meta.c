/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_meta.h"

#include <string.h>

#include "common/base/mem.h"
#include "db/repo/repo_cols.h"

int repo_meta_get(struct db_tx *tx, const char *key, char **ret, struct bt_err *err)
{
    return db_text(tx, "SELECT value FROM meta WHERE key = ?1", DB_ARGS(DB_T(key)), ret, err);
}

int repo_meta_set(struct db_tx *tx, const char *key, const char *value, struct bt_err *err)
{
    if (!value)
        return db_exec(tx, "DELETE FROM meta WHERE key = ?1", DB_ARGS(DB_T(key)), NULL, err);
    return db_exec(tx,
                   "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                   " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                   DB_ARGS(DB_T(key), DB_T(value)), NULL, err);
}

int repo_meta_controller_id(struct db_tx *tx, const struct bt_random *random,
                            char ret[BT_UUID_LEN + 1], struct bt_err *err)
{
    char fresh[BT_UUID_LEN + 1];
    _cleanup_free_ char *stored = NULL;
    bt_uuid_new(random, fresh);
    int rc = db_exec(tx,
                     "INSERT INTO meta (key, value) VALUES ('controller_id', ?1)"
                     " ON CONFLICT (key) DO NOTHING",
                     DB_ARGS(DB_T(fresh)), NULL, err);
    if (rc == 0)
        rc = repo_meta_get(tx, "controller_id", &stored, err);
    if (rc < 0)
        return rc;
    if (!bt_uuid_ok(stored))
        return bt_fail(err, BT_E_DB, "the controller id is not a uuid");
    memcpy(ret, stored, BT_UUID_LEN + 1);
    return 0;
}
