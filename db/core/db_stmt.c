/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "db/core/db_int.h"

/*
 * Statements by the address of their constant text. Identical literals that the compiler merged
 * share a statement, which is right; a table that rows are read by is remembered with the
 * statement.
 */
static struct db_stmt **slot_at(struct db_stmt **stmts, size_t cap, const void *key)
{
    size_t i = (size_t)((uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (cap - 1);
    while (stmts[i] && stmts[i]->key != key)
        i = (i + 1) & (cap - 1);
    return &stmts[i];
}

static void slots_grow(struct db_conn *c)
{
    size_t cap = c->cap ? c->cap * 2 : 64;
    struct db_stmt **stmts = bt_xcalloc(cap, sizeof *stmts);
    for (size_t i = 0; i < c->cap; i++) {
        if (c->stmts[i])
            *slot_at(stmts, cap, c->stmts[i]->key) = c->stmts[i];
    }
    free(c->stmts);
    c->stmts = stmts;
    c->cap = cap;
}

struct db_stmt *db_stmt_find(const struct db_conn *c, const void *key)
{
    return c->cap ? *slot_at(c->stmts, c->cap, key) : NULL;
}

int db_stmt_add(struct db_conn *c, const void *key, const char *sql, struct db_stmt **ret,
                struct bt_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v3(c->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
        return db_conn_fail(c, "preparing a statement", err);
    if (2 * (c->len + 1) > c->cap)
        slots_grow(c);
    struct db_stmt *s = bt_xcalloc(1, sizeof *s);
    s->key = key;
    s->st = st;
    *slot_at(c->stmts, c->cap, key) = s;
    c->len++;
    *ret = s;
    return 0;
}

void db_stmt_clear(struct db_conn *c)
{
    for (size_t i = 0; i < c->cap; i++) {
        if (!c->stmts[i])
            continue;
        (void)sqlite3_finalize(c->stmts[i]->st);
        free(c->stmts[i]->map);
        free(c->stmts[i]);
    }
    free(c->stmts);
    c->stmts = NULL;
    c->cap = 0;
    c->len = 0;
}

void db_stmt_reset(struct db_stmt *s)
{
    (void)sqlite3_reset(s->st);
    (void)sqlite3_clear_bindings(s->st);
}

int db_stmt_first(struct db_conn *c, struct db_stmt *s, struct bt_err *err)
{
    int rc = sqlite3_step(s->st);
    if (rc == SQLITE_ROW)
        return 0;
    rc = rc == SQLITE_DONE ? bt_fail(err, BT_E_NOT_FOUND, "not found")
                           : db_conn_fail(c, "query", err);
    db_stmt_reset(s);
    return rc;
}

int db_stmt_finish(struct db_conn *c, struct db_stmt *s, struct bt_err *err)
{
    int rc = sqlite3_step(s->st);
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(s->st);
    int out = rc == SQLITE_DONE ? 0 : db_conn_fail(c, "statement", err);
    db_stmt_reset(s);
    return out;
}

/* ---- arguments ---- */

static int bind_one(sqlite3_stmt *st, int at, const struct db_arg *a)
{
    switch (a->type) {
    case DB_ARG_NULL:
        return sqlite3_bind_null(st, at);
    case DB_ARG_INT:
        return sqlite3_bind_int64(st, at, a->i);
    case DB_ARG_TEXT:
        return sqlite3_bind_text(st, at, a->p, -1, SQLITE_STATIC);
    case DB_ARG_BLOB:
        return sqlite3_bind_blob64(st, at, a->n ? a->p : "", a->n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

int db_stmt_bind(struct db_conn *c, struct db_stmt *s, const struct db_arg *args, size_t n_args,
                 struct bt_err *err)
{
    int n = sqlite3_bind_parameter_count(s->st);
    if ((size_t)n != n_args)
        return bt_fail(err, BT_E_INTERNAL, "%zu arguments for %d in: %.200s", n_args, n,
                       sqlite3_sql(s->st));
    for (int i = 0; i < n; i++) {
        if (bind_one(s->st, i + 1, &args[i]) == SQLITE_OK)
            continue;
        int rc = db_conn_fail(c, "binding", err);
        db_stmt_reset(s);
        return rc;
    }
    return 0;
}

static struct db_arg arg_opt(const struct bt_opt_int *v)
{
    return v->is == BT_VALUE ? DB_I(v->v) : DB_NIL;
}

static struct db_arg arg_text(const struct db_col *col, const char *text)
{
    return DB_T(text ? text : col->null_as);
}

static struct db_arg arg_blob(const struct db_blob *b)
{
    return b->data ? DB_B(b->data, b->len) : DB_NIL;
}

static int arg_enum(const struct db_col *col, int v, struct db_arg *ret, struct bt_err *err)
{
    for (int i = 0; col->names[i]; i++) {
        if (i == v) {
            *ret = DB_T(col->names[i]);
            return 0;
        }
    }
    if (v != -1)
        return bt_fail(err, BT_E_INTERNAL, "column %s: %d is no value", col->name, v);
    *ret = DB_NIL;
    return 0;
}

static int arg_of(const struct db_col *col, const void *row, struct db_arg *ret, struct bt_err *err)
{
    const char *p = (const char *)row + col->off;
    switch (col->type) {
    case DB_C_INT:
        *ret = DB_I(*(const int64_t *)(const void *)p);
        return 0;
    case DB_C_ID:
        *ret = DB_ID(*(const int64_t *)(const void *)p);
        return 0;
    case DB_C_OPT_INT:
        *ret = arg_opt((const void *)p);
        return 0;
    case DB_C_BOOL:
        *ret = DB_I(*(const bool *)p ? 1 : 0);
        return 0;
    case DB_C_TEXT:
        *ret = arg_text(col, *(char *const *)(const void *)p);
        return 0;
    case DB_C_BLOB:
        *ret = arg_blob((const void *)p);
        return 0;
    case DB_C_ENUM:
        return arg_enum(col, *(const int *)(const void *)p, ret, err);
    }
    return bt_fail(err, BT_E_INTERNAL, "column %s has no type", col->name);
}

int db_stmt_bind_row(struct db_conn *c, struct db_stmt *s, const struct db_table *t,
                     const void *row, struct bt_err *err)
{
    int rc = 0;
    for (int i = 0; t->cols[i].name && rc == 0; i++) {
        struct db_arg arg;
        rc = arg_of(&t->cols[i], row, &arg, err);
        if (rc == 0 && bind_one(s->st, i + 1, &arg) != SQLITE_OK)
            rc = db_conn_fail(c, t->cols[i].name, err);
    }
    if (rc < 0)
        db_stmt_reset(s);
    return rc;
}

/* ---- rows by name ---- */

static int col_index(const struct db_table *t, const char *name)
{
    for (int i = 0; t->cols[i].name; i++) {
        if (strcmp(t->cols[i].name, name) == 0)
            return i;
    }
    return -1;
}

static int map_make(struct db_stmt *s, const struct db_table *t, struct bt_err *err)
{
    int n = sqlite3_column_count(s->st);
    int16_t *map = bt_xcalloc((size_t)n + 1, sizeof *map);
    for (int i = 0; i < n; i++) {
        const char *name = sqlite3_column_name(s->st, i);
        int at = name ? col_index(t, name) : -1;
        if (at < 0) {
            free(map);
            return bt_fail(err, BT_E_INTERNAL, "column %s is not in the table of %s",
                           name ? name : "?", t->name);
        }
        map[i] = (int16_t)at;
    }
    free(s->map);
    s->map = map;
    s->table = t;
    return 0;
}

static void read_blob(sqlite3_stmt *st, int i, struct db_blob *ret)
{
    const void *data = sqlite3_column_blob(st, i);
    int n = sqlite3_column_bytes(st, i);
    if (!data || n <= 0)
        return;
    ret->data = bt_xmalloc((size_t)n);
    memcpy(ret->data, data, (size_t)n);
    ret->len = (size_t)n;
}

static int read_enum(sqlite3_stmt *st, int i, const struct db_col *col, int *ret,
                     struct bt_err *err)
{
    const char *text = (const char *)sqlite3_column_text(st, i);
    *ret = -1;
    for (int v = 0; text && col->names[v]; v++) {
        if (strcmp(col->names[v], text) == 0)
            *ret = v;
    }
    if (text && *ret < 0)
        return bt_fail(err, BT_E_DB, "column %s: unknown value \"%.40s\"", col->name, text);
    return 0;
}

static int read_col(sqlite3_stmt *st, int i, const struct db_col *col, char *p, struct bt_err *err)
{
    bool null = sqlite3_column_type(st, i) == SQLITE_NULL;
    switch (col->type) {
    case DB_C_INT:
    case DB_C_ID:
        *(int64_t *)(void *)p = sqlite3_column_int64(st, i);
        return 0;
    case DB_C_OPT_INT:
        *(struct bt_opt_int *)(void *)p =
            null ? BT_OPT_NULL : BT_OPT_V(sqlite3_column_int64(st, i));
        return 0;
    case DB_C_BOOL:
        *(bool *)p = sqlite3_column_int(st, i) != 0;
        return 0;
    case DB_C_TEXT:
        *(char **)(void *)p = bt_xstrdup((const char *)sqlite3_column_text(st, i));
        return 0;
    case DB_C_BLOB:
        read_blob(st, i, (void *)p);
        return 0;
    case DB_C_ENUM:
        return read_enum(st, i, col, (void *)p, err);
    }
    return bt_fail(err, BT_E_INTERNAL, "column %s has no type", col->name);
}

/* Columns that the query does not give: absent enums are -1, the rest is zero. */
static void row_blank(const struct db_table *t, void *row)
{
    memset(row, 0, t->row_size);
    for (const struct db_col *col = t->cols; col->name; col++) {
        if (col->type == DB_C_ENUM)
            *(int *)(void *)((char *)row + col->off) = -1;
    }
}

int db_stmt_read(struct db_conn *c, struct db_stmt *s, const struct db_table *t, void *row,
                 struct bt_err *err)
{
    int rc = s->table == t ? 0 : map_make(s, t, err);
    if (rc < 0)
        return rc;
    row_blank(t, row);
    int n = sqlite3_column_count(s->st);
    for (int i = 0; i < n && rc == 0; i++) {
        const struct db_col *col = &t->cols[s->map[i]];
        rc = read_col(s->st, i, col, (char *)row + col->off, err);
    }
    /* A text that could not be copied (NOMEM) shows only here. */
    if (rc == 0 && sqlite3_errcode(c->h) == SQLITE_NOMEM)
        rc = db_conn_fail(c, "reading", err);
    if (rc < 0)
        db_row_free(t, row);
    return rc;
}
