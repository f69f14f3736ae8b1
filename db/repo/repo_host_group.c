/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_host_group.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_host_group_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_ENUM(ST, policy, enum_policy),
    REPO_OPT(ST, overcommit_cpu_milli),
    REPO_OPT(ST, overcommit_memory_milli),
    REPO_OPT(ST, overcommit_disk_milli),
    REPO_OPT(ST, reserve_memory_bytes),
    REPO_OPT(ST, reserve_disk_bytes),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    {0},
};

const struct db_table repo_host_group_table = REPO_TABLE("host_groups", cols, ST);

void repo_host_group_row_free(struct repo_host_group_row *r)
{
    db_row_free(&repo_host_group_table, r);
}

int repo_host_group_get(struct db_tx *tx, int64_t id, struct repo_host_group_row *ret,
                        struct bt_err *err)
{
    return db_get(tx, &repo_host_group_table, id, ret, err);
}

int repo_host_group_get_by_name(struct db_tx *tx, const char *name, struct repo_host_group_row *ret,
                                struct bt_err *err)
{
    return db_row(tx, &repo_host_group_table, "SELECT * FROM host_groups WHERE name = ?1",
                  DB_ARGS(DB_T(name)), ret, err);
}

int repo_host_group_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                         struct bt_err *err)
{
    return db_rows(tx, &repo_host_group_table,
                   "SELECT * FROM host_groups WHERE id > ?1 ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(after_id), repo_cols_limit(limit)), ret, err);
}

int repo_host_group_insert(struct db_tx *tx, struct repo_host_group_row *r, struct bt_err *err)
{
    r->version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_host_group_table, r, &r->id, err);
}

int repo_host_group_update(struct db_tx *tx, struct repo_host_group_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_host_group_table, r, &r->version, err);
}

int repo_host_group_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_host_group_table, id, err);
}
