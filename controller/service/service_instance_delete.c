/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delete (to the trash), purge, restore; the clock of the trash. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_instance_priv.h"
#include "controller/service/service_trash.h"
#include "db/repo/repo_tombstone.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define DUE_BATCH 50
#define REMIND_PAGE 200

static const struct api_action no_args = {.reasons = 0};

static const struct api_action *args_of(const struct service_call *c)
{
    return c->args ? c->args : &no_args;
}

/* ---- into the trash ---- */

/* A billing system that means another service is not obeyed. */
static int same_service(const struct api_action *a, const struct repo_instance_row *row,
                        struct bt_err *err)
{
    if (a->uuid && !bt_streq(a->uuid, row->uuid))
        return bt_fail(err, BT_E_CONFLICT, "instance %s is not %s", row->name, a->uuid);
    if (a->external_id && !bt_streq(a->external_id, row->external_id))
        return bt_fail(err, BT_E_CONFLICT, "instance %s is not the service %s", row->name,
                       a->external_id);
    return 0;
}

static bool is_down(const struct repo_instance_row *row)
{
    return row->state == INSTANCE_STOPPED || row->state == INSTANCE_PENDING ||
           row->state == INSTANCE_INITIALIZING || row->state == INSTANCE_ERROR;
}

static int put_tombstone(struct db_tx *tx, const struct repo_instance_row *row, const char *actor,
                         const char *reason, int64_t purge_at, struct bt_err *err)
{
    _cleanup_(repo_tombstone_row_free) struct repo_tombstone_row t = {.uuid = bt_xstrdup(row->uuid),
                                                                      .instance_id = row->id,
                                                                      .host_id = row->host_id,
                                                                      .reason = bt_xstrdup(reason),
                                                                      .actor = bt_xstrdup(actor),
                                                                      .purge_at = purge_at};
    int rc = repo_tombstone_insert(tx, &t, err);
    if (rc != -BT_E_EXISTS)
        return rc;
    return repo_tombstone_set_purge_at(tx, row->uuid, purge_at, err);
}

/* The service's id is free at once, as the name is. */
static void give_up_names(struct repo_instance_row *row)
{
    if (!row->external_id)
        return;
    free(row->previous_external_id);
    row->previous_external_id = TAKE_PTR(row->external_id);
}

int service_trash_row(struct db_tx *tx, struct repo_instance_row *row, const char *actor,
                      const char *reason, int64_t purge_at, struct bt_err *err)
{
    int rc = put_tombstone(tx, row, actor, reason, purge_at, err);
    if (rc < 0)
        return rc;
    if (!row->trashed_at)
        row->trashed_at = db_tx_now_ms(tx);
    row->delete_at = purge_at == SERVICE_PURGE_NOW ? db_tx_now_ms(tx) : purge_at;
    row->desired = DESIRED_DELETED;
    row->desired_by = DESIRED_BY_USER;
    row->paused = false;
    give_up_names(row);
    return 0;
}

static int may_delete(const struct api_action *a, const struct repo_instance_row *row,
                      struct bt_err *err)
{
    int rc = same_service(a, row, err);
    if (rc >= 0 && row->protect_delete)
        rc = bt_fail(err, BT_E_PROTECTED, "instance %s is protected against delete", row->name);
    if (rc >= 0 && !row->trashed_at && !is_down(row) && !a->force) {
        rc = bt_fail(err, BT_E_BAD_STATE, "instance %s is %s", row->name,
                     enum_instance_state[row->state]);
        bt_hint(err, "stop it first, or use force");
    }
    return rc;
}

static int change_delete(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    const struct api_action *a = args_of(v->c);
    int64_t days = 0;
    int rc = may_delete(a, &v->row, err);
    if (rc >= 0)
        rc = service_instance_live(&v->row, err);
    if (rc >= 0)
        rc = service_setting_int(tx, "trash_days", &days, err);
    if (rc < 0)
        return rc;
    return service_trash_row(tx, &v->row, v->c->who.name, a->text ? a->text : "deleted",
                             db_tx_now_ms(tx) + days * DAY_MS, err);
}

static int change_purge(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    const struct api_action *a = args_of(v->c);
    int rc = may_delete(a, &v->row, err);
    if (rc < 0)
        return rc;
    return service_trash_row(tx, &v->row, v->c->who.name, a->text ? a->text : "purged",
                             SERVICE_PURGE_NOW, err);
}

static int delete (struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_action *a = args_of(c);
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc >= 0 && a->purge && !auth_is_operator(&c->who))
        return bt_fail(err, BT_E_DENIED, "only operators purge");
    if (rc < 0)
        return rc;
    v.action = a->purge ? ACTION_PURGE : ACTION_DELETE;
    v.args.force = a->force;
    v.holds = !a->purge && v.row.trashed_at;
    v.placement = true;
    v.event = v.row.trashed_at ? NULL : "instance.trashed";
    return service_instance_run(tx, &v, a->purge ? change_purge : change_delete, err);
}

/* ---- out of it ---- */

static int check_restore(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    const struct repo_instance_row *row = &v->row;
    _cleanup_(repo_instance_row_free) struct repo_instance_row other = {0};
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row tenant = {0};
    int rc = repo_instance_get_by_name(tx, row->tenant_id, row->name, &other, err);
    if (rc >= 0)
        return bt_fail(err, BT_E_EXISTS, "instance %lld is called %s now", (long long)other.id,
                       row->name);
    if (rc != -BT_E_NOT_FOUND)
        return rc;
    rc = repo_tenant_get(tx, row->tenant_id, &tenant, err);
    struct service_quota q = {1, row->alloc_cpus, row->alloc_memory_bytes, row->alloc_disk_bytes, 0,
                              0};
    if (rc >= 0)
        rc = service_instance_quota(tx, &tenant, &q, err);
    struct sched_amount need = {row->alloc_cpus, row->alloc_memory_bytes, 0, 1};
    return rc < 0 ? rc : service_host_sched_prove(tx, row->host_id, &need, err);
}

/* Its service's id comes back where nobody has taken it. */
static int take_names_back(struct db_tx *tx, struct repo_instance_row *row, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row other = {0};
    if (!row->previous_external_id)
        return 0;
    int rc = repo_instance_get_by_external(tx, row->source, row->previous_external_id, &other, err);
    if (rc == -BT_E_NOT_FOUND) {
        row->external_id = TAKE_PTR(row->previous_external_id);
        return 0;
    }
    return rc < 0 ? rc : 0;
}

static int change_restore(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    int rc = check_restore(tx, v, err);
    if (rc >= 0)
        rc = repo_tombstone_delete(tx, v->row.uuid, err);
    if (rc >= 0)
        rc = take_names_back(tx, &v->row, err);
    if (rc < 0)
        return rc;
    v->row.trashed_at = 0;
    v->row.delete_at = 0;
    v->row.desired = DESIRED_STOPPED;
    return 0;
}

static int restore(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_RESTORE;
    v.holds = !v.row.trashed_at;
    v.placement = true;
    v.event = "instance.restored";
    return service_instance_run(tx, &v, change_restore, err);
}

/* ---- what is due ---- */

static int purge_due(struct db_tx *tx, struct service *svc, int64_t id, struct agentlink_out *out,
                     struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    _cleanup_(repo_task_row_free) struct repo_task_row task = {0};
    int rc = repo_instance_get(tx, id, &row, err);
    if (rc < 0 || row.locked_by)
        return rc;
    struct task_new n = {.action = ACTION_PURGE,
                         .inst = &row,
                         .host_id = row.host_id,
                         .tenant_id = row.tenant_id,
                         .actor = "system:trash",
                         .generation = row.generation + 1};
    rc = task_begin(svc->tasks, tx, &n, out, &task, err);
    if (rc >= 0)
        rc = repo_instance_update_spec(tx, &row, err);
    return rc < 0 ? rc : task_dispatch(svc->tasks, tx, &task, out, err);
}

int service_trash_due(struct db_tx *tx, struct service *svc, struct agentlink_out *out,
                      struct bt_err *err)
{
    struct bt_arr ids = {0};
    int rc = repo_instance_list_due(tx, db_tx_now_ms(tx), DUE_BATCH, &ids, err);
    const int64_t *id = ids.items;
    for (size_t i = 0; rc >= 0 && i < ids.len; i++)
        rc = purge_due(tx, svc, id[i], out, err);
    free(ids.items);
    return rc < 0 ? rc : 0;
}

/* A delete that failed on its host is said again: it must not go on running in secret. */
int service_trash_remind(struct db_tx *tx, struct agentlink_out *out, struct bt_err *err)
{
    struct repo_instance_filter f = {
        .limit = REMIND_PAGE, .state = -1, .deleted = true, .only_deleted = true};
    size_t got = REMIND_PAGE;
    int rc = 0;
    while (rc >= 0 && got == REMIND_PAGE) {
        struct bt_arr rows = {0};
        rc = repo_instance_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_instance_row *r = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++) {
            f.after_id = r[i].id;
            if (!r[i].locked_by && r[i].observed_generation < r[i].generation)
                rc = service_spec_sync(tx, &r[i], out, err);
        }
        db_rows_free(&repo_instance_table, &rows);
    }
    return rc < 0 ? rc : 0;
}

const struct service_verb service_instance_delete = {.name = "instance.delete",
                                                     .scope = SCOPE_DESTROY,
                                                     .args_schema = &api_action_schema,
                                                     .apply = delete};
const struct service_verb service_instance_restore = {.name = "instance.restore",
                                                      .scope = SCOPE_DESTROY,
                                                      .args_schema = &api_action_schema,
                                                      .apply = restore};
