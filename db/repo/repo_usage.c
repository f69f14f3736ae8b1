/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_usage.h"

#include <stdbool.h>

#include "db/repo/repo_cols.h"

#define ST struct repo_usage_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_INT(ST, instance_id),
    REPO_INT(ST, tenant_id),
    REPO_INT(ST, period_start),
    REPO_INT(ST, period_end),
    REPO_ENUM(ST, state, enum_usage_state),
    REPO_INT(ST, in_bytes),
    REPO_INT(ST, out_bytes),
    REPO_INT(ST, cpu_ms),
    REPO_INT(ST, memory_mib_hours),
    REPO_INT(ST, disk_mib_hours),
    REPO_INT(ST, ipv4_hours),
    REPO_INT(ST, revision),
    {0},
};

const struct db_table repo_usage_table = REPO_TABLE("usage", cols, ST);

int repo_usage_get(struct db_tx *tx, int64_t instance_id, int64_t period_start_ms,
                   struct repo_usage_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_usage_table,
                  "SELECT * FROM usage WHERE instance_id = ?1 AND period_start = ?2",
                  DB_ARGS(DB_I(instance_id), DB_I(period_start_ms)), ret, err);
}

static bool has_negative(const struct repo_usage_row *d)
{
    return d->in_bytes < 0 || d->out_bytes < 0 || d->cpu_ms < 0 || d->memory_mib_hours < 0 ||
           d->disk_mib_hours < 0 || d->ipv4_hours < 0;
}

int repo_usage_add(struct db_tx *tx, const struct repo_usage_row *d, struct bt_err *err)
{
    int64_t changes = 0;
    if (has_negative(d))
        return bt_fail(err, BT_E_INVALID, "usage only grows");
    int rc = db_exec(
        tx,
        "INSERT INTO usage (instance_id, tenant_id, period_start, period_end, state, in_bytes,"
        " out_bytes, cpu_ms, memory_mib_hours, disk_mib_hours, ipv4_hours, revision)"
        " VALUES (?1, ?2, ?3, ?4, 'provisional', ?5, ?6, ?7, ?8, ?9, ?10, 1)"
        " ON CONFLICT (instance_id, period_start) DO UPDATE SET"
        " in_bytes = in_bytes + excluded.in_bytes, out_bytes = out_bytes + excluded.out_bytes,"
        " cpu_ms = cpu_ms + excluded.cpu_ms,"
        " memory_mib_hours = memory_mib_hours + excluded.memory_mib_hours,"
        " disk_mib_hours = disk_mib_hours + excluded.disk_mib_hours,"
        " ipv4_hours = ipv4_hours + excluded.ipv4_hours, revision = revision + 1"
        " WHERE state = 'provisional'",
        DB_ARGS(DB_I(d->instance_id), DB_I(d->tenant_id), DB_I(d->period_start),
                DB_I(d->period_end), DB_I(d->in_bytes), DB_I(d->out_bytes), DB_I(d->cpu_ms),
                DB_I(d->memory_mib_hours), DB_I(d->disk_mib_hours), DB_I(d->ipv4_hours)),
        &changes, err);
    if (rc == 0 && changes == 0)
        rc = bt_fail(err, BT_E_BAD_STATE, "the period is closed");
    return rc;
}

int repo_usage_close(struct db_tx *tx, int64_t now_ms, int limit, int64_t *ret_n,
                     struct bt_err *err)
{
    return db_exec(tx,
                   "UPDATE usage SET state = 'closed', revision = revision + 1 WHERE id IN"
                   " (SELECT id FROM usage WHERE state = 'provisional' AND period_end <= ?1"
                   " ORDER BY period_end LIMIT ?2)",
                   DB_ARGS(DB_I(now_ms), repo_cols_limit(limit)), ret_n, err);
}

static const char list_by_id[] =
    "SELECT * FROM usage WHERE id > ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?4 = 0 OR tenant_id = ?4) AND (?5 = 0 OR period_end > ?5)"
    " AND (?6 = 0 OR period_start < ?6) AND (?7 IS NULL OR state = ?7) ORDER BY id LIMIT ?2";
static const char list_by_tenant[] =
    "SELECT * FROM usage WHERE tenant_id = ?4 AND id > ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?5 = 0 OR period_end > ?5) AND (?6 = 0 OR period_start < ?6)"
    " AND (?7 IS NULL OR state = ?7) ORDER BY id LIMIT ?2";
static const char list_by_instance[] =
    "SELECT * FROM usage WHERE instance_id = ?3 AND id > ?1 AND (?4 = 0 OR tenant_id = ?4)"
    " AND (?5 = 0 OR period_end > ?5) AND (?6 = 0 OR period_start < ?6)"
    " AND (?7 IS NULL OR state = ?7) ORDER BY id LIMIT ?2";

int repo_usage_list(struct db_tx *tx, const struct repo_usage_filter *f, struct bt_arr *ret,
                    struct bt_err *err)
{
    const char *sql = f->instance_id ? list_by_instance
                      : f->tenant_id ? list_by_tenant
                                     : list_by_id;
    return db_rows(tx, &repo_usage_table, sql,
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->instance_id),
                           DB_I(f->tenant_id), DB_I(f->from_ms), DB_I(f->to_ms),
                           repo_cols_enum(enum_usage_state, f->state)),
                   ret, err);
}
