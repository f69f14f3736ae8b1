/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/service/service_fleet.h"
#include "db/repo/repo_ref.h"
#include "db/repo/repo_tenant.h"
#include "proto/api_fleet.h"

static uint64_t reasons(const char *list)
{
    uint64_t set = 0;
    for (int i = 0; list && enum_suspend[i]; i++) {
        if (strstr(list, enum_suspend[i]))
            set |= UINT64_C(1) << i;
    }
    return set;
}

static int view(const struct repo_tenant_row *row, struct api_tenant *ret, struct bt_err *err)
{
    *ret = (struct api_tenant){.id = row->id,
                               .name = bt_xstrdup(row->name),
                               .display_name = bt_xstrdup(row->display_name),
                               .external_id = bt_xstrdup(row->external_id),
                               .source = bt_xstrdup(row->source),
                               .suspended = reasons(row->suspended),
                               .max_instances = row->max_instances,
                               .created_at = row->created_at};
    int rc = bt_schema_parse(&limits_schema, row->limits, strlen(row->limits), BT_LENIENT,
                             &ret->limits, NULL, err);
    if (rc < 0)
        bt_schema_free(&api_tenant_schema, ret);
    return rc;
}

static int answer(struct service_call *c, int status, const struct repo_tenant_row *row,
                  struct bt_err *err)
{
    struct api_tenant t;
    int rc = view(row, &t, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, status, &api_tenant_schema, &t);
    c->answer.etag = row->version;
    service_audited(c, "tenant", row->id, row->id);
    bt_schema_free(&api_tenant_schema, &t);
    return 0;
}

static int load(struct db_tx *tx, struct service_call *c, struct repo_tenant_row *ret,
                struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_TENANT, &c->target, &id, err);
    if (rc >= 0 && !auth_sees(&c->who, id))
        return bt_fail(err, BT_E_NOT_FOUND, "no such tenant");
    return rc < 0 ? rc : repo_tenant_get(tx, id, ret, err);
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_tenant_filter f = {
        .after_id = c->page.after_id, .limit = limit + 1, .name = q->name, .deleted = q->deleted};
    int rc = repo_tenant_list(tx, &f, &rows, err);
    const struct repo_tenant_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_tenant t;
        rc = view(&row[i], &t, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_tenant_schema, &t);
        bt_schema_free(&api_tenant_schema, &t);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_tenant_table, &rows);
    return rc;
}

static int get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row row = {0};
    int rc = load(tx, c, &row, err);
    return rc < 0 ? rc : answer(c, 200, &row, err);
}

static void replace(char **slot, const char *text)
{
    if (!text)
        return;
    free(*slot);
    *slot = bt_xstrdup(text);
}

static int fields(struct service_call *c, const struct api_tenant *in, struct repo_tenant_row *row,
                  struct bt_err *err)
{
    struct limits all = {0};
    replace(&row->name, in->name);
    replace(&row->display_name, in->display_name);
    replace(&row->external_id, in->external_id);
    replace(&row->source, in->source);
    if (in->max_instances.is != BT_ABSENT)
        row->max_instances = in->max_instances;
    int rc = row->limits ? bt_schema_parse(&limits_schema, row->limits, strlen(row->limits),
                                           BT_LENIENT, &all, NULL, err)
                         : 0;
    if (rc < 0)
        return rc;
    for (int i = 0; i < LIMIT__COUNT; i++) {
        struct bt_opt_int v = limits_get(&in->limits, (enum limit_name)i);
        if (v.is != BT_ABSENT)
            *limits_at(&all, (enum limit_name)i) = v;
    }
    free(row->limits);
    row->limits = bt_schema_emit_str(&limits_schema, &all);
    (void)c;
    return 0;
}

static int create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_tenant *in = c->args;
    if (!in->name)
        return service_bad_field(c, err, "name", "required", "is missing");
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row row = {.source =
                                                                      bt_xstrdup(c->who.source),
                                                                  .suspended = bt_xstrdup(""),
                                                                  .max_instances = BT_OPT_NULL};
    int rc = fields(c, in, &row, err);
    if (rc >= 0)
        rc = repo_tenant_insert(tx, &row, err);
    if (rc < 0)
        return rc;
    service_location(c, "/api/v1/tenants/%lld", (long long)row.id);
    return answer(c, 201, &row, err);
}

static int patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc >= 0)
        rc = fields(c, c->args, &row, err);
    if (rc >= 0)
        rc = repo_tenant_update(tx, &row, err);
    return rc < 0 ? rc : answer(c, 200, &row, err);
}

static int remove_tenant(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row row = {0};
    struct repo_tenant_used used = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_tenant_used(tx, row.id, &used, err);
    if (rc >= 0 && used.instances > 0)
        return bt_fail(err, BT_E_IN_USE, "the tenant has %lld instances",
                       (long long)used.instances);
    if (rc >= 0)
        rc = repo_tenant_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "tenant", row.id, row.id);
    service_answer_none(c);
    return 0;
}

const struct service_verb service_tenant_list = {
    .name = "tenant.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = list};
const struct service_verb service_tenant_get = {
    .name = "tenant.get", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = get};
const struct service_verb service_tenant_create = {.name = "tenant.create",
                                                   .scope = SCOPE_OPERATOR,
                                                   .args_schema = &api_tenant_schema,
                                                   .apply = create};
const struct service_verb service_tenant_patch = {.name = "tenant.set",
                                                  .scope = SCOPE_OPERATOR,
                                                  .args_schema = &api_tenant_schema,
                                                  .apply = patch};
const struct service_verb service_tenant_delete = {
    .name = "tenant.delete", .scope = SCOPE_OPERATOR, .apply = remove_tenant};
