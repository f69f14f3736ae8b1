/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/json/json.h"
#include "db/core/db.h"

/*
 * Statements: constant text, typed arguments, columns read by name through one column table a
 * struct. Prepared statements are cached per connection by the address of their text. In debug
 * builds a row whose columns are not all in the table fails (INTERNAL), so the two lists cannot
 * drift.
 */
struct db_arg {
    enum { DB_ARG_NULL, DB_ARG_INT, DB_ARG_TEXT, DB_ARG_BLOB } type;
    int64_t i;
    const void *p; /* text (NULL = SQL NULL) or bytes; kept by the caller until the call returns */
    size_t n;
};

#define DB_I(v) ((struct db_arg){.type = DB_ARG_INT, .i = (v)})
#define DB_T(s) ((struct db_arg){.type = DB_ARG_TEXT, .p = (s)})
#define DB_B(ptr, len) ((struct db_arg){.type = DB_ARG_BLOB, .p = (ptr), .n = (len)})
#define DB_NIL ((struct db_arg){.type = DB_ARG_NULL})
/* 0 as NULL: optional references. */
#define DB_ID(v) ((v) ? DB_I(v) : DB_NIL)
#define DB_ARGS(...)                                                                               \
    ((const struct db_arg[]){__VA_ARGS__}),                                                        \
        (sizeof((const struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg))
#define DB_NOARGS NULL, 0

enum db_ctype {
    DB_C_INT,     /* int64_t; NULL reads as 0 and 0 writes 0 */
    DB_C_ID,      /* int64_t reference: 0 <-> NULL */
    DB_C_OPT_INT, /* struct bt_opt_int: BT_NULL <-> NULL */
    DB_C_BOOL,    /* bool <-> 0/1 */
    DB_C_TEXT,    /* char *, owned by the row; NULL <-> NULL */
    DB_C_BLOB,    /* struct db_blob, owned by the row */
    DB_C_ENUM,    /* int <-> text by `names` */
};

struct db_blob {
    void *data;
    size_t len;
};

struct db_col {
    const char *name;
    enum db_ctype type;
    size_t off;
    const char *const *names;
    bool secret; /* erased when the row is freed */
    const char
        *null_as; /* TEXT of a NOT NULL column: what a NULL pointer writes ("", "{}", "[]") */
};

struct db_table {
    const char *name;
    const struct db_col
        *cols; /* ends with name NULL; cols[0] is `id` (rowid) when the table has one */
    size_t row_size;
};

/** Run a statement without rows; *@ret_changes (may be NULL) = rows changed. EXISTS on unique
 * conflicts, IN_USE on foreign keys, INVALID on CHECK, STORAGE_FULL, DB. */
int db_exec(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args,
            int64_t *ret_changes, struct bt_err *err);

/** One integer (first column of the first row; NULL reads as 0). NOT_FOUND when no row. */
int db_int(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args,
           int64_t *ret, struct bt_err *err);

/** One text (first column of the first row) into a new string (NULL for SQL NULL). NOT_FOUND when
 * no row. */
int db_text(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args, char **ret,
            struct bt_err *err);

/** One row into @row (overwritten; free with db_row_free). NOT_FOUND when there is none. */
int db_row(struct db_tx *tx, const struct db_table *t, const char *sql, const struct db_arg *args,
           size_t n_args, void *row, struct bt_err *err);

/** All rows of a bounded query into a zeroed @arr of row structs (free with db_rows_free). */
int db_rows(struct db_tx *tx, const struct db_table *t, const char *sql, const struct db_arg *args,
            size_t n_args, struct bt_arr *arr, struct bt_err *err);

/** INSERT @row into @t by its column table (an id of 0 is chosen by SQLite); *@ret_id may be NULL.
 */
int db_insert(struct db_tx *tx, const struct db_table *t, const void *row, int64_t *ret_id,
              struct bt_err *err);

/** UPDATE every column of @row where id = its id. NOT_FOUND when it is gone. */
int db_update(struct db_tx *tx, const struct db_table *t, const void *row, struct bt_err *err);

/** Row by id. NOT_FOUND when absent. */
int db_get(struct db_tx *tx, const struct db_table *t, int64_t id, void *row, struct bt_err *err);

/** DELETE by id. NOT_FOUND when absent. */
int db_delete(struct db_tx *tx, const struct db_table *t, int64_t id, struct bt_err *err);

/** Free what @row owns and zero it. */
void db_row_free(const struct db_table *t, void *row);

/** Free an array of rows. */
void db_rows_free(const struct db_table *t, struct bt_arr *arr);

/** Set of columns as a SELECT list is "*": rows are matched by name. Prepare @sql (a start-up test
 * does this for every statement of the program) without running it. */
int db_check_sql(struct db_tx *tx, const char *sql, struct bt_err *err);

/** Clock of the database's loop, for created_at columns. */
int64_t db_tx_now_ms(struct db_tx *tx);
