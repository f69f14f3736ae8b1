/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_instance.h"
#include "controller/service/service_instance_verbs.h"
#include "db/repo/repo_ref.h"

static int get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    struct api_instance v;
    int rc = service_instance_load(tx, c, true, &row, err);
    if (rc >= 0)
        rc = service_instance_view(tx, &row, &v, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 200, &api_instance_schema, &v);
    c->answer.etag = row.version;
    bt_schema_free(&api_instance_schema, &v);
    return 0;
}

static int resolve(struct db_tx *tx, enum repo_ref_kind kind, const struct bt_ref *ref,
                   int64_t *ret, struct bt_err *err)
{
    if (!ref->id && !ref->name)
        return 0;
    return repo_ref_resolve(tx, kind, ref, ret, err);
}

static int filter_of(struct db_tx *tx, const struct service_call *c,
                     struct repo_instance_filter *ret, struct bt_err *err)
{
    static const struct service_instance_query any = {.state = -1};
    const struct service_instance_query *q = c->args ? c->args : &any;
    *ret = (struct repo_instance_filter){.after_id = c->page.after_id,
                                         .limit = service_page_limit(c) + 1,
                                         .tenant_id = c->who.tenant_id,
                                         .state = q->state,
                                         .name = q->name,
                                         .source = q->source,
                                         .external_id = q->external_id,
                                         .deleted = q->deleted || q->only_deleted,
                                         .only_deleted = q->only_deleted};
    int64_t tenant = 0;
    int rc = resolve(tx, REPO_REF_TENANT, &q->tenant, &tenant, err);
    if (rc >= 0 && tenant && !auth_sees(&c->who, tenant))
        return bt_fail(err, BT_E_NOT_FOUND, "tenant not found");
    if (tenant)
        ret->tenant_id = tenant;
    if (rc >= 0)
        rc = resolve(tx, REPO_REF_HOST, &q->host, &ret->host_id, err);
    if (rc >= 0)
        rc = resolve(tx, REPO_REF_PLAN, &q->plan, &ret->plan_id, err);
    if (rc >= 0)
        rc = resolve(tx, REPO_REF_IMAGE, &q->image, &ret->image_id, err);
    return rc;
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct repo_instance_filter f;
    struct bt_arr rows = {0};
    int rc = filter_of(tx, c, &f, err);
    if (rc >= 0)
        rc = repo_instance_list(tx, &f, &rows, err);
    size_t limit = (size_t)service_page_limit(c), n = rows.len < limit ? rows.len : limit;
    const struct repo_instance_row *row = rows.items;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_instance v;
        rc = service_instance_view(tx, &row[i], &v, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_instance_schema, &v);
        bt_schema_free(&api_instance_schema, &v);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_instance_table, &rows);
    return rc < 0 ? rc : 0;
}

const struct service_verb service_instance_get = {
    .name = "instance.get", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = get};
const struct service_verb service_instance_list = {
    .name = "instance.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = list};

const struct service_instance_action service_instance_actions[] = {
    {"start", &service_instance_start},
    {"stop", &service_instance_stop},
    {"kill", &service_instance_kill},
    {"poweroff", &service_instance_kill},
    {"restart", &service_instance_restart},
    {"reboot", &service_instance_restart},
    {"reset", &service_instance_reset},
    {"pause", &service_instance_pause},
    {"resume", &service_instance_resume},
    {"suspend", &service_instance_suspend},
    {"unsuspend", &service_instance_unsuspend},
    {"rebuild", &service_instance_rebuild},
    {"resize", &service_instance_resize},
    {"reset-password", &service_instance_reset_password},
    {"delete", &service_instance_delete},
    {"terminate", &service_instance_delete},
    {"restore", &service_instance_restore},
    {NULL, NULL},
};

const struct service_instance_action *service_instance_action_find(const char *path)
{
    for (const struct service_instance_action *a = service_instance_actions; a->path; a++)
        if (bt_streq(a->path, path))
            return a;
    return NULL;
}
