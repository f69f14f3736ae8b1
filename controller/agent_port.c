/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/agent_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink.h"
#include "controller/blob/blob.h"
#include "controller/http/http_problem.h"
#include "controller/http/http_rpc.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_host_cert.h"

#define LINK_PATH "/agent/v1"
#define BLOB_PATH LINK_PATH "/blobs/"
#define SHA256_LEN 64

struct agent_port {
    struct service *svc;
    size_t load;
};

/* A download until it is known whether this certificate may have it. */
struct download {
    struct agent_port *port;
    struct http_request *req;
    struct db_read read;
    char serial[65];
    char sha256[SHA256_LEN + 1];
};

struct agent_port *agent_port_new(struct service *svc)
{
    struct agent_port *p = bt_xcalloc(1, sizeof *p);
    p->svc = svc;
    return p;
}

void agent_port_free(struct agent_port *p)
{
    free(p);
}

size_t agent_port_load(const struct agent_port *p)
{
    return p->load;
}

/* ---- the link ---- */

static struct http_ws *on_websocket(void *ctx, const struct http_request *req, const char *protocol,
                                    struct bt_err *err)
{
    struct agent_port *p = ctx;
    struct agentlink_cert cert = {0};
    (void)protocol;
    if (!bt_streq(req->path, LINK_PATH)) {
        (void)bt_fail(err, BT_E_NOT_FOUND, "no such path");
        return NULL;
    }
    if (!http_peer_cert(req, cert.serial, sizeof cert.serial, cert.cn, sizeof cert.cn)) {
        (void)bt_fail(err, BT_E_UNAUTHENTICATED, "a certificate is needed");
        return NULL;
    }
    struct rpc_peer *peer = agentlink_accept(p->svc->link, &cert);
    if (!peer) {
        (void)bt_fail(err, BT_E_UNAVAILABLE, "the controller is stopping");
        return NULL;
    }
    return http_rpc_new(peer);
}

/* ---- blobs ---- */

/* One range of the two usual forms, "bytes=A-B" and "bytes=A-" (RFC 9110 section 14). 0 = all of
 * it (none, or a form that may be passed over), 1 = a part, INVALID = outside of the file. */
static int parse_range(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_len)
{
    static const char unit[] = "bytes=";
    char first[24] = "";
    char last[24] = "";
    int64_t from = 0;
    int64_t to = (int64_t)size - 1;
    *ret_from = 0;
    *ret_len = size;
    const char *dash = text && bt_starts_with(text, unit) ? strchr(text, '-') : NULL;
    if (!dash || strchr(text, ',') || !bt_strcpy(last, sizeof last, dash + 1) ||
        (size_t)(dash - text) - (sizeof unit - 1) >= sizeof first)
        return 0;
    memcpy(first, text + sizeof unit - 1, (size_t)(dash - text) - (sizeof unit - 1));
    if (bt_parse_i64(first, 0, INT64_MAX, &from, NULL) < 0 ||
        (last[0] && bt_parse_i64(last, 0, INT64_MAX, &to, NULL) < 0) || (last[0] && to < from))
        return 0;
    if ((uint64_t)from >= size)
        return -BT_E_INVALID;
    if (to > (int64_t)size - 1)
        to = (int64_t)size - 1;
    *ret_from = (uint64_t)from;
    *ret_len = (uint64_t)(to - from) + 1;
    return 1;
}

static void add_header(struct http_response *res, const char *name, const char *value)
{
    res->headers[res->n_headers++] = (struct http_header){name, value};
}

static void send_blob(struct http_request *req, int fd, uint64_t size, const char *sha256)
{
    char etag[SHA256_LEN + 3];
    char range[96];
    struct http_file file = {.fd = fd};
    struct http_response res = {.status = 200, .content_type = "application/octet-stream"};
    int part = parse_range(req->range, size, &file.offset, &file.length);
    (void)snprintf(etag, sizeof etag, "\"%s\"", sha256);
    add_header(&res, "Accept-Ranges", "bytes");
    add_header(&res, "ETag", etag);
    add_header(&res, "Content-Range", range);
    (void)snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)file.offset,
                   (unsigned long long)(file.offset + file.length - 1), (unsigned long long)size);
    if (part == 0)
        res.n_headers--;
    if (part > 0)
        res.status = 206;
    if (part >= 0) {
        req->transport->file(req, &res, &file);
        return;
    }
    (void)close(fd);
    (void)snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)size);
    res.status = 416;
    http_reply(req, &res);
}

static void finish(struct download *d, const struct bt_err *why)
{
    struct bt_err err = why ? *why : BT_ERR_INIT;
    int64_t bytes = 0;
    int fd = -1;
    if (!why)
        fd = blob_open(d->port->svc->blob, d->sha256, &bytes, &err);
    if (fd >= 0)
        send_blob(d->req, fd, (uint64_t)bytes, d->sha256);
    else
        http_problem(d->req, &err);
    d->port->load--;
    free(d);
}

/* An adopted host whose certificate was not revoked; all others get one text. */
static int may_download(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    struct download *d = BT_CONTAINER_OF(r, struct download, read);
    _cleanup_(repo_host_cert_row_free) struct repo_host_cert_row cert = {0};
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    int rc = repo_host_cert_get(tx, d->serial, &cert, err);
    if (rc >= 0)
        rc = repo_host_get(tx, cert.host_id, &h, err);
    if (rc < 0 && rc != -BT_E_NOT_FOUND)
        return rc;
    if (rc < 0 || cert.revoked_at || h.state == HOST_REMOVED || h.state == HOST_JOINING)
        return bt_fail(err, BT_E_DENIED, "this certificate may not");
    return 0;
}

static void on_judged(struct db_read *r, int rc, const struct bt_err *err)
{
    finish(BT_CONTAINER_OF(r, struct download, read), rc < 0 ? err : NULL);
}

static void start_download(struct agent_port *p, struct http_request *req)
{
    char cn[128];
    struct bt_err err = BT_ERR_INIT;
    struct download *d = bt_xcalloc(1, sizeof *d);
    d->port = p;
    d->req = req;
    d->read = (struct db_read){.read = may_download, .done = on_judged};
    p->load++;
    int rc = 0;
    if (!bt_strcpy(d->sha256, sizeof d->sha256, req->path + strlen(BLOB_PATH)) ||
        strlen(d->sha256) != SHA256_LEN)
        rc = bt_fail(&err, BT_E_NOT_FOUND, "no such blob");
    else if (!http_peer_cert(req, d->serial, sizeof d->serial, cn, sizeof cn))
        rc = bt_fail(&err, BT_E_UNAUTHENTICATED, "a certificate is needed");
    if (rc >= 0)
        rc = db_read_submit(p->svc->db, &d->read, &err);
    if (rc < 0)
        finish(d, &err);
}

static void on_request(void *ctx, struct http_request *req)
{
    struct bt_err err = BT_ERR_INIT;
    bool get = req->method == HTTP_GET || req->method == HTTP_HEAD;
    if (get && bt_starts_with(req->path, BLOB_PATH)) {
        start_download(ctx, req);
        return;
    }
    (void)bt_fail(&err, BT_E_NOT_FOUND, "no such path");
    http_problem(req, &err);
}

void agent_port_handler(struct agent_port *p, struct http_handler *ret)
{
    *ret = (struct http_handler){.ctx = p, .request = on_request, .websocket = on_websocket};
}
