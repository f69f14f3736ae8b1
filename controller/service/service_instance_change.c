/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rebuild, resize, reset-password, PATCH. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_instance_priv.h"
#include "controller/service/service_json.h"
#include "controller/service/service_place.h"
#include "db/repo/repo_ref.h"

static const struct api_action no_args = {.reasons = 0};

static const struct api_action *args_of(const struct service_call *c)
{
    return c->args ? c->args : &no_args;
}

static void replace(char **at, const char *text)
{
    free(*at);
    *at = bt_xstrdup(text);
}

static int prepare_password(struct service_call *c, struct bt_err *err)
{
    return service_secret_hash(c, args_of(c)->password, err);
}

static int plan_and_limits(struct db_tx *tx, const struct repo_instance_row *row,
                           struct repo_plan_row *ret_plan, struct limits *ret, struct bt_err *err)
{
    int rc = repo_plan_get(tx, row->plan_id, ret_plan, err);
    return rc < 0 ? rc : service_spec_limits(ret_plan, row, ret, err);
}

/* New password and keys, where they are given. */
static int take_access(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    const struct api_action *a = args_of(v->c);
    const struct service_secret *secret = v->c->state;
    if (secret->password_hash)
        replace(&v->row.password_hash, secret->password_hash);
    if (!a->ssh_keys.len)
        return 0;
    char *keys = NULL;
    int rc = service_instance_keys(tx, v->c, v->row.tenant_id, &a->ssh_keys, &keys, err);
    if (rc >= 0) {
        free(v->row.ssh_keys);
        v->row.ssh_keys = keys;
    }
    return rc;
}

/* ---- rebuild ---- */

/* The image that was named, or the newest version of the one it has. */
static int choose_image(struct db_tx *tx, struct service_verb_run *v, struct repo_image_row *ret,
                        struct bt_err *err)
{
    struct bt_ref ref = args_of(v->c)->image;
    _cleanup_free_ char *name = NULL;
    int64_t id = 0;
    if (!ref.id && !ref.name) {
        int rc = repo_ref_name(tx, REPO_REF_IMAGE, v->row.image_id, &name, err);
        if (rc < 0)
            return rc;
        ref.name = name;
    }
    int rc = repo_ref_resolve(tx, REPO_REF_IMAGE, &ref, &id, err);
    if (rc == -BT_E_NOT_FOUND && name) {
        id = v->row.image_id; /* no newer one, and the old one is deleted: it stays while used */
        rc = 0;
    }
    if (rc >= 0)
        rc = repo_image_get(tx, id, ret, err);
    if (rc >= 0 && ret->state != IMAGE_READY)
        return bt_fail(err, BT_E_BAD_IMAGE, "image %s is %s", ret->name,
                       enum_image_state[ret->state]);
    return rc;
}

static int change_rebuild(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    _cleanup_(repo_image_row_free) struct repo_image_row image = {0};
    _cleanup_(repo_plan_row_free) struct repo_plan_row plan = {0};
    struct limits l;
    int rc = service_instance_live(&v->row, err);
    if (rc >= 0 && v->row.protect_rebuild)
        rc = bt_fail(err, BT_E_PROTECTED, "instance %s is protected against rebuild", v->row.name);
    if (rc >= 0)
        rc = choose_image(tx, v, &image, err);
    if (rc >= 0)
        rc = plan_and_limits(tx, &v->row, &plan, &l, err);
    if (rc >= 0)
        rc = service_instance_image_fits(tx, &plan, &image, &l, v->row.driver, err);
    if (rc >= 0)
        rc = take_access(tx, v, err);
    if (rc < 0)
        return rc;
    v->row.image_id = image.id;
    v->row.rebuild_seq++;
    v->row.paused = false;
    return 0;
}

static int rebuild(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_REBUILD;
    v.args.image_id = v.row.image_id; /* where one that never began goes back to */
    v.event = "instance.changed";
    return service_instance_run(tx, &v, change_rebuild, err);
}

/* ---- reset-password ---- */

static int change_password(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    const struct service_secret *secret = v->c->state;
    int rc = service_instance_live(&v->row, err);
    if (rc >= 0 && !secret->password_hash && !args_of(v->c)->ssh_keys.len)
        rc = service_bad_field(v->c, err, "password", "required", "a password or keys are needed");
    if (rc >= 0)
        rc = take_access(tx, v, err);
    if (rc >= 0)
        v->row.password_seq++;
    return rc;
}

static int reset_password(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_RESET_PASSWORD;
    return service_instance_run(tx, &v, change_password, err);
}

/* ---- resize ---- */

static int64_t int_of(struct bt_opt_int v)
{
    return v.is == BT_VALUE ? v.v : 0;
}

static int backend_can(const struct limits *old, const struct limits *new, struct bt_err *err)
{
    if (int_of(new->disk_bytes) < int_of(old->disk_bytes))
        return bt_fail(err, BT_E_UNSUPPORTED_BY_BACKEND, "the disk cannot shrink (%lld to %lld)",
                       (long long)int_of(old->disk_bytes), (long long)int_of(new->disk_bytes));
    if (int_of(new->inodes) < int_of(old->inodes))
        return bt_fail(err, BT_E_UNSUPPORTED_BY_BACKEND, "the number of inodes cannot shrink");
    if (int_of(new->ipv4_count) < int_of(old->ipv4_count) ||
        int_of(new->ipv6_prefixes) < int_of(old->ipv6_prefixes))
        return bt_fail(err, BT_E_UNSUPPORTED,
                       "addresses are given back one by one, not by a resize");
    return 0;
}

/* Overrides: what is named now on top of what was; a value of the new plan stays under both. */
static int new_overrides(struct service_verb_run *v, struct limits *ret, struct bt_err *err)
{
    const struct limits *named = &args_of(v->c)->limits;
    int rc = service_json_limits(v->row.limits, ret, err);
    for (int i = 0; rc >= 0 && i < LIMIT__COUNT; i++) {
        struct bt_opt_int n = limits_get(named, (enum limit_name)i);
        if (n.is != BT_ABSENT)
            *limits_at(ret, (enum limit_name)i) = n;
    }
    return rc;
}

static int load_new_plan(struct db_tx *tx, struct service_verb_run *v, struct repo_plan_row *ret,
                         struct bt_err *err)
{
    const struct bt_ref *ref = &args_of(v->c)->plan;
    int64_t id = v->row.plan_id;
    int rc = ref->id || ref->name ? repo_ref_resolve(tx, REPO_REF_PLAN, ref, &id, err) : 0;
    if (rc >= 0)
        rc = repo_plan_get(tx, id, ret, err);
    if (rc >= 0 && !(ret->drivers & (INT64_C(1) << v->row.driver)))
        return bt_fail(err, BT_E_INVALID, "plan %s does not have the driver %s", ret->name,
                       enum_driver[v->row.driver]);
    return rc;
}

/* Room on its host and in the tenant's caps for what comes on top. */
static int room(struct db_tx *tx, struct service_verb_run *v, const struct limits *old,
                const struct limits *new, struct bt_err *err)
{
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row tenant = {0};
    struct sched_amount d = {int_of(new->cpus) - v->row.alloc_cpus,
                             int_of(new->memory_bytes) - v->row.alloc_memory_bytes,
                             int_of(new->disk_bytes) - v->row.alloc_disk_bytes, 0};
    int64_t v4 = int_of(new->ipv4_count) - int_of(old->ipv4_count);
    int64_t v6 = int_of(new->ipv6_prefixes) - int_of(old->ipv6_prefixes);
    struct service_quota q = {0, d.cpus, d.memory_bytes, d.disk_bytes, v4, v6};
    int rc = repo_tenant_get(tx, v->row.tenant_id, &tenant, err);
    if (rc >= 0)
        rc = service_instance_quota(tx, &tenant, &q, err);
    if (rc >= 0)
        rc = service_host_sched_prove(tx, v->row.host_id, &d, err);
    return rc < 0 ? rc : service_place_addresses(tx, &v->row, v4, v6, err);
}

static int change_resize(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row old_plan = {0};
    _cleanup_(repo_plan_row_free) struct repo_plan_row plan = {0};
    struct limits old, new, overrides, of_plan;
    int rc = service_instance_live(&v->row, err);
    if (rc >= 0)
        rc = service_instance_limits(v->c, &args_of(v->c)->limits, err);
    if (rc >= 0)
        rc = plan_and_limits(tx, &v->row, &old_plan, &old, err);
    if (rc >= 0)
        rc = load_new_plan(tx, v, &plan, err);
    if (rc >= 0)
        rc = new_overrides(v, &overrides, err);
    if (rc >= 0)
        rc = service_json_limits(plan.limits, &of_plan, err);
    if (rc < 0)
        return rc;
    limits_merge(&of_plan, &overrides, &new);
    rc = backend_can(&old, &new, err);
    if (rc >= 0)
        rc = room(tx, v, &old, &new, err);
    if (rc < 0)
        return rc;
    v->row.plan_id = plan.id;
    free(v->row.limits);
    v->row.limits = service_json_limits_text(&overrides);
    v->row.alloc_cpus = new.cpus.v;
    v->row.alloc_memory_bytes = new.memory_bytes.v;
    v->row.alloc_disk_bytes = new.disk_bytes.v;
    return 0;
}

static int resize(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_RESIZE;
    v.placement = true;
    v.event = "instance.changed";
    v.args.plan_id = v.row.plan_id; /* where a failed one goes back to */
    v.args.limits = bt_xstrdup(v.row.limits);
    return service_instance_run(tx, &v, change_resize, err);
}

/* ---- PATCH ---- */

static int check_patch(struct db_tx *tx, struct service_call *c,
                       const struct repo_instance_row *row, struct bt_err *err)
{
    const struct api_instance_patch *p = c->args;
    _cleanup_(repo_instance_row_free) struct repo_instance_row other = {0};
    int rc = service_instance_live(row, err);
    if (rc < 0 || !p->name || bt_streq(p->name, row->name))
        return rc;
    rc = repo_instance_get_by_name(tx, row->tenant_id, p->name, &other, err);
    if (rc >= 0)
        return bt_fail(err, BT_E_EXISTS, "the tenant has an instance called %s", p->name);
    return rc == -BT_E_NOT_FOUND ? 0 : rc;
}

/* True when the agent must hear of it. */
static bool take_patch(const struct api_instance_patch *p, struct repo_instance_row *row)
{
    bool spec = (p->name && !bt_streq(p->name, row->name)) ||
                (p->hostname && !bt_streq(p->hostname, row->hostname));
    if (p->name)
        replace(&row->name, p->name);
    if (p->hostname)
        replace(&row->hostname, p->hostname);
    if (p->notes)
        replace(&row->notes, *p->notes ? p->notes : NULL);
    if (p->external_id)
        replace(&row->external_id, *p->external_id ? p->external_id : NULL);
    if (p->protect_delete.is == BT_VALUE)
        row->protect_delete = p->protect_delete.v != 0;
    if (p->protect_rebuild.is == BT_VALUE)
        row->protect_rebuild = p->protect_rebuild.v != 0;
    if (p->labels.items) {
        free(row->labels);
        row->labels = service_json_pairs_text(&p->labels);
    }
    return spec;
}

/* A new name goes to the host at once, or with whatever task holds the instance. */
static int write_patch(struct db_tx *tx, struct service_call *c, struct repo_instance_row *row,
                       bool spec, struct bt_err *err)
{
    int rc = spec ? repo_instance_update_spec(tx, row, err) : repo_instance_update(tx, row, err);
    if (rc >= 0 && spec && row->host_id)
        rc = service_spec_sync(tx, row, &c->out, err);
    if (rc >= 0)
        rc = service_instance_event(tx, c, "instance.changed", row, NULL, err);
    return rc;
}

static int patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    struct api_instance v;
    int rc = service_instance_load(tx, c, true, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc >= 0)
        rc = check_patch(tx, c, &row, err);
    if (rc < 0)
        return rc;
    rc = write_patch(tx, c, &row, take_patch(c->args, &row), err);
    if (rc >= 0)
        rc = service_instance_view(tx, &row, &v, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 200, &api_instance_schema, &v);
    c->answer.etag = row.version;
    bt_schema_free(&api_instance_schema, &v);
    return 0;
}

const struct service_verb service_instance_rebuild = {.name = "instance.rebuild",
                                                      .scope = SCOPE_DESTROY,
                                                      .args_schema = &api_action_schema,
                                                      .state_size = sizeof(struct service_secret),
                                                      .prepare = prepare_password,
                                                      .apply = rebuild,
                                                      .state_free = service_secret_free};
const struct service_verb service_instance_reset_password = {.name = "instance.reset_password",
                                                             .scope = SCOPE_POWER,
                                                             .args_schema = &api_action_schema,
                                                             .state_size =
                                                                 sizeof(struct service_secret),
                                                             .prepare = prepare_password,
                                                             .apply = reset_password,
                                                             .state_free = service_secret_free};
const struct service_verb service_instance_resize = {.name = "instance.resize",
                                                     .scope = SCOPE_BILLING,
                                                     .args_schema = &api_action_schema,
                                                     .apply = resize};
const struct service_verb service_instance_patch = {.name = "instance.patch",
                                                    .scope = SCOPE_POWER,
                                                    .args_schema = &api_instance_patch_schema,
                                                    .apply = patch};
