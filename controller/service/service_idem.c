/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_idem.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/repo/repo_idem.h"
#include "proto/field.h"

/* What the bytes are bound to: another row's cannot be put in their place. */
#define SEAL_AD "idempotency"

struct idem_headers {
    char *location;
    int64_t etag;
};

#define FT idem_headers
static const struct bt_field headers_schema_fields[] = {F_STR(location, 128, "", 0, NULL),
                                                        F_ID(etag, 0, NULL), F_END};
static F_SCHEMA(headers_schema, "IdemHeaders", NULL);
#undef FT

static void principal_of(const struct service_call *c, char dst[40])
{
    if (c->who.token_id)
        (void)snprintf(dst, 40, "token:%lld", (long long)c->who.token_id);
    else
        (void)snprintf(dst, 40, "user:%lld", (long long)c->who.user_id);
}

static struct repo_idem_scope scope_of(const struct service_call *c, const char *principal)
{
    return (struct repo_idem_scope){
        .principal = principal, .method = c->idem.method, .path = c->idem.path, .key = c->idem.key};
}

static int restore_body(struct service_call *c, const struct repo_idem_row *row, struct bt_err *err)
{
    if (!row->sealed.data) {
        (void)bt_buf_adds(&c->answer.body, row->body ? row->body : "");
        return 0;
    }
    void *plain = NULL;
    size_t len = 0;
    int rc = bt_unseal(c->svc->seal_key_id, c->svc->seal_key, row->sealed.data, row->sealed.len,
                       SEAL_AD, &plain, &len, err);
    if (rc < 0)
        return rc;
    (void)bt_buf_add(&c->answer.body, plain, len);
    bt_erase(plain, len);
    free(plain);
    return 0;
}

int service_idem_replay(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    char principal[40];
    principal_of(c, principal);
    struct repo_idem_scope s = scope_of(c, principal);
    _cleanup_(repo_idem_row_free) struct repo_idem_row row = {0};
    int rc = repo_idem_get(tx, &s, c->idem.fingerprint, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return 0;
    if (rc >= 0)
        rc = restore_body(c, &row, err);
    if (rc < 0)
        return rc;
    struct idem_headers h;
    rc = bt_schema_parse(&headers_schema, row.headers, strlen(row.headers), BT_LENIENT, &h, NULL,
                         err);
    if (rc < 0)
        return rc;
    (void)bt_strcpy(c->answer.location, sizeof c->answer.location, h.location ? h.location : "");
    c->answer.etag = h.etag;
    c->answer.status = (int)row.status;
    c->answer.task_id = row.task_id;
    c->answer.replayed = true;
    bt_schema_free(&headers_schema, &h);
    return 0;
}

int service_idem_store(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    char principal[40];
    principal_of(c, principal);
    struct idem_headers h = {.location = c->answer.location[0] ? c->answer.location : NULL,
                             .etag = c->answer.etag};
    _cleanup_free_ char *headers = bt_schema_emit_str(&headers_schema, &h);
    const struct bt_buf *body = &c->answer.body;
    struct repo_idem_row row = {
        .principal = principal,
        .method = (char *)(uintptr_t)c->idem.method,
        .path = (char *)(uintptr_t)c->idem.path,
        .key = (char *)(uintptr_t)c->idem.key,
        .fingerprint = c->idem.fingerprint,
        .status = c->answer.status,
        .headers = headers,
        .task_id = c->answer.task_id,
    };
    _cleanup_free_ void *sealed = NULL;
    if (c->verb->secret_answer && body->len) {
        sealed = bt_seal(c->svc->seal_key_id, c->svc->seal_key, c->svc->random, body->data,
                         body->len, SEAL_AD, &row.sealed.len);
        row.sealed.data = sealed;
    } else {
        row.body = body->data ? body->data : (char[]){""};
    }
    return repo_idem_insert(tx, &row, err);
}
