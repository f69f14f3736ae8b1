/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_spec.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_json.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_image.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_ref.h"
#include "db/repo/repo_tombstone.h"
#include "proto/field.h"

#define GATEWAY6 "fe80::1"
#define RESOLVERS_MAX 3 /* resolv.conf(5) reads no more */

#define FT service_task_args
static const struct bt_field service_task_args_schema_fields[] = {
    F_BOOL(force, BT_OMIT_ZERO, NULL),
    F_INT(timeout_ms, 0, 86400000, BT_OMIT_ZERO, NULL),
    F_BOOL(fresh, BT_OMIT_ZERO, NULL),
    F_ID(plan_id, BT_OMIT_ZERO, NULL),
    F_ID(image_id, BT_OMIT_ZERO, NULL),
    F_RAW(limits, 4096, BT_OMIT_ZERO, NULL),
    F_END};
F_SCHEMA(service_task_args_schema, "TaskArgs", NULL);
#undef FT

int service_spec_limits(const struct repo_plan_row *plan, const struct repo_instance_row *row,
                        struct limits *ret, struct bt_err *err)
{
    struct limits p, o;
    int rc = service_json_limits(plan->limits, &p, err);
    if (rc >= 0)
        rc = service_json_limits(row->limits, &o, err);
    if (rc >= 0)
        limits_merge(&p, &o, ret);
    return rc;
}

/* ---- parts ---- */

/* Which kind of an image a driver boots from. */
static bool kind_fits(int driver, int kind)
{
    return driver == DRIVER_KVM ? kind == IMAGE_KIND_DISK
                                : kind == IMAGE_KIND_ROOTFS || kind == IMAGE_KIND_OCI;
}

static int put_image(struct db_tx *tx, const struct repo_instance_row *row, struct spec_image *ret,
                     struct bt_err *err)
{
    _cleanup_(repo_image_row_free) struct repo_image_row image = {0};
    struct bt_arr kinds = {0};
    int rc = repo_image_get(tx, row->image_id, &image, err);
    if (rc >= 0)
        rc = repo_image_kinds(tx, row->image_id, &kinds, err);
    if (rc < 0)
        return rc;
    ret->name = bt_xstrdup(image.name);
    ret->stop_signal = bt_xstrdup(image.stop_signal);
    ret->os_type = bt_xstrdup(image.os_type);
    const struct repo_image_kind_row *k = kinds.items;
    for (size_t i = 0; i < kinds.len; i++) {
        if (ret->sha256 || !kind_fits(row->driver, k[i].kind))
            continue;
        ret->sha256 = bt_xstrdup(k[i].sha256);
        ret->kind = k[i].kind;
        ret->bytes = k[i].bytes;
    }
    db_rows_free(&repo_image_kind_table, &kinds);
    return 0;
}

/* Name of an object that may be deleted meanwhile: "NAME~ID" then. */
static void cut_mark(char *name)
{
    name[strcspn(name, "~")] = '\0';
}

static void add_resolvers(struct instance_spec *s, const struct repo_pool_row *pool)
{
    struct bt_arr names = {0};
    if (service_json_strings(pool->resolvers, &names, NULL) < 0)
        return;
    char **name = names.items;
    for (size_t i = 0; i < names.len; i++) {
        bool there = false;
        for (size_t k = 0; k < s->resolvers.len; k++)
            there |= bt_streq(((char **)s->resolvers.items)[k], name[i]);
        if (!there && s->resolvers.len < RESOLVERS_MAX)
            bt_arr_push_str(&s->resolvers, name[i]);
    }
    service_json_strings_free(&names);
}

static int put_address(struct db_tx *tx, const struct repo_address_row *a, struct spec_nic *nic,
                       struct instance_spec *s, struct bt_err *err)
{
    _cleanup_(repo_pool_row_free) struct repo_pool_row pool = {0};
    int rc = repo_pool_get(tx, a->pool_id, &pool, err);
    if (rc < 0)
        return rc;
    struct spec_address *sa = bt_arr_push(&nic->addresses, sizeof *sa);
    sa->address = bt_xstrdup(a->address);
    sa->prefix = a->prefix;
    sa->family = a->family;
    sa->gateway = bt_xstrdup(a->family == 6 ? GATEWAY6 : pool.gateway);
    sa->pool = bt_xstrdup(pool.name);
    sa->delivery = pool.delivery;
    add_resolvers(s, &pool);
    return 0;
}

static int put_nics(struct db_tx *tx, const struct repo_instance_row *row, struct instance_spec *s,
                    struct bt_err *err)
{
    struct bt_arr rows = {0};
    int rc = repo_address_list_instance(tx, row->id, &rows, err);
    if (rc < 0)
        return rc;
    struct spec_nic *nic = bt_arr_push(&s->nics, sizeof *nic);
    nic->mac = bt_xstrdup(row->mac);
    const struct repo_address_row *a = rows.items;
    for (size_t i = 0; rc >= 0 && i < rows.len; i++)
        rc = put_address(tx, &a[i], nic, s, err);
    db_rows_free(&repo_address_table, &rows);
    return rc < 0 ? rc : 0;
}

static int put_tombstone(struct db_tx *tx, const struct repo_instance_row *row,
                         struct instance_spec *s, struct bt_err *err)
{
    if (row->desired != DESIRED_DELETED)
        return 0;
    _cleanup_(repo_tombstone_row_free) struct repo_tombstone_row t = {0};
    int rc = repo_tombstone_get(tx, row->uuid, &t, err);
    if (rc < 0)
        return bt_wrap(err, "instance %s", row->uuid);
    s->tombstone = bt_xcalloc(1, sizeof *s->tombstone);
    s->tombstone->reason = bt_xstrdup(t.reason);
    s->tombstone->created_at = t.created_at;
    s->tombstone->purge_at = t.purge_at;
    s->tombstone->purge_now = t.purge_at == SERVICE_PURGE_NOW;
    return 0;
}

static int put_plan(struct db_tx *tx, const struct repo_instance_row *row, struct instance_spec *s,
                    struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row plan = {0};
    int rc = repo_plan_get(tx, row->plan_id, &plan, err);
    if (rc >= 0)
        rc = service_spec_limits(&plan, row, &s->limits, err);
    if (rc >= 0)
        s->plan = bt_xstrdup(plan.name);
    if (rc >= 0)
        cut_mark(s->plan);
    return rc;
}

static void put_row(const struct repo_instance_row *row, struct instance_spec *s)
{
    s->id = row->id;
    s->uuid = bt_xstrdup(row->uuid);
    s->name = bt_xstrdup(row->name);
    s->hostname = bt_xstrdup(row->hostname);
    s->generation = row->generation;
    s->driver = row->driver;
    s->desired = row->desired;
    s->paused = row->paused;
    s->suspended = (uint64_t)row->suspended;
    s->restart_seq = row->restart_seq;
    s->reset_seq = row->reset_seq;
    s->rebuild_seq = row->rebuild_seq;
    s->password_seq = row->password_seq;
    s->features = (uint64_t)row->features;
    s->password_hash = bt_xstrdup(row->password_hash);
    s->user_data = bt_xstrdup(row->user_data);
}

int service_spec_build(struct db_tx *tx, const struct repo_instance_row *row,
                       struct instance_spec *ret, struct bt_err *err)
{
    struct instance_spec s = {0};
    put_row(row, &s);
    int rc = repo_ref_name(tx, REPO_REF_TENANT, row->tenant_id, &s.tenant, err);
    if (rc >= 0) {
        cut_mark(s.tenant);
        rc = put_plan(tx, row, &s, err);
    }
    if (rc >= 0)
        rc = put_image(tx, row, &s.image, err);
    if (rc >= 0)
        rc = put_nics(tx, row, &s, err);
    if (rc >= 0)
        rc = service_json_strings(row->ssh_keys, &s.ssh_keys, err);
    if (rc >= 0)
        rc = put_tombstone(tx, row, &s, err);
    if (rc < 0)
        bt_schema_free(&instance_spec_schema, &s);
    else
        *ret = s;
    return rc < 0 ? rc : 0;
}

/* ---- messages ---- */

int service_spec_apply(struct db_tx *tx, void *svc, const struct repo_task_row *t,
                       struct link_apply *ret, struct bt_err *err)
{
    (void)svc;
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    struct link_apply a = {.task_id = t->id, .action = enum_from_str(enum_action, t->action)};
    struct service_task_args args;
    int rc = bt_schema_parse(&service_task_args_schema, t->args, strlen(t->args), BT_LENIENT, &args,
                             NULL, err);
    if (rc < 0)
        return rc;
    a.force = args.force;
    a.timeout_ms = args.timeout_ms;
    bt_schema_free(&service_task_args_schema, &args);
    rc = repo_instance_get(tx, t->instance_id, &row, err);
    if (rc >= 0)
        rc = service_spec_build(tx, &row, &a.spec, err);
    if (rc < 0)
        return rc;
    /* Its create was cancelled by this verb: what it asks for begins with making it. */
    if (service_spec_unmade(&row))
        a.action = ACTION_CREATE;
    else if (row.state == INSTANCE_DELETED && row.desired != DESIRED_DELETED)
        a.action = ACTION_RESTORE; /* likewise */
    *ret = a;
    return 0;
}

bool service_spec_unmade(const struct repo_instance_row *row)
{
    return row->observed_generation == 0 && row->desired != DESIRED_DELETED;
}

int service_spec_sync(struct db_tx *tx, const struct repo_instance_row *row,
                      struct agentlink_out *out, struct bt_err *err)
{
    if (!row->host_id)
        return 0;
    struct link_apply a = {.action = ACTION_SYNC};
    int rc = service_spec_build(tx, row, &a.spec, err);
    if (rc < 0)
        return rc;
    agentlink_out_apply(out, row->host_id, &a);
    bt_schema_free(&link_apply_schema, &a);
    return 0;
}
