/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hosts come in: an operator makes a join token for one name; the agent brings it with a
 * certificate request. Used up by its first use; a second one is refused, kept in the audit log and
 * raises an alarm (docs/decisions/0070-joining.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink.h"
#include "controller/http/http_problem.h"
#include "controller/pki/pki.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_host.h"
#include "controller/service/service_host_sched.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_host_cert.h"
#include "db/repo/repo_join_token.h"
#include "db/repo/repo_location.h"
#include "db/repo/repo_ref.h"

#define TOKEN_LIFE_MS (INT64_C(15) * 60 * 1000)

static char *borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* ---- tokens ---- */

static void token_view(const struct repo_join_token_row *row, struct api_join_token *ret)
{
    *ret = (struct api_join_token){.id = row->id,
                                   .host = row->host_name,
                                   .created_at = row->created_at,
                                   .expires_at = row->expires_at,
                                   .used_at = row->used_at ? BT_OPT_V(row->used_at) : BT_OPT_NULL};
}

static int token_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_join_token_filter f = {
        .after_id = c->page.after_id, .limit = limit + 1, .used = q->deleted};
    int rc = repo_join_token_list(tx, &f, &rows, err);
    const struct repo_join_token_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; i < n; i++) {
        struct api_join_token t;
        token_view(&row[i], &t);
        service_list_add(c, &api_join_token_schema, &t);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_join_token_table, &rows);
    return rc;
}

/* The one that is named, else the oldest there is. */
static int token_location(struct db_tx *tx, struct service_call *c, int64_t *ret,
                          struct bt_err *err)
{
    const struct api_join_token_create *in = c->args;
    struct bt_arr rows = {0};
    if (in->location.id || in->location.name)
        return repo_ref_resolve(tx, REPO_REF_LOCATION, &in->location, ret, err);
    int rc = repo_location_list(tx, 0, 1, &rows, err);
    if (rc >= 0 && rows.len)
        *ret = ((const struct repo_location_row *)rows.items)->id;
    else if (rc >= 0)
        rc = service_bad_field(c, err, "location", "required", "there is no location yet");
    db_rows_free(&repo_location_table, &rows);
    return rc;
}

static struct db_blob blob_of(const void *data, size_t n)
{
    struct db_blob b = {bt_xmalloc(n), n};
    memcpy(b.data, data, n);
    return b;
}

static int token_answer(struct service_call *c, const struct repo_join_token_row *row,
                        const struct bt_join_token *secret)
{
    char *text = bt_join_token_emit(secret);
    struct api_join_token t;
    token_view(row, &t);
    t.token = text;
    service_answer_obj(c, 201, &api_join_token_schema, &t);
    service_audited(c, "join_token", row->id, 0);
    bt_erase(text, strlen(text));
    free(text);
    return 0;
}

static int token_create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_join_token_create *in = c->args;
    _cleanup_(repo_join_token_row_free) struct repo_join_token_row row = {0};
    if (!c->svc->pki)
        return bt_fail(err, BT_E_UNAVAILABLE, "this controller has no certificate authority");
    int rc = token_location(tx, c, &row.location_id, err);
    if (rc >= 0 && (in->host_group.id || in->host_group.name))
        rc = repo_ref_resolve(tx, REPO_REF_HOST_GROUP, &in->host_group, &row.host_group_id, err);
    if (rc < 0)
        return rc;
    struct bt_join_token t;
    unsigned char hash[BT_SHA256_LEN];
    pki_join_token_new(c->svc->pki, &t);
    bt_sha256(t.secret, sizeof t.secret, hash);
    row.token_id = blob_of(t.id, sizeof t.id);
    row.secret_hash = blob_of(hash, sizeof hash);
    row.host_name = bt_xstrdup(in->host);
    row.expires_at = db_tx_now_ms(tx) + TOKEN_LIFE_MS;
    rc = repo_join_token_insert(tx, &row, err);
    if (rc >= 0)
        rc = token_answer(c, &row, &t);
    bt_erase(&t, sizeof t);
    return rc;
}

static int token_delete(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    int rc = repo_join_token_delete(tx, c->target.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "join_token", c->target.id, 0);
    service_answer_none(c);
    return 0;
}

/* ---- joining ---- */

struct join {
    struct bt_join_token token;
    int64_t host_id; /* of a host that joins again: its old session ends */
};

static int invalid(struct bt_err *err)
{
    return bt_fail(err, BT_E_DENIED, "the join token is not valid");
}

static int join_prepare(struct service_call *c, struct bt_err *err)
{
    const struct api_host_join *in = c->args;
    struct join *j = c->state;
    if (c->dry_run) /* a certificate would go out that no row knows */
        return bt_fail(err, BT_E_UNSUPPORTED, "a join cannot be tried");
    return bt_join_token_parse(in->token, &j->token, NULL) < 0 ? invalid(err) : 0;
}

/* The row of the token, if the secret is right; one text for every kind of wrong. */
static int find_token(struct db_tx *tx, const struct bt_join_token *t,
                      struct repo_join_token_row *ret, struct bt_err *err)
{
    unsigned char hash[BT_SHA256_LEN];
    int rc = repo_join_token_get(tx, t->id, ret, err);
    if (rc == -BT_E_NOT_FOUND)
        return invalid(err);
    if (rc < 0)
        return rc;
    bt_sha256(t->secret, sizeof t->secret, hash);
    if (ret->secret_hash.len != sizeof hash || !bt_same(ret->secret_hash.data, hash, sizeof hash))
        return invalid(err);
    return 0;
}

/* A known token again: whoever brings it has stolen it, or its first user has. The refusal is an
 * answer, not a failure, so that alarm and audit row stay. */
static int refuse_again(struct db_tx *tx, struct service_call *c,
                        const struct repo_join_token_row *row, struct bt_err *err)
{
    char text[256];
    struct bt_err why = BT_ERR_INIT;
    (void)snprintf(text, sizeof text, "the join token of host %s was brought again from %s",
                   row->host_name, c->who.ip);
    struct repo_alarm_new a = {.kind = "join_token_reused",
                               .severity = SEVERITY_WARNING,
                               .resource_type = "join_token",
                               .resource_id = row->id,
                               .text = text};
    int rc = repo_alarm_raise(tx, &a, NULL, err);
    if (rc < 0)
        return rc;
    rc = bt_fail(&why, BT_E_EXPIRED, "the join token was used or has expired");
    _cleanup_free_ char *body =
        http_problem_text(&(struct http_problem){.err = &why}, c->who.request_id);
    c->answer.status = bt_code_http(why.code);
    (void)bt_buf_adds(&c->answer.body, body);
    service_audited(c, "join_token", row->id, 0);
    c->audit.result = bt_code_str(why.code);
    return 0;
}

static bool spent(struct db_tx *tx, const struct repo_join_token_row *row)
{
    return row->used_at > 0 || row->expires_at <= db_tx_now_ms(tx);
}

static int new_host(struct db_tx *tx, const struct repo_join_token_row *t,
                    struct repo_host_row *ret, struct bt_err *err)
{
    *ret = (struct repo_host_row){.name = bt_xstrdup(t->host_name),
                                  .location_id = t->location_id,
                                  .host_group_id = t->host_group_id,
                                  .state = HOST_UNREACHABLE, /* until its first inventory */
                                  .drivers = bt_xstrdup("[]"),
                                  .facts = bt_xstrdup("{}")};
    return repo_host_insert(tx, ret, err);
}

/* A name that is known joins again (its agent lost its key, or the machine was replaced): older
 * certificates end here. */
static int known_host(struct db_tx *tx, const struct repo_join_token_row *t,
                      struct repo_host_row *h, struct bt_err *err)
{
    if (h->state == HOST_REMOVED) {
        h->state = HOST_UNREACHABLE;
        h->cordoned = false;
    }
    h->location_id = t->location_id;
    if (t->host_group_id)
        h->host_group_id = t->host_group_id;
    int rc = repo_host_cert_revoke_all(tx, h->id, NULL, err);
    return rc < 0 ? rc : repo_host_update(tx, h, err);
}

static int take_host(struct db_tx *tx, struct join *j, const struct repo_join_token_row *t,
                     struct repo_host_row *ret, struct bt_err *err)
{
    int rc = repo_host_get_by_name(tx, t->host_name, ret, err);
    if (rc == -BT_E_NOT_FOUND)
        return new_host(tx, t, ret, err);
    if (rc >= 0)
        rc = known_host(tx, t, ret, err);
    j->host_id = ret->id;
    return rc;
}

static int certify(struct db_tx *tx, struct service_call *c, const struct repo_host_row *h,
                   char **ret_pem, struct bt_err *err)
{
    const struct api_host_join *in = c->args;
    struct bt_cert_info info;
    int rc = pki_sign_agent(c->svc->pki, in->csr, h->name, ret_pem, &info, err);
    if (rc < 0)
        return rc;
    _cleanup_(repo_host_cert_row_free) struct repo_host_cert_row row = {
        .serial = bt_xstrdup(info.serial), .host_id = h->id, .not_after = info.not_after_ms};
    return repo_host_cert_insert(tx, &row, err);
}

static int record_join(struct db_tx *tx, struct service_call *c, int64_t token_id, int64_t host_id,
                       struct bt_err *err)
{
    const struct repo_event_new e = {
        .type = "host.joined", .resource_type = "host", .resource_id = host_id};
    int rc = repo_join_token_use(tx, token_id, host_id, err);
    if (rc >= 0)
        rc = service_event(tx, c, &e, err);
    service_audited(c, "host", host_id, 0);
    return rc < 0 ? rc : service_host_sched_refresh(tx, c->svc, host_id, err);
}

static int join_apply(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_host_join *in = c->args;
    struct join *j = c->state;
    _cleanup_(repo_join_token_row_free) struct repo_join_token_row t = {0};
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    _cleanup_free_ char *pem = NULL;
    j->host_id = 0;
    if (!c->svc->pki)
        return bt_fail(err, BT_E_UNAVAILABLE, "this controller has no certificate authority");
    int rc = find_token(tx, &j->token, &t, err);
    if (rc < 0)
        return rc;
    if (spent(tx, &t))
        return refuse_again(tx, c, &t, err);
    if (in->name && !bt_streq(in->name, t.host_name))
        return service_bad_field(c, err, "name", "range", "the token is for host %s", t.host_name);
    rc = take_host(tx, j, &t, &h, err);
    if (rc >= 0)
        rc = certify(tx, c, &h, &pem, err);
    if (rc >= 0)
        rc = record_join(tx, c, t.id, h.id, err);
    if (rc < 0)
        return rc;
    const struct api_host_joined out = {.name = h.name,
                                        .cert = pem,
                                        .ca = borrow(pki_ca_pem(c->svc->pki)),
                                        .agent_port = c->svc->agent_port,
                                        .url = borrow(c->svc->agent_url)};
    service_answer_obj(c, 201, &api_host_joined_schema, &out);
    return 0;
}

static void joined(struct service_call *c)
{
    const struct join *j = c->state;
    if (j->host_id && c->svc->link)
        agentlink_disconnect(c->svc->link, j->host_id);
}

static void join_free(void *state)
{
    bt_erase(state, sizeof(struct join));
}

const struct service_verb service_join_token_list = {
    .name = "join_token.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = token_list};
const struct service_verb service_join_token_create = {.name = "join_token.create",
                                                       .scope = SCOPE_OPERATOR,
                                                       .secret_answer = true,
                                                       .args_schema = &api_join_token_create_schema,
                                                       .apply = token_create};
const struct service_verb service_join_token_delete = {
    .name = "join_token.delete", .scope = SCOPE_OPERATOR, .apply = token_delete};
const struct service_verb service_host_join = {.name = "host.join",
                                               .open = true,
                                               .secret_answer = true,
                                               .args_schema = &api_host_join_schema,
                                               .state_size = sizeof(struct join),
                                               .prepare = join_prepare,
                                               .apply = join_apply,
                                               .after = joined,
                                               .state_free = join_free};
