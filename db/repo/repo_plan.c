/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_plan.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_plan_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_INT(ST, drivers),
    REPO_TEXT_OR(ST, limits, "{}"),
    REPO_INT(ST, features),
    REPO_TEXT_OR(ST, images, "[]"),
    REPO_TEXT_OR(ST, host_groups, "[]"),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    REPO_INT(ST, deleted_at),
    {0},
};

const struct db_table repo_plan_table = REPO_TABLE("plans", cols, ST);

void repo_plan_row_free(struct repo_plan_row *r)
{
    db_row_free(&repo_plan_table, r);
}

int repo_plan_get(struct db_tx *tx, int64_t id, struct repo_plan_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_plan_table, id, ret, err);
}

int repo_plan_get_by_name(struct db_tx *tx, const char *name, struct repo_plan_row *ret,
                          struct bt_err *err)
{
    return db_row(tx, &repo_plan_table, "SELECT * FROM plans WHERE name = ?1 AND deleted_at = 0",
                  DB_ARGS(DB_T(name)), ret, err);
}

int repo_plan_list(struct db_tx *tx, const struct repo_plan_filter *f, struct bt_arr *ret,
                   struct bt_err *err)
{
    return db_rows(
        tx, &repo_plan_table,
        "SELECT * FROM plans WHERE id > ?1 AND (?3 IS NULL OR name = ?3)"
        " AND (?4 OR deleted_at = 0) ORDER BY id LIMIT ?2",
        DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_T(f->name), DB_I(f->deleted)), ret,
        err);
}

int repo_plan_insert(struct db_tx *tx, struct repo_plan_row *r, struct bt_err *err)
{
    r->version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_plan_table, r, &r->id, err);
}

int repo_plan_update(struct db_tx *tx, struct repo_plan_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_plan_table, r, &r->version, err);
}

int repo_plan_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE plans SET deleted_at = ?2, name = name || '~' || id,"
                            " version = version + 1 WHERE id = ?1 AND deleted_at = 0",
                            DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}

int repo_plan_in_use(struct db_tx *tx, int64_t id, int64_t *ret, struct bt_err *err)
{
    return db_int(tx, "SELECT count(*) FROM instances WHERE plan_id = ?1 AND purged_at = 0",
                  DB_ARGS(DB_I(id)), ret, err);
}
