/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request from its first byte to the handler. */
#include <string.h>

#include "common/base/id.h"
#include "common/base/mem.h"
#include "controller/http/http_conn.h"
#include "controller/http/http_problem.h"

enum { REQUEST_DEADLINE_MS = 30000 };

/* Header fields that handlers see. */
static const struct {
    const char *name;
    size_t off;
} request_fields[] = {
    {"authorization", offsetof(struct http_request, authorization)},
    {"idempotency-key", offsetof(struct http_request, idempotency_key)},
    {"if-match", offsetof(struct http_request, if_match)},
    {"prefer", offsetof(struct http_request, prefer)},
    {"content-type", offsetof(struct http_request, content_type)},
    {"last-event-id", offsetof(struct http_request, last_event_id)},
    {"accept", offsetof(struct http_request, accept)},
    {"cookie", offsetof(struct http_request, cookie)},
    {"x-csrf-token", offsetof(struct http_request, csrf)},
    {"origin", offsetof(struct http_request, origin)},
    {"range", offsetof(struct http_request, range)},
};

static int64_t request_deadline_ms(const struct http_conn *c)
{
    int64_t ms = c->server->cfg.request_deadline_ms;
    return ms ? ms : REQUEST_DEADLINE_MS;
}

static struct http_exchange *exchange_new(struct http_conn *c, const char *head, size_t n)
{
    struct http_exchange *ex = bt_xcalloc(1, sizeof(*ex));
    ex->conn = c;
    ex->head_text = bt_xstrndup(n ? head : "", n);
    ex->body = BT_BUF(HTTP_BODY_MAX);
    ex->req = (struct http_request){.path = "/",
                                    .query = "",
                                    .body = "",
                                    .peer_ip = c->peer_ip,
                                    .ctx = ex,
                                    .method = HTTP_OTHER,
                                    .transport = http_reply_transport()};
    bt_uuid_new(bt_random_real(), ex->req.request_id);
    c->ex = ex;
    return ex;
}

static void request_fill(struct http_exchange *ex)
{
    struct http_request *req = &ex->req;
    req->method = ex->head.method;
    req->path = ex->head.path;
    req->query = ex->head.query;
    for (size_t i = 0; i < BT_ARRAY_LEN(request_fields); i++) {
        const char **field = (const char **)(void *)((char *)req + request_fields[i].off);
        *field = http_head_get(&ex->head, request_fields[i].name);
    }
}

/* Refuse `c->ex` in the transport's own name; the rest of what the peer sends is not looked at. */
static void refuse(struct http_conn *c, int status, const struct bt_err *err)
{
    struct http_problem p = {.err = err, .status = status};
    if (status == 405)
        p.allow = "GET, POST, PUT, PATCH, DELETE, HEAD";
    c->close_after = true;
    c->state = CONN_WAIT;
    http_problem_reply(&c->ex->req, &p);
}

static void refuse_text(struct http_conn *c, int status, enum bt_code code, const char *text)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, code, "%s", text);
    refuse(c, status, &err);
}

/* ---- bodies ---- */

static void hand_over(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    ex->req.body = ex->body.data ? ex->body.data : "";
    ex->req.body_len = ex->body.len;
    ex->with_handler = true;
    http_conn_enter(c, CONN_WAIT, 0);
    c->server->cfg.handler.request(c->server->cfg.handler.ctx, &ex->req);
}

static bool body_take(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    size_t n = ex->body_left < c->in.len ? (size_t)ex->body_left : c->in.len;
    (void)bt_buf_add(&ex->body, c->in.data, n);
    bt_buf_consume(&c->in, n);
    ex->body_left -= n;
    if (ex->body_left == 0)
        hand_over(c); /* ex may be gone now */
    return true;
}

/* The sink's last call; what follows is the answer, by the handler when all has gone well. */
static void sink_end(struct http_exchange *ex, int rc)
{
    struct http_sink *sink = TAKE_PTR(ex->sink);
    sink->impl = NULL;
    ex->with_handler = rc == 0;
    sink->end(sink, &ex->req, rc);
}

static bool sink_take(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    size_t n = ex->body_left < c->in.len ? (size_t)ex->body_left : c->in.len;
    if (ex->sink_paused || (n == 0 && ex->body_left > 0))
        return false;
    struct bt_err err = BT_ERR_INIT;
    int rc = n ? ex->sink->chunk(ex->sink, c->in.data, n, &err) : 0;
    bt_buf_consume(&c->in, n);
    ex->body_left -= n;
    ex->sink_bytes += n;
    if (rc < 0) {
        c->state = CONN_WAIT;
        sink_end(ex, rc);
        refuse(c, 0, &err);
    } else if (rc > 0) {
        ex->sink_paused = true;
    } else if (ex->body_left == 0) {
        http_conn_enter(c, CONN_WAIT, 0);
        sink_end(ex, 0);
    }
    return true;
}

void http_sink_resume(struct http_sink *s)
{
    struct http_exchange *ex = s->impl;
    if (!ex)
        return;
    ex->sink_paused = false;
    ex->sink_bytes = 0;
    bt_timer_start(&ex->conn->deadline, request_deadline_ms(ex->conn));
    http_conn_kick(ex->conn);
}

static void expect_answer(struct http_conn *c)
{
    if (c->ex->head.expect_continue && c->ex->body_left > 0)
        (void)bt_buf_adds(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Ask the handler for a sink. True when the request went that way, or was answered. */
static bool sink_offer(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    const struct http_handler *h = &c->server->cfg.handler;
    if (!h->upload || ex->head.content_length < 0)
        return false;
    bool replied = false;
    ex->with_handler = true;
    http_conn_enter(c, CONN_WAIT, 0);
    struct http_sink *sink = h->upload(h->ctx, &ex->req, ex->body_left, &replied);
    if (replied || c->ex != ex)
        return true;
    ex->with_handler = false;
    if (!sink)
        return false;
    ex->sink = sink;
    sink->impl = ex;
    http_conn_enter(c, CONN_SINK, request_deadline_ms(c));
    expect_answer(c);
    return true;
}

/* ---- heads ---- */

static void head_dispatch(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    ex->body_left = ex->head.content_length > 0 ? (uint64_t)ex->head.content_length : 0;
    if (ex->head.close)
        c->close_after = true;
    if (ex->head.method == HTTP_OTHER) {
        refuse_text(c, 405, BT_E_METHOD_NOT_ALLOWED, "this method is not known");
    } else if (c->server->cfg.handler.websocket && http_ws_asked(ex)) {
        http_ws_upgrade(c);
    } else if (sink_offer(c)) {
        return;
    } else if (ex->body_left > HTTP_BODY_MAX) {
        refuse_text(c, 413, BT_E_TOO_LARGE, "the body is larger than 1 MiB");
    } else if (ex->body_left == 0) {
        hand_over(c);
    } else {
        expect_answer(c);
        http_conn_enter(c, CONN_BODY, request_deadline_ms(c));
    }
}

static bool head_take(struct http_conn *c)
{
    /* An empty line before a request is forgiven (RFC 9112 section 2.2). */
    while (c->scanned == 0 && c->in.len >= 2 && memcmp(c->in.data, "\r\n", 2) == 0)
        bt_buf_consume(&c->in, 2);
    if (c->in.len == 0 || (c->in.len == 1 && c->in.data[0] == '\r'))
        return false;
    if (!c->head_begun) {
        c->head_begun = true;
        int64_t whole = request_deadline_ms(c);
        bt_timer_start(&c->deadline, whole < HTTP_HEAD_MS ? whole : HTTP_HEAD_MS);
    }
    int n = http_head_end(c->in.data, c->in.len, &c->scanned);
    if (n == 0 && c->in.len < HTTP_HEAD_MAX)
        return false;
    struct http_exchange *ex = exchange_new(c, c->in.data, n > 0 ? (size_t)n : 0);
    if (n <= 0 || n > HTTP_HEAD_MAX) {
        if (n < 0)
            refuse_text(c, 400, BT_E_BAD_REQUEST, "this is not HTTP/1.1");
        else
            refuse_text(c, 431, BT_E_TOO_LARGE, "the head is larger than 16 KiB");
        return true;
    }
    bt_buf_consume(&c->in, (size_t)n);
    struct bt_err err = BT_ERR_INIT;
    if (http_head_parse(ex->head_text, (size_t)n, &ex->head, &err) < 0) {
        refuse(c, ex->head.status, &err);
        return true;
    }
    request_fill(ex);
    head_dispatch(c);
    return true;
}

bool http_exchange_process(struct http_conn *c)
{
    if (c->state == CONN_HEAD)
        return head_take(c);
    if (c->state == CONN_SINK)
        return sink_take(c);
    return c->in.len > 0 && body_take(c);
}

/* ---- ends before time ---- */

static void upload_look(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    uint64_t least = (uint64_t)request_deadline_ms(c) / 1000 * HTTP_UPLOAD_BYTES_PER_S;
    bool slow = !ex->sink_paused && ex->sink_bytes < least;
    ex->sink_bytes = 0;
    if (!slow) {
        bt_timer_start(&c->deadline, request_deadline_ms(c));
        return;
    }
    c->state = CONN_WAIT;
    sink_end(ex, -BT_E_TIMEOUT);
    refuse_text(c, 408, BT_E_TIMEOUT, "the upload is slower than 1 KiB/s");
}

void http_exchange_deadline(struct http_conn *c)
{
    if (c->state == CONN_HEAD && !c->head_begun) {
        http_conn_die(c);
        return;
    }
    if (c->state == CONN_SINK) {
        upload_look(c);
    } else {
        if (c->state == CONN_HEAD)
            (void)exchange_new(c, NULL, 0);
        refuse_text(c, 408, BT_E_TIMEOUT, "the request did not come in time");
    }
    http_conn_kick(c);
}

void http_exchange_drop(struct http_conn *c)
{
    struct http_exchange *ex = TAKE_PTR(c->ex);
    if (!ex)
        return;
    ex->conn = NULL;
    if (ex->sink)
        sink_end(ex, -BT_E_UNAVAILABLE);
    if (!ex->with_handler)
        http_exchange_free(ex);
}
