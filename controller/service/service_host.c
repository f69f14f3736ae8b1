/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_host.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_host_sched.h"
#include "db/repo/repo_host_cert.h"
#include "db/repo/repo_ref.h"

/* facts hold what the host said of itself: an array of drivers is kept apart. */
struct driver_list {
    struct bt_arr drivers;
};

static const struct bt_field driver_list_fields[] = {{.key = "drivers",
                                                      .type = BT_F_ARR_OBJ,
                                                      .off = offsetof(struct driver_list, drivers),
                                                      .sub = &link_driver_schema,
                                                      .max = 8},
                                                     {.key = NULL}};
static const struct bt_schema driver_list_schema = {
    .name = "DriverList", .fields = driver_list_fields, .size = sizeof(struct driver_list)};

static int view_drivers(const struct repo_host_row *row, struct bt_arr *ret, struct bt_err *err)
{
    struct driver_list list;
    _cleanup_free_ char *text = bt_xasprintf("{\"drivers\":%s}", row->drivers);
    int rc = bt_schema_parse(&driver_list_schema, text, strlen(text), BT_LENIENT, &list, NULL, err);
    if (rc >= 0)
        *ret = list.drivers;
    return rc;
}

static int view_capacity(struct db_tx *tx, const struct repo_host_row *row,
                         struct api_capacity4 *ret, struct bt_err *err)
{
    struct repo_host_allocated sum = {0};
    struct sched_amount sellable = {0};
    int rc = repo_host_allocated(tx, row->id, &sum, err);
    if (rc >= 0)
        rc = service_host_sched_sellable(tx, row, &sellable, err);
    ret->physical = (struct api_amount){row->cpus, row->memory_bytes, row->disk_bytes, BT_OPT_NULL};
    ret->sellable = (struct api_amount){sellable.cpus, sellable.memory_bytes, sellable.disk_bytes,
                                        row->max_instances};
    ret->allocated = (struct api_amount){sum.cpus, sum.memory_bytes, sum.disk_bytes,
                                         BT_OPT_V(sum.instances + sum.trashed)};
    ret->used.instances = BT_OPT_V(sum.instances);
    return rc;
}

int service_host_view(struct db_tx *tx, struct service *svc, const struct repo_host_row *row,
                      struct api_host *ret, struct bt_err *err)
{
    (void)svc;
    *ret = (struct api_host){.id = row->id,
                             .name = bt_xstrdup(row->name),
                             .state = row->state,
                             .cordoned = row->cordoned,
                             .overcommit = {.cpu_milli = row->overcommit_cpu_milli,
                                            .memory_milli = row->overcommit_memory_milli,
                                            .disk_milli = row->overcommit_disk_milli,
                                            .reserve_memory_bytes = row->reserve_memory_bytes,
                                            .reserve_disk_bytes = row->reserve_disk_bytes,
                                            .max_instances = row->max_instances},
                             .agent_version = bt_xstrdup(row->agent_version),
                             .protocol = row->protocol,
                             .clock_skew_ms = row->clock_skew_ms,
                             .last_seen_at =
                                 row->last_seen_at ? BT_OPT_V(row->last_seen_at) : BT_OPT_NULL,
                             .boot_id = bt_xstrdup(row->boot_id),
                             .facts = bt_xstrdup(row->facts),
                             .created_at = row->created_at};
    int rc = view_drivers(row, &ret->drivers, err);
    if (rc >= 0)
        rc = view_capacity(tx, row, &ret->capacity, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_LOCATION, row->location_id, &ret->location, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_HOST_GROUP, row->host_group_id, &ret->host_group, err);
    if (rc < 0)
        bt_schema_free(&api_host_schema, ret);
    return rc;
}

static int answer(struct db_tx *tx, struct service_call *c, const struct repo_host_row *row,
                  struct bt_err *err)
{
    struct api_host h;
    int rc = service_host_view(tx, c->svc, row, &h, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 200, &api_host_schema, &h);
    c->answer.etag = row->version;
    service_audited(c, "host", row->id, 0);
    bt_schema_free(&api_host_schema, &h);
    return 0;
}

static int load(struct db_tx *tx, struct service_call *c, struct repo_host_row *ret,
                struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_HOST, &c->target, &id, err);
    return rc < 0 ? rc : repo_host_get(tx, id, ret, err);
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_host_filter f = {
        .after_id = c->page.after_id, .limit = limit + 1, .state = -1, .removed = q->deleted};
    int rc = repo_host_list(tx, &f, &rows, err);
    const struct repo_host_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_host h;
        rc = service_host_view(tx, c->svc, &row[i], &h, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_host_schema, &h);
        bt_schema_free(&api_host_schema, &h);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_host_table, &rows);
    return rc;
}

static int get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row row = {0};
    int rc = load(tx, c, &row, err);
    return rc < 0 ? rc : answer(tx, c, &row, err);
}

static void take(struct bt_opt_int *slot, struct bt_opt_int v)
{
    if (v.is != BT_ABSENT)
        *slot = v;
}

static int patch_places(struct db_tx *tx, const struct api_host_patch *in,
                        struct repo_host_row *row, struct bt_err *err)
{
    int rc = 0;
    if (in->location.id || in->location.name)
        rc = repo_ref_resolve(tx, REPO_REF_LOCATION, &in->location, &row->location_id, err);
    if (rc >= 0 && (in->host_group.id || in->host_group.name))
        rc = repo_ref_resolve(tx, REPO_REF_HOST_GROUP, &in->host_group, &row->host_group_id, err);
    return rc;
}

static int patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_host_patch *in = c->args;
    _cleanup_(repo_host_row_free) struct repo_host_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc >= 0)
        rc = patch_places(tx, in, &row, err);
    if (rc < 0)
        return rc;
    take(&row.overcommit_cpu_milli, in->overcommit.cpu_milli);
    take(&row.overcommit_memory_milli, in->overcommit.memory_milli);
    take(&row.overcommit_disk_milli, in->overcommit.disk_milli);
    take(&row.reserve_memory_bytes, in->overcommit.reserve_memory_bytes);
    take(&row.reserve_disk_bytes, in->overcommit.reserve_disk_bytes);
    take(&row.max_instances, in->overcommit.max_instances);
    rc = repo_host_update(tx, &row, err);
    if (rc >= 0)
        rc = service_host_sched_refresh(tx, c->svc, row.id, err);
    return rc < 0 ? rc : answer(tx, c, &row, err);
}

/* A change of cordon or state, an event, placement told. */
static int changed(struct db_tx *tx, struct service_call *c, int64_t id, const char *event,
                   struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row row = {0};
    const struct repo_event_new e = {.type = event, .resource_type = "host", .resource_id = id};
    int rc = repo_host_get(tx, id, &row, err);
    if (rc >= 0)
        rc = service_event(tx, c, &e, err);
    if (rc >= 0)
        rc = service_host_sched_refresh(tx, c->svc, id, err);
    return rc < 0 ? rc : answer(tx, c, &row, err);
}

static int set_cordoned(struct db_tx *tx, struct service_call *c, bool on, struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_host_set_cordoned(tx, row.id, on, err);
    return rc < 0 ? rc : changed(tx, c, row.id, on ? "host.cordoned" : "host.uncordoned", err);
}

static int cordon(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return set_cordoned(tx, c, true, err);
}

static int uncordon(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return set_cordoned(tx, c, false, err);
}

static int drain(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    (void)tx;
    (void)c;
    return bt_fail(err, BT_E_UNSUPPORTED,
                   "instances cannot be migrated yet: cordon the host instead");
}

static int retire(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row row = {0};
    struct repo_host_allocated sum = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_host_allocated(tx, row.id, &sum, err);
    if (rc >= 0 && sum.instances + sum.trashed > 0)
        return bt_fail(err, BT_E_IN_USE, "the host has %lld instances",
                       (long long)(sum.instances + sum.trashed));
    if (rc >= 0)
        rc = repo_host_cert_revoke_all(tx, row.id, NULL, err);
    if (rc >= 0)
        rc = repo_host_set_state(tx, row.id, HOST_REMOVED, err);
    c->audit.id = row.id;
    return rc < 0 ? rc : changed(tx, c, row.id, "host.retired", err);
}

static void retired(struct service_call *c)
{
    agentlink_disconnect(c->svc->link, c->audit.id);
    agentlink_forget(c->svc->link, c->audit.id);
}

const struct service_verb service_host_list = {
    .name = "host.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = list};
const struct service_verb service_host_get = {
    .name = "host.get", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = get};
const struct service_verb service_host_patch = {.name = "host.set",
                                                .scope = SCOPE_OPERATOR,
                                                .args_schema = &api_host_patch_schema,
                                                .apply = patch};
const struct service_verb service_host_cordon = {
    .name = "host.cordon", .scope = SCOPE_OPERATOR, .apply = cordon};
const struct service_verb service_host_uncordon = {
    .name = "host.uncordon", .scope = SCOPE_OPERATOR, .apply = uncordon};
const struct service_verb service_host_drain = {
    .name = "host.drain", .scope = SCOPE_OPERATOR, .apply = drain};
const struct service_verb service_host_retire = {
    .name = "host.retire", .scope = SCOPE_OPERATOR, .apply = retire, .after = retired};
