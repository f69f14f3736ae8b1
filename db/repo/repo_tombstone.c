/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_tombstone.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_tombstone_row

static const struct db_col cols[] = {
    REPO_TEXT(ST, uuid),    REPO_INT(ST, instance_id), REPO_ID(ST, host_id),
    REPO_TEXT(ST, reason),  REPO_TEXT(ST, actor),      REPO_INT(ST, created_at),
    REPO_INT(ST, purge_at), REPO_INT(ST, purged_at),   {0},
};

const struct db_table repo_tombstone_table = REPO_TABLE("tombstones", cols, ST);

void repo_tombstone_row_free(struct repo_tombstone_row *r)
{
    db_row_free(&repo_tombstone_table, r);
}

int repo_tombstone_get(struct db_tx *tx, const char *uuid, struct repo_tombstone_row *ret,
                       struct bt_err *err)
{
    return db_row(tx, &repo_tombstone_table, "SELECT * FROM tombstones WHERE uuid = ?1",
                  DB_ARGS(DB_T(uuid)), ret, err);
}

int repo_tombstone_insert(struct db_tx *tx, struct repo_tombstone_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_tombstone_table, r, NULL, err);
}

int repo_tombstone_set_purge_at(struct db_tx *tx, const char *uuid, int64_t purge_at_ms,
                                struct bt_err *err)
{
    return repo_cols_change(tx, "UPDATE tombstones SET purge_at = ?2 WHERE uuid = ?1",
                            DB_ARGS(DB_T(uuid), DB_I(purge_at_ms)), err);
}

int repo_tombstone_set_purged(struct db_tx *tx, const char *uuid, struct bt_err *err)
{
    return repo_cols_change(
        tx,
        "UPDATE tombstones SET purged_at = CASE WHEN purged_at = 0 THEN ?2 ELSE purged_at END"
        " WHERE uuid = ?1",
        DB_ARGS(DB_T(uuid), DB_I(db_tx_now_ms(tx))), err);
}

int repo_tombstone_delete(struct db_tx *tx, const char *uuid, struct bt_err *err)
{
    int64_t changes = 0;
    int64_t there = 0;
    int rc = db_exec(tx, "DELETE FROM tombstones WHERE uuid = ?1 AND purged_at = 0",
                     DB_ARGS(DB_T(uuid)), &changes, err);
    if (rc < 0 || changes > 0)
        return rc;
    rc = db_int(tx, "SELECT 1 FROM tombstones WHERE uuid = ?1", DB_ARGS(DB_T(uuid)), &there, err);
    return rc < 0 ? rc : bt_fail(err, BT_E_BAD_STATE, "the instance was purged");
}

int repo_tombstone_list_host(struct db_tx *tx, int64_t host_id, const char *after_uuid,
                             struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_tombstone_table,
                   "SELECT * FROM tombstones WHERE host_id = ?1 AND purged_at = 0 AND uuid > ?2"
                   " ORDER BY uuid LIMIT 1000",
                   DB_ARGS(DB_I(host_id), DB_T(after_uuid ? after_uuid : "")), ret, err);
}
