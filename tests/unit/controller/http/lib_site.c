/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/controller/http/lib_site.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/crypto/x509.h"
#include "controller/http/http_problem.h"

#include <cmocka.h>

/* ---- pages ---- */

static void say(struct http_request *req, int status, const char *text)
{
    struct http_response res = {.status = status, .body = text, .body_len = strlen(text)};
    http_reply(req, &res);
}

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static void page_echo(struct site *s, struct http_request *req)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(4u << 20);
    char q[64] = "-";
    (void)http_query(req, "q", q, sizeof(q));
    bt_buf_addf(&b, "%s %s?%s q=%s key=%s type=%s ip=%s body=%zu:", http_method_str(req->method),
                req->path, req->query, q, or_dash(req->idempotency_key), or_dash(req->content_type),
                req->peer_ip, req->body_len);
    bt_buf_add(&b, req->body, req->body_len < 64 ? req->body_len : 64);
    (void)http_peer_cert(req, s->serial, sizeof(s->serial), s->cn, sizeof(s->cn));
    say(req, 200, b.data);
}

static void page_big(struct site *s, struct http_request *req)
{
    (void)s;
    char text[32] = "0";
    int64_t n = 0;
    (void)http_query(req, "n", text, sizeof(text));
    assert_int_equal(bt_parse_i64(text, 0, 64 << 20, &n, NULL), 0);
    _cleanup_free_ char *body = bt_xmalloc((size_t)n + 1);
    memset(body, 'x', (size_t)n);
    struct http_response res = {.status = 200, .body = body, .body_len = (size_t)n};
    res.headers[res.n_headers++] = (struct http_header){"x-evil", "a\r\nset-cookie: b"};
    http_reply(req, &res);
}

struct later {
    struct bt_list link;
    struct bt_timer timer;
    struct http_request *req;
    struct http_stream *stream;
    struct site *site;
    int left;
};

static void later_free(struct later *l)
{
    bt_timer_stop(&l->timer);
    bt_list_remove(&l->link);
    free(l);
}

static struct later *later_new(struct site *s, struct http_request *req,
                               void (*cb)(struct bt_timer *t), int64_t ms)
{
    struct later *l = bt_xcalloc(1, sizeof(*l));
    l->req = req;
    l->site = s;
    bt_list_init(&l->link);
    bt_list_push(&s->later, &l->link);
    bt_timer_init(&l->timer, s->loop, cb);
    bt_timer_start(&l->timer, ms);
    return l;
}

static void on_slow(struct bt_timer *t)
{
    struct later *l = BT_CONTAINER_OF(t, struct later, timer);
    say(l->req, 200, "slow");
    later_free(l);
}

static void page_slow(struct site *s, struct http_request *req)
{
    char text[32] = "300";
    int64_t ms = 0;
    (void)http_query(req, "ms", text, sizeof(text));
    assert_int_equal(bt_parse_i64(text, 0, 60000, &ms, NULL), 0);
    (void)later_new(s, req, on_slow, ms);
}

static void on_event_time(struct bt_timer *t)
{
    struct later *l = BT_CONTAINER_OF(t, struct later, timer);
    if (l->left-- == 0) {
        http_stream_end(l->stream);
        later_free(l);
        return;
    }
    char text[64];
    snprintf(text, sizeof(text), "id: %d\ndata: hello\n\n", l->left);
    (void)http_stream_write(l->stream, text, strlen(text));
    bt_timer_start(&l->timer, 20);
}

static void on_stream_closed(void *ctx)
{
    struct later *l = ctx;
    l->site->streams_closed++;
    later_free(l);
}

static void page_stream(struct site *s, struct http_request *req)
{
    char text[32] = "3";
    int64_t n = 0;
    (void)http_query(req, "n", text, sizeof(text));
    assert_int_equal(bt_parse_i64(text, 0, 1000000, &n, NULL), 0);
    struct http_stream *st = req->transport->stream(req, "text/event-stream");
    if (!st)
        return;
    struct later *l = later_new(s, NULL, on_event_time, 0);
    l->stream = st;
    l->left = (int)n;
    http_stream_on_closed(st, on_stream_closed, l);
}

static void page_file(struct site *s, struct http_request *req)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/blob", s->dir);
    struct stat st;
    struct http_file f = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (f.fd < 0 || fstat(f.fd, &st) < 0)
        fail_msg("no %s", path);
    f.length = (uint64_t)st.st_size;
    struct http_response res = {.status = 200, .content_type = "application/octet-stream"};
    char text[64];
    int64_t from = 0;
    if (req->range && bt_strcpy(text, sizeof(text), req->range + strlen("bytes="))) {
        text[strcspn(text, "-")] = '\0';
        assert_int_equal(bt_parse_i64(text, 0, (int64_t)f.length, &from, NULL), 0);
        f.offset = (uint64_t)from;
        res.status = 206;
        snprintf(text, sizeof(text), "bytes %lu-%lu/%lu", f.offset, f.length - 1, f.length);
        res.headers[res.n_headers++] = (struct http_header){"content-range", text};
        f.length -= f.offset;
    }
    req->transport->file(req, &res, &f);
}

static void page_locked(struct site *s, struct http_request *req)
{
    (void)s;
    struct bt_err err = BT_ERR_INIT;
    struct bt_field_errors fields = {0};
    (void)bt_fail(&err, BT_E_LOCKED, "held by \"start\"");
    bt_hint(&err, "wait");
    bt_field_error_add(&fields, "limits.memory_bytes", "range", "too small");
    http_problem_reply(req, &(struct http_problem){.err = &err, .fields = &fields, .task = 7});
}

static void on_request(void *ctx, struct http_request *req)
{
    static const struct {
        const char *prefix;
        void (*page)(struct site *s, struct http_request *req);
    } pages[] = {
        {"/big", page_big},   {"/slow", page_slow},     {"/stream", page_stream},
        {"/file", page_file}, {"/locked", page_locked}, {"/", page_echo},
    };
    struct site *s = ctx;
    s->requests++;
    for (size_t i = 0; i < BT_ARRAY_LEN(pages); i++) {
        if (bt_starts_with(req->path, pages[i].prefix)) {
            pages[i].page(s, req);
            return;
        }
    }
}

/* ---- uploads: answers with length and SHA-256 ---- */

struct upload {
    struct http_sink sink;
    struct site *site;
    struct bt_sha256_ctx sha;
    uint64_t bytes, fail_at;
    bool pauses, sleeps;
    struct bt_timer resume;
};

static void on_resume(struct bt_timer *t)
{
    http_sink_resume(&BT_CONTAINER_OF(t, struct upload, resume)->sink);
}

static int on_chunk(struct http_sink *sink, const void *data, size_t n, struct bt_err *err)
{
    struct upload *u = BT_CONTAINER_OF(sink, struct upload, sink);
    assert_false(bt_timer_running(&u->resume)); /* paused means paused */
    bt_sha256_add(&u->sha, data, n);
    u->bytes += n;
    if (u->fail_at && u->bytes >= u->fail_at)
        return bt_fail(err, BT_E_STORAGE_FULL, "disk full after %llu",
                       (unsigned long long)u->bytes);
    if (u->sleeps) { /* the disk is slow, not the peer */
        bt_timer_start(&u->resume, 3000);
        return 1;
    }
    if (u->pauses && u->bytes % 7 == 0) {
        bt_timer_start(&u->resume, 1);
        return 1;
    }
    return 0;
}

static void on_end(struct http_sink *sink, struct http_request *req, int rc)
{
    struct upload *u = BT_CONTAINER_OF(sink, struct upload, sink);
    unsigned char hash[BT_SHA256_LEN];
    char hex[2 * BT_SHA256_LEN + 1], text[128];
    bt_sha256_end(&u->sha, hash);
    bt_hex(hash, sizeof(hash), hex);
    snprintf(text, sizeof(text), "%llu %s", (unsigned long long)u->bytes, hex);
    bt_timer_stop(&u->resume);
    u->site->sinks_ok += rc == 0;
    u->site->sinks_failed += rc < 0;
    if (rc == 0)
        say(req, 201, text);
    free(u);
}

static struct http_sink *on_upload(void *ctx, struct http_request *req, uint64_t content_length,
                                   bool *replied)
{
    struct site *s = ctx;
    if (!bt_starts_with(req->path, "/upload"))
        return NULL;
    if (content_length > 1u << 30) {
        struct bt_err err = BT_ERR_INIT;
        (void)bt_fail(&err, BT_E_TOO_LARGE, "images have at most 1 GiB");
        http_problem(req, &err);
        *replied = true;
        return NULL;
    }
    struct upload *u = bt_xcalloc(1, sizeof(*u));
    u->sink = (struct http_sink){.chunk = on_chunk, .end = on_end};
    u->site = s;
    u->pauses = bt_streq(req->path, "/upload/pause");
    u->sleeps = bt_streq(req->path, "/upload/sleep");
    u->fail_at = bt_streq(req->path, "/upload/fail") ? 100000 : 0;
    bt_sha256_init(&u->sha);
    bt_timer_init(&u->resume, s->loop, on_resume);
    return &u->sink;
}

/* ---- WebSockets: echo, with a few commands ---- */

struct talk {
    struct http_ws ws;
    struct site *site;
    int flood;
};

static void flood(struct talk *t)
{
    static const char block[10000];
    while (t->flood > 0 && http_ws_send(&t->ws, block, sizeof(block), true) < 200000)
        t->flood--;
}

static void on_message(struct http_ws *ws, const void *data, size_t n, bool binary)
{
    struct talk *t = ws->ctx;
    assert_int_equal(((const char *)data)[n], 0);
    if (!binary && bt_streq(data, "close")) {
        http_ws_close(ws, 4001);
    } else if (!binary && bt_streq(data, "flood")) {
        t->flood = 1000;
        flood(t);
    } else {
        (void)http_ws_send(ws, data, n, binary);
    }
}

static void on_writable(struct http_ws *ws)
{
    flood(ws->ctx);
}

static void on_ws_closed(struct http_ws *ws)
{
    struct talk *t = ws->ctx;
    t->site->ws_closed++;
    free(t);
}

static struct http_ws *on_websocket(void *ctx, const struct http_request *req, const char *protocol,
                                    struct bt_err *err)
{
    struct site *s = ctx;
    (void)http_peer_cert(req, s->serial, sizeof(s->serial), s->cn, sizeof(s->cn));
    if (bt_streq(protocol, "bad-ticket")) {
        (void)bt_fail(err, BT_E_DENIED, "ticket is not valid");
        return NULL;
    }
    struct talk *t = bt_xcalloc(1, sizeof(*t));
    t->site = s;
    t->ws = (struct http_ws){
        .message = on_message, .writable = on_writable, .closed = on_ws_closed, .ctx = t};
    s->ws_opened++;
    return &t->ws;
}

/* ---- certificates ---- */

static void put(const struct site *s, const char *name, const char *suffix, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s%s", s->dir, name, suffix);
    assert_int_equal(bt_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static char *get(const struct site *s, const char *name)
{
    char path[160];
    struct bt_buf b = BT_BUF(65536);
    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    assert_int_equal(bt_read_file(AT_FDCWD, path, 65536, &b, NULL), 0);
    return bt_buf_take(&b);
}

static void make_ca(struct site *s, const char *name)
{
    _cleanup_free_ char *key = NULL, *cert = NULL;
    int64_t now = bt_utc_ms(bt_clock_real());
    assert_int_equal(bt_x509_key_new(&key, NULL), 0);
    assert_int_equal(bt_x509_ca_new(key, name, now, 100, &cert, NULL), 0);
    put(s, name, ".key", key);
    put(s, name, ".crt", cert);
}

void site_server_cert(struct site *s, const char *ca_name)
{
    static const char *const sans[] = {"DNS:localhost", "IP:127.0.0.1", NULL};
    _cleanup_free_ char *key_name = bt_xasprintf("%s.key", ca_name),
                        *crt_name = bt_xasprintf("%s.crt", ca_name);
    _cleanup_free_ char *ca_key = get(s, key_name), *ca = get(s, crt_name),
                        *ours = get(s, "ca.crt"), *key = NULL, *cert = NULL;
    assert_int_equal(bt_x509_key_new(&key, NULL), 0);
    struct bt_x509_issue how = {ca, ca_key, "berthd", bt_utc_ms(bt_clock_real()), 10};
    assert_int_equal(bt_x509_server_new(&how, key, sans, &cert, NULL), 0);
    _cleanup_free_ char *chain = bt_xasprintf("%s%s", cert, ours);
    put(s, "server", ".crt", chain);
    put(s, "server", ".key", key);
}

void site_client_cert(struct site *s, const char *name, const char *cn, bool foreign)
{
    _cleanup_free_ char *ca_key = get(s, foreign ? "foreign.key" : "ca.key"),
                        *ca = get(s, foreign ? "foreign.crt" : "ca.crt"), *key = NULL, *csr = NULL,
                        *cert = NULL;
    assert_int_equal(bt_x509_key_new(&key, NULL), 0);
    assert_int_equal(bt_x509_csr_new(key, cn, &csr, NULL), 0);
    struct bt_x509_issue how = {ca, ca_key, cn, bt_utc_ms(bt_clock_real()), 10};
    assert_int_equal(bt_x509_client_sign(&how, csr, &cert, NULL, NULL), 0);
    put(s, name, ".key", key);
    put(s, name, ".crt", cert);
}

/* ---- life ---- */

void site_start(struct site *s, bool mtls)
{
    static const char *const listen_on[] = {"127.0.0.1", NULL};
    *s = (struct site){0};
    struct bt_err err = BT_ERR_INIT;
    s->loop = bt_loop_new(&err);
    assert_non_null(s->loop);
    bt_list_init(&s->later);
    snprintf(s->dir, sizeof(s->dir), "/tmp/berth-http-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    make_ca(s, "ca");
    make_ca(s, "foreign");
    site_server_cert(s, "ca");
    char cert[128], key[128], ca[128];
    snprintf(cert, sizeof(cert), "%s/server.crt", s->dir);
    snprintf(key, sizeof(key), "%s/server.key", s->dir);
    snprintf(ca, sizeof(ca), "%s/ca.crt", s->dir);
    s->cfg = (struct http_config){.loop = s->loop,
                                  .listen = listen_on,
                                  .cert_file = cert,
                                  .key_file = key,
                                  .client_ca_file = mtls ? ca : NULL,
                                  .handler = {.ctx = s,
                                              .request = on_request,
                                              .upload = on_upload,
                                              .websocket = on_websocket},
                                  .request_deadline_ms = 2000,
                                  .ping_ms = 300,
                                  .max_connections_per_ip = 20};
    if (http_server_start(&s->cfg, &s->server, &err) < 0)
        fail_msg("%s", err.msg);
}

static void on_stopped(void *ctx)
{
    struct site *s = ctx;
    s->server = NULL;
    bt_loop_stop(s->loop);
}

void site_stop(struct site *s)
{
    http_server_stop(s->server, on_stopped, s);
    bt_loop_run(s->loop);
    assert_null(s->server);
    BT_LIST_FOREACH(l, &s->later) { /* the handler still has these requests */
        struct later *it = BT_CONTAINER_OF(l, struct later, link);
        if (it->req)
            say(it->req, 200, "late");
        later_free(it);
    }
    bt_loop_free(s->loop);
    assert_int_equal(s->ws_opened, s->ws_closed);
    assert_int_equal(bt_remove_tree(AT_FDCWD, s->dir, NULL), 0);
}

static void on_turned(struct bt_timer *t)
{
    bt_loop_stop(t->loop);
}

void site_turn(struct site *s, int64_t ms)
{
    struct bt_timer t;
    bt_timer_init(&t, s->loop, on_turned);
    bt_timer_start(&t, ms);
    bt_loop_run(s->loop);
}

struct run {
    struct bt_child child;
    struct site *site;
};

static void on_exit_client(struct bt_child *child, int status, int signum)
{
    struct run *r = BT_CONTAINER_OF(child, struct run, child);
    r->site->child_status = signum ? 128 + signum : status;
    bt_loop_stop(r->site->loop);
}

static void run(struct site *s, const char *const *argv)
{
    char port[16], env_port[32], env_dir[128];
    snprintf(port, sizeof(port), "%d", http_server_port(s->server));
    snprintf(env_port, sizeof(env_port), "PORT=%s", port);
    snprintf(env_dir, sizeof(env_dir), "DIR=%s", s->dir);
    const char *envp[] = {env_port, env_dir, "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    int fds[] = {-1, 2, 2};
    struct run r = {.child.on_exit = on_exit_client, .site = s};
    struct bt_spawn spawn = {.argv = argv, .envp = envp, .fds = fds, .n_fds = 3};
    assert_int_equal(bt_child_spawn(&r.child, s->loop, &spawn, NULL), 0);
    s->child_status = -1;
    bt_loop_run(s->loop);
    if (s->child_status != 0)
        fail_msg("%s ended with %d", argv[2], s->child_status);
}

void site_client(struct site *s, const char *test_case)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", http_server_port(s->server));
    _cleanup_free_ char *script = bt_xasprintf("%s", __FILE__);
    char *slash = strrchr(script, '/');
    snprintf(slash, strlen(slash) + 1, "/");
    _cleanup_free_ char *path = bt_xasprintf("%sclient.py", script);
    run(s, (const char *const[]){"/usr/bin/python3", path, test_case, port, s->dir, NULL});
}

void site_shell(struct site *s, const char *script)
{
    /* "X && exit 9" says what must fail: set -e does not look at "! X" */
    _cleanup_free_ char *text = bt_xasprintf("%s\ntrue", script);
    run(s, (const char *const[]){"/bin/sh", "-euc", text, NULL});
}
