/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service_instance.h"
#include "controller/service/service_instance_verbs.h"
#include "controller/service/service_spec.h"
#include "controller/service/service_task.h"
#include "db/repo/repo_image.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_tenant.h"

/* What the verbs of instances share. */

/* prepare() of verbs with a password: its crypt(3) hash. */
struct service_secret {
    char *password_hash; /* NULL = none was given */
};

/** Erase and free. */
void service_secret_free(void *state);

/** Hash @password (may be NULL) for a guest. Pool thread. */
int service_secret_hash(struct service_call *c, const char *password, struct bt_err *err);

/** Key texts of @keys (texts or names of stored keys of @tenant_id) as a JSON array. Caller frees.
 */
int service_instance_keys(struct db_tx *tx, struct service_call *c, int64_t tenant_id,
                          const struct bt_arr *keys, char **ret, struct bt_err *err);

/** May these overrides be set by the caller, and are they sound? DENIED, INVALID. */
int service_instance_limits(struct service_call *c, const struct limits *l, struct bt_err *err);

/** Does the plan allow the image, and do driver, memory and disk fit it? INVALID, BAD_IMAGE. */
int service_instance_image_fits(struct db_tx *tx, const struct repo_plan_row *plan,
                                const struct repo_image_row *image, const struct limits *l,
                                int driver, struct bt_err *err);

struct service_quota {
    int64_t instances, cpus, memory_bytes, disk_bytes, ipv4, ipv6;
};

/** Tenant's caps with @d on top of what it holds. SUSPENDED, QUOTA_EXCEEDED. */
int service_instance_quota(struct db_tx *tx, const struct repo_tenant_row *tenant,
                           const struct service_quota *d, struct bt_err *err);

/* A verb in work. */
struct service_verb_run {
    struct service_call *c;
    struct repo_instance_row row; /* changed by the verb, written by service_instance_run */
    struct service_task_args args;
    int action;
    bool holds;        /* the result holds already: a task in success, nothing is written */
    bool preempt;      /* ends the holder, besides the verbs that always do */
    bool placement;    /* it changes what the host has sold */
    bool local;        /* no host takes part: the task ends in this transaction */
    const char *event; /* NULL = none */
};

/**
 * Take the lock for a task (or find the same one running), let @change judge and change v->row,
 * write it with a new generation, send, answer 202 {task, instance}.
 */
int service_instance_run(struct db_tx *tx, struct service_verb_run *v,
                         int (*change)(struct db_tx *tx, struct service_verb_run *v,
                                       struct bt_err *err),
                         struct bt_err *err);

/** Free what @v owns. */
void service_verb_run_fini(struct service_verb_run *v);

/** Load the target for a verb. @trashed: the trash is fine. */
int service_verb_run_load(struct db_tx *tx, struct service_call *c, bool trashed,
                          struct service_verb_run *ret, struct bt_err *err);

/** Refuse a trashed instance. BAD_STATE. */
int service_instance_live(const struct repo_instance_row *row, struct bt_err *err);

/** 202 with {task, instance}. */
int service_instance_answer(struct db_tx *tx, struct service_call *c,
                            const struct repo_instance_row *row, const struct repo_task_row *task,
                            struct bt_err *err);

/** Event about an instance. @data: JSON object or NULL. */
int service_instance_event(struct db_tx *tx, struct service_call *c, const char *type,
                           const struct repo_instance_row *row, const char *data,
                           struct bt_err *err);

/** SHA-256 (hex) of a verb and its arguments. */
void service_instance_fingerprint(int action, const struct service_call *c, char ret[65]);
