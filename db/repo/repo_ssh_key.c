/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_ssh_key.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_ssh_key_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),          REPO_INT(ST, tenant_id),  REPO_TEXT(ST, name),
    REPO_TEXT(ST, public_key), REPO_INT(ST, created_at), {0},
};

const struct db_table repo_ssh_key_table = REPO_TABLE("ssh_keys", cols, ST);

void repo_ssh_key_row_free(struct repo_ssh_key_row *r)
{
    db_row_free(&repo_ssh_key_table, r);
}

int repo_ssh_key_get(struct db_tx *tx, int64_t id, struct repo_ssh_key_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_ssh_key_table, id, ret, err);
}

int repo_ssh_key_get_by_name(struct db_tx *tx, int64_t tenant_id, const char *name,
                             struct repo_ssh_key_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_ssh_key_table,
                  "SELECT * FROM ssh_keys WHERE tenant_id = ?1 AND name = ?2",
                  DB_ARGS(DB_I(tenant_id), DB_T(name)), ret, err);
}

int repo_ssh_key_list(struct db_tx *tx, const struct repo_ssh_key_filter *f, struct bt_arr *ret,
                      struct bt_err *err)
{
    return db_rows(tx, &repo_ssh_key_table,
                   "SELECT * FROM ssh_keys WHERE id > ?1 AND (?3 = 0 OR tenant_id = ?3)"
                   " ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->tenant_id)), ret,
                   err);
}

int repo_ssh_key_insert(struct db_tx *tx, struct repo_ssh_key_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_ssh_key_table, r, &r->id, err);
}

int repo_ssh_key_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_ssh_key_table, id, err);
}
