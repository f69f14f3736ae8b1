/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_location.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_location_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),      REPO_TEXT(ST, name),      REPO_TEXT(ST, description),
    REPO_INT(ST, version), REPO_INT(ST, created_at), {0},
};

const struct db_table repo_location_table = REPO_TABLE("locations", cols, ST);

void repo_location_row_free(struct repo_location_row *r)
{
    db_row_free(&repo_location_table, r);
}

int repo_location_get(struct db_tx *tx, int64_t id, struct repo_location_row *ret,
                      struct bt_err *err)
{
    return db_get(tx, &repo_location_table, id, ret, err);
}

int repo_location_get_by_name(struct db_tx *tx, const char *name, struct repo_location_row *ret,
                              struct bt_err *err)
{
    return db_row(tx, &repo_location_table, "SELECT * FROM locations WHERE name = ?1",
                  DB_ARGS(DB_T(name)), ret, err);
}

int repo_location_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                       struct bt_err *err)
{
    return db_rows(tx, &repo_location_table,
                   "SELECT * FROM locations WHERE id > ?1 ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(after_id), repo_cols_limit(limit)), ret, err);
}

int repo_location_insert(struct db_tx *tx, struct repo_location_row *r, struct bt_err *err)
{
    r->version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_location_table, r, &r->id, err);
}

int repo_location_update(struct db_tx *tx, struct repo_location_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_location_table, r, &r->version, err);
}

int repo_location_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_location_table, id, err);
}
