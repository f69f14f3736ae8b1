/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/id.h"
#include "db/core/db_sql.h"

/* Host ids of one instance; ranges are unique on the host and stay taken until the purge. */
#define JOURNAL_IDS_EACH 65536

/* Wire name of enum desired_by in the column: the journal calls the controller's word "spec". */
extern const char *const journal_desired_by[];

/* One row of `instances`: the columns of migrations/agent. */
struct journal_instance {
    int64_t id;
    char *uuid;
    int driver; /* enum driver_kind */
    int64_t generation, done_generation;
    char *spec; /* JSON of struct instance_spec; secret */
    int state;  /* enum instance_state */
    int desired;
    int desired_by; /* enum desired_by: USER = the spec's word */
    bool paused;
    char *local_suspend; /* "" or "traffic" */
    int64_t id_base;     /* 0 = none */
    int64_t done_restart_seq, done_reset_seq, done_rebuild_seq, done_password_seq;
    int64_t started_at; /* of the present boot; 0 = it does not run */
    char *boot_id;      /* of the host, at the last start */
    int64_t init_pid, init_start;
    int64_t fails, next_start_at;
    int64_t trashed_at, purge_at;
    int64_t created_at;
    char *effective; /* JSON of struct limits, NULL = never read */
    int64_t boots;
};

extern const struct db_table journal_instance_table;

/** Free what @r owns and zero it. */
void journal_instance_free(struct journal_instance *r);

/** Deep copy; @dst is overwritten. */
void journal_instance_copy(const struct journal_instance *src, struct journal_instance *dst);

/** All rows in order of id, into a zeroed array (db_rows_free with journal_instance_table). */
int journal_instance_list(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err);

/** Write @r: an insert when its id is 0 (then @r->id is set), else an update of that row. */
int journal_instance_put(struct db_tx *tx, struct journal_instance *r, struct bt_err *err);

/** Forget an instance; its id range is free. Fine when it is not there. */
int journal_instance_delete(struct db_tx *tx, const char *uuid, struct bt_err *err);

/* Where ranges may lie (agent.conf id_base, id_count). */
struct journal_ids {
    int64_t base, count;
};

/**
 * Lowest range that overlaps none of another instance, trashed ones included. A second call before
 * the row is written gives the same. Errors: NO_CAPACITY.
 */
int journal_instance_free_ids(struct db_tx *tx, const struct journal_ids *in, int64_t *ret_base,
                              struct bt_err *err);
