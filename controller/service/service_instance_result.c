/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_instance_result.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_spec.h"
#include "controller/service/service_trash.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_event.h"
#include "db/repo/repo_tombstone.h"

/*
 * A verb that ended in an error changes nothing: desired goes back to what is observed, limits to
 * what they were. Where nobody knows how it ended (host_unreachable) the wish stays, and the host
 * hears it when it is back. A failed create leaves nothing.
 */
#define RETRY_PURGE_MS (INT64_C(300) * 1000)

static bool unknown_end(const struct task_result *r)
{
    return !r->ok && bt_streq(r->code, bt_code_str(BT_E_HOST_UNREACHABLE));
}

static int event(struct db_tx *tx, const char *type, const struct repo_instance_row *row,
                 const char *actor, struct agentlink_out *out, struct bt_err *err)
{
    struct repo_event_new e = {.type = type,
                               .actor = actor,
                               .tenant_id = row->tenant_id,
                               .resource_type = "instance",
                               .resource_id = row->id};
    out->events = true;
    return repo_event_append(tx, &e, NULL, err);
}

/* Does another task of the instance go next? Then that one says what shall be. */
static int has_next(struct db_tx *tx, const struct repo_task_row *t, bool *ret, struct bt_err *err)
{
    struct bt_arr open = {0};
    *ret = false;
    int rc = repo_task_list_open(tx, t->instance_id, &open, err);
    const struct repo_task_row *row = open.items;
    for (size_t i = 0; rc >= 0 && i < open.len; i++)
        *ret |= row[i].id != t->id;
    db_rows_free(&repo_task_table, &open);
    return rc < 0 ? rc : 0;
}

static int remember_error(struct db_tx *tx, const struct repo_task_row *t,
                          const struct task_result *r, struct bt_err *err)
{
    struct repo_instance_error e = {.code = r->code, .message = r->message, .task_id = t->id};
    if (r->ok || r->cancelled)
        return 0;
    return repo_instance_set_error(tx, t->instance_id, &e, err);
}

/* ---- gone for good ---- */

int service_trash_purged(struct db_tx *tx, struct service *svc, int64_t instance_id,
                         const char *type, struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    int rc = repo_instance_get(tx, instance_id, &row, err);
    if (rc < 0 || row.purged_at)
        return rc;
    rc = repo_address_release_instance(tx, row.id, NULL, err);
    if (rc >= 0)
        rc = repo_tombstone_set_purged(tx, row.uuid, err);
    if (rc == -BT_E_NOT_FOUND)
        rc = 0; /* a create that never reached its host has none */
    if (rc >= 0)
        rc = repo_instance_purge(tx, row.id, err);
    if (rc >= 0 && row.host_id)
        rc = service_host_sched_refresh(tx, svc, row.host_id, err);
    return rc < 0 ? rc : event(tx, type, &row, "system", out, err);
}

static int on_purge(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                    const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    if (r->superseded)
        return 0;
    if (r->ok)
        return service_trash_purged(tx, ctx, t->instance_id, "instance.purged", out, err);
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    int rc = repo_instance_get(tx, t->instance_id, &row, err);
    if (rc < 0)
        return rc;
    row.delete_at = db_tx_now_ms(tx) + RETRY_PURGE_MS;
    rc = repo_instance_update(tx, &row, err);
    return rc < 0 ? rc : remember_error(tx, t, r, err);
}

static int on_delete(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                     const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    if (r->superseded)
        return 0;
    /* Nothing was there: nothing can be restored, and nothing need be kept. */
    if (r->ok && r->item && r->item->state == INSTANCE_DELETED && !r->item->trashed) {
        bool next = false;
        int rc = has_next(tx, t, &next, err);
        return rc < 0 || next
                   ? rc
                   : service_trash_purged(tx, ctx, t->instance_id, "instance.purged", out, err);
    }
    return remember_error(tx, t, r, err);
}

/* ---- create ---- */

/* Its host may still have something: reserved until that is purged there. */
static int create_to_trash(struct db_tx *tx, struct service *svc, const struct repo_task_row *t,
                           struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    int rc = repo_instance_get(tx, t->instance_id, &row, err);
    if (rc < 0 || row.trashed_at)
        return rc;
    rc = service_trash_row(tx, &row, "system:create", "create failed", SERVICE_PURGE_NOW, err);
    if (rc >= 0)
        rc = repo_instance_update_spec(tx, &row, err);
    if (rc >= 0 && row.host_id)
        rc = service_host_sched_refresh(tx, svc, row.host_id, err);
    return rc < 0 ? rc : event(tx, "instance.create_failed", &row, "system:create", out, err);
}

static int on_create(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                     const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    bool next = false;
    if (r->ok || r->superseded)
        return 0;
    int rc = has_next(tx, t, &next, err);
    if (rc < 0 || next)
        return rc;
    rc = remember_error(tx, t, r, err);
    if (rc < 0)
        return rc;
    bool left = r->item && r->item->state != INSTANCE_DELETED;
    if (left || (unknown_end(r) && t->started_at))
        return create_to_trash(tx, ctx, t, out, err);
    return service_trash_purged(tx, ctx, t->instance_id, "instance.create_failed", out, err);
}

/* ---- the others ---- */

/* A verb that began with making the instance and failed has made nothing. */
static int failed_to_make(struct db_tx *tx, const struct repo_task_row *t,
                          const struct task_result *r, bool *ret, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    *ret = false;
    if (r->ok || r->superseded)
        return 0;
    int rc = repo_instance_get(tx, t->instance_id, &row, err);
    *ret = rc >= 0 && service_spec_unmade(&row);
    return rc;
}

/* Back to what is: true when @row changed. */
static bool settle_power(const struct repo_task_row *t, const struct task_result *r,
                         struct repo_instance_row *row)
{
    int observed = r->item ? r->item->state : row->state;
    int before = row->desired;
    bool paused = row->paused;
    if (observed == INSTANCE_STOPPED || observed == INSTANCE_ERROR)
        row->desired = DESIRED_STOPPED;
    else if (observed == INSTANCE_RUNNING || observed == INSTANCE_PAUSED)
        row->desired = DESIRED_RUNNING;
    if (bt_streq(t->action, enum_action[ACTION_PAUSE]) ||
        bt_streq(t->action, enum_action[ACTION_RESUME]))
        row->paused = observed == INSTANCE_PAUSED;
    return row->desired != before || row->paused != paused;
}

static int write_back(struct db_tx *tx, struct repo_instance_row *row, struct agentlink_out *out,
                      struct bt_err *err)
{
    int rc = repo_instance_update_spec(tx, row, err);
    return rc < 0 ? rc : service_spec_sync(tx, row, out, err);
}

/* Is there something to take back, and may it be? */
static int must_settle(struct db_tx *tx, const struct repo_task_row *t, const struct task_result *r,
                       bool *ret, struct bt_err *err)
{
    bool next = false;
    *ret = false;
    if (r->ok || r->superseded || unknown_end(r))
        return 0;
    int rc = has_next(tx, t, &next, err);
    *ret = !next;
    return rc;
}

static int on_power(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                    const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    bool settle, unmade;
    int rc = failed_to_make(tx, t, r, &unmade, err);
    if (rc >= 0 && unmade)
        return on_create(tx, ctx, t, r, out, err);
    if (rc >= 0)
        rc = remember_error(tx, t, r, err);
    if (rc >= 0)
        rc = must_settle(tx, t, r, &settle, err);
    if (rc < 0 || !settle)
        return rc;
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    rc = repo_instance_get(tx, t->instance_id, &row, err);
    if (rc < 0 || row.trashed_at || !settle_power(t, r, &row))
        return rc;
    return write_back(tx, &row, out, err);
}

static int on_other(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                    const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    bool unmade;
    int rc = failed_to_make(tx, t, r, &unmade, err);
    if (rc >= 0 && unmade)
        return on_create(tx, ctx, t, r, out, err);
    return rc < 0 || r->superseded ? rc : remember_error(tx, t, r, err);
}

/* A counter that was raised for a task that never began goes back: nothing of it was sent. */
static int take_back(struct db_tx *tx, const struct repo_task_row *t, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    struct service_task_args args;
    int rc = bt_schema_parse(&service_task_args_schema, t->args, strlen(t->args), BT_LENIENT, &args,
                             NULL, err);
    if (rc < 0)
        return rc;
    rc = repo_instance_get(tx, t->instance_id, &row, err);
    if (rc >= 0 && bt_streq(t->action, enum_action[ACTION_REBUILD])) {
        row.rebuild_seq--;
        row.image_id = args.image_id ? args.image_id : row.image_id;
    }
    if (rc >= 0 && bt_streq(t->action, enum_action[ACTION_RESTART]))
        row.restart_seq--;
    if (rc >= 0 && bt_streq(t->action, enum_action[ACTION_RESET]))
        row.reset_seq--;
    bt_schema_free(&service_task_args_schema, &args);
    return rc < 0 ? rc : repo_instance_update_spec(tx, &row, err);
}

static bool never_began(const struct repo_task_row *t, const struct task_result *r)
{
    return r->cancelled && t->started_at == 0;
}

static int on_restart(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                      const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    int rc = never_began(t, r) ? take_back(tx, t, err) : 0;
    return rc < 0 ? rc : on_power(tx, ctx, t, r, out, err);
}

/* What was begun on the disk can only be finished: by the next start, or another rebuild. */
static int on_rebuild(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                      const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    struct repo_instance_error e = {.code = bt_code_str(BT_E_CANCELLED),
                                    .message = "the rebuild was interrupted; the next start or "
                                               "rebuild finishes it",
                                    .task_id = t->id};
    if (never_began(t, r))
        return take_back(tx, t, err);
    int rc = on_other(tx, ctx, t, r, out, err);
    return rc < 0 || !r->cancelled ? rc : repo_instance_set_error(tx, t->instance_id, &e, err);
}

static int undo_resize(struct db_tx *tx, struct repo_instance_row *row,
                       struct service_task_args *args, struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row plan = {0};
    struct limits l;
    int64_t disk = row->alloc_disk_bytes;
    row->plan_id = args->plan_id;
    free(row->limits);
    row->limits = TAKE_PTR(args->limits);
    int rc = repo_plan_get(tx, row->plan_id, &plan, err);
    if (rc >= 0)
        rc = service_spec_limits(&plan, row, &l, err);
    if (rc < 0)
        return rc;
    row->alloc_cpus = l.cpus.v;
    row->alloc_memory_bytes = l.memory_bytes.v;
    /* A disk that has grown stays grown, and the host goes on holding room for it. */
    row->alloc_disk_bytes = disk > l.disk_bytes.v ? disk : l.disk_bytes.v;
    return 0;
}

static int take_back_resize(struct db_tx *tx, struct service *svc, const struct repo_task_row *t,
                            struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    struct service_task_args args;
    bool next = false;
    int rc = bt_schema_parse(&service_task_args_schema, t->args, strlen(t->args), BT_LENIENT, &args,
                             NULL, err);
    if (rc < 0)
        return rc;
    rc = repo_instance_get(tx, t->instance_id, &row, err);
    if (rc >= 0 && args.limits)
        rc = undo_resize(tx, &row, &args, err);
    bt_schema_free(&service_task_args_schema, &args);
    if (rc >= 0)
        rc = repo_instance_update_spec(tx, &row, err);
    if (rc >= 0 && row.host_id)
        rc = service_host_sched_refresh(tx, svc, row.host_id, err);
    if (rc >= 0)
        rc = has_next(tx, t, &next, err);
    return rc < 0 || next || row.trashed_at ? rc : service_spec_sync(tx, &row, out, err);
}

static int on_resize(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                     const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    bool unmade;
    if (r->ok)
        return 0;
    int rc = failed_to_make(tx, t, r, &unmade, err);
    if (rc >= 0 && unmade)
        return on_create(tx, ctx, t, r, out, err);
    if (rc >= 0)
        rc = remember_error(tx, t, r, err);
    return rc < 0 || unknown_end(r) ? rc : take_back_resize(tx, ctx, t, out, err);
}

const struct task_action service_instance_task_actions[] = {
    {.action = ACTION_CREATE, .on_result = on_create, .cancellable = true},
    {.action = ACTION_START, .on_result = on_power, .cancellable = true},
    {.action = ACTION_STOP, .on_result = on_power, .cancellable = true, .patient = true},
    {.action = ACTION_KILL, .on_result = on_power, .preempts = true, .patient = true},
    {.action = ACTION_RESTART, .on_result = on_restart, .cancellable = true},
    {.action = ACTION_RESET, .on_result = on_restart},
    {.action = ACTION_PAUSE, .on_result = on_power},
    {.action = ACTION_RESUME, .on_result = on_power},
    {.action = ACTION_SUSPEND, .on_result = on_other, .preempts = true},
    {.action = ACTION_UNSUSPEND, .on_result = on_other},
    {.action = ACTION_REBUILD, .on_result = on_rebuild},
    {.action = ACTION_RESIZE, .on_result = on_resize, .cancellable = true},
    {.action = ACTION_SET, .on_result = on_other},
    {.action = ACTION_RESET_PASSWORD, .on_result = on_other},
    {.action = ACTION_DELETE, .on_result = on_delete, .preempts = true, .patient = true},
    {.action = ACTION_RESTORE, .on_result = on_other},
    {.action = ACTION_PURGE, .on_result = on_purge, .preempts = true, .patient = true},
    {.action = ACTION_ADOPT, .on_result = on_other},
    {.action = ACTION_IMPORT_IMAGE, .cancellable = true},
    {.action = -1},
};
