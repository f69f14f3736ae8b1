/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_setting.h"

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/repo/repo_cols.h"

#define ST struct repo_setting_row

static const struct db_col cols[] = {
    REPO_TEXT(ST, key), REPO_TEXT(ST, value), REPO_INT(ST, updated_at), {0}};

const struct db_table repo_setting_table = REPO_TABLE("settings", cols, ST);

int repo_setting_get(struct db_tx *tx, const char *key, char **ret, struct bt_err *err)
{
    return db_text(tx, "SELECT value FROM settings WHERE key = ?1", DB_ARGS(DB_T(key)), ret, err);
}

int repo_setting_int(struct db_tx *tx, const char *key, int64_t fallback, int64_t *ret,
                     struct bt_err *err)
{
    _cleanup_free_ char *text = NULL;
    struct bt_err e = BT_ERR_INIT;
    int rc = repo_setting_get(tx, key, &text, &e);
    if (rc == -(int)BT_E_NOT_FOUND) {
        *ret = fallback;
        return 0;
    }
    if (rc == 0)
        rc = bt_parse_i64(text, INT64_MIN, INT64_MAX, ret, &e);
    if (rc < 0 && err)
        *err = e;
    if (rc < 0)
        (void)bt_wrap(err, "setting %s", key);
    return rc;
}

int repo_setting_set(struct db_tx *tx, const char *key, const char *value, struct bt_err *err)
{
    if (!value)
        return db_exec(tx, "DELETE FROM settings WHERE key = ?1", DB_ARGS(DB_T(key)), NULL, err);
    return db_exec(tx,
                   "INSERT INTO settings (key, value, updated_at) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (key) DO UPDATE"
                   " SET value = excluded.value, updated_at = excluded.updated_at",
                   DB_ARGS(DB_T(key), DB_T(value), DB_I(db_tx_now_ms(tx))), NULL, err);
}

int repo_setting_list(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_setting_table, "SELECT * FROM settings ORDER BY key LIMIT 1000",
                   DB_NOARGS, ret, err);
}
