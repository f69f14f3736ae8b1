/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_instance_priv.h"
#include "controller/service/service_json.h"
#include "controller/service/service_place.h"
#include "db/repo/repo_ref.h"

struct create {
    struct service_call *c;
    const struct api_instance_create *a;
    struct repo_tenant_row tenant;
    struct repo_plan_row plan;
    struct repo_image_row image;
    struct limits limits; /* merged */
    struct repo_instance_row row;
    struct repo_task_row task;
    struct service_place place;
};

static void create_fini(struct create *k)
{
    repo_tenant_row_free(&k->tenant);
    repo_plan_row_free(&k->plan);
    repo_image_row_free(&k->image);
    repo_instance_row_free(&k->row);
    repo_task_row_free(&k->task);
}

static bool is_set(const struct bt_ref *r)
{
    return r->id || r->name;
}

/* ---- who, what, where ---- */

static int default_tenant(struct db_tx *tx, struct create *k, int64_t *ret, struct bt_err *err)
{
    _cleanup_free_ char *name = NULL;
    int rc = service_setting_text(tx, "default_tenant", &name, err);
    if (rc < 0)
        return rc;
    if (!*name)
        return service_bad_field(k->c, err, "tenant", "required",
                                 "name a tenant, or set default_tenant");
    return repo_ref_resolve(tx, REPO_REF_TENANT, &(struct bt_ref){.name = name}, ret, err);
}

static int load_tenant(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    const struct principal *who = &k->c->who;
    int64_t id = who->tenant_id;
    int rc = 0;
    if (is_set(&k->a->tenant))
        rc = repo_ref_resolve(tx, REPO_REF_TENANT, &k->a->tenant, &id, err);
    else if (!id)
        rc = default_tenant(tx, k, &id, err);
    if (rc >= 0 && !auth_sees(who, id))
        return bt_fail(err, BT_E_NOT_FOUND, "tenant not found");
    return rc < 0 ? rc : repo_tenant_get(tx, id, &k->tenant, err);
}

static int load_refs(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    const struct api_instance_create *a = k->a;
    int64_t plan, image;
    int rc = repo_ref_resolve(tx, REPO_REF_PLAN, &a->plan, &plan, err);
    if (rc >= 0)
        rc = repo_plan_get(tx, plan, &k->plan, err);
    if (rc >= 0)
        rc = repo_ref_resolve(tx, REPO_REF_IMAGE, &a->image, &image, err);
    if (rc >= 0)
        rc = repo_image_get(tx, image, &k->image, err);
    if (rc >= 0 && k->image.state != IMAGE_READY)
        return bt_fail(err, BT_E_BAD_IMAGE, "image %s is %s", k->image.name,
                       enum_image_state[k->image.state]);
    return rc;
}

static int load_place(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    struct sched_request *r = &k->place.request;
    int rc = 0;
    if (is_set(&k->a->host)) {
        if (!auth_is_operator(&k->c->who))
            return bt_fail(err, BT_E_DENIED, "only operators choose a host");
        rc = repo_ref_resolve(tx, REPO_REF_HOST, &k->a->host, &r->host_id, err);
    }
    if (rc >= 0 && is_set(&k->a->location))
        rc = repo_ref_resolve(tx, REPO_REF_LOCATION, &k->a->location, &r->location_id, err);
    return rc;
}

/* ---- features, limits ---- */

static int choose_features(struct create *k, uint64_t *ret, struct bt_err *err)
{
    const struct bt_arr *names = &k->a->features;
    uint64_t plan = (uint64_t)k->plan.features, set = 0;
    if (!names->len) {
        *ret = plan;
        return 0;
    }
    char **name = names->items;
    if (names->len == 1 && bt_streq(name[0], "none")) {
        *ret = 0;
        return 0;
    }
    for (size_t i = 0; i < names->len; i++) {
        int f = enum_from_str(enum_feature, name[i]);
        if (f < 0)
            return service_bad_field(k->c, err, "features", "enum", "no feature %s", name[i]);
        set |= UINT64_C(1) << f;
    }
    if ((set & ~plan) && !auth_is_operator(&k->c->who))
        return bt_fail(err, BT_E_DENIED, "plan %s does not have all of these features",
                       k->plan.name);
    *ret = set;
    return 0;
}

static int merge_limits(struct create *k, struct bt_err *err)
{
    struct limits plan;
    int rc = service_instance_limits(k->c, &k->a->limits, err);
    if (rc >= 0)
        rc = service_json_limits(k->plan.limits, &plan, err);
    if (rc >= 0)
        limits_merge(&plan, &k->a->limits, &k->limits);
    return rc;
}

static int64_t int_of(struct bt_opt_int v)
{
    return v.is == BT_VALUE ? v.v : 0;
}

static int check_quota(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    const struct limits *l = &k->limits;
    struct service_quota d = {1,
                              int_of(l->cpus),
                              int_of(l->memory_bytes),
                              int_of(l->disk_bytes),
                              int_of(l->ipv4_count),
                              int_of(l->ipv6_prefixes)};
    return service_instance_quota(tx, &k->tenant, &d, err);
}

/* ---- names ---- */

static int taken(struct db_tx *tx, const struct create *k, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row other = {0};
    int rc = repo_instance_get_by_name(tx, k->tenant.id, k->a->name, &other, err);
    if (rc >= 0)
        return bt_fail(err, BT_E_EXISTS, "tenant %s has an instance called %s", k->tenant.name,
                       k->a->name);
    if (rc != -BT_E_NOT_FOUND)
        return rc;
    if (!k->a->external_id)
        return 0;
    rc = repo_instance_get_by_external(tx, k->row.source, k->a->external_id, &other, err);
    if (rc >= 0)
        return bt_fail(err, BT_E_EXISTS, "instance %lld has the external id %s",
                       (long long)other.id, k->a->external_id);
    return rc == -BT_E_NOT_FOUND ? 0 : rc;
}

/* A unicast address of our own making: unique as the uuid is. */
static void mac_of(const char *uuid, char dst[18])
{
    (void)snprintf(dst, 18, "02:%.2s:%.2s:%.2s:%.2s:%.2s", uuid, uuid + 2, uuid + 4, uuid + 6,
                   uuid + 9);
}

static const char *source_of(const struct create *k)
{
    const struct principal *who = &k->c->who;
    if (who->source[0])
        return who->source; /* a billing installation speaks for itself only */
    return k->a->source && who->tenant_id == 0 ? k->a->source : "";
}

static void fill_names(struct create *k)
{
    struct repo_instance_row *r = &k->row;
    char uuid[BT_UUID_LEN + 1], mac[18];
    bt_uuid_new(k->c->svc->random, uuid);
    mac_of(uuid, mac);
    r->uuid = bt_xstrdup(uuid);
    r->mac = bt_xstrdup(k->a->mac && auth_is_operator(&k->c->who) ? k->a->mac : mac);
    r->name = bt_xstrdup(k->a->name);
    r->hostname = bt_xstrdup(k->a->hostname ? k->a->hostname : k->a->name);
    r->source = bt_xstrdup(source_of(k));
    r->external_id = bt_xstrdup(k->a->external_id);
    r->tenant_id = k->tenant.id;
    r->plan_id = k->plan.id;
    r->image_id = k->image.id;
}

static int fill_row(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    struct repo_instance_row *r = &k->row;
    const struct service_secret *secret = k->c->state;
    uint64_t features = 0;
    int rc = choose_features(k, &features, err);
    if (rc >= 0)
        rc = service_instance_keys(tx, k->c, k->tenant.id, &k->a->ssh_keys, &r->ssh_keys, err);
    if (rc < 0)
        return rc;
    bool start = !(k->a->start.is == BT_VALUE && k->a->start.v == 0);
    r->desired = start ? DESIRED_RUNNING : DESIRED_STOPPED;
    r->state = INSTANCE_PENDING;
    r->features = (int64_t)features;
    r->limits = service_json_limits_text(&k->a->limits);
    r->effective = bt_xstrdup("{}");
    r->alloc_cpus = k->limits.cpus.v;
    r->alloc_memory_bytes = k->limits.memory_bytes.v;
    r->alloc_disk_bytes = k->limits.disk_bytes.v;
    r->generation = 1;
    r->password_seq = secret->password_hash ? 1 : 0;
    r->password_hash = bt_xstrdup(secret->password_hash);
    r->user_data = bt_xstrdup(k->a->user_data);
    r->labels = service_json_pairs_text(&k->a->labels);
    r->notes = bt_xstrdup(k->a->notes);
    return 0;
}

/* ---- placement ---- */

static int insert_with(struct db_tx *tx, struct create *k, int driver, struct bt_err *err)
{
    int rc = service_instance_image_fits(tx, &k->plan, &k->image, &k->limits, driver, err);
    if (rc >= 0)
        rc = service_place_init(&k->place, &k->plan, &k->limits, driver, err);
    if (rc < 0)
        return rc;
    k->place.request.features = (uint64_t)k->row.features;
    if (k->a->addresses.len)
        k->place.wanted = &k->a->addresses;
    k->row.driver = driver;
    return service_place_insert(tx, k->c->svc, &k->place, &k->row, err);
}

/* The driver that was asked for, or the plan's first that a host has room for. */
static int insert(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    int rc = bt_fail(err, BT_E_INVALID, "plan %s has no driver", k->plan.name);
    if (k->a->driver >= 0 && !(k->plan.drivers & (INT64_C(1) << k->a->driver)))
        return service_bad_field(k->c, err, "driver", "enum", "plan %s does not have it",
                                 k->plan.name);
    for (int d = 0; enum_driver[d]; d++) {
        bool wanted = k->a->driver < 0 || k->a->driver == d;
        if (!wanted || !(k->plan.drivers & (INT64_C(1) << d)))
            continue;
        struct bt_err why = BT_ERR_INIT;
        int one = insert_with(tx, k, d, &why);
        if (one >= 0)
            return 0;
        if (rc == -BT_E_INVALID || rc == -BT_E_BAD_IMAGE || one == -BT_E_POOL_EXHAUSTED) {
            *err = why;
            rc = one;
        }
        if (one != -BT_E_NO_CAPACITY && one != -BT_E_BAD_IMAGE)
            break;
    }
    return rc;
}

/* ---- the verb ---- */

static int begin_task(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    struct service_call *c = k->c;
    char fingerprint[65];
    struct service_task_args args = {.fresh = true};
    _cleanup_free_ char *args_text = bt_schema_emit_str(&service_task_args_schema, &args);
    service_instance_fingerprint(ACTION_CREATE, c, fingerprint);
    struct task_new n = {.action = ACTION_CREATE,
                         .inst = &k->row,
                         .host_id = k->row.host_id,
                         .image_id = k->image.id,
                         .tenant_id = k->tenant.id,
                         .actor = c->who.name,
                         .source = c->who.source,
                         .args = args_text,
                         .fingerprint = fingerprint,
                         .generation = k->row.generation};
    int rc = task_begin(c->svc->tasks, tx, &n, &c->out, &k->task, err);
    return rc < 0 ? rc : task_dispatch(c->svc->tasks, tx, &k->task, &c->out, err);
}

static int create_in(struct db_tx *tx, struct create *k, struct bt_err *err)
{
    int rc = load_tenant(tx, k, err);
    if (rc >= 0)
        rc = load_refs(tx, k, err);
    if (rc >= 0)
        rc = load_place(tx, k, err);
    if (rc >= 0)
        rc = merge_limits(k, err);
    if (rc < 0)
        return rc;
    fill_names(k);
    rc = taken(tx, k, err);
    if (rc >= 0)
        rc = fill_row(tx, k, err);
    if (rc >= 0)
        rc = check_quota(tx, k, err);
    if (rc >= 0)
        rc = insert(tx, k, err);
    if (rc >= 0)
        rc = begin_task(tx, k, err);
    if (rc >= 0)
        rc = service_instance_event(tx, k->c, "instance.created", &k->row, NULL, err);
    return rc < 0 ? rc : service_instance_answer(tx, k->c, &k->row, &k->task, err);
}

static int create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct create k = {.c = c, .a = c->args};
    int rc = create_in(tx, &k, err);
    create_fini(&k);
    return rc;
}

static int prepare(struct service_call *c, struct bt_err *err)
{
    const struct api_instance_create *a = c->args;
    return service_secret_hash(c, a->password, err);
}

const struct service_verb service_instance_create = {
    .name = "instance.create",
    .scope = SCOPE_CREATE,
    .args_schema = &api_instance_create_schema,
    .state_size = sizeof(struct service_secret),
    .prepare = prepare,
    .apply = create,
    .state_free = service_secret_free,
};
