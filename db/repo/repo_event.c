/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_event.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_event_row

static const struct db_col cols[] = {
    REPO_INT(ST, seq),
    REPO_INT(ST, at),
    REPO_TEXT(ST, type),
    REPO_TEXT(ST, actor),
    REPO_ID(ST, tenant_id),
    REPO_TEXT(ST, resource_type),
    REPO_INT(ST, resource_id),
    REPO_TEXT_OR(ST, data, "{}"),
    {0},
};

const struct db_table repo_event_table = REPO_TABLE("outbox", cols, ST);

void repo_event_row_free(struct repo_event_row *r)
{
    db_row_free(&repo_event_table, r);
}

int repo_event_append(struct db_tx *tx, const struct repo_event_new *e, int64_t *ret_seq,
                      struct bt_err *err)
{
    int64_t seq = 0;
    int rc = db_int(tx,
                    "INSERT INTO outbox (at, type, actor, tenant_id, resource_type, resource_id,"
                    " data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING seq",
                    DB_ARGS(DB_I(db_tx_now_ms(tx)), DB_T(e->type), DB_T(e->actor),
                            DB_ID(e->tenant_id), DB_T(e->resource_type), DB_I(e->resource_id),
                            DB_T(e->data ? e->data : "{}")),
                    &seq, err);
    if (rc == 0 && ret_seq)
        *ret_seq = seq;
    return rc;
}

int repo_event_list(struct db_tx *tx, const struct repo_event_filter *f, struct bt_arr *ret,
                    struct bt_err *err)
{
    return db_rows(tx, &repo_event_table,
                   "SELECT * FROM outbox WHERE seq > ?1 AND (?3 = 0 OR tenant_id = ?3)"
                   " AND (?4 IS NULL OR type = ?4) AND (?5 IS NULL OR resource_type = ?5)"
                   " AND (?6 = 0 OR resource_id = ?6) ORDER BY seq LIMIT ?2",
                   DB_ARGS(DB_I(f->after_seq), repo_cols_limit(f->limit), DB_I(f->tenant_id),
                           DB_T(f->type), DB_T(f->resource_type), DB_I(f->resource_id)),
                   ret, err);
}

int repo_event_last_seq(struct db_tx *tx, int64_t *ret, struct bt_err *err)
{
    /* AUTOINCREMENT keeps the highest seq also when its row was pruned. */
    return db_int(tx, "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)",
                  DB_NOARGS, ret, err);
}

int repo_event_prune(struct db_tx *tx, int64_t before_ms, int limit, int64_t *ret_n,
                     struct bt_err *err)
{
    return db_exec(tx,
                   "DELETE FROM outbox WHERE seq IN"
                   " (SELECT seq FROM outbox WHERE at < ?1 ORDER BY at LIMIT ?2)",
                   DB_ARGS(DB_I(before_ms), repo_cols_limit(limit)), ret_n, err);
}
