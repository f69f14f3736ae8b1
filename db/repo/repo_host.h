/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

struct repo_host_row {
    int64_t id;
    char *name;
    int64_t location_id;
    int64_t host_group_id; /* 0 = none */
    int state;             /* enum host_state */
    bool cordoned;
    int64_t epoch;                          /* newest session wins */
    int64_t cpus, memory_bytes, disk_bytes; /* physical, as the agent says */
    struct bt_opt_int overcommit_cpu_milli, overcommit_memory_milli, overcommit_disk_milli;
    struct bt_opt_int reserve_memory_bytes, reserve_disk_bytes;
    struct bt_opt_int max_instances;
    char *drivers; /* JSON array */
    char *facts;   /* JSON object */
    char *agent_version;
    int64_t protocol;
    char *boot_id;
    int64_t clock_skew_ms;
    int64_t last_seen_at; /* written when a session starts and ends, not by leases */
    int64_t version;
    int64_t created_at;
};

extern const struct db_table repo_host_table;

/** Free what @r owns and zero it. */
void repo_host_row_free(struct repo_host_row *r);

/** Row by id. NOT_FOUND. */
int repo_host_get(struct db_tx *tx, int64_t id, struct repo_host_row *ret, struct bt_err *err);

/** Row by name. NOT_FOUND. */
int repo_host_get_by_name(struct db_tx *tx, const char *name, struct repo_host_row *ret,
                          struct bt_err *err);

struct repo_host_filter {
    int64_t after_id;
    int limit;
    int64_t location_id, host_group_id; /* 0 = any */
    int state;                          /* enum host_state, -1 = any */
    bool removed;                       /* removed ones too (when state is -1) */
};

/** One page in order of id. */
int repo_host_list(struct db_tx *tx, const struct repo_host_filter *f, struct bt_arr *ret,
                   struct bt_err *err);

/** New row; sets id, version and created_at. EXISTS. */
int repo_host_insert(struct db_tx *tx, struct repo_host_row *r, struct bt_err *err);

/** Write every column and raise the version. NOT_FOUND, EXISTS. */
int repo_host_update(struct db_tx *tx, struct repo_host_row *r, struct bt_err *err);

/** Set the state and raise the version (same state: nothing). NOT_FOUND. */
int repo_host_set_state(struct db_tx *tx, int64_t id, int state, struct bt_err *err);

/** Set cordoned and raise the version (same value: nothing). NOT_FOUND. */
int repo_host_set_cordoned(struct db_tx *tx, int64_t id, bool cordoned, struct bt_err *err);

/** Raise the session epoch by @step (>= 1) and return the new one. NOT_FOUND. */
int repo_host_next_epoch(struct db_tx *tx, int64_t id, int64_t step, int64_t *ret,
                         struct bt_err *err);

/** Set last_seen_at to now; the version stays. */
int repo_host_touch(struct db_tx *tx, int64_t id, struct bt_err *err);

/** Remove a host that nothing refers to. NOT_FOUND, IN_USE. */
int repo_host_delete(struct db_tx *tx, int64_t id, struct bt_err *err);

/*
 * What is sold on a host. Trashed instances hold disk (their data is there), not cpus or memory,
 * and count as `trashed` instead of `instances`; purged ones hold nothing.
 */
struct repo_host_allocated {
    int64_t host_id;
    int64_t cpus, memory_bytes, disk_bytes, instances, trashed;
};

extern const struct db_table repo_host_allocated_table;

/** Sums of one host in one query over a covering index; zeros when it has nothing. */
int repo_host_allocated(struct db_tx *tx, int64_t host_id, struct repo_host_allocated *ret,
                        struct bt_err *err);

/** Sums of every host that has anything: rows of struct repo_host_allocated in order of host_id. */
int repo_host_allocated_all(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err);
