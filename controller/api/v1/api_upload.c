/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PUT /images/{id}/content: bytes stream into the blob store while they are hashed; when all are
 * there, the service makes the image ready. The caller is checked beside: bytes are taken until the
 * answer is known, then refused or kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/api/v1/api_priv.h"
#include "controller/api/v1/api_reply.h"
#include "controller/blob/blob.h"
#include "controller/http/http_problem.h"
#include "controller/service/service_image.h"

#define UPLOAD_MAX (64ll << 30)
#define HEAD_BYTES 512

struct upload {
    struct http_sink sink;
    struct api *api;
    struct auth_request auth;
    bool auth_done, ended;
    struct bt_err refused; /* code OK = not refused */
    int64_t image_id;
    struct blob_writer writer;
    unsigned char head[HEAD_BYTES];
    size_t head_len;
    struct http_request *req; /* after end(): to be answered */
    struct service_image_blob blob;
    struct service_call call;
};

static void upload_free(struct upload *u)
{
    blob_abort(&u->writer);
    service_call_fini(&u->call);
    bt_erase(u->auth.secret, sizeof u->auth.secret);
    u->api->load--;
    free(u);
}

static void refuse(struct upload *u, const struct bt_err *err)
{
    http_problem(u->req, err);
    upload_free(u);
}

static void on_done(struct service_call *c, int rc, const struct bt_err *err)
{
    struct upload *u = c->owner;
    if (rc < 0) {
        refuse(u, err);
        return;
    }
    struct http_response res = {
        .status = c->answer.status, .body = c->answer.body.data, .body_len = c->answer.body.len};
    res.headers[res.n_headers++] = (struct http_header){"Request-Id", u->req->request_id};
    res.headers[res.n_headers++] = (struct http_header){"Location", c->answer.location};
    http_reply(u->req, &res);
    upload_free(u);
}

/* Caller known and all bytes there: hand over to the service. */
static void finish(struct upload *u)
{
    struct bt_err err = BT_ERR_INIT;
    if (u->refused.code != BT_E_OK) {
        refuse(u, &u->refused);
        return;
    }
    u->blob.bytes = u->writer.bytes;
    u->blob.sniffed = blob_sniff(u->head, u->head_len);
    if (blob_commit(&u->writer, u->blob.sha256, &err) < 0) {
        refuse(u, &err);
        return;
    }
    u->call.svc = u->api->cfg.svc;
    u->call.verb = &service_image_content;
    u->call.who = u->auth.who;
    u->call.target = (struct bt_ref){.id = u->image_id};
    u->call.args = &u->blob;
    u->call.done = on_done;
    u->call.owner = u;
    service_submit(&u->call);
}

static void on_auth(struct auth_request *r, int rc, const struct bt_err *err)
{
    struct upload *u = r->owner;
    u->auth_done = true;
    if (rc < 0)
        u->refused = *err;
    else
        (void)auth_may(&r->who, SCOPE_OPERATOR, &u->refused);
    if (u->ended && !u->req)
        upload_free(u); /* the peer went away meanwhile */
    else if (u->ended)
        finish(u);
}

static int on_chunk(struct http_sink *s, const void *data, size_t n, struct bt_err *err)
{
    struct upload *u = BT_CONTAINER_OF(s, struct upload, sink);
    if (u->refused.code != BT_E_OK) {
        *err = u->refused;
        return -(int)err->code;
    }
    size_t k = sizeof u->head - u->head_len;
    k = n < k ? n : k;
    memcpy(u->head + u->head_len, data, k);
    u->head_len += k;
    return blob_write(&u->writer, data, n, err);
}

static void on_end(struct http_sink *s, struct http_request *req, int rc)
{
    struct upload *u = BT_CONTAINER_OF(s, struct upload, sink);
    u->ended = true;
    u->req = rc < 0 ? NULL : req;
    if (!u->auth_done)
        return;
    if (rc < 0)
        upload_free(u);
    else
        finish(u);
}

static bool parse_path(const char *path, int64_t *ret_id)
{
    static const char prefix[] = "/api/v1/images/";
    static const char suffix[] = "/content";
    size_t n = strlen(path);
    if (strncmp(path, prefix, sizeof prefix - 1) != 0 || n < sizeof prefix + sizeof suffix - 1 ||
        strcmp(path + n - (sizeof suffix - 1), suffix) != 0)
        return false;
    char digits[24];
    size_t len = n - (sizeof prefix - 1) - (sizeof suffix - 1);
    if (len >= sizeof digits)
        return false;
    memcpy(digits, path + sizeof prefix - 1, len);
    digits[len] = '\0';
    return bt_parse_i64(digits, 1, INT64_MAX, ret_id, NULL) >= 0;
}

static int begin(struct upload *u, const struct http_request *req, uint64_t length,
                 struct bt_err *err)
{
    const char *secret = api_bearer(req->authorization);
    if (!secret)
        return bt_fail(err, BT_E_UNAUTHENTICATED, "a bearer token is needed");
    if (length > UPLOAD_MAX)
        return bt_fail(err, BT_E_TOO_LARGE, "more than %lld bytes", UPLOAD_MAX);
    if (!u->api->cfg.svc->blob)
        return bt_fail(err, BT_E_UNAVAILABLE, "no blob store");
    int rc = blob_begin(u->api->cfg.svc->blob, u->api->cfg.svc->random, &u->writer, err);
    if (rc < 0)
        return rc;
    u->auth.done = on_auth;
    u->auth.owner = u;
    return auth_start(&u->auth, u->api->cfg.svc->db, secret, err);
}

struct http_sink *api_on_upload(void *ctx, struct http_request *req, uint64_t content_length,
                                bool *replied)
{
    struct api *a = ctx;
    int64_t id = 0;
    *replied = false;
    if (req->method != HTTP_PUT || !parse_path(req->path, &id))
        return NULL;
    struct upload *u = bt_xcalloc(1, sizeof *u);
    struct bt_err err = BT_ERR_INIT;
    u->api = a;
    u->image_id = id;
    u->writer.fd = -1;
    u->sink = (struct http_sink){.chunk = on_chunk, .end = on_end};
    a->load++;
    if (begin(u, req, content_length, &err) < 0) {
        upload_free(u);
        http_problem(req, &err);
        *replied = true;
        return NULL;
    }
    return &u->sink;
}
