/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_token.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_token_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_ID(ST, tenant_id),
    REPO_ID(ST, user_id),
    REPO_BLOB(ST, secret_hash),
    REPO_TEXT_OR(ST, scopes, ""),
    REPO_TEXT_OR(ST, source, ""),
    REPO_INT(ST, created_at),
    REPO_INT(ST, expires_at),
    REPO_INT(ST, revoked_at),
    REPO_INT(ST, last_used_at),
    {0},
};

const struct db_table repo_token_table = REPO_TABLE("tokens", cols, ST);

void repo_token_row_free(struct repo_token_row *r)
{
    db_row_free(&repo_token_table, r);
}

int repo_token_get(struct db_tx *tx, int64_t id, struct repo_token_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_token_table, id, ret, err);
}

int repo_token_get_by_hash(struct db_tx *tx, const unsigned char hash[REPO_HASH_LEN],
                           int64_t now_ms, struct repo_token_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_token_table,
                  "SELECT * FROM tokens WHERE secret_hash = ?1 AND revoked_at = 0"
                  " AND (expires_at = 0 OR expires_at > ?2)",
                  DB_ARGS(DB_B(hash, REPO_HASH_LEN), DB_I(now_ms)), ret, err);
}

int repo_token_list(struct db_tx *tx, const struct repo_token_filter *f, struct bt_arr *ret,
                    struct bt_err *err)
{
    return db_rows(
        tx, &repo_token_table,
        "SELECT * FROM tokens WHERE id > ?1 AND (?3 = 0 OR tenant_id = ?3)"
        " AND (?4 OR revoked_at = 0) ORDER BY id LIMIT ?2",
        DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->tenant_id), DB_I(f->revoked)),
        ret, err);
}

int repo_token_insert(struct db_tx *tx, struct repo_token_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_token_table, r, &r->id, err);
}

int repo_token_revoke(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE tokens SET revoked_at = CASE revoked_at WHEN 0 THEN ?2"
                            " ELSE revoked_at END WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}

int repo_token_touch(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(tx, "UPDATE tokens SET last_used_at = ?2 WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}
