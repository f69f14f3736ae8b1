/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/app.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/crypto/join_token.h"
#include "common/crypto/x509.h"
#include "common/httpc/httpc.h"
#include "common/json/json_doc.h"
#include "proto/api_fleet.h"

#define DEADLINE_MS 20000

struct join {
    const struct host_conf *conf;
    struct bt_loop *loop;
    struct bt_join_token token;
    char *key, *csr;
    struct api_host_joined joined;
    struct bt_err err;
};

/* A problem document -> its code and detail. */
static void take_problem(struct join *j, const struct httpc_result *r)
{
    struct bt_doc *d = NULL;
    if (bt_doc_parse(r->body, r->body_len, &d, NULL) < 0) {
        (void)bt_fail(&j->err, BT_E_PROTOCOL, "the controller answered %d", r->status);
        return;
    }
    const char *detail = bt_doc_str(bt_doc_at(d, "detail"));
    (void)bt_fail(&j->err, bt_code_from_str(bt_doc_str(bt_doc_at(d, "code"))), "%.300s",
                  detail ? detail : "refused");
    bt_doc_free(d);
}

static void on_answer(void *ctx, const struct httpc_result *r, const struct bt_err *err)
{
    struct join *j = ctx;
    if (err)
        j->err = *err;
    else if (r->status != 200 && r->status != 201)
        take_problem(j, r);
    else
        (void)bt_schema_parse(&api_host_joined_schema, r->body, r->body_len,
                              BT_LENIENT | BT_ALLOW_RO, &j->joined, NULL, &j->err);
    bt_loop_stop(j->loop);
}

static int ask(struct join *j, const char *url, const char *token, struct bt_err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct httpc *client = NULL;
    struct api_host_join body = {
        .token = (char *)(uintptr_t)token, .csr = j->csr, .name = j->conf->name};
    _cleanup_free_ char *text = bt_schema_emit_str(&api_host_join_schema, &body);
    _cleanup_free_ char *full = bt_xasprintf("%s/api/v1/hosts/join", url);
    int rc = httpc_new(j->loop, &client, err);
    const struct httpc_options o = {.method = "POST",
                                    .url = full,
                                    .headers = headers,
                                    .body = text,
                                    .body_len = strlen(text),
                                    .pin_ca = j->token.ca_sha256,
                                    .deadline_ms = DEADLINE_MS,
                                    .done = on_answer,
                                    .ctx = j};
    if (rc >= 0)
        rc = httpc_start(client, &o, NULL, err);
    if (rc >= 0)
        bt_loop_run(j->loop);
    if (client)
        httpc_free(client);
    bt_erase(text, strlen(text));
    if (rc >= 0 && j->err.code != BT_E_OK) {
        *err = j->err;
        rc = -(int)err->code;
    }
    return rc;
}

/* https://HOST[:8443] -> wss://HOST:AGENT_PORT/agent/v1, unless the controller says where. */
static char *link_url(const char *url, const struct api_host_joined *joined)
{
    if (joined->url && bt_starts_with(joined->url, "wss://"))
        return bt_xstrdup(joined->url);
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    size_t n = end ? (size_t)(end + 1 - host) : strcspn(host, ":/");
    return bt_xasprintf("wss://%.*s:%lld/agent/v1", (int)n, host,
                        (long long)(joined->agent_port ? joined->agent_port : 8444));
}

static int write_one(const struct host_conf *conf, const char *name, const char *text,
                     struct bt_err *err)
{
    _cleanup_free_ char *path = app_path(conf, name);
    return bt_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, err);
}

/* The address last: an agent without one has not joined. */
static int store(struct join *j, const char *url, struct bt_err *err)
{
    _cleanup_free_ char *link = link_url(url, &j->joined);
    if (!j->joined.cert || !j->joined.ca)
        return bt_fail(err, BT_E_PROTOCOL, "the answer has no certificate");
    int rc = write_one(j->conf, APP_KEY, j->key, err);
    if (rc >= 0)
        rc = write_one(j->conf, APP_CERT, j->joined.cert, err);
    if (rc >= 0)
        rc = write_one(j->conf, APP_CA, j->joined.ca, err);
    return rc < 0 ? rc : write_one(j->conf, APP_LINK, link, err);
}

static int check_ca(const struct join *j, struct bt_err *err)
{
    unsigned char fp[32];
    int rc = bt_x509_fingerprint(j->joined.ca ? j->joined.ca : "", fp, err);
    if (rc >= 0 && !bt_same(fp, j->token.ca_sha256, sizeof fp))
        rc = bt_fail(err, BT_E_DENIED, "the answer came with another CA than the token names");
    return rc;
}

int app_join(const struct host_conf *conf, const char *url, const char *token, struct bt_err *err)
{
    struct join j = {.conf = conf};
    int rc = bt_crypto_init(err);
    if (rc >= 0)
        rc = bt_join_token_parse(token, &j.token, err);
    if (rc >= 0)
        rc = bt_mkdir_p(AT_FDCWD, conf->state_dir, 0700, err);
    if (rc >= 0)
        rc = bt_x509_key_new(&j.key, err);
    if (rc >= 0)
        rc = bt_x509_csr_new(j.key, conf->name ? conf->name : "host", &j.csr, err);
    if (rc >= 0) {
        j.loop = bt_loop_new(err);
        rc = j.loop ? ask(&j, url, token, err) : -(int)err->code;
    }
    if (rc >= 0)
        rc = check_ca(&j, err);
    if (rc >= 0)
        rc = store(&j, url, err);
    if (rc >= 0)
        (void)printf("joined as %s\n", j.joined.name ? j.joined.name : "?");
    bt_schema_free(&api_host_joined_schema, &j.joined);
    bt_loop_free(j.loop);
    if (j.key)
        bt_erase(j.key, strlen(j.key));
    free(j.key);
    free(j.csr);
    bt_erase(&j.token, sizeof j.token);
    return rc;
}
