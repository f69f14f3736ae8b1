/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_host.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_host_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_INT(ST, location_id),
    REPO_ID(ST, host_group_id),
    REPO_ENUM(ST, state, enum_host_state),
    REPO_BOOL(ST, cordoned),
    REPO_INT(ST, epoch),
    REPO_INT(ST, cpus),
    REPO_INT(ST, memory_bytes),
    REPO_INT(ST, disk_bytes),
    REPO_OPT(ST, overcommit_cpu_milli),
    REPO_OPT(ST, overcommit_memory_milli),
    REPO_OPT(ST, overcommit_disk_milli),
    REPO_OPT(ST, reserve_memory_bytes),
    REPO_OPT(ST, reserve_disk_bytes),
    REPO_OPT(ST, max_instances),
    REPO_TEXT_OR(ST, drivers, "[]"),
    REPO_TEXT_OR(ST, facts, "{}"),
    REPO_TEXT(ST, agent_version),
    REPO_INT(ST, protocol),
    REPO_TEXT(ST, boot_id),
    REPO_INT(ST, clock_skew_ms),
    REPO_INT(ST, last_seen_at),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    {0},
};

const struct db_table repo_host_table = REPO_TABLE("hosts", cols, ST);

#define ALLOC struct repo_host_allocated

static const struct db_col alloc_cols[] = {
    REPO_INT(ALLOC, host_id),
    REPO_INT(ALLOC, cpus),
    REPO_INT(ALLOC, memory_bytes),
    REPO_INT(ALLOC, disk_bytes),
    REPO_INT(ALLOC, instances),
    REPO_INT(ALLOC, trashed),
    {0},
};

const struct db_table repo_host_allocated_table = REPO_TABLE("host_allocated", alloc_cols, ALLOC);

void repo_host_row_free(struct repo_host_row *r)
{
    db_row_free(&repo_host_table, r);
}

int repo_host_get(struct db_tx *tx, int64_t id, struct repo_host_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_host_table, id, ret, err);
}

int repo_host_get_by_name(struct db_tx *tx, const char *name, struct repo_host_row *ret,
                          struct bt_err *err)
{
    return db_row(tx, &repo_host_table, "SELECT * FROM hosts WHERE name = ?1", DB_ARGS(DB_T(name)),
                  ret, err);
}

int repo_host_list(struct db_tx *tx, const struct repo_host_filter *f, struct bt_arr *ret,
                   struct bt_err *err)
{
    return db_rows(tx, &repo_host_table,
                   "SELECT * FROM hosts WHERE id > ?1 AND (?3 = 0 OR location_id = ?3)"
                   " AND (?4 = 0 OR host_group_id = ?4)"
                   " AND (state = ?5 OR (?5 IS NULL AND (?6 OR state <> 'removed')))"
                   " ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->location_id),
                           DB_I(f->host_group_id), repo_cols_enum(enum_host_state, f->state),
                           DB_I(f->removed)),
                   ret, err);
}

int repo_host_insert(struct db_tx *tx, struct repo_host_row *r, struct bt_err *err)
{
    r->version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_host_table, r, &r->id, err);
}

int repo_host_update(struct db_tx *tx, struct repo_host_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_host_table, r, &r->version, err);
}

int repo_host_set_state(struct db_tx *tx, int64_t id, int state, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE hosts SET version = version + (state <> ?2), state = ?2"
                            " WHERE id = ?1",
                            DB_ARGS(DB_I(id), repo_cols_enum(enum_host_state, state)), err);
}

int repo_host_set_cordoned(struct db_tx *tx, int64_t id, bool cordoned, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE hosts SET version = version + (cordoned <> ?2), cordoned = ?2"
                            " WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_I(cordoned)), err);
}

int repo_host_next_epoch(struct db_tx *tx, int64_t id, int64_t step, int64_t *ret,
                         struct bt_err *err)
{
    return db_int(tx, "UPDATE hosts SET epoch = epoch + ?2 WHERE id = ?1 RETURNING epoch",
                  DB_ARGS(DB_I(id), DB_I(step < 1 ? 1 : step)), ret, err);
}

int repo_host_touch(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(tx, "UPDATE hosts SET last_seen_at = ?2 WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}

int repo_host_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_host_table, id, err);
}

int repo_host_allocated(struct db_tx *tx, int64_t host_id, struct repo_host_allocated *ret,
                        struct bt_err *err)
{
    return db_row(tx, &repo_host_allocated_table,
                  "SELECT ?1 AS host_id,"
                  " coalesce(sum(CASE WHEN trashed_at = 0 THEN alloc_cpus ELSE 0 END), 0) AS cpus,"
                  " coalesce(sum(CASE WHEN trashed_at = 0 THEN alloc_memory_bytes ELSE 0 END), 0) "
                  "AS memory_bytes,"
                  " coalesce(sum(alloc_disk_bytes), 0) AS disk_bytes,"
                  " coalesce(sum(trashed_at = 0), 0) AS instances,"
                  " coalesce(sum(trashed_at > 0), 0) AS trashed"
                  " FROM instances WHERE host_id = ?1 AND purged_at = 0",
                  DB_ARGS(DB_I(host_id)), ret, err);
}

int repo_host_allocated_all(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(
        tx, &repo_host_allocated_table,
        "SELECT host_id, sum(CASE WHEN trashed_at = 0 THEN alloc_cpus ELSE 0 END) AS cpus,"
        " sum(CASE WHEN trashed_at = 0 THEN alloc_memory_bytes ELSE 0 END) AS memory_bytes,"
        " sum(alloc_disk_bytes) AS disk_bytes, sum(trashed_at = 0) AS instances,"
        " sum(trashed_at > 0) AS trashed"
        " FROM instances WHERE host_id IS NOT NULL AND purged_at = 0"
        " GROUP BY host_id ORDER BY host_id LIMIT 1000000",
        DB_NOARGS, ret, err);
}
