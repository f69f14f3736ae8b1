/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_blob.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_blob_row

static const struct db_col cols[] = {
    REPO_INT(ST, id), REPO_TEXT(ST, sha256), REPO_INT(ST, bytes), REPO_INT(ST, created_at), {0},
};

const struct db_table repo_blob_table = REPO_TABLE("blobs", cols, ST);

void repo_blob_row_free(struct repo_blob_row *r)
{
    db_row_free(&repo_blob_table, r);
}

int repo_blob_get(struct db_tx *tx, const char *sha256, struct repo_blob_row *ret,
                  struct bt_err *err)
{
    return db_row(tx, &repo_blob_table, "SELECT * FROM blobs WHERE sha256 = ?1",
                  DB_ARGS(DB_T(sha256)), ret, err);
}

int repo_blob_put(struct db_tx *tx, const char *sha256, int64_t bytes, struct bt_err *err)
{
    return db_exec(tx,
                   "INSERT INTO blobs (sha256, bytes, created_at) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (sha256) DO NOTHING",
                   DB_ARGS(DB_T(sha256), DB_I(bytes), DB_I(db_tx_now_ms(tx))), NULL, err);
}

int repo_blob_list_unused(struct db_tx *tx, int limit, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_blob_table,
                   "SELECT * FROM blobs WHERE sha256 NOT IN (SELECT k.sha256 FROM image_kinds k"
                   " JOIN images i ON i.id = k.image_id WHERE i.deleted_at = 0 OR EXISTS"
                   " (SELECT 1 FROM instances n WHERE n.image_id = i.id AND n.purged_at = 0))"
                   " ORDER BY id LIMIT ?1",
                   DB_ARGS(repo_cols_limit(limit)), ret, err);
}

int repo_blob_delete(struct db_tx *tx, const char *sha256, struct bt_err *err)
{
    return db_exec(tx, "DELETE FROM blobs WHERE sha256 = ?1", DB_ARGS(DB_T(sha256)), NULL, err);
}
