/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers: whole ones, and streams without an end. */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/http/http_conn.h"

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Status";
}

void http_exchange_free(struct http_exchange *ex)
{
    bt_buf_fini(&ex->body);
    free(ex->head_text);
    free(ex);
}

/* ---- heads of answers ---- */

static void date_add(struct http_conn *c)
{
    time_t now = (time_t)(bt_utc_ms(bt_loop_clock(c->server->cfg.loop)) / 1000);
    struct tm tm;
    char text[64];
    /* The C locale's names: setlocale is never called. */
    if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
        bt_buf_addf(&c->out, "date: %s\r\n", text);
}

static bool field_ok(const struct http_header *h)
{
    for (const char *p = h->value; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false; /* a line break would begin another field */
    }
    return true;
}

static bool has_field(const struct http_response *res, const char *name)
{
    for (size_t i = 0; i < res->n_headers; i++) {
        if (bt_streq(res->headers[i].name, name))
            return true;
    }
    return false;
}

static const char *type_of(const struct http_response *res)
{
    if (res->content_type)
        return res->content_type;
    return res->status >= 400 ? "application/problem+json" : "application/json";
}

void http_reply_head(struct http_conn *c, const struct http_request *req,
                     const struct http_response *res, int64_t length)
{
    struct bt_buf *out = &c->out;
    bool bodiless = res->status == 204 || res->status == 304;
    bt_buf_addf(out, "HTTP/1.1 %d %s\r\n", res->status, reason_of(res->status));
    date_add(c);
    if (!bodiless)
        bt_buf_addf(out, "content-type: %s\r\n", type_of(res));
    if (!bodiless && length >= 0)
        bt_buf_addf(out, "content-length: %lld\r\n", (long long)length);
    if (!has_field(res, "cache-control"))
        bt_buf_adds(out, "cache-control: no-store\r\n");
    bt_buf_addf(out, "x-content-type-options: nosniff\r\nx-request-id: %s\r\n", req->request_id);
    for (size_t i = 0; i < res->n_headers; i++) {
        if (field_ok(&res->headers[i]))
            bt_buf_addf(out, "%s: %s\r\n", res->headers[i].name, res->headers[i].value);
    }
    if (c->close_after)
        bt_buf_adds(out, "connection: close\r\n");
}

/* ---- whole answers ---- */

/* The exchange of @req leaves its connection, which is returned; NULL when that is gone. */
static struct http_conn *exchange_finish(struct http_exchange *ex)
{
    struct http_conn *c = ex->conn;
    if (!c || c->state == CONN_DEAD)
        return NULL;
    assert(c->ex == ex && c->state == CONN_WAIT && !ex->sink);
    if (ex->body_left > 0)
        c->close_after = true; /* answered before the body: it will not be read */
    return c;
}

static void reply(struct http_request *req, const struct http_response *res)
{
    struct http_exchange *ex = req->ctx;
    struct http_conn *c = exchange_finish(ex);
    if (c) {
        http_reply_head(c, req, res, (int64_t)res->body_len);
        bt_buf_adds(&c->out, "\r\n");
        bool bodiless = res->status == 204 || res->status == 304 || req->method == HTTP_HEAD;
        if (!bodiless && res->body_len)
            (void)bt_buf_add(&c->out, res->body, res->body_len);
        c->ex = NULL;
        http_conn_enter(c, CONN_REPLY, HTTP_STALL_MS);
        http_conn_kick(c);
    } else if (ex->conn) {
        ex->conn->ex = NULL;
    }
    http_exchange_free(ex);
}

/* ---- files ---- */

enum { FILE_FILL = 65536 };

bool http_reply_file_fill(struct http_conn *c)
{
    struct http_file *f = &c->file;
    if (f->length == 0)
        return false;
    bt_buf_reset(&c->out);
    c->out_at = 0;
    size_t want = f->length < FILE_FILL ? (size_t)f->length : FILE_FILL;
    char *room = bt_buf_reserve(&c->out, want);
    ssize_t n = pread(f->fd, room, want, (off_t)f->offset);
    if (n <= 0) {
        http_conn_die(c);
        return false;
    }
    bt_buf_commit(&c->out, (size_t)n);
    f->offset += (uint64_t)n;
    f->length -= (uint64_t)n;
    if (f->length == 0) {
        (void)close(f->fd);
        f->fd = -1;
    }
    return true;
}

static void reply_file(struct http_request *req, const struct http_response *res,
                       const struct http_file *file)
{
    struct http_exchange *ex = req->ctx;
    struct http_conn *c = exchange_finish(ex);
    bool bodiless = req->method == HTTP_HEAD || file->length == 0;
    if (c) {
        http_reply_head(c, req, res, (int64_t)file->length);
        bt_buf_adds(&c->out, "\r\n");
        if (!bodiless) {
            c->file = *file;
            (void)posix_fadvise(file->fd, (off_t)file->offset, (off_t)file->length,
                                POSIX_FADV_SEQUENTIAL);
        }
        c->ex = NULL;
        http_conn_enter(c, CONN_REPLY, HTTP_STALL_MS);
        http_conn_kick(c);
    } else if (ex->conn) {
        ex->conn->ex = NULL;
    }
    if (!c || bodiless)
        (void)close(file->fd);
    http_exchange_free(ex);
}

/* ---- streams ---- */

static struct http_stream *stream(struct http_request *req, const char *content_type)
{
    struct http_exchange *ex = req->ctx;
    struct http_conn *c = exchange_finish(ex);
    struct http_stream *s = NULL;
    if (c) {
        s = bt_xcalloc(1, sizeof(*s));
        s->chunked = ex->head.minor == 1;
        c->close_after = true;
        struct http_response res = {.status = 200, .content_type = content_type};
        if (s->chunked)
            res.headers[res.n_headers++] = (struct http_header){"transfer-encoding", "chunked"};
        http_reply_head(c, req, &res, -1);
        bt_buf_adds(&c->out, "\r\n");
        s->conn = c;
        c->stream = s;
        c->ex = NULL;
        http_conn_enter(c, CONN_STREAM, HTTP_STALL_MS);
        http_conn_kick(c);
    } else if (ex->conn) {
        ex->conn->ex = NULL;
    }
    http_exchange_free(ex);
    return s;
}

size_t http_stream_write(struct http_stream *s, const void *data, size_t n)
{
    struct http_conn *c = s->conn;
    if (c->state == CONN_DEAD || n == 0)
        return 0;
    if (s->chunked)
        bt_buf_addf(&c->out, "%zx\r\n", n);
    (void)bt_buf_add(&c->out, data, n);
    if (s->chunked)
        bt_buf_adds(&c->out, "\r\n");
    http_conn_kick(c);
    return http_conn_queued(c);
}

void http_stream_on_closed(struct http_stream *s, void (*closed)(void *ctx), void *ctx)
{
    s->closed = closed;
    s->ctx = ctx;
}

void http_stream_end(struct http_stream *s)
{
    struct http_conn *c = s->conn;
    c->stream = NULL;
    if (c->state != CONN_DEAD) {
        bt_buf_adds(&c->out, s->chunked ? "0\r\n\r\n" : "");
        http_conn_enter(c, CONN_REPLY, HTTP_STALL_MS);
        http_conn_kick(c);
    }
    free(s);
}

void http_stream_drop(struct http_conn *c)
{
    struct http_stream *s = TAKE_PTR(c->stream);
    if (!s)
        return;
    if (s->closed)
        s->closed(s->ctx);
    free(s);
}

const struct http_transport *http_reply_transport(void)
{
    static const struct http_transport wire = {
        .reply = reply, .stream = stream, .file = reply_file};
    return &wire;
}
