/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_task.h"
#include "proto/api_task.h"

/* Tasks as the API shows them. */

/* GET /tasks/{id}: 200 task. */
extern const struct service_verb service_task_get;
/* GET /tasks: args struct service_task_query (newest last). */
extern const struct service_verb service_task_list;
/* POST /tasks/{id}/cancel: 202 task. */
extern const struct service_verb service_task_cancel;

struct service_task_query {
    struct bt_ref instance, host; /* empty = any */
    int state;                    /* enum task_state, -1 = any */
    const char *action;           /* NULL = any */
    bool open;                    /* only unfinished ones */
};

/** What the API shows of a row. Free @ret with bt_schema_free(&api_task_schema). */
int service_task_view(struct db_tx *tx, const struct service *svc, const struct repo_task_row *row,
                      struct api_task *ret, struct bt_err *err);
