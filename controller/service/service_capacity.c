/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many more of a plan fit where, and why a host does or does not take one. Both ask the very
 * functions that place, on the writer thread, where the placement state lives.
 */
#include <string.h>

#include "common/base/mem.h"
#include "controller/sched/sched.h"
#include "controller/service/service_host.h"
#include "controller/service/service_json.h"
#include "db/repo/repo_image.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_ref.h"

#define PLANS_MAX 200

/* What one instance of a plan (with overrides) asks of placement. */
struct want {
    struct repo_plan_row plan;
    struct limits limits;
    struct service_ids groups;
    struct sched_request request;
};

static int want_fill(struct want *w, const struct limits *override, int driver, struct bt_err *err)
{
    struct limits plan;
    int rc = service_json_limits(w->plan.limits, &plan, err);
    if (rc >= 0)
        rc = service_json_ids(w->plan.host_groups, &w->groups, err);
    if (rc < 0)
        return rc;
    limits_merge(&plan, override, &w->limits);
    if (driver < 0)
        driver = w->plan.drivers & 1 << DRIVER_CONTAINER ? DRIVER_CONTAINER : DRIVER_KVM;
    w->request = (struct sched_request){.need = {.cpus = w->limits.cpus.v,
                                                 .memory_bytes = w->limits.memory_bytes.v,
                                                 .disk_bytes = w->limits.disk_bytes.v,
                                                 .instances = 1},
                                        .driver = driver,
                                        .features = (uint64_t)w->plan.features,
                                        .groups = w->groups.ids,
                                        .n_groups = w->groups.n};
    return 0;
}

/* Addresses of the pools that can serve a host, per family; the smaller number of VPS they give. */
static int pools_fit(struct db_tx *tx, int64_t host_id, const struct limits *l, int64_t *ret,
                     struct bt_err *err)
{
    const struct {
        int family;
        int64_t each;
    } families[] = {{4, l->ipv4_count.v}, {6, l->ipv6_prefixes.v}};
    *ret = INT64_MAX;
    for (size_t f = 0; f < BT_ARRAY_LEN(families); f++) {
        struct bt_arr pools = {0};
        int64_t free_total = 0;
        if (families[f].each == 0)
            continue;
        int rc = repo_pool_list_for_host(tx, host_id, families[f].family, &pools, err);
        const struct repo_pool_row *p = pools.items;
        for (size_t i = 0; rc >= 0 && i < pools.len; i++) {
            struct repo_pool_count count;
            rc = repo_pool_count(tx, &p[i], &count, err);
            if (rc >= 0 && __builtin_add_overflow(free_total, count.free, &free_total))
                free_total = INT64_MAX;
        }
        db_rows_free(&repo_pool_table, &pools);
        if (rc < 0)
            return rc;
        int64_t fits = free_total / families[f].each;
        *ret = fits < *ret ? fits : *ret;
    }
    return 0;
}

static int capacity_row(struct db_tx *tx, struct service_call *c, const struct want *w,
                        const struct sched_host *h, struct bt_err *err)
{
    enum sched_reason limit = SCHED_OK;
    int64_t by_pool = 0;
    int64_t fits = sched_fits(h, &w->request, &limit);
    int rc = pools_fit(tx, h->id, &w->limits, &by_pool, err);
    if (rc < 0)
        return rc;
    if (by_pool < fits) {
        fits = by_pool;
        limit = SCHED_POOL;
    }
    _cleanup_free_ char *host = NULL;
    rc = repo_ref_name(tx, REPO_REF_HOST, h->id, &host, err);
    if (rc < 0)
        return rc;
    const struct api_capacity out = {.host = host,
                                     .plan = w->plan.name,
                                     .fits = fits,
                                     .limited_by = (char *)(uintptr_t)sched_reason_str(limit)};
    service_list_add(c, &api_capacity_schema, &out);
    return 0;
}

static int capacity_plan(struct db_tx *tx, struct service_call *c, const struct repo_plan_row *plan,
                         int64_t host_id, struct bt_err *err)
{
    struct want w = {.plan = *plan}; /* borrowed */
    struct sched_host h;
    int rc = want_fill(&w, NULL, -1, err);
    for (int64_t id = 0; rc >= 0 && sched_next_host(c->svc->sched, id, &h); id = h.id) {
        if (host_id == 0 || h.id == host_id)
            rc = capacity_row(tx, c, &w, &h, err);
    }
    return rc;
}

static int capacity(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_capacity_query *q = c->args;
    struct bt_arr plans = {0};
    int64_t plan_id = 0;
    int64_t host_id = 0;
    int rc = 0;
    if (q->plan.id || q->plan.name)
        rc = repo_ref_resolve(tx, REPO_REF_PLAN, &q->plan, &plan_id, err);
    if (rc >= 0 && (q->host.id || q->host.name))
        rc = repo_ref_resolve(tx, REPO_REF_HOST, &q->host, &host_id, err);
    const struct repo_plan_filter f = {.limit = PLANS_MAX};
    if (rc >= 0)
        rc = repo_plan_list(tx, &f, &plans, err);
    const struct repo_plan_row *p = plans.items;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < plans.len; i++) {
        if (plan_id == 0 || p[i].id == plan_id)
            rc = capacity_plan(tx, c, &p[i], host_id, err);
    }
    service_list_end(c, false, 0);
    db_rows_free(&repo_plan_table, &plans);
    return rc;
}

static int explain_row(struct db_tx *tx, struct service_call *c, const struct want *w,
                       const struct sched_host *h, struct bt_err *err)
{
    char detail[256] = "";
    int64_t by_pool = 0;
    enum sched_reason why = sched_explain(h, &w->request, detail, sizeof detail);
    int rc = pools_fit(tx, h->id, &w->limits, &by_pool, err);
    if (rc < 0)
        return rc;
    bool ok = why == SCHED_OK && by_pool > 0;
    if (why == SCHED_OK && !ok)
        why = SCHED_POOL;
    _cleanup_free_ char *host = NULL;
    rc = repo_ref_name(tx, REPO_REF_HOST, h->id, &host, err);
    if (rc < 0)
        return rc;
    const struct api_explain out = {
        .host = host,
        .ok = ok,
        .reason = ok ? NULL : (char *)(uintptr_t)sched_reason_str(why),
        .detail = why == SCHED_POOL ? (char *)(uintptr_t) "no pool of this host has a free address"
                                    : detail};
    service_list_add(c, &api_explain_schema, &out);
    return 0;
}

/* Hosts that placement does not know (joining, removed) are said too. */
static int explain_unknown(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct bt_arr rows = {0};
    const struct repo_host_filter f = {.limit = 1000, .state = HOST_JOINING};
    int rc = repo_host_list(tx, &f, &rows, err);
    const struct repo_host_row *row = rows.items;
    for (size_t i = 0; rc >= 0 && i < rows.len; i++) {
        const struct api_explain out = {
            .host = row[i].name,
            .reason = (char *)(uintptr_t) "state",
            .detail = (char *)(uintptr_t) "joining: waits for berth host adopt"};
        service_list_add(c, &api_explain_schema, &out);
    }
    db_rows_free(&repo_host_table, &rows);
    return rc;
}

static int resolve_request(struct db_tx *tx, const struct api_explain_request *in, struct want *w,
                           struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_PLAN, &in->plan, &id, err);
    if (rc >= 0)
        rc = repo_plan_get(tx, id, &w->plan, err);
    if (rc >= 0)
        rc = want_fill(w, &in->limits, in->driver, err);
    if (rc >= 0 && (in->image.id || in->image.name))
        rc = repo_ref_resolve(tx, REPO_REF_IMAGE, &in->image, &id, err);
    if (rc >= 0 && (in->host.id || in->host.name))
        rc = repo_ref_resolve(tx, REPO_REF_HOST, &in->host, &w->request.host_id, err);
    if (rc >= 0 && (in->location.id || in->location.name))
        rc = repo_ref_resolve(tx, REPO_REF_LOCATION, &in->location, &w->request.location_id, err);
    return rc;
}

static int explain(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct want w = {0};
    struct sched_host h;
    int rc = resolve_request(tx, c->args, &w, err);
    service_list_begin(c);
    for (int64_t id = 0; rc >= 0 && sched_next_host(c->svc->sched, id, &h); id = h.id)
        rc = explain_row(tx, c, &w, &h, err);
    if (rc >= 0)
        rc = explain_unknown(tx, c, err);
    service_list_end(c, false, 0);
    repo_plan_row_free(&w.plan);
    return rc;
}

const struct service_verb service_capacity = {
    .name = "capacity", .kind = SERVICE_ASK, .scope = SCOPE_OPERATOR, .apply = capacity};
const struct service_verb service_explain = {.name = "placement.explain",
                                             .kind = SERVICE_ASK,
                                             .scope = SCOPE_OPERATOR,
                                             .args_schema = &api_explain_request_schema,
                                             .apply = explain};
