/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that are not free, their history, holds; orphans as hosts report them. */
#include <stdlib.h>
#include <string.h>

#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_log.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_orphan.h"
#include "db/repo/repo_ref.h"
#include "proto/api_fleet.h"
#include "proto/api_instance.h"
#include "proto/field.h"
#include "proto/spec.h"

struct history {
    char *address, *instance_uuid;
    struct bt_ref tenant;
    int64_t from_at;
    struct bt_opt_int to_at;
};

#define FT history
static const struct bt_field history_schema_fields[] = {
    F_STR(address, 45, "ip", BT_READONLY, NULL),
    F_STR(instance_uuid, 36, "uuid", BT_READONLY, NULL),
    F_REF(tenant, BT_READONLY | BT_NULLABLE, NULL),
    F_TIME(from_at, BT_READONLY, NULL),
    F_OPT(to_at, 0, F_MAX_INT, BT_READONLY | BT_NULLABLE, NULL),
    F_END};
static F_SCHEMA(history_schema, "AddressHistory", NULL);
#undef FT

static int view(struct db_tx *tx, const struct repo_address_row *row, struct api_address *ret,
                struct bt_err *err)
{
    *ret = (struct api_address){.id = row->id,
                                .address = bt_xstrdup(row->address),
                                .prefix = row->prefix,
                                .family = row->family,
                                .kind = ADDRESS_KIND_PUBLIC,
                                .rdns = bt_xstrdup(row->rdns),
                                .state = row->state};
    int rc = repo_ref_get(tx, REPO_REF_POOL, row->pool_id, &ret->pool, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_INSTANCE, row->instance_id, &ret->instance, err);
    if (rc < 0)
        bt_schema_free(&api_address_schema, ret);
    return rc;
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    struct repo_address_filter f = {.after_id = c->page.after_id,
                                    .limit = limit + 1,
                                    .tenant_id = c->who.tenant_id,
                                    .state = -1};
    int rc = 0;
    if (q->pool.id || q->pool.name)
        rc = repo_ref_resolve(tx, REPO_REF_POOL, &q->pool, &f.pool_id, err);
    if (rc >= 0 && f.tenant_id == 0 && (q->tenant.id || q->tenant.name))
        rc = repo_ref_resolve(tx, REPO_REF_TENANT, &q->tenant, &f.tenant_id, err);
    if (rc >= 0)
        rc = repo_address_list(tx, &f, &rows, err);
    const struct repo_address_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_address a;
        rc = view(tx, &row[i], &a, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_address_schema, &a);
        bt_schema_free(&api_address_schema, &a);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_address_table, &rows);
    return rc;
}

/* The address of the path in its one canonical form. */
static int target_text(const struct service_call *c, char dst[BT_IP_STR_MAX], struct bt_err *err)
{
    struct bt_ip ip;
    if (!c->target.name || bt_ip_parse(c->target.name, &ip, NULL) < 0)
        return bt_fail(err, BT_E_NOT_FOUND, "not an address");
    (void)bt_ip_str(&ip, dst);
    return 0;
}

static int history(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_event_query *q = c->args;
    struct bt_arr rows = {0};
    char text[BT_IP_STR_MAX];
    int rc = target_text(c, text, err);
    if (rc >= 0)
        rc = repo_address_history(tx, text, q->after, &rows, err);
    const struct repo_address_history_row *row = rows.items;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < rows.len; i++) {
        struct history h = {.address = row[i].address,
                            .instance_uuid = row[i].instance_uuid,
                            .from_at = row[i].from_at,
                            .to_at = row[i].to_at ? BT_OPT_V(row[i].to_at) : BT_OPT_NULL};
        rc = repo_ref_get(tx, REPO_REF_TENANT, row[i].tenant_id, &h.tenant, err);
        if (rc >= 0)
            service_list_add(c, &history_schema, &h);
        free(h.tenant.name);
    }
    service_list_end(c, false, 0);
    db_rows_free(&repo_address_history_table, &rows);
    return rc;
}

/* The pool that has this address to give. */
static int pool_of(struct db_tx *tx, const char *address, struct repo_pool_row *ret,
                   struct bt_err *err)
{
    struct bt_arr pools = {0};
    struct bt_ip ip;
    int rc = bt_ip_parse(address, &ip, err);
    if (rc >= 0)
        rc = repo_pool_list(tx, 0, 1000, &pools, err);
    struct repo_pool_row *p = pools.items;
    int64_t id = 0;
    for (size_t i = 0; rc >= 0 && i < pools.len; i++) {
        struct bt_cidr net;
        if (bt_cidr_parse(p[i].cidr, &net, NULL) >= 0 && bt_cidr_contains(&net, &ip))
            id = p[i].id;
    }
    db_rows_free(&repo_pool_table, &pools);
    if (rc >= 0 && id == 0)
        return bt_fail(err, BT_E_NOT_FOUND, "no pool has %s", address);
    return rc < 0 ? rc : repo_pool_get(tx, id, ret, err);
}

static int hold(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_note *in = c->args;
    _cleanup_(repo_pool_row_free) struct repo_pool_row pool = {0};
    _cleanup_(repo_address_row_free) struct repo_address_row row = {0};
    char text[BT_IP_STR_MAX];
    struct api_address a;
    int rc = target_text(c, text, err);
    if (rc >= 0)
        rc = pool_of(tx, text, &pool, err);
    if (rc >= 0)
        rc = repo_address_hold(tx, &pool, text, in->note, err);
    if (rc >= 0)
        rc = repo_address_get_by_text(tx, text, &row, err);
    if (rc >= 0)
        rc = view(tx, &row, &a, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 200, &api_address_schema, &a);
    service_audited(c, "address", row.id, 0);
    bt_schema_free(&api_address_schema, &a);
    return 0;
}

static int release(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_address_row_free) struct repo_address_row row = {0};
    char text[BT_IP_STR_MAX];
    int rc = target_text(c, text, err);
    if (rc >= 0)
        rc = repo_address_get_by_text(tx, text, &row, err);
    if (rc >= 0 && row.state != ADDRESS_HELD)
        return bt_fail(err, BT_E_IN_USE, "%s is %s, not held", text, enum_address_state[row.state]);
    if (rc >= 0)
        rc = repo_address_release(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "address", row.id, 0);
    service_answer_none(c);
    return 0;
}

static int orphan_view(struct db_tx *tx, const struct repo_orphan_row *row, struct api_orphan *ret,
                       struct bt_err *err)
{
    struct instance_spec spec;
    *ret = (struct api_orphan){.id = bt_xstrdup(row->uuid),
                               .uuid = bt_xstrdup(row->uuid),
                               .name = bt_xstrdup(row->name),
                               .state = enum_from_str(enum_instance_state, row->state),
                               .seen_at = row->seen_at};
    if (bt_schema_parse(&instance_spec_schema, row->spec, strlen(row->spec), BT_LENIENT, &spec,
                        NULL, NULL) >= 0) {
        const struct spec_nic *nic = spec.nics.items;
        ret->plan = bt_xstrdup(spec.plan);
        ret->image = bt_xstrdup(spec.image.name);
        ret->limits = spec.limits;
        for (size_t n = 0; n < spec.nics.len; n++) {
            const struct spec_address *a = nic[n].addresses.items;
            for (size_t i = 0; i < nic[n].addresses.len; i++)
                bt_arr_push_str(&ret->addresses, a[i].address);
        }
        bt_schema_free(&instance_spec_schema, &spec);
    }
    int rc = repo_ref_get(tx, REPO_REF_HOST, row->host_id, &ret->host, err);
    if (rc < 0)
        bt_schema_free(&api_orphan_schema, ret);
    return rc;
}

static int orphan_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    struct repo_orphan_filter f = {.after_uuid = c->page.after_key[0] ? c->page.after_key : NULL,
                                   .limit = limit + 1};
    int rc = 0;
    if (q->host.id || q->host.name)
        rc = repo_ref_resolve(tx, REPO_REF_HOST, &q->host, &f.host_id, err);
    if (rc >= 0)
        rc = repo_orphan_list(tx, &f, &rows, err);
    const struct repo_orphan_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_orphan o;
        rc = orphan_view(tx, &row[i], &o, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_orphan_schema, &o);
        bt_schema_free(&api_orphan_schema, &o);
    }
    service_list_end_key(c, rows.len > n, n ? row[n - 1].uuid : "");
    db_rows_free(&repo_orphan_table, &rows);
    return rc;
}

const struct service_verb service_address_list = {
    .name = "address.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = list};
const struct service_verb service_address_history = {
    .name = "address.history", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = history};
const struct service_verb service_address_hold = {.name = "address.hold",
                                                  .scope = SCOPE_OPERATOR,
                                                  .args_schema = &api_note_schema,
                                                  .apply = hold};
const struct service_verb service_address_release = {
    .name = "address.release", .scope = SCOPE_OPERATOR, .apply = release};
const struct service_verb service_orphan_list = {
    .name = "orphan.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = orphan_list};
