/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/journal/journal_job.h"

#include "common/base/mem.h"
#include "proto/enums.h"
#include "proto/field.h"

/* Finished jobs behind this many newer ones and this old are forgotten. */
#define KEEP_JOBS 20000
#define KEEP_MS (7LL * 86400 * 1000)

const char *const journal_job_states[] = {"accepted", "undoing",   "success",
                                          "error",    "cancelled", NULL};

static const struct bt_state states[] = {
    [JOURNAL_JOB_ACCEPTED] = {"accepted", BT_ST(JOURNAL_JOB_UNDOING) | BT_ST(JOURNAL_JOB_SUCCESS) |
                                              BT_ST(JOURNAL_JOB_ERROR) |
                                              BT_ST(JOURNAL_JOB_CANCELLED)},
    [JOURNAL_JOB_UNDOING] = {"undoing", BT_ST(JOURNAL_JOB_ERROR) | BT_ST(JOURNAL_JOB_CANCELLED)},
    [JOURNAL_JOB_SUCCESS] = {"success", 0},
    [JOURNAL_JOB_ERROR] = {"error", 0},
    [JOURNAL_JOB_CANCELLED] = {"cancelled", 0},
};

const struct bt_sm_def journal_job_sm = {"agent job", states, BT_ARRAY_LEN(states)};

#define COL(n, ...)                                                                                \
    {                                                                                              \
        .name = #n, .off = offsetof(struct journal_job, n), __VA_ARGS__                            \
    }

static const struct db_col cols[] = {COL(id, .type = DB_C_INT),
                                     COL(task_id, .type = DB_C_INT),
                                     COL(uuid, .type = DB_C_TEXT, .null_as = ""),
                                     COL(action, .type = DB_C_ENUM, .names = enum_action),
                                     COL(generation, .type = DB_C_INT),
                                     COL(args, .type = DB_C_TEXT, .null_as = "{}"),
                                     COL(state, .type = DB_C_ENUM, .names = journal_job_states),
                                     COL(result, .type = DB_C_TEXT),
                                     COL(created_at, .type = DB_C_INT),
                                     COL(finished_at, .type = DB_C_INT),
                                     COL(report_seq, .type = DB_C_INT),
                                     {.name = NULL}};

const struct db_table journal_job_table = {
    .name = "jobs", .cols = cols, .row_size = sizeof(struct journal_job)};

#define FT journal_job_args
static const struct bt_field journal_job_args_schema_fields[] = {
    F_BOOL(force, BT_OMIT_ZERO, NULL), F_INT(timeout_ms, 0, F_MAX_INT, BT_OMIT_ZERO, NULL),
    F_BOOL(fresh, BT_OMIT_ZERO, NULL), F_END};
F_SCHEMA(journal_job_args_schema, "JournalJobArgs", NULL);
#undef FT

void journal_job_free(struct journal_job *r)
{
    db_row_free(&journal_job_table, r);
}

int journal_job_get(struct db_tx *tx, int64_t task_id, struct journal_job *ret, struct bt_err *err)
{
    return db_row(tx, &journal_job_table, "SELECT * FROM jobs WHERE task_id = ?1",
                  DB_ARGS(DB_I(task_id)), ret, err);
}

int journal_job_list_open(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &journal_job_table,
                   "SELECT * FROM jobs WHERE state IN ('accepted', 'undoing') ORDER BY id"
                   " LIMIT 1000000",
                   DB_NOARGS, ret, err);
}

int journal_job_insert(struct db_tx *tx, struct journal_job *r, struct bt_err *err)
{
    int rc = db_insert(tx, &journal_job_table, r, &r->id, err);
    if (rc < 0)
        return rc;
    return db_exec(tx, "DELETE FROM jobs WHERE id < ?1 AND finished_at > 0 AND finished_at < ?2",
                   DB_ARGS(DB_I(r->id - KEEP_JOBS), DB_I(db_tx_now_ms(tx) - KEEP_MS)), NULL, err);
}

int journal_job_move(struct db_tx *tx, const struct journal_job *r, struct bt_err *err)
{
    struct journal_job now = {0};
    int rc = db_get(tx, &journal_job_table, r->id, &now, err);
    if (rc < 0)
        return rc;
    bool allowed = bt_sm_allowed(&journal_job_sm, (unsigned)now.state, (unsigned)r->state);
    journal_job_free(&now);
    if (!allowed)
        return bt_fail(err, BT_E_BAD_STATE, "the job of task %lld has ended already",
                       (long long)r->task_id);
    return db_exec(tx,
                   "UPDATE jobs SET state = ?2, result = ?3, finished_at = ?4, report_seq = ?5"
                   " WHERE id = ?1",
                   DB_ARGS(DB_I(r->id), DB_T(journal_job_states[r->state]), DB_T(r->result),
                           DB_I(r->finished_at), DB_I(r->report_seq)),
                   NULL, err);
}

int journal_job_failed(struct db_tx *tx, const char *uuid, int64_t generation, bool *ret,
                       struct bt_err *err)
{
    int64_t failed = 0;
    int rc = db_int(tx,
                    "SELECT generation = ?2 AND state IN ('error', 'cancelled') FROM jobs"
                    " WHERE uuid = ?1 ORDER BY id DESC LIMIT 1",
                    DB_ARGS(DB_T(uuid), DB_I(generation)), &failed, err);
    if (rc == -(int)BT_E_NOT_FOUND)
        rc = 0;
    if (rc == 0)
        *ret = failed != 0;
    return rc;
}
