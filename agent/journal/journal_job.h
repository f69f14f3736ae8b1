/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/sm/sm.h"
#include "db/core/db_sql.h"

/* States of a row of `jobs`. */
enum journal_job_state {
    JOURNAL_JOB_ACCEPTED,
    JOURNAL_JOB_UNDOING,
    JOURNAL_JOB_SUCCESS,
    JOURNAL_JOB_ERROR,
    JOURNAL_JOB_CANCELLED,
};

extern const char *const journal_job_states[];
extern const struct bt_sm_def journal_job_sm;

/* A task of the controller, from its acceptance on; finished ones answer repeated tasks. */
struct journal_job {
    int64_t id;
    int64_t task_id;
    char *uuid; /* "" = cancelled before it came */
    int action; /* enum action */
    int64_t generation;
    char *args;   /* JSON of struct journal_job_args */
    int state;    /* enum journal_job_state */
    char *result; /* JSON of struct link_result: the end, or while undoing why */
    int64_t created_at, finished_at;
    int64_t report_seq; /* of the report that carries the result */
};

/* What a job was asked besides the spec. */
struct journal_job_args {
    bool force;
    int64_t timeout_ms;
    bool fresh; /* it made the instance: its failure takes everything back */
};

extern const struct db_table journal_job_table;
extern const struct bt_schema journal_job_args_schema;

/** Free what @r owns and zero it. */
void journal_job_free(struct journal_job *r);

/** Job of a task. NOT_FOUND. */
int journal_job_get(struct db_tx *tx, int64_t task_id, struct journal_job *ret, struct bt_err *err);

/** Jobs that have not ended, in order of id, into a zeroed array. */
int journal_job_list_open(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err);

/** New job; sets @r->id. Very old finished ones are forgotten. EXISTS (task). */
int journal_job_insert(struct db_tx *tx, struct journal_job *r, struct bt_err *err);

/** Move to another state and store @r's result, finished_at and report_seq. BAD_STATE when the move
 * is not allowed. */
int journal_job_move(struct db_tx *tx, const struct journal_job *r, struct bt_err *err);

/** Did the newest job of @uuid, of @generation, end without success? */
int journal_job_failed(struct db_tx *tx, const char *uuid, int64_t generation, bool *ret,
                       struct bt_err *err);
