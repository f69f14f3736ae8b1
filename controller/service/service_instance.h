/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_instance.h"
#include "proto/api_instance.h"

/* Use cases of instances (docs/decisions/0044-instance-verbs.md). */

/* POST /instances: args struct api_instance_create; 202 {task, instance}. */
extern const struct service_verb service_instance_create;
/* GET /instances/{ref}: 200 instance; trashed ones too (by id or uuid), purged ones never. */
extern const struct service_verb service_instance_get;
/* GET /instances: args struct service_instance_query. */
extern const struct service_verb service_instance_list;
/* PATCH /instances/{ref}: args struct api_instance_patch; If-Match; 200 instance. */
extern const struct service_verb service_instance_patch;

struct service_instance_query {
    struct bt_ref tenant, host, plan, image; /* empty = any */
    int state;                               /* enum instance_state, -1 = any */
    const char *name;                        /* exact, NULL = any */
    const char *source, *external_id;        /* NULL = any */
    bool deleted, only_deleted;              /* trashed ones too, or nothing else */
};

/*
 * POST /instances/{ref}/actions/{verb} and DELETE /instances/{ref}: args struct api_action;
 * 202 {task, instance}. `fields` names the members of api_action that the verb takes; others are
 * refused by the verb with one INVALID.
 */
struct service_instance_action {
    const char *path; /* "start", "reset-password" */
    const struct service_verb *verb;
};

/* Ends with path NULL. Aliases (poweroff, reboot, terminate) are rows of their own. */
extern const struct service_instance_action service_instance_actions[];

/** Row of a path element, NULL when there is none. */
const struct service_instance_action *service_instance_action_find(const char *path);

/**
 * The instance that @c->target means, as its principal may see it: by id, uuid or name (in the
 * principal's tenant; an operator's name over all tenants: AMBIGUOUS). NOT_FOUND in one wording.
 * @trashed: also those in the trash (by id or uuid). @ret is the caller's to free.
 */
int service_instance_load(struct db_tx *tx, struct service_call *c, bool trashed,
                          struct repo_instance_row *ret, struct bt_err *err);

/** What the API shows of a row. Free @ret with bt_schema_free(&api_instance_schema). */
int service_instance_view(struct db_tx *tx, const struct repo_instance_row *row,
                          struct api_instance *ret, struct bt_err *err);
