/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/core/db_int.h"

/*
 * Statements derived from a column table: the text is made once a connection and kept with the
 * statement. The key is an address inside the constant struct db_table, one for each operation, so
 * it cannot meet the address of a text.
 */
enum table_op { OP_INSERT, OP_UPDATE, OP_GET, OP_DELETE };

#define SQL_MAX 16384

static bool has_rowid(const struct db_table *t)
{
    return t->cols[0].type == DB_C_INT &&
           (bt_streq(t->cols[0].name, "id") || bt_streq(t->cols[0].name, "seq"));
}

static void insert_text(const struct db_table *t, struct bt_buf *b)
{
    (void)bt_buf_addf(b, "INSERT INTO %s (", t->name);
    for (const struct db_col *c = t->cols; c->name; c++)
        (void)bt_buf_addf(b, "%s%s", c == t->cols ? "" : ", ", c->name);
    (void)bt_buf_adds(b, ") VALUES (");
    for (const struct db_col *c = t->cols; c->name; c++)
        (void)bt_buf_adds(b, c == t->cols ? "?" : ", ?");
    (void)bt_buf_addc(b, ')');
}

static void update_text(const struct db_table *t, struct bt_buf *b)
{
    (void)bt_buf_addf(b, "UPDATE %s SET ", t->name);
    for (int i = 1; t->cols[i].name; i++)
        (void)bt_buf_addf(b, "%s%s = ?%d", i == 1 ? "" : ", ", t->cols[i].name, i + 1);
    (void)bt_buf_addf(b, " WHERE %s = ?1", t->cols[0].name);
}

static void op_text(const struct db_table *t, enum table_op op, struct bt_buf *b)
{
    switch (op) {
    case OP_INSERT:
        insert_text(t, b);
        return;
    case OP_UPDATE:
        update_text(t, b);
        return;
    case OP_GET:
        (void)bt_buf_addf(b, "SELECT * FROM %s WHERE %s = ?1", t->name, t->cols[0].name);
        return;
    case OP_DELETE:
        (void)bt_buf_addf(b, "DELETE FROM %s WHERE %s = ?1", t->name, t->cols[0].name);
        return;
    }
}

static int table_stmt(struct db_tx *tx, const struct db_table *t, enum table_op op,
                      struct db_stmt **ret, struct bt_err *err)
{
    _Static_assert(sizeof(struct db_table) > OP_DELETE, "one address for each operation");
    const void *key = (const char *)t + op;
    int rc = db_tx_alive(tx, err);
    if (rc < 0)
        return rc;
    struct db_stmt *s = db_stmt_find(tx->conn, key);
    if (!s) {
        if (op != OP_INSERT && !has_rowid(t))
            return bt_fail(err, BT_E_INTERNAL, "table %s has no id", t->name);
        _cleanup_buf_ struct bt_buf b = BT_BUF(SQL_MAX);
        op_text(t, op, &b);
        if (b.overflow)
            return bt_fail(err, BT_E_INTERNAL, "table %s is too wide", t->name);
        rc = db_stmt_add(tx->conn, key, b.data, &s, err);
    }
    if (rc == 0)
        *ret = s;
    return rc;
}

static int64_t row_id(const struct db_table *t, const void *row)
{
    return *(const int64_t *)(const void *)((const char *)row + t->cols[0].off);
}

int db_insert(struct db_tx *tx, const struct db_table *t, const void *row, int64_t *ret_id,
              struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = table_stmt(tx, t, OP_INSERT, &s, err);
    if (rc == 0)
        rc = db_stmt_bind_row(tx->conn, s, t, row, err);
    if (rc < 0)
        return rc;
    if (has_rowid(t) && row_id(t, row) == 0)
        (void)sqlite3_bind_null(s->st, 1);
    rc = db_stmt_finish(tx->conn, s, err);
    if (rc == 0 && ret_id)
        *ret_id = sqlite3_last_insert_rowid(tx->conn->h);
    return rc;
}

static int finish_one(struct db_tx *tx, struct db_stmt *s, const struct db_table *t,
                      struct bt_err *err)
{
    int rc = db_stmt_finish(tx->conn, s, err);
    if (rc == 0 && sqlite3_changes64(tx->conn->h) == 0)
        rc = bt_fail(err, BT_E_NOT_FOUND, "no such row in %s", t->name);
    return rc;
}

int db_update(struct db_tx *tx, const struct db_table *t, const void *row, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = table_stmt(tx, t, OP_UPDATE, &s, err);
    if (rc == 0)
        rc = db_stmt_bind_row(tx->conn, s, t, row, err);
    return rc < 0 ? rc : finish_one(tx, s, t, err);
}

int db_get(struct db_tx *tx, const struct db_table *t, int64_t id, void *row, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = table_stmt(tx, t, OP_GET, &s, err);
    if (rc == 0)
        rc = db_stmt_bind(tx->conn, s, DB_ARGS(DB_I(id)), err);
    if (rc == 0)
        rc = db_stmt_first(tx->conn, s, err);
    if (rc < 0)
        return rc;
    rc = db_stmt_read(tx->conn, s, t, row, err);
    db_stmt_reset(s);
    return rc;
}

int db_delete(struct db_tx *tx, const struct db_table *t, int64_t id, struct bt_err *err)
{
    struct db_stmt *s = NULL;
    int rc = table_stmt(tx, t, OP_DELETE, &s, err);
    if (rc == 0)
        rc = db_stmt_bind(tx->conn, s, DB_ARGS(DB_I(id)), err);
    return rc < 0 ? rc : finish_one(tx, s, t, err);
}

static void col_free(const struct db_col *col, char *p)
{
    struct db_blob *blob = (void *)p;
    char **text = (void *)p;
    if (col->type == DB_C_BLOB) {
        if (col->secret && blob->data)
            bt_erase(blob->data, blob->len);
        free(blob->data);
    } else if (col->type == DB_C_TEXT) {
        if (col->secret && *text)
            bt_erase(*text, strlen(*text));
        free(*text);
    }
}

void db_row_free(const struct db_table *t, void *row)
{
    for (const struct db_col *col = t->cols; col->name; col++)
        col_free(col, (char *)row + col->off);
    memset(row, 0, t->row_size);
}

void db_rows_free(const struct db_table *t, struct bt_arr *arr)
{
    for (size_t i = 0; i < arr->len; i++)
        db_row_free(t, (char *)arr->items + i * t->row_size);
    free(arr->items);
    *arr = (struct bt_arr){0};
}
