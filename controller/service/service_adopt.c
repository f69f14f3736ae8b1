/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_adopt.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_instance_priv.h"
#include "controller/service/service_json.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_orphan.h"
#include "db/repo/repo_ref.h"

static int parse_spec(const struct repo_orphan_row *o, struct instance_spec *ret,
                      struct bt_err *err)
{
    return bt_schema_parse(&instance_spec_schema, o->spec, strlen(o->spec),
                           BT_LENIENT | BT_ALLOW_RO, ret, NULL, err);
}

/* ---- addresses of orphans ---- */

static int mark(struct db_tx *tx, const struct repo_orphan_row *o, struct bt_err *err)
{
    struct instance_spec s;
    int rc = 0;
    if (parse_spec(o, &s, NULL) < 0)
        return 0; /* what cannot be read names no address */
    const struct spec_nic *nic = s.nics.items;
    for (size_t n = 0; n < s.nics.len; n++) {
        const struct spec_address *a = nic[n].addresses.items;
        for (size_t i = 0; rc >= 0 && i < nic[n].addresses.len; i++)
            rc = repo_address_mark_orphan(tx, a[i].address, o->uuid, err);
    }
    bt_schema_free(&instance_spec_schema, &s);
    return rc;
}

#define PAGE 200

int service_adopt_mark_orphans(struct db_tx *tx, int64_t host_id, struct bt_err *err)
{
    char after[40] = "";
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct repo_orphan_filter f = {.after_uuid = after, .limit = PAGE, .host_id = host_id};
        struct bt_arr rows = {0};
        rc = repo_orphan_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_orphan_row *o = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++)
            rc = mark(tx, &o[i], err);
        if (got)
            (void)bt_strcpy(after, sizeof after, o[got - 1].uuid);
        db_rows_free(&repo_orphan_table, &rows);
    }
    return rc < 0 ? rc : 0;
}

/* ---- hosts ---- */

static int let_in(struct db_tx *tx, struct service_call *c, struct repo_host_row *h,
                  struct bt_err *err)
{
    struct repo_alarm_new a = {
        .kind = "host_joining", .resource_type = "host", .resource_id = h->id};
    struct repo_event_new e = {
        .type = "host.adopted", .resource_type = "host", .resource_id = h->id};
    int rc = service_adopt_mark_orphans(tx, h->id, err);
    h->state = HOST_UNREACHABLE; /* until it has come back with its inventory */
    if (rc >= 0)
        rc = repo_host_update(tx, h, err);
    if (rc >= 0)
        rc = repo_alarm_clear(tx, &a, NULL, err);
    if (rc >= 0)
        rc = service_host_sched_refresh(tx, c->svc, h->id, err);
    return rc < 0 ? rc : service_event(tx, c, &e, err);
}

static int host_adopt(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    struct api_host v;
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_HOST, &c->target, &id, err);
    if (rc >= 0)
        rc = repo_host_get(tx, id, &h, err);
    if (rc >= 0 && h.state == HOST_JOINING)
        rc = let_in(tx, c, &h, err);
    if (rc >= 0)
        rc = service_host_view(tx, c->svc, &h, &v, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 200, &api_host_schema, &v);
    c->answer.etag = h.version;
    service_audited(c, "host", h.id, 0);
    bt_schema_free(&api_host_schema, &v);
    return 0;
}

/* A new session begins with the whole inventory, and as one that is obeyed. */
static void host_adopted(struct service_call *c)
{
    agentlink_disconnect(c->svc->link, c->audit.id);
}

const struct service_verb service_host_adopt = {
    .name = "host.adopt", .scope = SCOPE_OPERATOR, .apply = host_adopt, .after = host_adopted};

/* ---- orphans ---- */

struct adoption {
    struct service_call *c;
    const struct api_orphan_adopt *a;
    struct repo_orphan_row orphan;
    struct instance_spec spec;
    struct repo_instance_row row;
    struct repo_task_row task;
};

static void adoption_fini(struct adoption *k)
{
    repo_orphan_row_free(&k->orphan);
    bt_schema_free(&instance_spec_schema, &k->spec);
    repo_instance_row_free(&k->row);
    repo_task_row_free(&k->task);
}

static int load_orphan(struct db_tx *tx, struct adoption *k, struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    const char *uuid = k->c->target.name ? k->c->target.name : "";
    int rc = repo_orphan_get(tx, uuid, &k->orphan, err);
    if (rc == -BT_E_NOT_FOUND)
        return bt_fail(err, BT_E_NOT_FOUND, "no such orphan");
    if (rc >= 0)
        rc = repo_host_get(tx, k->orphan.host_id, &h, err);
    if (rc >= 0 && h.state == HOST_JOINING) {
        rc = bt_fail(err, BT_E_BAD_STATE, "host %s is joining", h.name);
        bt_hint(err, "berth host adopt %s comes first", h.name);
    }
    if (rc >= 0)
        rc = parse_spec(&k->orphan, &k->spec, err);
    return rc;
}

/* The plan of its name, or one for it alone: hidden, as deleted ones are. */
static int plan_for(struct db_tx *tx, const struct instance_spec *s, int64_t *ret,
                    struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row p = {0};
    int rc = s->plan ? repo_plan_get_by_name(tx, s->plan, &p, err) : -BT_E_NOT_FOUND;
    if (rc == -BT_E_NOT_FOUND) {
        p = (struct repo_plan_row){.name = bt_xstrdup(s->plan ? s->plan : "adopted"),
                                   .drivers = INT64_C(1) << s->driver,
                                   .limits = service_json_limits_text(&s->limits),
                                   .features = (int64_t)s->features,
                                   .images = bt_xstrdup("[]"),
                                   .host_groups = bt_xstrdup("[]")};
        rc = repo_plan_insert(tx, &p, err);
        if (rc >= 0)
            rc = repo_plan_delete(tx, p.id, err);
    }
    *ret = p.id;
    return rc;
}

static int image_for(struct db_tx *tx, const struct instance_spec *s, int64_t *ret,
                     struct bt_err *err)
{
    _cleanup_(repo_image_row_free) struct repo_image_row i = {0};
    const char *name = s->image.name ? s->image.name : "adopted";
    int rc = repo_image_get_newest(tx, name, &i, err);
    *ret = i.id;
    if (rc != -BT_E_NOT_FOUND)
        return rc;
    i = (struct repo_image_row){
        .name = bt_xstrdup(name),
        .state = IMAGE_READY,
        .os_type = bt_xstrdup(s->image.os_type ? s->image.os_type : "linux"),
        .default_user = bt_xstrdup("root"),
        .stop_signal = bt_xstrdup(s->image.stop_signal ? s->image.stop_signal : "SIGPWR"),
        .hidden = true};
    rc = repo_image_insert(tx, &i, err);
    *ret = i.id;
    _cleanup_(repo_image_kind_row_free) struct repo_image_kind_row kind = {
        .image_id = i.id,
        .kind = s->image.kind,
        .sha256 = bt_xstrdup(s->image.sha256),
        .bytes = s->image.bytes};
    if (rc >= 0 && kind.sha256)
        rc = repo_image_kind_set(tx, &kind, err);
    return rc < 0 ? rc : repo_image_delete(tx, i.id, err);
}

static int64_t int_of(struct bt_opt_int v)
{
    return v.is == BT_VALUE ? v.v : 0;
}

/* The row says just what the host has: its limits as overrides, its counters, its secrets. */
static void fill_row(struct adoption *k)
{
    const struct instance_spec *s = &k->spec;
    struct repo_instance_row *r = &k->row;
    int state = enum_from_str(enum_instance_state, k->orphan.state);
    r->uuid = bt_xstrdup(s->uuid);
    r->name = bt_xstrdup(k->a->name ? k->a->name : s->name);
    r->hostname = bt_xstrdup(s->hostname);
    r->source = bt_xstrdup("");
    r->host_id = k->orphan.host_id;
    r->driver = s->driver;
    r->desired = s->desired == DESIRED_DELETED ? DESIRED_STOPPED : s->desired;
    r->state = state < 0 ? INSTANCE_UNKNOWN : state;
    r->paused = s->paused;
    r->suspended = (int64_t)s->suspended;
    r->features = (int64_t)s->features;
    r->limits = service_json_limits_text(&s->limits);
    r->effective = bt_xstrdup("{}");
    r->alloc_cpus = int_of(s->limits.cpus);
    r->alloc_memory_bytes = int_of(s->limits.memory_bytes);
    r->alloc_disk_bytes = int_of(s->limits.disk_bytes);
    r->generation = s->generation;
    r->observed_generation = s->generation;
    r->restart_seq = s->restart_seq;
    r->reset_seq = s->reset_seq;
    r->rebuild_seq = s->rebuild_seq;
    r->password_seq = s->password_seq;
    r->ssh_keys = service_json_strings_text(&s->ssh_keys);
    r->password_hash = bt_xstrdup(s->password_hash);
    r->user_data = bt_xstrdup(s->user_data);
    r->labels = bt_xstrdup("{}");
    if (s->nics.len)
        r->mac = bt_xstrdup(((const struct spec_nic *)s->nics.items)->mac);
}

static int insert(struct db_tx *tx, struct adoption *k, struct bt_err *err)
{
    int rc = repo_ref_resolve(tx, REPO_REF_TENANT, &k->a->tenant, &k->row.tenant_id, err);
    if (rc >= 0)
        rc = plan_for(tx, &k->spec, &k->row.plan_id, err);
    if (rc >= 0)
        rc = image_for(tx, &k->spec, &k->row.image_id, err);
    if (rc < 0)
        return rc;
    fill_row(k);
    rc = repo_instance_insert(tx, &k->row, err);
    if (rc >= 0)
        rc = service_adopt_mark_orphans(tx, k->orphan.host_id, err);
    if (rc >= 0)
        rc = repo_address_adopt(tx, k->row.uuid, k->row.id, err);
    if (rc >= 0)
        rc = repo_orphan_delete(tx, k->row.uuid, err);
    return rc < 0 ? rc : service_host_sched_refresh(tx, k->c->svc, k->row.host_id, err);
}

static int begin(struct db_tx *tx, struct adoption *k, struct bt_err *err)
{
    struct service_call *c = k->c;
    struct task_new n = {.action = ACTION_ADOPT,
                         .inst = &k->row,
                         .host_id = k->row.host_id,
                         .tenant_id = k->row.tenant_id,
                         .actor = c->who.name,
                         .source = c->who.source,
                         .generation = k->row.generation + 1};
    int rc = task_begin(c->svc->tasks, tx, &n, &c->out, &k->task, err);
    if (rc >= 0)
        rc = repo_instance_update_spec(tx, &k->row, err);
    return rc < 0 ? rc : task_dispatch(c->svc->tasks, tx, &k->task, &c->out, err);
}

static int adopt(struct db_tx *tx, struct adoption *k, struct bt_err *err)
{
    int rc = load_orphan(tx, k, err);
    if (rc >= 0)
        rc = insert(tx, k, err);
    if (rc >= 0)
        rc = begin(tx, k, err);
    if (rc >= 0)
        rc = service_instance_event(tx, k->c, "instance.adopted", &k->row, NULL, err);
    return rc < 0 ? rc : service_instance_answer(tx, k->c, &k->row, &k->task, err);
}

static int orphan_adopt(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct adoption k = {.c = c, .a = c->args};
    int rc = adopt(tx, &k, err);
    adoption_fini(&k);
    return rc;
}

const struct service_verb service_orphan_adopt = {.name = "orphan.adopt",
                                                  .scope = SCOPE_OPERATOR,
                                                  .args_schema = &api_orphan_adopt_schema,
                                                  .apply = orphan_adopt};
