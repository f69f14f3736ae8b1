/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_task.h"
#include "proto/link.h"

/* From rows to what an agent is told. */

/* purge_at of a tombstone that does not wait for the end of the trash time. */
#define SERVICE_PURGE_NOW 0

/* Arguments of a task, as tasks.args holds them. */
struct service_task_args {
    bool force;
    int64_t timeout_ms;
    bool fresh;       /* the agent never had this instance: a failure takes it away */
    int64_t image_id; /* rebuild: what to go back to */
    int64_t plan_id;  /* resize: likewise */
    char *limits;     /* resize: likewise, JSON */
};

extern const struct bt_schema service_task_args_schema;

/** Plan's limits under the overrides of @row, with the derived defaults. */
int service_spec_limits(const struct repo_plan_row *plan, const struct repo_instance_row *row,
                        struct limits *ret, struct bt_err *err);

/** What an instance shall be, from the rows as they are now. Free with instance_spec_schema. */
int service_spec_build(struct db_tx *tx, const struct repo_instance_row *row,
                       struct instance_spec *ret, struct bt_err *err);

/** Has its host never had it (and shall have it)? */
bool service_spec_unmade(const struct repo_instance_row *row);

/** The apply message of a task (tasks_config.build). Free with link_apply_schema. */
int service_spec_apply(struct db_tx *tx, void *svc, const struct repo_task_row *t,
                       struct link_apply *ret, struct bt_err *err);

/** Send the spec of @row without a task (resync), when it has a host. */
int service_spec_sync(struct db_tx *tx, const struct repo_instance_row *row,
                      struct agentlink_out *out, struct bt_err *err);
