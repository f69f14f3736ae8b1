/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_instance.h"

#include <string.h>

#include "common/base/mem.h"
#include "db/repo/repo_cols.h"

#define ST struct repo_instance_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, uuid),
    REPO_INT(ST, tenant_id),
    REPO_TEXT(ST, external_id),
    REPO_TEXT(ST, previous_external_id),
    REPO_TEXT_OR(ST, source, ""),
    REPO_TEXT(ST, name),
    REPO_TEXT(ST, hostname),
    REPO_INT(ST, plan_id),
    REPO_INT(ST, image_id),
    REPO_ENUM(ST, driver, enum_driver),
    REPO_ID(ST, host_id),
    REPO_ENUM(ST, desired, enum_desired),
    REPO_ENUM(ST, desired_by, enum_desired_by),
    REPO_ENUM(ST, state, enum_instance_state),
    REPO_BOOL(ST, paused),
    REPO_INT(ST, suspended),
    REPO_TEXT(ST, suspend_text),
    REPO_ID(ST, locked_by),
    REPO_BOOL(ST, protect_delete),
    REPO_BOOL(ST, protect_rebuild),
    REPO_INT(ST, features),
    REPO_TEXT_OR(ST, limits, "{}"),
    REPO_TEXT_OR(ST, effective, "{}"),
    REPO_INT(ST, alloc_cpus),
    REPO_INT(ST, alloc_memory_bytes),
    REPO_INT(ST, alloc_disk_bytes),
    REPO_TEXT(ST, mac),
    REPO_INT(ST, generation),
    REPO_INT(ST, observed_generation),
    REPO_INT(ST, restart_seq),
    REPO_INT(ST, reset_seq),
    REPO_INT(ST, rebuild_seq),
    REPO_INT(ST, password_seq),
    REPO_TEXT_OR(ST, ssh_keys, "[]"),
    REPO_SECRET(ST, password_hash),
    REPO_SECRET(ST, user_data),
    REPO_TEXT_OR(ST, labels, "{}"),
    REPO_TEXT(ST, notes),
    REPO_TEXT(ST, error_code),
    REPO_TEXT(ST, error_message),
    REPO_ID(ST, error_task),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    REPO_INT(ST, started_at),
    REPO_INT(ST, trashed_at),
    REPO_INT(ST, delete_at),
    REPO_INT(ST, purged_at),
    {0},
};

const struct db_table repo_instance_table = REPO_TABLE("instances", cols, ST);

struct id_row {
    int64_t id;
};

static const struct db_col id_cols[] = {REPO_INT(struct id_row, id), {0}};
static const struct db_table id_table = REPO_TABLE("instance_ids", id_cols, struct id_row);

void repo_instance_row_free(struct repo_instance_row *r)
{
    db_row_free(&repo_instance_table, r);
}

/* ---- one row ---- */

int repo_instance_get(struct db_tx *tx, int64_t id, struct repo_instance_row *ret,
                      struct bt_err *err)
{
    return db_get(tx, &repo_instance_table, id, ret, err);
}

int repo_instance_get_by_uuid(struct db_tx *tx, const char *uuid, struct repo_instance_row *ret,
                              struct bt_err *err)
{
    return db_row(tx, &repo_instance_table, "SELECT * FROM instances WHERE uuid = ?1",
                  DB_ARGS(DB_T(uuid)), ret, err);
}

int repo_instance_get_by_name(struct db_tx *tx, int64_t tenant_id, const char *name,
                              struct repo_instance_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_instance_table,
                  "SELECT * FROM instances WHERE tenant_id = ?1 AND name = ?2 AND trashed_at = 0",
                  DB_ARGS(DB_I(tenant_id), DB_T(name)), ret, err);
}

int repo_instance_get_by_external(struct db_tx *tx, const char *source, const char *external_id,
                                  struct repo_instance_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_instance_table,
                  "SELECT * FROM instances WHERE source = ?1 AND external_id = ?2",
                  DB_ARGS(DB_T(source), DB_T(external_id)), ret, err);
}

int repo_instance_find_by_name(struct db_tx *tx, const char *name, struct repo_instance_ids *ret,
                               struct bt_err *err)
{
    struct bt_arr rows = {0};
    int rc = db_rows(tx, &id_table,
                     "SELECT id FROM instances WHERE name = ?1 AND trashed_at = 0"
                     " ORDER BY id LIMIT 10",
                     DB_ARGS(DB_T(name)), &rows, err);
    if (rc < 0)
        return rc;
    *ret = (struct repo_instance_ids){.n = rows.len};
    for (size_t i = 0; i < rows.len; i++)
        ret->ids[i] = ((struct id_row *)rows.items)[i].id;
    db_rows_free(&id_table, &rows);
    return 0;
}

/* ---- pages ---- */

/* The same filters four times, each text led by the index that serves its strongest filter. */
static const char list_by_id[] =
    "SELECT * FROM instances WHERE id > ?1 AND purged_at = 0 AND (?3 = 0 OR tenant_id = ?3)"
    " AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR plan_id = ?5) AND (?6 = 0 OR image_id = ?6)"
    " AND (?7 IS NULL OR state = ?7) AND (?8 IS NULL OR name = ?8) AND (?9 IS NULL OR source = ?9)"
    " AND (?10 IS NULL OR external_id = ?10) AND (?11 OR trashed_at = 0)"
    " AND (NOT ?12 OR trashed_at > 0) ORDER BY id LIMIT ?2";
static const char list_by_tenant[] =
    "SELECT * FROM instances WHERE tenant_id = ?3 AND id > ?1 AND purged_at = 0"
    " AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR plan_id = ?5) AND (?6 = 0 OR image_id = ?6)"
    " AND (?7 IS NULL OR state = ?7) AND (?8 IS NULL OR name = ?8) AND (?9 IS NULL OR source = ?9)"
    " AND (?10 IS NULL OR external_id = ?10) AND (?11 OR trashed_at = 0)"
    " AND (NOT ?12 OR trashed_at > 0) ORDER BY id LIMIT ?2";
static const char list_by_host[] =
    "SELECT * FROM instances WHERE host_id = ?4 AND purged_at = 0 AND id > ?1"
    " AND (?3 = 0 OR tenant_id = ?3) AND (?5 = 0 OR plan_id = ?5) AND (?6 = 0 OR image_id = ?6)"
    " AND (?7 IS NULL OR state = ?7) AND (?8 IS NULL OR name = ?8) AND (?9 IS NULL OR source = ?9)"
    " AND (?10 IS NULL OR external_id = ?10) AND (?11 OR trashed_at = 0)"
    " AND (NOT ?12 OR trashed_at > 0) ORDER BY id LIMIT ?2";
static const char list_by_name[] =
    "SELECT * FROM instances WHERE name = ?8 AND id > ?1 AND purged_at = 0"
    " AND (?3 = 0 OR tenant_id = ?3) AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR plan_id = ?5)"
    " AND (?6 = 0 OR image_id = ?6) AND (?7 IS NULL OR state = ?7) AND (?9 IS NULL OR source = ?9)"
    " AND (?10 IS NULL OR external_id = ?10) AND (?11 OR trashed_at = 0)"
    " AND (NOT ?12 OR trashed_at > 0) ORDER BY id LIMIT ?2";
static const char list_by_external[] =
    "SELECT * FROM instances WHERE source = ?9 AND external_id = ?10 AND id > ?1 AND purged_at = 0"
    " AND (?3 = 0 OR tenant_id = ?3) AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR plan_id = ?5)"
    " AND (?6 = 0 OR image_id = ?6) AND (?7 IS NULL OR state = ?7) AND (?8 IS NULL OR name = ?8)"
    " AND (?11 OR trashed_at = 0) AND (NOT ?12 OR trashed_at > 0) ORDER BY id LIMIT ?2";

static const char *list_text(const struct repo_instance_filter *f)
{
    if (f->source && f->external_id)
        return list_by_external;
    if (f->name)
        return list_by_name;
    if (f->tenant_id)
        return list_by_tenant;
    return f->host_id ? list_by_host : list_by_id;
}

int repo_instance_list(struct db_tx *tx, const struct repo_instance_filter *f, struct bt_arr *ret,
                       struct bt_err *err)
{
    return db_rows(tx, &repo_instance_table, list_text(f),
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->tenant_id),
                           DB_I(f->host_id), DB_I(f->plan_id), DB_I(f->image_id),
                           repo_cols_enum(enum_instance_state, f->state), DB_T(f->name),
                           DB_T(f->source), DB_T(f->external_id),
                           DB_I(f->deleted || f->only_deleted), DB_I(f->only_deleted)),
                   ret, err);
}

int repo_instance_list_due(struct db_tx *tx, int64_t now_ms, int limit, struct bt_arr *ret,
                           struct bt_err *err)
{
    return db_rows(tx, &id_table,
                   "SELECT id FROM instances WHERE delete_at <= ?1 AND trashed_at > 0"
                   " AND purged_at = 0 ORDER BY delete_at, id LIMIT ?2",
                   DB_ARGS(DB_I(now_ms), repo_cols_limit(limit)), ret, err);
}

/* ---- whole rows ---- */

int repo_instance_insert(struct db_tx *tx, struct repo_instance_row *r, struct bt_err *err)
{
    r->version = 1;
    if (r->created_at == 0)
        r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_instance_table, r, &r->id, err);
}

int repo_instance_update(struct db_tx *tx, struct repo_instance_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_instance_table, r, &r->version, err);
}

int repo_instance_update_spec(struct db_tx *tx, struct repo_instance_row *r, struct bt_err *err)
{
    r->generation++;
    int rc = repo_instance_update(tx, r, err);
    if (rc < 0)
        r->generation--;
    return rc;
}

/* ---- single fields ---- */

int repo_instance_raise_generation(struct db_tx *tx, int64_t id, int64_t above, int64_t *ret,
                                   struct bt_err *err)
{
    return db_int(tx,
                  "UPDATE instances SET generation = max(generation, ?2) + 1,"
                  " version = version + 1 WHERE id = ?1 RETURNING generation",
                  DB_ARGS(DB_I(id), DB_I(above)), ret, err);
}

int repo_instance_set_state(struct db_tx *tx, int64_t id, int state, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE instances SET version = version + (state <> ?2), state = ?2"
                            " WHERE id = ?1",
                            DB_ARGS(DB_I(id), repo_cols_enum(enum_instance_state, state)), err);
}

int repo_instance_set_seen(struct db_tx *tx, int64_t id, const struct repo_instance_seen *seen,
                           struct bt_err *err)
{
    return repo_cols_change(
        tx,
        "UPDATE instances SET version = version + (state <> ?2 OR observed_generation < ?3"
        " OR (?4 <> 0 AND started_at <> ?4) OR (?5 IS NOT NULL AND effective <> ?5)),"
        " state = ?2, observed_generation = max(observed_generation, ?3),"
        " started_at = CASE WHEN ?4 <> 0 THEN ?4 ELSE started_at END, effective = coalesce(?5, "
        "effective)"
        " WHERE id = ?1",
        DB_ARGS(DB_I(id), repo_cols_enum(enum_instance_state, seen->state),
                DB_I(seen->observed_generation), DB_I(seen->started_at), DB_T(seen->effective)),
        err);
}

int repo_instance_set_host_unknown(struct db_tx *tx, int64_t host_id, int64_t *ret_n,
                                   struct bt_err *err)
{
    return db_exec(tx,
                   "UPDATE instances SET state = 'unknown', version = version + 1"
                   " WHERE host_id = ?1 AND purged_at = 0 AND trashed_at = 0"
                   " AND state NOT IN ('pending', 'unknown', 'deleted')",
                   DB_ARGS(DB_I(host_id)), ret_n, err);
}

static int lock_refused(struct db_tx *tx, int64_t id, int64_t *ret_holder, struct bt_err *err)
{
    int64_t holder = 0;
    int rc = db_int(tx, "SELECT locked_by FROM instances WHERE id = ?1", DB_ARGS(DB_I(id)), &holder,
                    err);
    if (rc < 0)
        return rc;
    if (ret_holder)
        *ret_holder = holder;
    return bt_fail(err, BT_E_LOCKED, "locked by task %lld", (long long)holder);
}

int repo_instance_lock(struct db_tx *tx, int64_t id, int64_t task_id, int64_t *ret_holder,
                       struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE instances SET version = version + (locked_by IS NULL), locked_by = ?2"
                     " WHERE id = ?1 AND (locked_by IS NULL OR locked_by = ?2)",
                     DB_ARGS(DB_I(id), DB_I(task_id)), &changes, err);
    return rc < 0 || changes > 0 ? rc : lock_refused(tx, id, ret_holder, err);
}

int repo_instance_unlock(struct db_tx *tx, int64_t id, int64_t from_task, int64_t to_task,
                         struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE instances SET locked_by = ?3, version = version + 1"
                     " WHERE id = ?1 AND locked_by = ?2",
                     DB_ARGS(DB_I(id), DB_I(from_task), DB_ID(to_task)), &changes, err);
    return rc < 0 || changes > 0 ? rc : lock_refused(tx, id, NULL, err);
}

int repo_instance_set_error(struct db_tx *tx, int64_t id, const struct repo_instance_error *e,
                            struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE instances SET error_code = ?2, error_message = ?3,"
                            " error_task = ?4, version = version + 1 WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_T(e->code), DB_T(e->code ? e->message : NULL),
                                    DB_ID(e->code ? e->task_id : 0)),
                            err);
}

/* ---- trash ---- */

/* Why a change by id and state met no row. */
static int why_not(struct db_tx *tx, int64_t id, const char *text, struct bt_err *err)
{
    int64_t there = 0;
    int rc = db_int(tx, "SELECT 1 FROM instances WHERE id = ?1", DB_ARGS(DB_I(id)), &there, err);
    return rc < 0 ? rc : bt_fail(err, BT_E_BAD_STATE, "%s", text);
}

int repo_instance_trash(struct db_tx *tx, int64_t id, int64_t delete_at_ms, struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE instances SET trashed_at = ?2, delete_at = ?3, version = version + 1"
                     " WHERE id = ?1 AND trashed_at = 0 AND purged_at = 0",
                     DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx)), DB_I(delete_at_ms)), &changes, err);
    return rc < 0 || changes > 0 ? rc : why_not(tx, id, "it is in the trash already", err);
}

int repo_instance_restore(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE instances SET trashed_at = 0, delete_at = 0, version = version + 1"
                     " WHERE id = ?1 AND trashed_at > 0 AND purged_at = 0",
                     DB_ARGS(DB_I(id)), &changes, err);
    return rc < 0 || changes > 0 ? rc : why_not(tx, id, "it is not in the trash", err);
}

int repo_instance_purge(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(
        tx,
        "UPDATE instances SET purged_at = ?2, trashed_at = CASE WHEN trashed_at = 0 THEN ?2 ELSE "
        "trashed_at END,"
        " state = 'deleted', desired = 'deleted', locked_by = NULL,"
        " previous_external_id = coalesce(external_id, previous_external_id), external_id = NULL,"
        " password_hash = NULL, user_data = NULL, version = version + 1"
        " WHERE id = ?1 AND purged_at = 0",
        DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}
