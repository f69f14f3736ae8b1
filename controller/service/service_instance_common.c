/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_instance_priv.h"
#include "controller/service/service_json.h"
#include "db/repo/repo_ref.h"
#include "db/repo/repo_ssh_key.h"

/* ---- secrets, keys ---- */

void service_secret_free(void *state)
{
    struct service_secret *s = state;
    if (s->password_hash)
        bt_erase(s->password_hash, strlen(s->password_hash));
    free(s->password_hash);
    s->password_hash = NULL;
}

int service_secret_hash(struct service_call *c, const char *password, struct bt_err *err)
{
    struct service_secret *s = c->state;
    if (!password)
        return 0;
    return bt_guest_password_hash(password, false, c->svc->random, &s->password_hash, err);
}

/* A key text has a space in it, the name of a stored key has none. */
static int add_key(struct db_tx *tx, struct service_call *c, int64_t tenant_id, const char *key,
                   struct bt_arr *to, struct bt_err *err)
{
    if (strchr(key, ' ')) {
        bt_arr_push_str(to, key);
        return 0;
    }
    _cleanup_(repo_ssh_key_row_free) struct repo_ssh_key_row row = {0};
    int rc = repo_ssh_key_get_by_name(tx, tenant_id, key, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return service_bad_field(c, err, "ssh_keys", "unknown", "no stored key is called %.63s",
                                 key);
    if (rc >= 0)
        bt_arr_push_str(to, row.public_key);
    return rc;
}

int service_instance_keys(struct db_tx *tx, struct service_call *c, int64_t tenant_id,
                          const struct bt_arr *keys, char **ret, struct bt_err *err)
{
    struct bt_arr texts = {0};
    char **key = keys->items;
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < keys->len; i++)
        rc = add_key(tx, c, tenant_id, key[i], &texts, err);
    if (rc >= 0)
        *ret = service_json_strings_text(&texts);
    service_json_strings_free(&texts);
    return rc;
}

/* ---- limits, images, quotas ---- */

static bool any_limit(const struct limits *l)
{
    for (int i = 0; i < LIMIT__COUNT; i++)
        if (limits_get(l, (enum limit_name)i).is != BT_ABSENT)
            return true;
    return false;
}

int service_instance_limits(struct service_call *c, const struct limits *l, struct bt_err *err)
{
    if (!any_limit(l))
        return 0;
    if (auth_may(&c->who, SCOPE_BILLING, NULL) < 0)
        return bt_fail(err, BT_E_DENIED, "limits other than the plan's need the scope billing");
    limits_check(l, "limits.", &c->errors);
    if (c->errors.n)
        return bt_fail(err, BT_E_INVALID, "%s: %s", c->errors.list[0].field,
                       c->errors.list[0].message);
    return 0;
}

static bool has_kind(const struct bt_arr *kinds, int driver)
{
    const struct repo_image_kind_row *k = kinds->items;
    for (size_t i = 0; i < kinds->len; i++) {
        bool disk = k[i].kind == IMAGE_KIND_DISK;
        if (disk == (driver == DRIVER_KVM))
            return true;
    }
    return false;
}

static int plan_allows(const struct repo_plan_row *plan, const struct repo_image_row *image,
                       struct bt_err *err)
{
    struct service_ids ids;
    int rc = service_json_ids(plan->images, &ids, err);
    if (rc < 0 || !ids.n)
        return rc;
    for (size_t i = 0; i < ids.n; i++)
        if (ids.ids[i] == image->id)
            return 0;
    return bt_fail(err, BT_E_INVALID, "plan %s does not have the image %s", plan->name,
                   image->name);
}

int service_instance_image_fits(struct db_tx *tx, const struct repo_plan_row *plan,
                                const struct repo_image_row *image, const struct limits *l,
                                int driver, struct bt_err *err)
{
    struct bt_arr kinds = {0};
    int rc = plan_allows(plan, image, err);
    if (rc >= 0)
        rc = repo_image_kinds(tx, image->id, &kinds, err);
    bool there = has_kind(&kinds, driver);
    db_rows_free(&repo_image_kind_table, &kinds);
    if (rc < 0)
        return rc;
    if (!there)
        return bt_fail(err, BT_E_BAD_IMAGE, "image %s has nothing for the driver %s", image->name,
                       enum_driver[driver]);
    if (l->memory_bytes.v < image->min_memory_bytes)
        return bt_fail(err, BT_E_INVALID, "image %s needs %lld bytes of memory", image->name,
                       (long long)image->min_memory_bytes);
    if (l->disk_bytes.v < image->min_disk_bytes)
        return bt_fail(err, BT_E_INVALID, "image %s needs %lld bytes of disk", image->name,
                       (long long)image->min_disk_bytes);
    return 0;
}

static int cap(const char *what, int64_t used, int64_t more, struct bt_opt_int max,
               struct bt_err *err)
{
    if (max.is != BT_VALUE || more <= 0 || used + more <= max.v)
        return 0;
    return bt_fail(err, BT_E_QUOTA_EXCEEDED, "%s: %lld in use and %lld more pass the cap of %lld",
                   what, (long long)used, (long long)more, (long long)max.v);
}

int service_instance_quota(struct db_tx *tx, const struct repo_tenant_row *tenant,
                           const struct service_quota *d, struct bt_err *err)
{
    struct limits caps;
    struct repo_tenant_used u;
    if (tenant->suspended && *tenant->suspended)
        return bt_fail(err, BT_E_SUSPENDED, "tenant %s is suspended (%s)", tenant->name,
                       tenant->suspended);
    int rc = service_json_limits(tenant->limits, &caps, err);
    if (rc >= 0)
        rc = repo_tenant_used(tx, tenant->id, &u, err);
    if (rc >= 0)
        rc = cap("instances", u.instances, d->instances, tenant->max_instances, err);
    if (rc >= 0)
        rc = cap("cpus", u.cpus, d->cpus, caps.cpus, err);
    if (rc >= 0)
        rc = cap("memory_bytes", u.memory_bytes, d->memory_bytes, caps.memory_bytes, err);
    if (rc >= 0)
        rc = cap("disk_bytes", u.disk_bytes, d->disk_bytes, caps.disk_bytes, err);
    if (rc >= 0)
        rc = cap("ipv4_count", u.ipv4, d->ipv4, caps.ipv4_count, err);
    if (rc >= 0)
        rc = cap("ipv6_prefixes", u.ipv6, d->ipv6, caps.ipv6_prefixes, err);
    return rc;
}

/* ---- the target ---- */

static int unknown(struct bt_err *err)
{
    return bt_fail(err, BT_E_NOT_FOUND, "no such instance");
}

static int in_trash(struct db_tx *tx, const struct service_call *c, const char *name,
                    struct repo_instance_row *ret, struct bt_err *err)
{
    struct repo_instance_filter f = {.limit = 2,
                                     .tenant_id = c->who.tenant_id,
                                     .state = -1,
                                     .name = name,
                                     .deleted = true,
                                     .only_deleted = true};
    struct bt_arr rows = {0};
    int rc = repo_instance_list(tx, &f, &rows, err);
    if (rc < 0)
        return rc;
    const struct repo_instance_row *r = rows.items;
    int64_t ids[2] = {rows.len > 0 ? r[0].id : 0, rows.len > 1 ? r[1].id : 0};
    db_rows_free(&repo_instance_table, &rows);
    if (!ids[0])
        return unknown(err);
    if (ids[1])
        return bt_fail(err, BT_E_AMBIGUOUS,
                       "several instances in the trash are called %.63s: %lld, %lld ...", name,
                       (long long)ids[0], (long long)ids[1]);
    return repo_instance_get(tx, ids[0], ret, err);
}

static int by_name(struct db_tx *tx, const struct service_call *c, bool trashed,
                   struct repo_instance_row *ret, struct bt_err *err)
{
    const char *name = c->target.name;
    int64_t id = 0;
    int rc;
    if (bt_uuid_ok(name))
        return repo_instance_get_by_uuid(tx, name, ret, err);
    if (c->who.tenant_id)
        rc = repo_instance_get_by_name(tx, c->who.tenant_id, name, ret, err);
    else {
        rc = repo_ref_resolve(tx, REPO_REF_INSTANCE, &c->target, &id, err);
        if (rc >= 0)
            rc = repo_instance_get(tx, id, ret, err);
    }
    return rc == -BT_E_NOT_FOUND && trashed ? in_trash(tx, c, name, ret, err) : rc;
}

int service_instance_load(struct db_tx *tx, struct service_call *c, bool trashed,
                          struct repo_instance_row *ret, struct bt_err *err)
{
    struct repo_instance_row row = {0};
    int rc;
    if (c->target.id)
        rc = repo_instance_get(tx, c->target.id, &row, err);
    else if (c->target.name)
        rc = by_name(tx, c, trashed, &row, err);
    else
        rc = -BT_E_NOT_FOUND;
    if (rc == -BT_E_NOT_FOUND)
        return unknown(err);
    if (rc < 0)
        return rc;
    if (!auth_sees(&c->who, row.tenant_id) || row.purged_at) {
        repo_instance_row_free(&row);
        return unknown(err);
    }
    *ret = row;
    service_audited(c, "instance", ret->id, ret->tenant_id);
    return 0;
}

int service_instance_live(const struct repo_instance_row *row, struct bt_err *err)
{
    if (!row->trashed_at)
        return 0;
    int rc = bt_fail(err, BT_E_BAD_STATE, "instance %s is in the trash", row->name);
    bt_hint(err, "restore it first");
    return rc;
}

/* ---- answers ---- */

/* A password counts too, but what is stored must not help to guess it: the hash is keyed. */
static const char *password_of(const struct service_call *c)
{
    if (c->verb->args_schema == &api_action_schema)
        return ((const struct api_action *)c->args)->password;
    if (c->verb->args_schema == &api_instance_create_schema)
        return ((const struct api_instance_create *)c->args)->password;
    return NULL;
}

void service_instance_fingerprint(int action, const struct service_call *c, char ret[65])
{
    struct bt_sha256_ctx h;
    unsigned char sum[BT_SHA256_LEN];
    const char *password = c->args ? password_of(c) : NULL;
    _cleanup_free_ char *args = NULL;
    if (c->args && c->verb->args_schema)
        args = bt_schema_emit_str(c->verb->args_schema, c->args);
    _cleanup_free_ char *text = bt_xasprintf("%s %s", enum_action[action], args ? args : "");
    bt_sha256_init(&h);
    bt_sha256_add(&h, c->svc->seal_key, sizeof c->svc->seal_key);
    bt_sha256_add(&h, text, strlen(text) + 1);
    if (password)
        bt_sha256_add(&h, password, strlen(password));
    bt_sha256_end(&h, sum);
    bt_hex(sum, sizeof sum, ret);
}

int service_instance_event(struct db_tx *tx, struct service_call *c, const char *type,
                           const struct repo_instance_row *row, const char *data,
                           struct bt_err *err)
{
    struct repo_event_new e = {.type = type,
                               .tenant_id = row->tenant_id,
                               .resource_type = "instance",
                               .resource_id = row->id,
                               .data = data};
    return service_event(tx, c, &e, err);
}

int service_instance_answer(struct db_tx *tx, struct service_call *c,
                            const struct repo_instance_row *row, const struct repo_task_row *task,
                            struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row now = {0};
    _cleanup_(repo_task_row_free) struct repo_task_row t = {0};
    struct api_instance_task v = {0};
    int rc = repo_instance_get(tx, row->id, &now, err);
    if (rc >= 0)
        rc = repo_task_get(tx, task->id, &t, err);
    if (rc >= 0)
        rc = service_instance_view(tx, &now, &v.instance, err);
    if (rc >= 0)
        rc = service_task_view(tx, c->svc, &t, &v.task, err);
    if (rc >= 0) {
        service_answer_obj(c, 202, &api_instance_task_schema, &v);
        service_location(c, "/api/v1/tasks/%lld", (long long)task->id);
        c->answer.etag = now.version;
        c->answer.task_id = task->id;
        service_audited(c, "instance", now.id, now.tenant_id);
    }
    bt_schema_free(&api_instance_task_schema, &v);
    return rc;
}
