/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/journal/journal_report.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define COL(n, ...)                                                                                \
    {                                                                                              \
        .name = #n, .off = offsetof(struct journal_report, n), __VA_ARGS__                         \
    }

static const struct db_col cols[] = {COL(seq, .type = DB_C_INT),
                                     COL(op, .type = DB_C_TEXT),
                                     COL(body, .type = DB_C_TEXT),
                                     COL(at, .type = DB_C_INT),
                                     {.name = NULL}};

const struct db_table journal_report_table = {
    .name = "reports", .cols = cols, .row_size = sizeof(struct journal_report)};

int journal_report_last(struct db_tx *tx, int64_t *ret, struct bt_err *err)
{
    return db_int(tx,
                  "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'reports'), 0)",
                  DB_NOARGS, ret, err);
}

int journal_report_append(struct db_tx *tx, struct link_report *r, struct bt_err *err)
{
    int64_t last = 0;
    int rc = journal_report_last(tx, &last, err);
    if (rc < 0)
        return rc;
    r->seq = last + 1;
    r->at = db_tx_now_ms(tx);
    _cleanup_free_ char *body = bt_schema_emit_str(&link_report_schema, r);
    struct journal_report row = {
        .seq = r->seq, .op = (char[]){"report"}, .body = body, .at = r->at};
    return db_insert(tx, &journal_report_table, &row, NULL, err);
}

int journal_report_list(struct db_tx *tx, int64_t after, int limit, struct bt_arr *ret,
                        struct bt_err *err)
{
    return db_rows(tx, &journal_report_table,
                   "SELECT * FROM reports WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                   DB_ARGS(DB_I(after), DB_I(limit)), ret, err);
}

int journal_report_ack(struct db_tx *tx, int64_t seq, struct bt_err *err)
{
    return db_exec(tx, "DELETE FROM reports WHERE seq <= ?1", DB_ARGS(DB_I(seq)), NULL, err);
}

int journal_report_raise(struct db_tx *tx, int64_t seq, struct bt_err *err)
{
    int64_t changed = 0;
    int rc = db_exec(tx, "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'reports'",
                     DB_ARGS(DB_I(seq)), &changed, err);
    if (rc < 0 || changed > 0)
        return rc;
    return db_exec(tx, "INSERT INTO sqlite_sequence (name, seq) VALUES ('reports', ?1)",
                   DB_ARGS(DB_I(seq)), NULL, err);
}
