/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/mem.h"
#include "controller/service/service_instance.h"
#include "controller/service/service_json.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_ref.h"

static struct bt_opt_int id_or_null(int64_t v)
{
    return v ? BT_OPT_V(v) : BT_OPT_NULL;
}

static struct limit_view *view_at(struct limit_views *v, int n)
{
    return (struct limit_view *)v + n;
}

/* What the agent read back counts; before it has, what it is told. */
static int view_limits(struct db_tx *tx, const struct repo_instance_row *row,
                       struct limit_views *ret, struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row plan = {0};
    struct limits p, o, merged, read;
    int rc = repo_plan_get(tx, row->plan_id, &plan, err);
    if (rc >= 0)
        rc = service_json_limits(plan.limits, &p, err);
    if (rc >= 0)
        rc = service_json_limits(row->limits, &o, err);
    if (rc >= 0)
        rc = service_json_limits(row->effective, &read, err);
    if (rc < 0)
        return rc;
    limits_merge(&p, &o, &merged);
    for (int i = 0; i < LIMIT__COUNT; i++) {
        enum limit_name n = (enum limit_name)i;
        struct bt_opt_int e = limits_get(&read, n);
        *view_at(ret, i) = (struct limit_view){
            .plan = limits_get(&p, n),
            .override = limits_get(&o, n),
            .effective = e.is != BT_ABSENT ? e : limits_get(&merged, n),
        };
    }
    return 0;
}

static int view_address(struct db_tx *tx, const struct repo_instance_row *row,
                        const struct repo_address_row *a, struct api_address *ret,
                        struct bt_err *err)
{
    _cleanup_(repo_pool_row_free) struct repo_pool_row pool = {0};
    int rc = repo_pool_get(tx, a->pool_id, &pool, err);
    if (rc < 0)
        return rc;
    *ret = (struct api_address){
        .id = a->id,
        .address = bt_xstrdup(a->address),
        .prefix = a->prefix,
        .family = a->family,
        .kind = pool.delivery == DELIVERY_NAT ? ADDRESS_KIND_NAT : ADDRESS_KIND_PUBLIC,
        .pool = {.id = pool.id, .name = bt_xstrdup(pool.name)},
        .mac = bt_xstrdup(row->mac),
        .rdns = bt_xstrdup(a->rdns),
        .gateway = bt_xstrdup(a->family == 6 ? "fe80::1" : pool.gateway),
        .state = a->state,
        .instance = {.id = row->id, .name = bt_xstrdup(row->name)},
    };
    return 0;
}

static int view_addresses(struct db_tx *tx, const struct repo_instance_row *row, struct bt_arr *ret,
                          struct bt_err *err)
{
    struct bt_arr rows = {0};
    int rc = repo_address_list_instance(tx, row->id, &rows, err);
    const struct repo_address_row *a = rows.items;
    for (size_t i = 0; rc >= 0 && i < rows.len; i++)
        rc = view_address(tx, row, &a[i], bt_arr_push(ret, sizeof(struct api_address)), err);
    db_rows_free(&repo_address_table, &rows);
    return rc < 0 ? rc : 0;
}

static int view_refs(struct db_tx *tx, const struct repo_instance_row *row,
                     struct api_instance *ret, struct bt_err *err)
{
    int rc = repo_ref_get(tx, REPO_REF_TENANT, row->tenant_id, &ret->tenant, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_PLAN, row->plan_id, &ret->plan, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_IMAGE, row->image_id, &ret->image, err);
    if (rc < 0 || !row->host_id)
        return rc;
    _cleanup_(repo_host_row_free) struct repo_host_row host = {0};
    rc = repo_host_get(tx, row->host_id, &host, err);
    if (rc < 0)
        return rc;
    ret->host = (struct bt_ref){.id = host.id, .name = bt_xstrdup(host.name)};
    return repo_ref_get(tx, REPO_REF_LOCATION, host.location_id, &ret->location, err);
}

static void view_error(const struct repo_instance_row *row, struct api_instance *ret)
{
    if (!row->error_code)
        return;
    ret->last_error = bt_xcalloc(1, sizeof *ret->last_error);
    ret->last_error->code = bt_xstrdup(row->error_code);
    ret->last_error->message = bt_xstrdup(row->error_message);
    ret->last_error->task = row->error_task;
    ret->last_error->retryable = bt_code_retry(bt_code_from_str(row->error_code)) != BT_RETRY_NEVER;
}

static void view_row(const struct repo_instance_row *row, struct api_instance *ret)
{
    *ret = (struct api_instance){
        .id = row->id,
        .uuid = bt_xstrdup(row->uuid),
        .external_id = bt_xstrdup(row->external_id),
        .source = bt_xstrdup(row->source),
        .name = bt_xstrdup(row->name),
        .hostname = bt_xstrdup(row->hostname),
        .driver = row->driver,
        .desired = row->desired,
        .state = row->state,
        .paused = row->paused,
        .suspended = (uint64_t)row->suspended,
        .suspend_text = bt_xstrdup(row->suspend_text),
        .locked_by = id_or_null(row->locked_by),
        .protection = {.del = row->protect_delete, .rebuild = row->protect_rebuild},
        .features = (uint64_t)row->features,
        .generation = row->generation,
        .observed_generation = row->observed_generation,
        .created_at = row->created_at,
        .started_at = id_or_null(row->started_at),
        .delete_at = id_or_null(row->delete_at),
        .notes = bt_xstrdup(row->notes),
    };
    view_error(row, ret);
}

int service_instance_view(struct db_tx *tx, const struct repo_instance_row *row,
                          struct api_instance *ret, struct bt_err *err)
{
    struct api_instance v;
    view_row(row, &v);
    int rc = view_refs(tx, row, &v, err);
    if (rc >= 0)
        rc = view_limits(tx, row, &v.limits, err);
    if (rc >= 0)
        rc = view_addresses(tx, row, &v.addresses, err);
    if (rc >= 0)
        rc = service_json_pairs(row->labels, &v.labels, err);
    if (rc < 0)
        bt_schema_free(&api_instance_schema, &v);
    else
        *ret = v;
    return rc < 0 ? rc : 0;
}
