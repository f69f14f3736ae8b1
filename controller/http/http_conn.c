/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/http/http_conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/mem.h"

enum {
    READS_A_TURN = 4, /* of a record each: no peer holds the loop for long */
    WRITE_A_TURN = 256 * 1024,
    STEPS_A_TURN = 32, /* pipelined requests */
    LINGER_BYTES_MAX = 8 << 20,
    WS_QUEUE_READ_MAX = 2 << 20, /* a WebSocket peer that takes nothing is not read either */
};

int64_t http_conn_now_ms(const struct http_conn *c)
{
    return bt_mono_ms(bt_loop_clock(c->server->cfg.loop));
}

size_t http_conn_queued(const struct http_conn *c)
{
    return c->out.len - c->out_at;
}

void http_conn_kick(struct http_conn *c)
{
    if (c->state != CONN_DEAD && !c->working)
        bt_timer_start(&c->kick, 0);
}

void http_conn_enter(struct http_conn *c, enum http_conn_state state, int64_t deadline_ms)
{
    c->state = state;
    c->hushed = false;
    if (deadline_ms)
        bt_timer_start(&c->deadline, deadline_ms);
    else
        bt_timer_stop(&c->deadline);
}

void http_conn_die(struct http_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    http_conn_enter(c, CONN_DEAD, 0);
    bt_timer_stop(&c->kick);
    bt_watch_stop(&c->watch);
    bt_timer_start(&c->reap, 0);
}

static void on_reap(struct bt_timer *t)
{
    struct http_conn *c = BT_CONTAINER_OF(t, struct http_conn, reap);
    http_exchange_drop(c);
    http_stream_drop(c);
    http_ws_drop(c);
    if (!c->told_end)
        rpc_tls_shutdown(&c->tls);
    rpc_tls_fini(&c->tls);
    (void)close(c->fd);
    if (c->file.fd >= 0)
        (void)close(c->file.fd);
    bt_buf_fini(&c->in);
    bt_buf_fini(&c->out);
    bt_list_remove(&c->link);
    http_server_forget(c->server, c);
    free(c);
}

/* ---- what the descriptor is watched for ---- */

static bool wants_read(const struct http_conn *c)
{
    switch (c->state) {
    case CONN_TLS:
        return !rpc_tls_wants_write(&c->tls);
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_STREAM:
    case CONN_LINGER:
        return true;
    case CONN_SINK:
        return !c->ex->sink_paused;
    case CONN_WS:
        return !c->ws_paused && http_conn_queued(c) < WS_QUEUE_READ_MAX;
    case CONN_WAIT: /* to hush costs two system calls: only when there is something to hear */
        return !c->hushed;
    case CONN_REPLY:
    case CONN_DEAD:
        return false;
    }
    return false;
}

static void watch_update(struct http_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    bool write = http_conn_queued(c) > 0 || c->file.length > 0 ||
                 (c->state == CONN_TLS && rpc_tls_wants_write(&c->tls));
    int events = (wants_read(c) ? BT_READABLE : 0) | (write ? BT_WRITABLE : 0);
    if (events == c->watching)
        return;
    c->watching = events;
    if (bt_watch_start(&c->watch, c->server->cfg.loop, c->fd, events, NULL) < 0)
        http_conn_die(c);
}

/* ---- writing ---- */

/* All is written: the next request, or the end. */
static void flushed(struct http_conn *c)
{
    bt_buf_reset(&c->out);
    c->out_at = 0;
    if (c->out.cap > HTTP_LOW_WATER)
        bt_buf_fini(&c->out);
    if (c->state != CONN_REPLY)
        return;
    if (!c->close_after) {
        c->scanned = 0;
        c->head_begun = false;
        http_conn_enter(c, CONN_HEAD, HTTP_IDLE_MS);
    } else {
        rpc_tls_shutdown(&c->tls);
        c->told_end = true;
        (void)shutdown(c->fd, SHUT_WR);
        http_conn_enter(c, CONN_LINGER, HTTP_LINGER_MS);
    }
}

static void flush(struct http_conn *c)
{
    size_t sent = 0;
    if (c->out.overflow) {
        http_conn_die(c);
        return;
    }
    while (sent < WRITE_A_TURN && (http_conn_queued(c) > 0 || http_reply_file_fill(c))) {
        size_t n = http_conn_queued(c);
        int rc = rpc_tls_write(&c->tls, c->out.data + c->out_at,
                               n > HTTP_RECORD_MAX ? HTTP_RECORD_MAX : n);
        if (rc == RPC_TLS_AGAIN)
            break;
        if (rc < 0) {
            http_conn_die(c);
            return;
        }
        c->out_at += (size_t)rc;
        sent += (size_t)rc;
    }
    if (sent == 0 || c->state == CONN_DEAD)
        return;
    c->progress_ms = http_conn_now_ms(c);
    if (c->state == CONN_REPLY)
        bt_timer_start(&c->deadline, HTTP_STALL_MS);
    if (http_conn_queued(c) == 0 && c->file.length == 0)
        flushed(c);
    if (c->ws)
        http_ws_sent(c);
}

/* ---- reading ---- */

/* In WAIT and REPLY the next request stays in the socket, and a half-closed peer gets its answer.
 */
static bool may_fill(const struct http_conn *c)
{
    /* Many small frames: work() ends its turn with some left, and they are read for later. */
    bool room = c->in.max - c->in.len >= HTTP_RECORD_MAX;
    return c->state != CONN_TLS && c->state != CONN_WAIT && c->state != CONN_LINGER &&
           wants_read(c) && room;
}

/* One record into `in`; false when there is none. */
static bool fill(struct http_conn *c)
{
    char *room = bt_buf_reserve(&c->in, HTTP_RECORD_MAX);
    assert(room); /* every state consumes, or is not read for */
    int rc = rpc_tls_read(&c->tls, room, HTTP_RECORD_MAX);
    if (rc == RPC_TLS_AGAIN)
        return false;
    if (rc < 0) {
        http_conn_die(c);
        return false;
    }
    bt_buf_commit(&c->in, (size_t)rc);
    c->heard_ms = http_conn_now_ms(c);
    return true;
}

/* Take a step with what is in `in`; false when more is needed first. */
static bool process(struct http_conn *c)
{
    switch (c->state) {
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_SINK:
        return http_exchange_process(c);
    case CONN_WS:
        return http_ws_process(c);
    case CONN_STREAM: /* nothing is expected from a listener; its end is noticed */
        bt_buf_reset(&c->in);
        return false;
    case CONN_TLS:
    case CONN_WAIT:
    case CONN_REPLY:
    case CONN_LINGER:
    case CONN_DEAD:
        return false;
    }
    return false;
}

/* Answer what is there: a step may queue an answer, and writing it may open the way for the next.
 */
static void work(struct http_conn *c)
{
    int step = 0;
    enum http_conn_state before = c->state;
    c->working = true;
    while (c->state != CONN_DEAD && step++ < STEPS_A_TURN) {
        before = c->state;
        bool moved = process(c);
        if (c->state != CONN_DEAD)
            flush(c);
        if (!moved && c->state == before)
            break;
    }
    c->working = false;
    if (step > STEPS_A_TURN)
        http_conn_kick(c);
    if (c->state != CONN_DEAD && c->in.len == 0 && c->in.cap > 4096)
        bt_buf_fini(&c->in);
}

static void linger(struct http_conn *c)
{
    char scrap[16384];
    size_t total = 0;
    for (;;) {
        ssize_t n = recv(c->fd, scrap, sizeof(scrap), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || total > LINGER_BYTES_MAX)
            http_conn_die(c);
        if (n <= 0)
            return;
        total += (size_t)n;
    }
}

/* A browser or curl with http:// in front: say so in the language that it speaks. */
static void refuse_plain(struct http_conn *c)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"
                               "content-type: text/plain\r\ncontent-length: 38\r\n\r\n"
                               "This port speaks HTTPS: use https://\r\n";
    (void)send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    c->told_end = true;
    (void)shutdown(c->fd, SHUT_WR);
    http_conn_enter(c, CONN_LINGER, HTTP_LINGER_MS);
}

static void handshake(struct http_conn *c)
{
    int rc = rpc_tls_handshake(&c->tls);
    if (rc == RPC_TLS_AGAIN)
        return;
    if (rc == RPC_TLS_PLAIN)
        refuse_plain(c);
    else if (rc < 0)
        http_conn_die(c);
    else
        http_conn_enter(c, CONN_HEAD, HTTP_HEAD_MS);
}

static void on_event(struct bt_watch *w, int events)
{
    struct http_conn *c = BT_CONTAINER_OF(w, struct http_conn, watch);
    if (c->state == CONN_TLS)
        handshake(c);
    else if (c->state == CONN_LINGER)
        linger(c);
    else if (c->state == CONN_WAIT && events & BT_READABLE)
        c->hushed = true;
    work(c);
    for (int i = 0; i < READS_A_TURN && events & BT_READABLE; i++) {
        if (!may_fill(c) || !fill(c))
            break;
        work(c);
    }
    watch_update(c);
}

static void on_kick(struct bt_timer *t)
{
    struct http_conn *c = BT_CONTAINER_OF(t, struct http_conn, kick);
    flush(c);
    work(c);
    watch_update(c);
}

static void on_deadline(struct bt_timer *t)
{
    struct http_conn *c = BT_CONTAINER_OF(t, struct http_conn, deadline);
    switch (c->state) {
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_SINK:
        http_exchange_deadline(c);
        break;
    case CONN_WS:
        http_ws_tick(c);
        break;
    case CONN_STREAM:
        if (http_conn_queued(c) && http_conn_now_ms(c) - c->progress_ms > HTTP_STALL_MS)
            http_conn_die(c);
        else
            bt_timer_start(&c->deadline, HTTP_STALL_MS);
        break;
    case CONN_TLS:
    case CONN_REPLY:
    case CONN_LINGER:
        http_conn_die(c);
        break;
    case CONN_WAIT:
    case CONN_DEAD:
        break;
    }
    watch_update(c);
}

void http_conn_new(struct http_server *s, int fd, const struct bt_ip *peer)
{
    struct http_conn *c = bt_xcalloc(1, sizeof(*c));
    c->server = s;
    c->fd = fd;
    c->file.fd = -1;
    c->peer = *peer;
    (void)bt_ip_str(peer, c->peer_ip);
    c->watch.cb = on_event;
    c->in = BT_BUF(HTTP_HEAD_MAX + 2 * HTTP_RECORD_MAX);
    c->out = BT_BUF(HTTP_OUT_MAX);
    bt_timer_init(&c->deadline, s->cfg.loop, on_deadline);
    bt_timer_init(&c->kick, s->cfg.loop, on_kick);
    bt_timer_init(&c->reap, s->cfg.loop, on_reap);
    bt_list_init(&c->link);
    bt_list_push(&s->conns, &c->link);
    c->progress_ms = http_conn_now_ms(c);
    int on = 1; /* answers go out whole: nothing to gather */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (rpc_tls_init(&c->tls, s->tls, fd, NULL, NULL) < 0) {
        http_conn_die(c);
        return;
    }
    http_conn_enter(c, CONN_TLS, HTTP_HANDSHAKE_MS);
    watch_update(c);
}
