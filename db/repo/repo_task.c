/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_task.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_task_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, action),
    REPO_ENUM(ST, state, enum_task_state),
    REPO_INT(ST, progress),
    REPO_TEXT(ST, step),
    REPO_TEXT(ST, waiting_for),
    REPO_ID(ST, instance_id),
    REPO_ID(ST, host_id),
    REPO_ID(ST, image_id),
    REPO_ID(ST, tenant_id),
    REPO_TEXT(ST, actor),
    REPO_TEXT_OR(ST, source, ""),
    {.name = "args",
     .type = DB_C_TEXT,
     .off = REPO_OFF(ST, args, char *),
     .secret = true,
     .null_as = "{}"},
    REPO_TEXT_OR(ST, fingerprint, ""),
    REPO_INT(ST, generation),
    REPO_TEXT(ST, error_code),
    REPO_TEXT(ST, error_message),
    REPO_TEXT(ST, error_hint),
    REPO_INT(ST, deadline_at),
    REPO_INT(ST, created_at),
    REPO_INT(ST, started_at),
    REPO_INT(ST, finished_at),
    {0},
};

const struct db_table repo_task_table = REPO_TABLE("tasks", cols, ST);

void repo_task_row_free(struct repo_task_row *r)
{
    db_row_free(&repo_task_table, r);
}

int repo_task_get(struct db_tx *tx, int64_t id, struct repo_task_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_task_table, id, ret, err);
}

/* The same filters, each text led by the index that serves its strongest filter, up and down. */
static const char list_up[] =
    "SELECT * FROM tasks WHERE id > ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND (NOT ?8 OR finished_at = 0) ORDER BY id LIMIT ?2";
static const char list_down[] =
    "SELECT * FROM tasks WHERE id < ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND (NOT ?8 OR finished_at = 0) ORDER BY id DESC LIMIT ?2";
static const char instance_up[] =
    "SELECT * FROM tasks WHERE instance_id = ?3 AND id > ?1 AND (?4 = 0 OR host_id = ?4)"
    " AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND (NOT ?8 OR finished_at = 0) ORDER BY id LIMIT ?2";
static const char instance_down[] =
    "SELECT * FROM tasks WHERE instance_id = ?3 AND id < ?1"
    " AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND (NOT ?8 OR finished_at = 0) ORDER BY id DESC LIMIT ?2";
static const char tenant_up[] =
    "SELECT * FROM tasks WHERE tenant_id = ?5 AND id > ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?4 = 0 OR host_id = ?4) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND (NOT ?8 OR finished_at = 0) ORDER BY id LIMIT ?2";
static const char tenant_down[] = "SELECT * FROM tasks WHERE tenant_id = ?5 AND id < ?1"
                                  " AND (?3 = 0 OR instance_id = ?3) AND (?4 = 0 OR host_id = ?4)"
                                  " AND (?6 IS NULL OR state = ?6) AND (?7 IS NULL OR action = ?7)"
                                  " AND (NOT ?8 OR finished_at = 0) ORDER BY id DESC LIMIT ?2";
static const char host_up[] =
    "SELECT * FROM tasks WHERE host_id = ?4 AND id > ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND (NOT ?8 OR finished_at = 0) ORDER BY id LIMIT ?2";
static const char host_down[] = "SELECT * FROM tasks WHERE host_id = ?4 AND id < ?1"
                                " AND (?3 = 0 OR instance_id = ?3) AND (?5 = 0 OR tenant_id = ?5)"
                                " AND (?6 IS NULL OR state = ?6) AND (?7 IS NULL OR action = ?7)"
                                " AND (NOT ?8 OR finished_at = 0) ORDER BY id DESC LIMIT ?2";
/* Few tasks are open at any time: their partial index first, then a small sort. */
static const char open_up[] =
    "SELECT * FROM tasks WHERE finished_at = 0 AND id > ?1 AND (?3 = 0 OR instance_id = ?3)"
    " AND (?4 = 0 OR host_id = ?4) AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND ?8 AND state IN ('queued', 'waiting', 'running',"
    " 'cancelling') ORDER BY id LIMIT ?2";
static const char open_down[] =
    "SELECT * FROM tasks WHERE finished_at = 0 AND id < ?1"
    " AND (?3 = 0 OR instance_id = ?3) AND (?4 = 0 OR host_id = ?4)"
    " AND (?5 = 0 OR tenant_id = ?5) AND (?6 IS NULL OR state = ?6)"
    " AND (?7 IS NULL OR action = ?7) AND ?8 AND state IN ('queued', 'waiting', 'running',"
    " 'cancelling') ORDER BY id DESC LIMIT ?2";

static const char *list_text(const struct repo_task_filter *f)
{
    if (f->instance_id)
        return f->newest_first ? instance_down : instance_up;
    if (f->open)
        return f->newest_first ? open_down : open_up;
    if (f->tenant_id)
        return f->newest_first ? tenant_down : tenant_up;
    if (f->host_id)
        return f->newest_first ? host_down : host_up;
    return f->newest_first ? list_down : list_up;
}

int repo_task_list(struct db_tx *tx, const struct repo_task_filter *f, struct bt_arr *ret,
                   struct bt_err *err)
{
    int64_t from = f->newest_first && f->after_id == 0 ? INT64_MAX : f->after_id;
    return db_rows(tx, &repo_task_table, list_text(f),
                   DB_ARGS(DB_I(from), repo_cols_limit(f->limit), DB_I(f->instance_id),
                           DB_I(f->host_id), DB_I(f->tenant_id),
                           repo_cols_enum(enum_task_state, f->state), DB_T(f->action),
                           DB_I(f->open)),
                   ret, err);
}

int repo_task_insert(struct db_tx *tx, struct repo_task_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_task_table, r, &r->id, err);
}

int repo_task_update(struct db_tx *tx, struct repo_task_row *r, struct bt_err *err)
{
    return db_update(tx, &repo_task_table, r, err);
}

/* A change of an open task met no row. */
static int not_open(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    int64_t there = 0;
    int rc = db_int(tx, "SELECT 1 FROM tasks WHERE id = ?1", DB_ARGS(DB_I(id)), &there, err);
    return rc < 0 ? rc : bt_fail(err, BT_E_BAD_STATE, "the task has finished");
}

int repo_task_move(struct db_tx *tx, int64_t id, const struct repo_task_move *m, struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(
        tx,
        "UPDATE tasks SET state = ?2, progress = CASE WHEN ?2 = 'success' THEN 100"
        " WHEN ?3 < 0 THEN progress ELSE ?3 END, step = coalesce(?4, step),"
        " waiting_for = ?5,"
        " started_at = CASE WHEN started_at = 0 AND ?2 = 'running' THEN ?6 ELSE started_at END,"
        " finished_at = CASE WHEN ?2 IN ('success', 'error', 'cancelled') THEN ?6 ELSE 0 END"
        " WHERE id = ?1 AND finished_at = 0",
        DB_ARGS(DB_I(id), repo_cols_enum(enum_task_state, m->state), DB_I(m->progress),
                DB_T(m->step), DB_T(m->waiting_for), DB_I(db_tx_now_ms(tx))),
        &changes, err);
    return rc < 0 || changes > 0 ? rc : not_open(tx, id, err);
}

int repo_task_fail(struct db_tx *tx, int64_t id, const struct bt_err *e, struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE tasks SET state = 'error', error_code = ?2, error_message = ?3,"
                     " error_hint = ?4, waiting_for = NULL, finished_at = ?5"
                     " WHERE id = ?1 AND finished_at = 0",
                     DB_ARGS(DB_I(id), DB_T(bt_code_str(e->code)), DB_T(e->msg),
                             DB_T(e->hint[0] ? e->hint : NULL), DB_I(db_tx_now_ms(tx))),
                     &changes, err);
    return rc < 0 || changes > 0 ? rc : not_open(tx, id, err);
}

int repo_task_list_open(struct db_tx *tx, int64_t instance_id, struct bt_arr *ret,
                        struct bt_err *err)
{
    return db_rows(tx, &repo_task_table,
                   "SELECT * FROM tasks WHERE instance_id = ?1 AND finished_at = 0"
                   " ORDER BY id LIMIT 1000",
                   DB_ARGS(DB_I(instance_id)), ret, err);
}

int repo_task_list_late(struct db_tx *tx, int64_t now_ms, int limit, struct bt_arr *ret,
                        struct bt_err *err)
{
    return db_rows(tx, &repo_task_table,
                   "SELECT * FROM tasks WHERE finished_at = 0 AND state IN ('queued', 'waiting',"
                   " 'running', 'cancelling') AND deadline_at > 0 AND deadline_at <= ?1"
                   " ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(now_ms), repo_cols_limit(limit)), ret, err);
}

int repo_task_count_open(struct db_tx *tx, int64_t *ret, struct bt_err *err)
{
    return db_int(tx, "SELECT count(*) FROM tasks WHERE finished_at = 0", DB_NOARGS, ret, err);
}

int repo_task_prune(struct db_tx *tx, int64_t before_ms, int limit, int64_t *ret_n,
                    struct bt_err *err)
{
    return db_exec(tx,
                   "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE finished_at > 0"
                   " AND finished_at < ?1 ORDER BY finished_at LIMIT ?2)",
                   DB_ARGS(DB_I(before_ms), repo_cols_limit(limit)), ret_n, err);
}
