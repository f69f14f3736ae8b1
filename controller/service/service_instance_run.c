/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_instance_priv.h"

typedef int (*change_fn)(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err);

void service_verb_run_fini(struct service_verb_run *v)
{
    repo_instance_row_free(&v->row);
    bt_schema_free(&service_task_args_schema, &v->args);
}

int service_verb_run_load(struct db_tx *tx, struct service_call *c, bool trashed,
                          struct service_verb_run *ret, struct bt_err *err)
{
    *ret = (struct service_verb_run){.c = c};
    int rc = service_instance_load(tx, c, trashed, &ret->row, err);
    return rc < 0 ? rc : service_match(c, ret->row.version, err);
}

static int begin(struct db_tx *tx, struct service_verb_run *v, struct repo_task_row *ret_task,
                 struct bt_err *err)
{
    struct service_call *c = v->c;
    char fingerprint[65];
    _cleanup_free_ char *args = bt_schema_emit_str(&service_task_args_schema, &v->args);
    service_instance_fingerprint(v->action, c, fingerprint);
    struct task_new n = {.action = v->action,
                         .preempt = v->preempt,
                         .sync = v->holds && !v->row.locked_by,
                         .inst = &v->row,
                         .host_id = v->row.host_id,
                         .tenant_id = v->row.tenant_id,
                         .actor = c->who.name,
                         .source = c->who.source,
                         .args = args,
                         .fingerprint = fingerprint,
                         .generation = v->row.generation + 1,
                         .ret_holder = &c->error_task};
    return task_begin(c->svc->tasks, tx, &n, &c->out, ret_task, err);
}

/* A new attempt begins without the error of the last one; what only a start or a rebuild can mend
 * is not forgotten before. */
static void forget_error(struct repo_instance_row *row, int action)
{
    bool mends = action == ACTION_START || action == ACTION_RESTART || action == ACTION_RESET ||
                 action == ACTION_REBUILD;
    if (row->state == INSTANCE_ERROR && !mends)
        return;
    free(row->error_code);
    free(row->error_message);
    row->error_code = NULL;
    row->error_message = NULL;
    row->error_task = 0;
}

static int write_row(struct db_tx *tx, struct service_verb_run *v, change_fn change,
                     struct repo_task_row *task, struct bt_err *err)
{
    struct service_call *c = v->c;
    int rc = change(tx, v, err);
    if (rc < 0)
        return rc;
    forget_error(&v->row, v->action);
    rc = repo_instance_update_spec(tx, &v->row, err);
    if (rc >= 0 && v->placement && v->row.host_id)
        rc = service_host_sched_refresh(tx, c->svc, v->row.host_id, err);
    if (rc >= 0 && v->local)
        rc = task_end(c->svc->tasks, tx, task->id, &(struct task_result){.ok = true}, &c->out, err);
    else if (rc >= 0)
        rc = task_dispatch(c->svc->tasks, tx, task, &c->out, err);
    if (rc >= 0 && v->event)
        rc = service_instance_event(tx, c, v->event, &v->row, NULL, err);
    return rc;
}

static int reload(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    struct repo_instance_row now = {0};
    int rc = repo_instance_get(tx, v->row.id, &now, err);
    if (rc < 0)
        return rc;
    repo_instance_row_free(&v->row);
    v->row = now;
    return 0;
}

int service_instance_run(struct db_tx *tx, struct service_verb_run *v, change_fn change,
                         struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row task = {0};
    bool was_locked = v->row.locked_by != 0;
    int rc = begin(tx, v, &task, err);
    if (rc < 0)
        return rc;
    bool made = rc == TASK_MADE && task.state != TASK_SUCCESS;
    if (made && was_locked) /* what the ended ones took back is in the row only */
        rc = reload(tx, v, err);
    if (rc < 0)
        return rc;
    rc = made ? write_row(tx, v, change, &task, err) : 0;
    return rc < 0 ? rc : service_instance_answer(tx, v->c, &v->row, &task, err);
}
