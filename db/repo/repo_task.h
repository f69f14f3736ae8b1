/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

/* Tasks. Open: finished_at = 0. Ids are never used twice (agents remember finished ones). */
struct repo_task_row {
    int64_t id;
    char *action;
    int state;        /* enum task_state */
    int64_t progress; /* 0..100 */
    char *step;
    char *waiting_for;
    int64_t instance_id, host_id, image_id, tenant_id; /* 0 = none */
    char *actor;
    char *source;
    char *args;         /* JSON object */
    char *fingerprint;  /* verb + arguments: the same again is the same task */
    int64_t generation; /* of the spec that it sends */
    char *error_code;
    char *error_message;
    char *error_hint;
    int64_t deadline_at; /* 0 = none */
    int64_t created_at, started_at, finished_at;
};

extern const struct db_table repo_task_table;

/** Free what @r owns (arguments erased) and zero it. */
void repo_task_row_free(struct repo_task_row *r);

/** Row by id. NOT_FOUND. */
int repo_task_get(struct db_tx *tx, int64_t id, struct repo_task_row *ret, struct bt_err *err);

struct repo_task_filter {
    int64_t after_id;
    int limit;
    int64_t instance_id, host_id, tenant_id; /* 0 = any */
    int state;                               /* enum task_state, -1 = any */
    const char *action;                      /* NULL = any */
    bool open;                               /* only unfinished ones */
    bool newest_first; /* then after_id means "below this id", 0 = from the top */
};

/** One page in order of id. */
int repo_task_list(struct db_tx *tx, const struct repo_task_filter *f, struct bt_arr *ret,
                   struct bt_err *err);

/** New row; sets id and created_at. IN_USE (no such instance or host). */
int repo_task_insert(struct db_tx *tx, struct repo_task_row *r, struct bt_err *err);

/** Write every column. NOT_FOUND. */
int repo_task_update(struct db_tx *tx, struct repo_task_row *r, struct bt_err *err);

/* A step forward of an open task. */
struct repo_task_move {
    int state;               /* enum task_state */
    int64_t progress;        /* -1 = as it was */
    const char *step;        /* NULL = as it was */
    const char *waiting_for; /* NULL = nothing */
};

/**
 * Move an open task; started_at is set when it first runs, finished_at (and progress 100 on
 * success) when the state is an end. BAD_STATE when it has finished already, NOT_FOUND.
 */
int repo_task_move(struct db_tx *tx, int64_t id, const struct repo_task_move *m,
                   struct bt_err *err);

/** End an open task with an error (@e->code, msg, hint). BAD_STATE when it has finished, NOT_FOUND.
 */
int repo_task_fail(struct db_tx *tx, int64_t id, const struct bt_err *e, struct bt_err *err);

/** Open tasks of one instance in order of id. At most 1,000. */
int repo_task_list_open(struct db_tx *tx, int64_t instance_id, struct bt_arr *ret,
                        struct bt_err *err);

/** Open tasks whose deadline is past, in order of id, at most @limit. */
int repo_task_list_late(struct db_tx *tx, int64_t now_ms, int limit, struct bt_arr *ret,
                        struct bt_err *err);

/** How many tasks are open. */
int repo_task_count_open(struct db_tx *tx, int64_t *ret, struct bt_err *err);

/** Remove finished tasks older than @before_ms, at most @limit; *@ret_n = how many. */
int repo_task_prune(struct db_tx *tx, int64_t before_ms, int limit, int64_t *ret_n,
                    struct bt_err *err);
