/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json_doc.h"
#include "controller/service/service_fleet.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_ref.h"
#include "proto/api_fleet.h"

#define ORDINARY                                                                                   \
    ((1u << FEATURE_TUN) | (1u << FEATURE_NET_ADMIN) | (1u << FEATURE_NET_RAW) |                   \
     (1u << FEATURE_COMPAT32))

static void push_features(uint64_t set, struct bt_arr *ret)
{
    for (int i = 0; enum_feature[i]; i++) {
        if (set & UINT64_C(1) << i)
            bt_arr_push_str(ret, enum_feature[i]);
    }
}

/* JSON array of ids -> names. */
static int names_of(struct db_tx *tx, enum repo_ref_kind kind, const char *ids, struct bt_arr *ret,
                    struct bt_err *err)
{
    struct bt_doc *d = NULL;
    int rc = bt_doc_parse(ids, strlen(ids), &d, err);
    for (size_t i = 0; rc >= 0 && i < bt_doc_len(d); i++) {
        _cleanup_free_ char *name = NULL;
        int64_t id = 0;
        (void)bt_doc_int(bt_doc_item(d, i), &id);
        rc = repo_ref_name(tx, kind, id, &name, err);
        if (rc >= 0)
            bt_arr_push_str(ret, name);
    }
    bt_doc_free(d);
    return rc;
}

static int view(struct db_tx *tx, const struct repo_plan_row *row, struct api_plan *ret,
                struct bt_err *err)
{
    *ret = (struct api_plan){.id = row->id,
                             .name = bt_xstrdup(row->name),
                             .drivers = (uint64_t)row->drivers,
                             .created_at = row->created_at};
    int rc = bt_schema_parse(&limits_schema, row->limits, strlen(row->limits), BT_LENIENT,
                             &ret->limits, NULL, err);
    push_features((uint64_t)row->features, &ret->features);
    if (rc >= 0)
        rc = names_of(tx, REPO_REF_IMAGE, row->images, &ret->images, err);
    if (rc >= 0)
        rc = names_of(tx, REPO_REF_HOST_GROUP, row->host_groups, &ret->host_groups, err);
    if (rc < 0)
        bt_schema_free(&api_plan_schema, ret);
    return rc;
}

static int answer(struct db_tx *tx, struct service_call *c, int status,
                  const struct repo_plan_row *row, struct bt_err *err)
{
    struct api_plan p;
    int rc = view(tx, row, &p, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, status, &api_plan_schema, &p);
    c->answer.etag = row->version;
    service_audited(c, "plan", row->id, 0);
    bt_schema_free(&api_plan_schema, &p);
    return 0;
}

static int load(struct db_tx *tx, struct service_call *c, struct repo_plan_row *ret,
                struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_PLAN, &c->target, &id, err);
    return rc < 0 ? rc : repo_plan_get(tx, id, ret, err);
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_plan_filter f = {
        .after_id = c->page.after_id, .limit = limit + 1, .name = q->name, .deleted = q->deleted};
    int rc = repo_plan_list(tx, &f, &rows, err);
    const struct repo_plan_row *row = rows.items;
    int64_t last = 0;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < rows.len && i < (size_t)limit; i++) {
        struct api_plan p;
        rc = view(tx, &row[i], &p, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_plan_schema, &p);
        bt_schema_free(&api_plan_schema, &p);
        last = row[i].id;
    }
    service_list_end(c, rows.len > (size_t)limit, last);
    db_rows_free(&repo_plan_table, &rows);
    return rc;
}

static int get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row row = {0};
    int rc = load(tx, c, &row, err);
    return rc < 0 ? rc : answer(tx, c, 200, &row, err);
}

static int set_features(struct service_call *c, const struct bt_arr *names, int64_t *ret,
                        struct bt_err *err)
{
    uint64_t set = 0;
    for (size_t i = 0; i < names->len; i++) {
        const char *name = ((char **)names->items)[i];
        int at = enum_from_str(enum_feature, name);
        if (at < 0 && (strcmp(name, "none") != 0 || names->len > 1))
            return service_bad_field(c, err, "features", "enum", "unknown feature \"%.40s\"", name);
        set |= at < 0 ? 0 : UINT64_C(1) << at;
    }
    if (names->len > 0)
        *ret = (int64_t)set;
    return 0;
}

/* Names (or ids) -> JSON array of ids; nothing given leaves *ret as it is. */
static int set_ids(struct db_tx *tx, enum repo_ref_kind kind, const struct bt_arr *names,
                   char **ret, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf out = BT_BUF(65536);
    (void)bt_buf_addc(&out, '[');
    for (size_t i = 0; i < names->len; i++) {
        const struct bt_ref ref = service_ref(((char **)names->items)[i]);
        int64_t id = 0;
        int rc = repo_ref_resolve(tx, kind, &ref, &id, err);
        if (rc < 0)
            return rc;
        (void)bt_buf_addf(&out, "%s%lld", i ? "," : "", (long long)id);
    }
    (void)bt_buf_addc(&out, ']');
    if (names->len > 0) {
        free(*ret);
        *ret = bt_buf_take(&out);
    }
    return 0;
}

static void overlay(struct limits *onto, const struct limits *from)
{
    for (int i = 0; i < LIMIT__COUNT; i++) {
        struct bt_opt_int v = limits_get(from, (enum limit_name)i);
        if (v.is != BT_ABSENT)
            *limits_at(onto, (enum limit_name)i) = v;
    }
}

static int apply_fields(struct db_tx *tx, struct service_call *c, const struct api_plan *in,
                        struct repo_plan_row *row, struct bt_err *err)
{
    struct limits all = {0};
    int rc = row->limits ? bt_schema_parse(&limits_schema, row->limits, strlen(row->limits),
                                           BT_LENIENT, &all, NULL, err)
                         : 0;
    if (rc < 0)
        return rc;
    overlay(&all, &in->limits);
    limits_check(&all, "", &c->errors);
    if (all.memory_bytes.is != BT_VALUE)
        bt_field_error_add(&c->errors, "memory_bytes", "required", "a plan needs it");
    if (all.disk_bytes.is != BT_VALUE)
        bt_field_error_add(&c->errors, "disk_bytes", "required", "a plan needs it");
    if (c->errors.n > 0)
        return bt_fail(err, BT_E_INVALID, "%s", bt_code_text(BT_E_INVALID));
    if (all.cpus.is == BT_ABSENT)
        all.cpus = BT_OPT_V(1);
    free(row->limits);
    row->limits = bt_schema_emit_str(&limits_schema, &all);
    if (in->drivers)
        row->drivers = (int64_t)in->drivers;
    rc = set_features(c, &in->features, &row->features, err);
    if (rc >= 0)
        rc = set_ids(tx, REPO_REF_IMAGE, &in->images, &row->images, err);
    if (rc >= 0)
        rc = set_ids(tx, REPO_REF_HOST_GROUP, &in->host_groups, &row->host_groups, err);
    return rc;
}

static int create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_plan *in = c->args;
    if (!in->name)
        return service_bad_field(c, err, "name", "required", "is missing");
    _cleanup_(repo_plan_row_free) struct repo_plan_row row = {
        .name = bt_xstrdup(in->name),
        .drivers = (1 << DRIVER_CONTAINER) | (1 << DRIVER_KVM),
        .features = ORDINARY,
        .images = bt_xstrdup("[]"),
        .host_groups = bt_xstrdup("[]"),
    };
    int rc = apply_fields(tx, c, in, &row, err);
    if (rc >= 0)
        rc = repo_plan_insert(tx, &row, err);
    if (rc < 0)
        return rc;
    service_location(c, "/api/v1/plans/%lld", (long long)row.id);
    return answer(tx, c, 201, &row, err);
}

static int patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_plan *in = c->args;
    _cleanup_(repo_plan_row_free) struct repo_plan_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc >= 0 && in->name) {
        free(row.name);
        row.name = bt_xstrdup(in->name);
    }
    if (rc >= 0)
        rc = apply_fields(tx, c, in, &row, err);
    if (rc >= 0)
        rc = repo_plan_update(tx, &row, err);
    return rc < 0 ? rc : answer(tx, c, 200, &row, err);
}

static int remove_plan(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_plan_row_free) struct repo_plan_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_plan_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "plan", row.id, 0);
    service_answer_none(c);
    return 0;
}

const struct service_verb service_plan_list = {
    .name = "plan.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = list};
const struct service_verb service_plan_get = {
    .name = "plan.get", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = get};
const struct service_verb service_plan_create = {.name = "plan.create",
                                                 .scope = SCOPE_OPERATOR,
                                                 .args_schema = &api_plan_schema,
                                                 .apply = create};
const struct service_verb service_plan_patch = {
    .name = "plan.set", .scope = SCOPE_OPERATOR, .args_schema = &api_plan_schema, .apply = patch};
const struct service_verb service_plan_delete = {
    .name = "plan.delete", .scope = SCOPE_OPERATOR, .apply = remove_plan};
