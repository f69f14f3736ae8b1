/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_cols.h"

struct db_arg repo_cols_limit(int limit)
{
    if (limit <= 0)
        return DB_I(REPO_PAGE_DEFAULT);
    return DB_I(limit > REPO_PAGE_MAX ? REPO_PAGE_MAX : limit);
}

struct db_arg repo_cols_enum(const char *const *names, int value)
{
    for (int i = 0; names[i]; i++) {
        if (i == value)
            return DB_T(names[i]);
    }
    return DB_NIL;
}

int repo_cols_change(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args,
                     struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx, sql, args, n_args, &changes, err);
    if (rc == 0 && changes == 0)
        rc = bt_fail(err, BT_E_NOT_FOUND, "not found");
    return rc;
}

int repo_cols_update(struct db_tx *tx, const struct db_table *t, const void *row, int64_t *version,
                     struct bt_err *err)
{
    *version += 1;
    int rc = db_update(tx, t, row, err);
    if (rc < 0)
        *version -= 1;
    return rc;
}
