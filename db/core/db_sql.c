/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/core/db_sql.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "db/core/db_int.h"

/* A query is bounded by its LIMIT; this bounds the mistake of having none. */
#define ROWS_MAX (1u << 20)

int64_t db_tx_now_ms(struct db_tx *tx)
{
    return bt_utc_ms(bt_loop_clock(tx->db->cfg.loop));
}

int db_tx_alive(struct db_tx *tx, struct bt_err *err)
{
    /* After FULL, IOERR or NOMEM the transaction is gone: more statements would commit one by one.
     */
    if (tx->open && sqlite3_get_autocommit(tx->conn->h))
        return bt_fail(err, BT_E_DB, "the transaction has ended");
    return 0;
}

struct query {
    const char *sql;
    const struct db_arg *args;
    size_t n_args;
};

/* The statement of a constant text, bound and ready to step. */
static int prepared(struct db_tx *tx, struct query q, struct db_stmt **ret, struct bt_err *err)
{
    int rc = db_tx_alive(tx, err);
    if (rc < 0)
        return rc;
    struct db_stmt *s = db_stmt_find(tx->conn, q.sql);
    if (!s)
        rc = db_stmt_add(tx->conn, q.sql, q.sql, &s, err);
    if (rc == 0)
        rc = db_stmt_bind(tx->conn, s, q.args, q.n_args, err);
    if (rc == 0)
        *ret = s;
    return rc;
}

int db_exec(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args,
            int64_t *ret_changes, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = prepared(tx, (struct query){sql, args, n_args}, &s, err);
    if (rc == 0)
        rc = db_stmt_finish(tx->conn, s, err);
    if (rc == 0 && ret_changes)
        *ret_changes = sqlite3_changes64(tx->conn->h);
    return rc;
}

int db_int(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args,
           int64_t *ret, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = prepared(tx, (struct query){sql, args, n_args}, &s, err);
    if (rc == 0)
        rc = db_stmt_first(tx->conn, s, err);
    if (rc < 0)
        return rc;
    *ret = sqlite3_column_int64(s->st, 0);
    return db_stmt_finish(tx->conn, s, err);
}

int db_text(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args, char **ret,
            struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = prepared(tx, (struct query){sql, args, n_args}, &s, err);
    if (rc == 0)
        rc = db_stmt_first(tx->conn, s, err);
    if (rc < 0)
        return rc;
    _cleanup_free_ char *text = bt_xstrdup((const char *)sqlite3_column_text(s->st, 0));
    rc = db_stmt_finish(tx->conn, s, err);
    if (rc == 0)
        *ret = TAKE_PTR(text);
    return rc;
}

int db_row(struct db_tx *tx, const struct db_table *t, const char *sql, const struct db_arg *args,
           size_t n_args, void *row, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = prepared(tx, (struct query){sql, args, n_args}, &s, err);
    if (rc == 0)
        rc = db_stmt_first(tx->conn, s, err);
    if (rc < 0)
        return rc;
    rc = db_stmt_read(tx->conn, s, t, row, err);
    db_stmt_reset(s);
    return rc;
}

/* Room for one more row: the array doubles whenever its length is a power of two. */
static void *rows_push(struct bt_arr *arr, size_t size)
{
    if ((arr->len & (arr->len - 1)) == 0)
        arr->items = bt_xrealloc(arr->items, arr->len ? arr->len * 2 : 1, size);
    return (char *)arr->items + arr->len++ * size;
}

/* Append every row of @s; *@out holds whole rows only, also on failure. */
static int rows_read(struct db_conn *c, struct db_stmt *s, const struct db_table *t,
                     struct bt_arr *out, struct bt_err *err)
{
    int step = sqlite3_step(s->st);
    while (step == SQLITE_ROW) {
        if (out->len == ROWS_MAX)
            return bt_fail(err, BT_E_INTERNAL, "unbounded query: %.200s", sqlite3_sql(s->st));
        int rc = db_stmt_read(c, s, t, rows_push(out, t->row_size), err);
        if (rc < 0) {
            out->len--;
            return rc;
        }
        step = sqlite3_step(s->st);
    }
    return step == SQLITE_DONE ? 0 : db_conn_fail(c, "query", err);
}

int db_rows(struct db_tx *tx, const struct db_table *t, const char *sql, const struct db_arg *args,
            size_t n_args, struct bt_arr *arr, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    struct bt_arr out = {0};
    int rc = prepared(tx, (struct query){sql, args, n_args}, &s, err);
    if (rc < 0)
        return rc;
    rc = rows_read(tx->conn, s, t, &out, err);
    db_stmt_reset(s);
    if (rc < 0)
        db_rows_free(t, &out);
    else
        *arr = out;
    return rc;
}

int db_check_sql(struct db_tx *tx, const char *sql, struct bt_err *err)
{
    sqlite3_stmt *st = NULL;
    const char *tail = NULL;
    if (sqlite3_prepare_v2(tx->conn->h, sql, -1, &st, &tail) != SQLITE_OK) {
        int rc = db_conn_fail(tx->conn, "preparing", err);
        (void)bt_wrap(err, "%.120s", sql);
        return rc;
    }
    bool more = tail && *tail;
    (void)sqlite3_finalize(st);
    return more ? bt_fail(err, BT_E_INTERNAL, "more than one statement: %.200s", sql) : 0;
}
