/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_join_token.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_join_token_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_BLOB(ST, token_id),
    REPO_BLOB(ST, secret_hash),
    REPO_TEXT(ST, host_name),
    REPO_INT(ST, location_id),
    REPO_ID(ST, host_group_id),
    REPO_INT(ST, created_at),
    REPO_INT(ST, expires_at),
    REPO_INT(ST, used_at),
    REPO_ID(ST, host_id),
    {0},
};

const struct db_table repo_join_token_table = REPO_TABLE("join_tokens", cols, ST);

void repo_join_token_row_free(struct repo_join_token_row *r)
{
    db_row_free(&repo_join_token_table, r);
}

int repo_join_token_get(struct db_tx *tx, const unsigned char token_id[REPO_JOIN_ID_LEN],
                        struct repo_join_token_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_join_token_table, "SELECT * FROM join_tokens WHERE token_id = ?1",
                  DB_ARGS(DB_B(token_id, REPO_JOIN_ID_LEN)), ret, err);
}

int repo_join_token_list(struct db_tx *tx, const struct repo_join_token_filter *f,
                         struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_join_token_table,
                   "SELECT * FROM join_tokens WHERE id > ?1"
                   " AND (?3 OR (used_at = 0 AND expires_at > ?4)) ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->used),
                           DB_I(db_tx_now_ms(tx))),
                   ret, err);
}

int repo_join_token_insert(struct db_tx *tx, struct repo_join_token_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_join_token_table, r, &r->id, err);
}

int repo_join_token_use(struct db_tx *tx, int64_t id, int64_t host_id, struct bt_err *err)
{
    int64_t changes = 0;
    int64_t there = 0;
    int rc = db_exec(tx,
                     "UPDATE join_tokens SET used_at = ?2, host_id = ?3"
                     " WHERE id = ?1 AND used_at = 0 AND expires_at > ?2",
                     DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx)), DB_ID(host_id)), &changes, err);
    if (rc < 0 || changes > 0)
        return rc;
    rc = db_int(tx, "SELECT 1 FROM join_tokens WHERE id = ?1", DB_ARGS(DB_I(id)), &there, err);
    return rc < 0 ? rc : bt_fail(err, BT_E_EXPIRED, "the join token was used or has expired");
}

int repo_join_token_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_join_token_table, id, err);
}
