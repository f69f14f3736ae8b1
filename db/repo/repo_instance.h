/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

/*
 * Instances. Live: trashed_at = 0. In the trash: trashed_at > 0, purged_at = 0 (its disk, MAC and
 * addresses stay reserved). Purged: purged_at > 0, kept for history. The row's `version` (the ETag)
 * rises with every change that the API shows.
 */
struct repo_instance_row {
    int64_t id;
    char *uuid;
    int64_t tenant_id;
    char *external_id;
    char *previous_external_id;
    char *source;
    char *name;
    char *hostname;
    int64_t plan_id;
    int64_t image_id;
    int driver;      /* enum driver_kind */
    int64_t host_id; /* 0 = not placed */
    int desired;     /* enum desired */
    int desired_by;  /* enum desired_by */
    int state;       /* enum instance_state */
    bool paused;
    int64_t suspended; /* bit set: 1 << enum suspend */
    char *suspend_text;
    int64_t locked_by; /* task id, 0 = free */
    bool protect_delete;
    bool protect_rebuild;
    int64_t features;   /* bit set of proto's feature names */
    char *limits;       /* JSON: overrides */
    char *effective;    /* JSON: as read back by the agent */
    int64_t alloc_cpus; /* what it holds of its host */
    int64_t alloc_memory_bytes;
    int64_t alloc_disk_bytes;
    char *mac;
    int64_t generation;
    int64_t observed_generation;
    int64_t restart_seq, reset_seq, rebuild_seq, password_seq;
    char *ssh_keys;      /* JSON array of texts */
    char *password_hash; /* crypt(3) */
    char *user_data;
    char *labels; /* JSON object */
    char *notes;
    char *error_code;
    char *error_message;
    int64_t error_task; /* 0 = none */
    int64_t version;
    int64_t created_at, started_at, trashed_at, delete_at, purged_at;
};

extern const struct db_table repo_instance_table;

/** Free what @r owns (password hash erased) and zero it. */
void repo_instance_row_free(struct repo_instance_row *r);

/** Row by id, trashed and purged ones too. NOT_FOUND. */
int repo_instance_get(struct db_tx *tx, int64_t id, struct repo_instance_row *ret,
                      struct bt_err *err);

/** Row by uuid, trashed and purged ones too. NOT_FOUND. */
int repo_instance_get_by_uuid(struct db_tx *tx, const char *uuid, struct repo_instance_row *ret,
                              struct bt_err *err);

/** Live row by name inside a tenant. NOT_FOUND. */
int repo_instance_get_by_name(struct db_tx *tx, int64_t tenant_id, const char *name,
                              struct repo_instance_row *ret, struct bt_err *err);

/** Row by the billing installation's own id, trashed ones too. NOT_FOUND. */
int repo_instance_get_by_external(struct db_tx *tx, const char *source, const char *external_id,
                                  struct repo_instance_row *ret, struct bt_err *err);

#define REPO_INSTANCE_SAME_NAME_MAX 10

struct repo_instance_ids {
    int64_t ids[REPO_INSTANCE_SAME_NAME_MAX];
    size_t n;
};

/** Ids of live instances called @name over all tenants, oldest first, at most 10; none is no error.
 */
int repo_instance_find_by_name(struct db_tx *tx, const char *name, struct repo_instance_ids *ret,
                               struct bt_err *err);

struct repo_instance_filter {
    int64_t after_id;
    int limit;
    int64_t tenant_id, host_id, plan_id, image_id; /* 0 = any */
    int state;                                     /* enum instance_state, -1 = any */
    const char *name;                              /* exact, NULL = any */
    const char *source, *external_id;              /* NULL = any */
    bool deleted;                                  /* trashed ones too; purged ones never */
    bool only_deleted;
};

/** One page in order of id: rows of struct repo_instance_row (free with db_rows_free). */
int repo_instance_list(struct db_tx *tx, const struct repo_instance_filter *f, struct bt_arr *ret,
                       struct bt_err *err);

/** New row; sets id, version 1 and created_at (when 0). EXISTS (name in tenant, uuid, external id,
 * MAC). */
int repo_instance_insert(struct db_tx *tx, struct repo_instance_row *r, struct bt_err *err);

/** Write every column and raise the version (also in @r). NOT_FOUND, EXISTS. */
int repo_instance_update(struct db_tx *tx, struct repo_instance_row *r, struct bt_err *err);

/** As repo_instance_update and raise the generation too (also in @r): the spec changed. */
int repo_instance_update_spec(struct db_tx *tx, struct repo_instance_row *r, struct bt_err *err);

/** Raise generation to at least @above + 1 (a host knew a newer one) and return it. NOT_FOUND. */
int repo_instance_raise_generation(struct db_tx *tx, int64_t id, int64_t above, int64_t *ret,
                                   struct bt_err *err);

/** Set the observed state and raise the version; nothing when it is the same. NOT_FOUND. */
int repo_instance_set_state(struct db_tx *tx, int64_t id, int state, struct bt_err *err);

/* What an agent saw. */
struct repo_instance_seen {
    int state; /* enum instance_state */
    int64_t observed_generation;
    int64_t started_at;    /* 0 = as it was */
    const char *effective; /* JSON, NULL = as it was */
};

/** Apply what an agent saw (observed_generation never falls); the version rises only on a change.
 * NOT_FOUND. */
int repo_instance_set_seen(struct db_tx *tx, int64_t id, const struct repo_instance_seen *seen,
                           struct bt_err *err);

/** Every live instance of @host_id whose state is not pending becomes `unknown`; *@ret_n = how many
 * changed. */
int repo_instance_set_host_unknown(struct db_tx *tx, int64_t host_id, int64_t *ret_n,
                                   struct bt_err *err);

/** Take the lock for @task_id. LOCKED when another task has it (*@ret_holder, may be NULL),
 * NOT_FOUND. */
int repo_instance_lock(struct db_tx *tx, int64_t id, int64_t task_id, int64_t *ret_holder,
                       struct bt_err *err);

/** Hand the lock from @from_task to @to_task (0 = free it). LOCKED when @from_task does not have
 * it. */
int repo_instance_unlock(struct db_tx *tx, int64_t id, int64_t from_task, int64_t to_task,
                         struct bt_err *err);

/* The last error of an instance; a NULL code clears it. */
struct repo_instance_error {
    const char *code;
    const char *message;
    int64_t task_id;
};

/** Set or clear the last error and raise the version. NOT_FOUND. */
int repo_instance_set_error(struct db_tx *tx, int64_t id, const struct repo_instance_error *e,
                            struct bt_err *err);

/** Move to the trash until @delete_at_ms: the name is free at once. BAD_STATE when it is there
 * already. */
int repo_instance_trash(struct db_tx *tx, int64_t id, int64_t delete_at_ms, struct bt_err *err);

/** Take out of the trash. BAD_STATE when not in it, EXISTS when the name was given away meanwhile.
 */
int repo_instance_restore(struct db_tx *tx, int64_t id, struct bt_err *err);

/** Final: state deleted, desired deleted, lock free, external id moved to previous_external_id.
 * NOT_FOUND. */
int repo_instance_purge(struct db_tx *tx, int64_t id, struct bt_err *err);

/** Ids (int64_t) of trashed, not purged instances whose purge time is past, oldest first, at most
 * @limit. */
int repo_instance_list_due(struct db_tx *tx, int64_t now_ms, int limit, struct bt_arr *ret,
                           struct bt_err *err);
