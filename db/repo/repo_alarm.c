/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_alarm.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_alarm_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, kind),
    REPO_ENUM(ST, severity, enum_severity),
    REPO_TEXT(ST, resource_type),
    REPO_INT(ST, resource_id),
    REPO_TEXT(ST, text),
    REPO_INT(ST, since),
    REPO_INT(ST, cleared_at),
    REPO_TEXT(ST, acknowledged_by),
    {0},
};

const struct db_table repo_alarm_table = REPO_TABLE("alarms", cols, ST);

void repo_alarm_row_free(struct repo_alarm_row *r)
{
    db_row_free(&repo_alarm_table, r);
}

int repo_alarm_get(struct db_tx *tx, int64_t id, struct repo_alarm_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_alarm_table, id, ret, err);
}

int repo_alarm_raise(struct db_tx *tx, const struct repo_alarm_new *a, bool *ret_new,
                     struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE alarms SET severity = ?4, text = ?5 WHERE kind = ?1"
                     " AND resource_type = ?2 AND resource_id = ?3 AND cleared_at = 0",
                     DB_ARGS(DB_T(a->kind), DB_T(a->resource_type), DB_I(a->resource_id),
                             repo_cols_enum(enum_severity, a->severity), DB_T(a->text)),
                     &changes, err);
    if (rc == 0 && changes == 0)
        rc = db_exec(tx,
                     "INSERT INTO alarms (kind, resource_type, resource_id, severity, text, since)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                     DB_ARGS(DB_T(a->kind), DB_T(a->resource_type), DB_I(a->resource_id),
                             repo_cols_enum(enum_severity, a->severity), DB_T(a->text),
                             DB_I(db_tx_now_ms(tx))),
                     NULL, err);
    if (rc == 0 && ret_new)
        *ret_new = changes == 0;
    return rc;
}

int repo_alarm_clear(struct db_tx *tx, const struct repo_alarm_new *a, bool *ret_was,
                     struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE alarms SET cleared_at = ?4 WHERE kind = ?1"
                     " AND resource_type = ?2 AND resource_id = ?3 AND cleared_at = 0",
                     DB_ARGS(DB_T(a->kind), DB_T(a->resource_type), DB_I(a->resource_id),
                             DB_I(db_tx_now_ms(tx))),
                     &changes, err);
    if (rc == 0 && ret_was)
        *ret_was = changes > 0;
    return rc;
}

int repo_alarm_ack(struct db_tx *tx, int64_t id, const char *by, struct bt_err *err)
{
    return repo_cols_change(tx, "UPDATE alarms SET acknowledged_by = ?2 WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_T(by)), err);
}

int repo_alarm_list(struct db_tx *tx, const struct repo_alarm_filter *f, struct bt_arr *ret,
                    struct bt_err *err)
{
    return db_rows(tx, &repo_alarm_table,
                   "SELECT * FROM alarms WHERE id > ?1 AND (?3 OR cleared_at = 0)"
                   " ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->cleared)), ret,
                   err);
}
