/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/json/json_doc.h"
#include "controller/service/service_fleet.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_ref.h"
#include "proto/api_fleet.h"

static int places(struct db_tx *tx, const struct repo_pool_row *row, struct api_pool *ret,
                  struct bt_err *err)
{
    int rc = repo_ref_get(tx, REPO_REF_HOST, row->host_id, &ret->host, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_HOST_GROUP, row->host_group_id, &ret->host_group, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_LOCATION, row->location_id, &ret->location, err);
    return rc;
}

static int view(struct db_tx *tx, const struct repo_pool_row *row, struct api_pool *ret,
                struct bt_err *err)
{
    struct repo_pool_count count = {0};
    *ret = (struct api_pool){.id = row->id,
                             .name = bt_xstrdup(row->name),
                             .cidr = bt_xstrdup(row->cidr),
                             .gateway = bt_xstrdup(row->gateway),
                             .delivery = row->delivery,
                             .uplink = bt_xstrdup(row->uplink),
                             .ipv6_prefix_len = row->ipv6_prefix_len,
                             .rdns_pattern = bt_xstrdup(row->rdns_pattern),
                             .created_at = row->created_at};
    struct bt_doc *d = NULL;
    int rc = bt_doc_parse(row->resolvers, strlen(row->resolvers), &d, err);
    for (size_t i = 0; rc >= 0 && i < bt_doc_len(d); i++)
        bt_arr_push_str(&ret->resolvers, bt_doc_str(bt_doc_item(d, i)));
    bt_doc_free(d);
    if (rc >= 0)
        rc = repo_pool_count(tx, row, &count, err);
    ret->used = count.used;
    ret->free = count.free;
    if (rc >= 0)
        rc = places(tx, row, ret, err);
    if (rc < 0)
        bt_schema_free(&api_pool_schema, ret);
    return rc;
}

static int answer(struct db_tx *tx, struct service_call *c, int status,
                  const struct repo_pool_row *row, struct bt_err *err)
{
    struct api_pool p;
    int rc = view(tx, row, &p, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, status, &api_pool_schema, &p);
    c->answer.etag = row->version;
    service_audited(c, "pool", row->id, 0);
    bt_schema_free(&api_pool_schema, &p);
    return 0;
}

static int load(struct db_tx *tx, struct service_call *c, struct repo_pool_row *ret,
                struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_POOL, &c->target, &id, err);
    return rc < 0 ? rc : repo_pool_get(tx, id, ret, err);
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    int rc = repo_pool_list(tx, c->page.after_id, limit + 1, &rows, err);
    const struct repo_pool_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_pool p;
        rc = view(tx, &row[i], &p, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_pool_schema, &p);
        bt_schema_free(&api_pool_schema, &p);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_pool_table, &rows);
    return rc;
}

static int get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_pool_row_free) struct repo_pool_row row = {0};
    int rc = load(tx, c, &row, err);
    return rc < 0 ? rc : answer(tx, c, 200, &row, err);
}

static void replace(char **slot, const char *text)
{
    if (!text)
        return;
    free(*slot);
    *slot = bt_xstrdup(text);
}

static int place(struct db_tx *tx, enum repo_ref_kind kind, const struct bt_ref *ref, int64_t *ret,
                 struct bt_err *err)
{
    if (ref->id == 0 && !ref->name)
        return 0;
    return repo_ref_resolve(tx, kind, ref, ret, err);
}

static int fields(struct db_tx *tx, const struct api_pool *in, struct repo_pool_row *row,
                  struct bt_err *err)
{
    replace(&row->name, in->name);
    replace(&row->gateway, in->gateway);
    replace(&row->uplink, in->uplink);
    replace(&row->rdns_pattern, in->rdns_pattern);
    if (in->delivery >= 0)
        row->delivery = in->delivery;
    if (in->ipv6_prefix_len > 0)
        row->ipv6_prefix_len = in->ipv6_prefix_len;
    if (in->resolvers.len > 0 || !row->resolvers) {
        _cleanup_buf_ struct bt_buf out = BT_BUF(4096);
        for (size_t i = 0; i < in->resolvers.len; i++) {
            (void)bt_buf_adds(&out, i ? "," : "[");
            (void)bt_json_quote(((char **)in->resolvers.items)[i], &out);
        }
        (void)bt_buf_adds(&out, in->resolvers.len ? "]" : "[]");
        free(row->resolvers);
        row->resolvers = bt_buf_take(&out);
    }
    int rc = place(tx, REPO_REF_HOST, &in->host, &row->host_id, err);
    if (rc >= 0)
        rc = place(tx, REPO_REF_HOST_GROUP, &in->host_group, &row->host_group_id, err);
    if (rc >= 0)
        rc = place(tx, REPO_REF_LOCATION, &in->location, &row->location_id, err);
    return rc;
}

/* Family, the first host address as gateway (v4), the prefix length of instances (v6). */
static int derive(struct service_call *c, struct repo_pool_row *row, struct bt_err *err)
{
    struct bt_cidr net;
    struct bt_ip first;
    if (bt_cidr_parse(row->cidr, &net, err) < 0)
        return service_bad_field(c, err, "cidr", "pattern", "is not a network");
    row->family = net.ip.family;
    if (row->family == 6 && row->ipv6_prefix_len == 0)
        row->ipv6_prefix_len = net.len > 64 ? net.len : 64;
    if (row->family == 4)
        row->ipv6_prefix_len = 0;
    if (row->gateway || row->family == 6 || net.len > 30)
        return 0;
    int rc = bt_cidr_nth(&net, 32, 1, &first, err);
    if (rc < 0)
        return rc;
    char text[BT_IP_STR_MAX];
    row->gateway = bt_xstrdup(bt_ip_str(&first, text));
    return 0;
}

static int create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_pool *in = c->args;
    if (!in->name || !in->cidr)
        return service_bad_field(c, err, in->name ? "cidr" : "name", "required", "is missing");
    _cleanup_(repo_pool_row_free) struct repo_pool_row row = {.cidr = bt_xstrdup(in->cidr),
                                                              .delivery = DELIVERY_ROUTED};
    int rc = fields(tx, in, &row, err);
    if (rc >= 0)
        rc = derive(c, &row, err);
    if (rc >= 0)
        rc = repo_pool_insert(tx, &row, err);
    if (rc < 0)
        return rc;
    service_location(c, "/api/v1/pools/%lld", (long long)row.id);
    return answer(tx, c, 201, &row, err);
}

static int patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_pool *in = c->args;
    _cleanup_(repo_pool_row_free) struct repo_pool_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc >= 0 && in->cidr && strcmp(in->cidr, row.cidr) != 0)
        return service_bad_field(c, err, "cidr", "range", "cannot be changed");
    if (rc >= 0)
        rc = fields(tx, in, &row, err);
    if (rc >= 0)
        rc = repo_pool_update(tx, &row, err);
    return rc < 0 ? rc : answer(tx, c, 200, &row, err);
}

static int remove_pool(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_pool_row_free) struct repo_pool_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_pool_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "pool", row.id, 0);
    service_answer_none(c);
    return 0;
}

const struct service_verb service_pool_list = {
    .name = "pool.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = list};
const struct service_verb service_pool_get = {
    .name = "pool.get", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = get};
const struct service_verb service_pool_create = {.name = "pool.create",
                                                 .scope = SCOPE_OPERATOR,
                                                 .args_schema = &api_pool_schema,
                                                 .apply = create};
const struct service_verb service_pool_patch = {
    .name = "pool.set", .scope = SCOPE_OPERATOR, .args_schema = &api_pool_schema, .apply = patch};
const struct service_verb service_pool_delete = {
    .name = "pool.delete", .scope = SCOPE_OPERATOR, .apply = remove_pool};
