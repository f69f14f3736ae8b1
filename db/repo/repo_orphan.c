/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_orphan.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_orphan_row

static const struct db_col cols[] = {
    REPO_TEXT(ST, uuid),
    REPO_INT(ST, host_id),
    REPO_TEXT(ST, name),
    REPO_TEXT(ST, spec),
    REPO_TEXT(ST, state),
    REPO_INT(ST, seen_at),
    {0},
};

const struct db_table repo_orphan_table = REPO_TABLE("orphans", cols, ST);

void repo_orphan_row_free(struct repo_orphan_row *r)
{
    db_row_free(&repo_orphan_table, r);
}

int repo_orphan_get(struct db_tx *tx, const char *uuid, struct repo_orphan_row *ret,
                    struct bt_err *err)
{
    return db_row(tx, &repo_orphan_table, "SELECT * FROM orphans WHERE uuid = ?1",
                  DB_ARGS(DB_T(uuid)), ret, err);
}

int repo_orphan_put(struct db_tx *tx, struct repo_orphan_row *r, struct bt_err *err)
{
    r->seen_at = db_tx_now_ms(tx);
    return db_exec(tx,
                   "INSERT INTO orphans (uuid, host_id, name, spec, state, seen_at)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (uuid) DO UPDATE"
                   " SET host_id = excluded.host_id, name = excluded.name, spec = excluded.spec,"
                   " state = excluded.state, seen_at = excluded.seen_at",
                   DB_ARGS(DB_T(r->uuid), DB_I(r->host_id), DB_T(r->name), DB_T(r->spec),
                           DB_T(r->state), DB_I(r->seen_at)),
                   NULL, err);
}

int repo_orphan_list(struct db_tx *tx, const struct repo_orphan_filter *f, struct bt_arr *ret,
                     struct bt_err *err)
{
    return db_rows(tx, &repo_orphan_table,
                   "SELECT * FROM orphans WHERE uuid > ?1 AND (?3 = 0 OR host_id = ?3)"
                   " ORDER BY uuid LIMIT ?2",
                   DB_ARGS(DB_T(f->after_uuid ? f->after_uuid : ""), repo_cols_limit(f->limit),
                           DB_I(f->host_id)),
                   ret, err);
}

int repo_orphan_delete(struct db_tx *tx, const char *uuid, struct bt_err *err)
{
    return db_exec(tx, "DELETE FROM orphans WHERE uuid = ?1", DB_ARGS(DB_T(uuid)), NULL, err);
}

int repo_orphan_prune(struct db_tx *tx, int64_t host_id, int64_t before_ms, int64_t *ret_n,
                      struct bt_err *err)
{
    int rc = db_exec(tx,
                     "DELETE FROM addresses WHERE state = 'orphan' AND orphan_uuid IN"
                     " (SELECT uuid FROM orphans WHERE host_id = ?1 AND seen_at < ?2)",
                     DB_ARGS(DB_I(host_id), DB_I(before_ms)), NULL, err);
    if (rc < 0)
        return rc;
    return db_exec(tx, "DELETE FROM orphans WHERE host_id = ?1 AND seen_at < ?2",
                   DB_ARGS(DB_I(host_id), DB_I(before_ms)), ret_n, err);
}
