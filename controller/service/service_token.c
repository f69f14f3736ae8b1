/* SPDX-License-Identifier: GPL-2.0-or-later */
/* API tokens and stored SSH keys. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/service/service_fleet.h"
#include "db/repo/repo_ref.h"
#include "db/repo/repo_ssh_key.h"
#include "db/repo/repo_token.h"
#include "proto/api_fleet.h"

static struct bt_opt_int opt(int64_t v)
{
    return v ? BT_OPT_V(v) : BT_OPT_NULL;
}

static int token_view(struct db_tx *tx, const struct repo_token_row *row, struct api_token *ret,
                      struct bt_err *err)
{
    *ret = (struct api_token){.id = row->id,
                              .name = bt_xstrdup(row->name),
                              .scopes = auth_scopes_from_str(row->scopes),
                              .source = bt_xstrdup(row->source),
                              .created_at = row->created_at,
                              .expires_at = opt(row->expires_at),
                              .last_used_at = opt(row->last_used_at)};
    int rc = repo_ref_get(tx, REPO_REF_TENANT, row->tenant_id, &ret->tenant, err);
    if (rc < 0)
        bt_schema_free(&api_token_schema, ret);
    return rc;
}

static int token_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    struct repo_token_filter f = {.after_id = c->page.after_id,
                                  .limit = limit + 1,
                                  .tenant_id = c->who.tenant_id,
                                  .revoked = q->deleted};
    int rc = 0;
    if (f.tenant_id == 0 && (q->tenant.id || q->tenant.name))
        rc = repo_ref_resolve(tx, REPO_REF_TENANT, &q->tenant, &f.tenant_id, err);
    if (rc >= 0)
        rc = repo_token_list(tx, &f, &rows, err);
    const struct repo_token_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_token t;
        rc = token_view(tx, &row[i], &t, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_token_schema, &t);
        bt_schema_free(&api_token_schema, &t);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_token_table, &rows);
    return rc;
}

/* A token never makes a wider one: same tenant, and only scopes that it has itself. */
static int may_make(const struct principal *who, int64_t tenant_id, uint64_t scopes,
                    struct bt_err *err)
{
    if (auth_is_operator(who))
        return 0;
    if (tenant_id != who->tenant_id || (scopes & ~who->scopes))
        return bt_fail(err, BT_E_DENIED, "a token cannot make a wider one");
    return 0;
}

static int token_fill(struct db_tx *tx, struct service_call *c, struct repo_token_row *row,
                      struct bt_err *err)
{
    const struct api_token_create *in = c->args;
    row->tenant_id = c->who.tenant_id;
    int rc = 0;
    if (in->tenant.id || in->tenant.name)
        rc = repo_ref_resolve(tx, REPO_REF_TENANT, &in->tenant, &row->tenant_id, err);
    if (rc >= 0)
        rc = may_make(&c->who, row->tenant_id, in->scopes, err);
    if (rc < 0)
        return rc;
    if (row->tenant_id && (in->scopes & UINT64_C(1) << SCOPE_OPERATOR))
        return service_bad_field(c, err, "scopes", "range",
                                 "a tenant's token cannot be an operator's");
    row->name = bt_xstrdup(in->name ? in->name : row->tenant_id ? "tenant" : "operator");
    row->scopes = auth_scopes_to_str(in->scopes);
    row->source = bt_xstrdup(in->source ? in->source : c->who.source);
    if (in->expires_ms.is == BT_VALUE)
        row->expires_at = db_tx_now_ms(tx) + in->expires_ms.v;
    return 0;
}

static int token_create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_token_row_free) struct repo_token_row row = {0};
    char secret[AUTH_SECRET_LEN + 1];
    unsigned char hash[REPO_HASH_LEN];
    int rc = token_fill(tx, c, &row, err);
    if (rc < 0)
        return rc;
    auth_secret_new(c->svc->random, secret, hash);
    row.secret_hash = (struct db_blob){bt_xmalloc(sizeof hash), sizeof hash};
    memcpy(row.secret_hash.data, hash, sizeof hash);
    rc = repo_token_insert(tx, &row, err);
    struct api_token t;
    if (rc >= 0)
        rc = token_view(tx, &row, &t, err);
    if (rc >= 0) {
        t.token = bt_xstrdup(secret);
        service_answer_obj(c, 201, &api_token_schema, &t);
        service_audited(c, "token", row.id, row.tenant_id);
        bt_schema_free(&api_token_schema, &t);
    }
    bt_erase(secret, sizeof secret);
    return rc;
}

static int token_delete(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_token_row_free) struct repo_token_row row = {0};
    int rc = repo_token_get(tx, c->target.id, &row, err);
    if (rc >= 0 && !auth_sees(&c->who, row.tenant_id))
        rc = bt_fail(err, BT_E_NOT_FOUND, "no such token");
    if (rc >= 0)
        rc = repo_token_revoke(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "token", row.id, row.tenant_id);
    service_answer_none(c);
    return 0;
}

static int key_view(struct db_tx *tx, const struct repo_ssh_key_row *row, struct api_ssh_key *ret,
                    struct bt_err *err)
{
    *ret = (struct api_ssh_key){.id = row->id,
                                .name = bt_xstrdup(row->name),
                                .public_key = bt_xstrdup(row->public_key),
                                .created_at = row->created_at};
    int rc = repo_ref_get(tx, REPO_REF_TENANT, row->tenant_id, &ret->tenant, err);
    if (rc < 0)
        bt_schema_free(&api_ssh_key_schema, ret);
    return rc;
}

/* The tenant that a request means: its own, or the one an operator names, else the default one. */
static int key_tenant(struct db_tx *tx, struct service_call *c, const struct bt_ref *ref,
                      int64_t *ret, struct bt_err *err)
{
    *ret = c->who.tenant_id;
    if (*ret)
        return 0;
    if (ref->id || ref->name)
        return repo_ref_resolve(tx, REPO_REF_TENANT, ref, ret, err);
    _cleanup_free_ char *name = NULL;
    int rc = service_setting_text(tx, "default_tenant", &name, err);
    const struct bt_ref fallback = {.name = name};
    return rc < 0 ? rc : repo_ref_resolve(tx, REPO_REF_TENANT, &fallback, ret, err);
}

static int key_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    struct repo_ssh_key_filter f = {
        .after_id = c->page.after_id, .limit = limit + 1, .tenant_id = c->who.tenant_id};
    int rc = 0;
    if (f.tenant_id == 0 && (q->tenant.id || q->tenant.name))
        rc = repo_ref_resolve(tx, REPO_REF_TENANT, &q->tenant, &f.tenant_id, err);
    if (rc >= 0)
        rc = repo_ssh_key_list(tx, &f, &rows, err);
    const struct repo_ssh_key_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_ssh_key k;
        rc = key_view(tx, &row[i], &k, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_ssh_key_schema, &k);
        bt_schema_free(&api_ssh_key_schema, &k);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_ssh_key_table, &rows);
    return rc;
}

static int key_create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_ssh_key *in = c->args;
    _cleanup_(repo_ssh_key_row_free) struct repo_ssh_key_row row = {
        .name = bt_xstrdup(in->name), .public_key = bt_xstrdup(in->public_key)};
    struct api_ssh_key k;
    int rc = key_tenant(tx, c, &in->tenant, &row.tenant_id, err);
    if (rc >= 0)
        rc = repo_ssh_key_insert(tx, &row, err);
    if (rc >= 0)
        rc = key_view(tx, &row, &k, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 201, &api_ssh_key_schema, &k);
    service_audited(c, "ssh_key", row.id, row.tenant_id);
    bt_schema_free(&api_ssh_key_schema, &k);
    return 0;
}

static int key_delete(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_ssh_key_row_free) struct repo_ssh_key_row row = {0};
    int rc = repo_ssh_key_get(tx, c->target.id, &row, err);
    if (rc >= 0 && !auth_sees(&c->who, row.tenant_id))
        rc = bt_fail(err, BT_E_NOT_FOUND, "no such key");
    if (rc >= 0)
        rc = repo_ssh_key_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "ssh_key", row.id, row.tenant_id);
    service_answer_none(c);
    return 0;
}

const struct service_verb service_token_list = {
    .name = "token.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = token_list};
const struct service_verb service_token_create = {.name = "token.create",
                                                  .scope = SCOPE_READ,
                                                  .secret_answer = true,
                                                  .args_schema = &api_token_create_schema,
                                                  .apply = token_create};
const struct service_verb service_token_delete = {
    .name = "token.delete", .scope = SCOPE_READ, .apply = token_delete};
const struct service_verb service_ssh_key_list = {
    .name = "ssh_key.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = key_list};
const struct service_verb service_ssh_key_create = {.name = "ssh_key.create",
                                                    .scope = SCOPE_CREATE,
                                                    .args_schema = &api_ssh_key_schema,
                                                    .apply = key_create};
const struct service_verb service_ssh_key_delete = {
    .name = "ssh_key.delete", .scope = SCOPE_CREATE, .apply = key_delete};
