/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "db/core/db_sql.h"

/*
 * Inside of db/repo: rows of the column tables, with the C type checked at compile time, and the
 * few steps that many repositories share.
 */
#define REPO_OFF(st, f, ctype)                                                                     \
    (offsetof(st, f) +                                                                             \
     0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((st *)0)->f), ctype) ? 1 : -1]))

#define REPO_INT(st, f)                                                                            \
    {                                                                                              \
        .name = #f, .type = DB_C_INT, .off = REPO_OFF(st, f, int64_t)                              \
    }
#define REPO_ID(st, f)                                                                             \
    {                                                                                              \
        .name = #f, .type = DB_C_ID, .off = REPO_OFF(st, f, int64_t)                               \
    }
#define REPO_OPT(st, f)                                                                            \
    {                                                                                              \
        .name = #f, .type = DB_C_OPT_INT, .off = REPO_OFF(st, f, struct bt_opt_int)                \
    }
#define REPO_BOOL(st, f)                                                                           \
    {                                                                                              \
        .name = #f, .type = DB_C_BOOL, .off = REPO_OFF(st, f, bool)                                \
    }
#define REPO_TEXT(st, f)                                                                           \
    {                                                                                              \
        .name = #f, .type = DB_C_TEXT, .off = REPO_OFF(st, f, char *)                              \
    }
#define REPO_TEXT_OR(st, f, text)                                                                  \
    {                                                                                              \
        .name = #f, .type = DB_C_TEXT, .off = REPO_OFF(st, f, char *), .null_as = (text)           \
    }
#define REPO_SECRET(st, f)                                                                         \
    {                                                                                              \
        .name = #f, .type = DB_C_TEXT, .off = REPO_OFF(st, f, char *), .secret = true              \
    }
#define REPO_BLOB(st, f)                                                                           \
    {                                                                                              \
        .name = #f, .type = DB_C_BLOB, .off = REPO_OFF(st, f, struct db_blob)                      \
    }
#define REPO_ENUM(st, f, table)                                                                    \
    {                                                                                              \
        .name = #f, .type = DB_C_ENUM, .off = REPO_OFF(st, f, int), .names = (table)               \
    }

#define REPO_TABLE(table_name, columns, st)                                                        \
    {                                                                                              \
        .name = (table_name), .cols = (columns), .row_size = sizeof(st)                            \
    }

#define REPO_PAGE_DEFAULT 50
#define REPO_PAGE_MAX 1000

/** LIMIT of a page as an argument: 1 .. REPO_PAGE_MAX, the default for 0 and less. */
struct db_arg repo_cols_limit(int limit);

/** A filter by enum as an argument: -1 = any = NULL. */
struct db_arg repo_cols_enum(const char *const *names, int value);

/** Run a change of exactly one row. NOT_FOUND when it changed none. */
int repo_cols_change(struct db_tx *tx, const char *sql, const struct db_arg *args, size_t n_args,
                     struct bt_err *err);

/** Raise *@version (a field of @row) and write the whole row; on failure it is as before. */
int repo_cols_update(struct db_tx *tx, const struct db_table *t, const void *row, int64_t *version,
                     struct bt_err *err);
