/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/crypto.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_lane.h"
#include "common/rpc/rpc_resolve.h"
#include "common/rpc/rpc_tls.h"
#include "common/rpc/rpc_upgrade.h"

/*
 *   IDLE -> RESOLVE -> CONNECT -> HANDSHAKE -> UPGRADE -> OPEN -> CLOSING -> ENDING -> IDLE
 *
 * Every state may go to ENDING, from which failed() (before OPEN) or closed() is called by a timer.
 * One deadline covers everything before OPEN: a server that wants a client certificate may say so
 * only after a TLS 1.3 handshake that looked done, or never. Sockets are touched from events and
 * timers only; calls of the owner's queue and kick.
 */
enum client_state {
    CLIENT_IDLE,
    CLIENT_RESOLVE,
    CLIENT_CONNECT,
    CLIENT_HANDSHAKE,
    CLIENT_UPGRADE,
    CLIENT_OPEN,
    CLIENT_CLOSING,
    CLIENT_ENDING,
};

enum {
    CONNECT_DEADLINE_MS = 10000,
    PING_MS = 15000,
    CLOSE_MS = 3000, /* until the peer answers our close */
    RECORD_MAX = 16384,
    OUT_MAX = 64 << 20,
    READS_A_TURN = 4,
    WRITE_A_TURN = 256 * 1024,
};

struct rpc_client {
    struct rpc_client_config cfg; /* strings owned */
    struct rpc_url url;
    struct rpc_dialer dialer;
    SSL_CTX *ctx;
    enum client_state state;
    bool was_open;
    struct bt_err why;

    struct rpc_peer *peer;
    void (*opened)(struct rpc_peer *p);
    void (*failed)(struct rpc_peer *p, const struct bt_err *err);

    struct rpc_resolver resolver;
    struct rpc_addrs addrs;
    size_t next_addr;
    int fd;
    struct bt_watch watch;
    int watching;
    struct rpc_tls tls;
    struct rpc_upgrade upgrade;

    struct bt_buf in, out;
    size_t out_at;
    struct rpc_lane lane;
    bool over; /* the low-water mark was passed */
    struct rpc_frame_in frames;
    int64_t heard_ms;
    struct bt_timer deadline, ping, kick, finish;

    bool freeing;
    void (*freed)(void *ctx);
    void *freed_ctx;
};

static const struct rpc_peer_ops client_ops;

static int64_t now_ms(const struct rpc_client *c)
{
    return bt_mono_ms(bt_loop_clock(c->cfg.loop));
}

static size_t out_queued(const struct rpc_client *c)
{
    return c->out.len - c->out_at;
}

static size_t queued(const struct rpc_client *c)
{
    return out_queued(c) + c->lane.bytes;
}

static bool has_socket(const struct rpc_client *c)
{
    return c->state >= CLIENT_CONNECT && c->state <= CLIENT_CLOSING;
}

static void kick(struct rpc_client *c)
{
    if (has_socket(c))
        bt_timer_start(&c->kick, 0);
}

/* ---- ends ---- */

static void socket_close(struct rpc_client *c)
{
    bt_watch_stop(&c->watch);
    c->watching = 0;
    if (c->tls.ssl)
        rpc_tls_shutdown(&c->tls);
    rpc_tls_fini(&c->tls);
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}

/* The connection is over because of @why; the owner is told from the loop. */
static void end_with(struct rpc_client *c, const struct bt_err *why)
{
    if (c->state == CLIENT_IDLE || c->state == CLIENT_ENDING)
        return;
    c->why = *why;
    c->state = CLIENT_ENDING;
    bt_timer_stop(&c->deadline);
    bt_timer_stop(&c->ping);
    bt_timer_stop(&c->kick);
    bt_watch_stop(&c->watch);
    bt_timer_start(&c->finish, 0);
}

static void end(struct rpc_client *c, enum bt_code code, const char *text)
{
    struct bt_err why = BT_ERR_INIT;
    (void)bt_fail(&why, code, "%s", text);
    end_with(c, &why);
}

static void end_tls(struct rpc_client *c, int rc)
{
    struct bt_err why = BT_ERR_INIT;
    if (rc == RPC_TLS_EOF)
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "closed by the peer");
    else
        (void)rpc_tls_why(&c->tls, &why);
    end_with(c, &why);
}

static void client_fini(struct rpc_client *c)
{
    void (*freed)(void *) = c->freed;
    void *ctx = c->freed_ctx;
    rpc_resolver_fini(&c->resolver);
    SSL_CTX_free(c->ctx);
    free((void *)c->cfg.url);
    free((void *)c->cfg.ca_file);
    free((void *)c->cfg.cert_file);
    free((void *)c->cfg.key_file);
    free((void *)c->cfg.subprotocol);
    if (c->cfg.authorization)
        bt_erase((void *)c->cfg.authorization, strlen(c->cfg.authorization));
    free((void *)c->cfg.authorization);
    free(c);
    if (freed)
        freed(ctx);
}

static void on_finish(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, finish);
    struct rpc_peer *p = TAKE_PTR(c->peer);
    struct bt_err why = c->why;
    socket_close(c);
    bt_buf_fini(&c->in);
    bt_buf_fini(&c->out);
    c->out_at = 0;
    rpc_lane_fini(&c->lane);
    rpc_frame_fini(&c->frames);
    c->state = CLIENT_IDLE;
    if (p) {
        void (*told)(struct rpc_peer *, const struct bt_err *) =
            c->was_open ? p->closed : c->failed;
        p->impl = NULL;
        told(p, &why); /* may dial again, or free us: then the timer below runs */
    }
    if (c->freeing && c->state == CLIENT_IDLE && !c->resolver.busy && !bt_timer_running(t))
        client_fini(c);
}

/* ---- sending ---- */

static void frame_out(struct rpc_client *c, enum rpc_opcode op, const void *data, size_t n)
{
    unsigned char mask[4];
    bt_random_fill(bt_random_real(), mask, sizeof(mask));
    (void)rpc_frame_emit(op, mask, data, n, &c->out);
}

static void feed(struct rpc_client *c, bool all)
{
    while (out_queued(c) < RPC_LOW_WATER || all) {
        _cleanup_free_ struct rpc_chunk *chunk = rpc_lane_pop(&c->lane);
        if (!chunk)
            return;
        frame_out(c, RPC_OP_BINARY, chunk->data, chunk->len);
    }
}

static size_t sent(struct rpc_client *c)
{
    if (queued(c) >= RPC_LOW_WATER)
        c->over = true;
    kick(c);
    return queued(c);
}

static size_t client_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct rpc_client *c = p->impl;
    assert(len <= RPC_TEXT_MAX);
    if (!c || c->state != CLIENT_OPEN)
        return 0;
    frame_out(c, RPC_OP_TEXT, json, len);
    return sent(c);
}

static size_t client_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    struct rpc_client *c = p->impl;
    if (!c || c->state != CLIENT_OPEN)
        return 0;
    rpc_lane_push(&c->lane, c->cfg.raw_binary, stream, data, len);
    return sent(c);
}

static void close_out(struct rpc_client *c, int code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    frame_out(c, RPC_OP_CLOSE, payload, sizeof(payload));
}

static void client_close(struct rpc_peer *p)
{
    struct rpc_client *c = p->impl;
    if (!c || c->state == CLIENT_CLOSING)
        return;
    if (c->state != CLIENT_OPEN) {
        end(c, BT_E_CANCELLED, "closed by us");
        return;
    }
    feed(c, true);
    close_out(c, RPC_CLOSE_NORMAL);
    c->state = CLIENT_CLOSING;
    bt_timer_stop(&c->ping);
    bt_timer_start(&c->deadline, CLOSE_MS);
    kick(c);
}

static const struct rpc_peer_ops client_ops = {
    .send_text = client_text, .send_binary = client_binary, .close = client_close};

/* ---- receiving ---- */

static void on_binary(struct rpc_client *c, const struct rpc_frame *f)
{
    uint32_t stream = 0;
    const void *data = f->data;
    size_t len = f->len;
    if (!c->cfg.raw_binary) {
        if (!rpc_lane_split(f->data, f->len, &stream, &data)) {
            end(c, BT_E_PROTOCOL, "a binary message without stream");
            return;
        }
        len -= 4;
    }
    if (c->peer->binary)
        c->peer->binary(c->peer, stream, data, len);
}

static void on_close_frame(struct rpc_client *c, const struct rpc_frame *f)
{
    int code = rpc_frame_close_code(f->data, f->len);
    struct bt_err why = BT_ERR_INIT;
    if (c->state == CLIENT_CLOSING)
        (void)bt_fail(&why, BT_E_CANCELLED, "closed by us");
    else if (f->len > 2)
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "closed by the peer (%d): %.123s", code, f->data + 2);
    else
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "closed by the peer (%d)", code);
    if (c->state == CLIENT_OPEN) {
        close_out(c, code == RPC_CLOSE_NO_CODE ? RPC_CLOSE_NORMAL : code);
        (void)rpc_tls_write(&c->tls, c->out.data + c->out_at,
                            out_queued(c)); /* if it goes at once */
    }
    end_with(c, &why);
}

static void on_frame(struct rpc_client *c, const struct rpc_frame *f)
{
    switch (f->opcode) {
    case RPC_OP_TEXT:
        if (c->state == CLIENT_OPEN)
            c->peer->text(c->peer, f->data, f->len);
        return;
    case RPC_OP_BINARY:
        if (c->state == CLIENT_OPEN)
            on_binary(c, f);
        return;
    case RPC_OP_PING:
        if (c->state == CLIENT_OPEN)
            frame_out(c, RPC_OP_PONG, f->data, f->len);
        return;
    case RPC_OP_CLOSE:
        on_close_frame(c, f);
        return;
    case RPC_OP_PONG:
    case RPC_OP_CONTINUATION:
        return;
    }
}

static void frames_take(struct rpc_client *c)
{
    while (has_socket(c) && c->in.len > 0) {
        struct rpc_frame f;
        size_t used = 0;
        int rc = rpc_frame_feed(&c->frames, c->in.data, c->in.len, &used, &f);
        bt_buf_consume(&c->in, used);
        if (rc < 0)
            end(c, BT_E_PROTOCOL, "the peer breaks the rules of WebSocket");
        else if (rc > 0)
            on_frame(c, &f);
    }
}

static void upgrade_take(struct rpc_client *c)
{
    size_t used = 0;
    struct bt_err why = BT_ERR_INIT;
    int rc = c->in.len ? rpc_upgrade_parse(&c->upgrade, c->in.data, c->in.len, &used, &why) : 0;
    if (rc < 0)
        end_with(c, &why);
    if (rc <= 0)
        return;
    bt_buf_consume(&c->in, used);
    rpc_frame_init(&c->frames, false);
    c->state = CLIENT_OPEN;
    c->was_open = true;
    bt_timer_stop(&c->deadline);
    bt_timer_start(&c->ping, c->cfg.ping_ms);
    c->opened(c->peer);
}

/* ---- the socket ---- */

static void watch_update(struct rpc_client *c)
{
    if (!has_socket(c))
        return;
    bool write = c->state == CLIENT_CONNECT || out_queued(c) > 0 ||
                 (c->state == CLIENT_HANDSHAKE && rpc_tls_wants_write(&c->tls));
    int events = (c->state == CLIENT_CONNECT ? 0 : BT_READABLE) | (write ? BT_WRITABLE : 0);
    if (events == c->watching)
        return;
    c->watching = events;
    struct bt_err why = BT_ERR_INIT;
    if (bt_watch_start(&c->watch, c->cfg.loop, c->fd, events, &why) < 0)
        end_with(c, &why);
}

static void flush(struct rpc_client *c)
{
    size_t total = 0;
    feed(c, false);
    if (c->out.overflow)
        end(c, BT_E_TOO_LARGE, "too much waits to be sent");
    while (c->state >= CLIENT_UPGRADE && has_socket(c) && out_queued(c) > 0 &&
           total < WRITE_A_TURN) {
        size_t n = out_queued(c) < RECORD_MAX ? out_queued(c) : RECORD_MAX;
        int rc = rpc_tls_write(&c->tls, c->out.data + c->out_at, n);
        if (rc == RPC_TLS_AGAIN)
            break;
        if (rc < 0) {
            end_tls(c, rc);
            return;
        }
        c->out_at += (size_t)rc;
        total += (size_t)rc;
        if (out_queued(c) == 0) {
            bt_buf_reset(&c->out);
            c->out_at = 0;
            feed(c, false);
        }
    }
    if (out_queued(c) == 0 && c->out.cap > RPC_LOW_WATER)
        bt_buf_fini(&c->out);
    if (c->over && queued(c) < RPC_LOW_WATER && c->state == CLIENT_OPEN) {
        c->over = false;
        if (c->peer->writable)
            c->peer->writable(c->peer);
    }
}

static bool fill(struct rpc_client *c)
{
    char *room = bt_buf_reserve(&c->in, RECORD_MAX);
    if (!room) {
        end(c, BT_E_PROTOCOL, "the server's answer is too long");
        return false;
    }
    int rc = rpc_tls_read(&c->tls, room, RECORD_MAX);
    if (rc == RPC_TLS_AGAIN)
        return false;
    if (rc < 0) {
        end_tls(c, rc);
        return false;
    }
    bt_buf_commit(&c->in, (size_t)rc);
    c->heard_ms = now_ms(c);
    return true;
}

static void connect_next(struct rpc_client *c);

static void connected(struct rpc_client *c)
{
    int e = 0, on = 1;
    socklen_t len = sizeof(e);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
        e = errno;
    if (e) {
        (void)bt_fail(&c->why, BT_E_UNAVAILABLE, "connect to %.200s port %d: %s", c->url.host,
                      c->url.port, strerror(e));
        connect_next(c);
        return;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct bt_err why = BT_ERR_INIT;
    if (rpc_tls_init(&c->tls, c->ctx, c->fd, c->url.host, &why) < 0) {
        end_with(c, &why);
        return;
    }
    c->state = CLIENT_HANDSHAKE;
}

static void handshake(struct rpc_client *c)
{
    int rc = rpc_tls_handshake(&c->tls);
    if (rc == RPC_TLS_AGAIN)
        return;
    if (rc < 0) {
        end_tls(c, rc);
        return;
    }
    bt_ws_key(bt_random_real(), c->upgrade.key);
    rpc_upgrade_emit(&c->upgrade, &c->out);
    c->state = CLIENT_UPGRADE;
}

static void on_event(struct bt_watch *w, int events)
{
    struct rpc_client *c = BT_CONTAINER_OF(w, struct rpc_client, watch);
    if (c->state == CLIENT_CONNECT)
        connected(c);
    if (c->state == CLIENT_HANDSHAKE)
        handshake(c);
    for (int i = 0; i < READS_A_TURN && events & BT_READABLE; i++) {
        if (c->state < CLIENT_UPGRADE || !has_socket(c) || !fill(c))
            break;
        if (c->state == CLIENT_UPGRADE)
            upgrade_take(c);
        if (c->state >= CLIENT_OPEN)
            frames_take(c);
    }
    if (c->state >= CLIENT_UPGRADE && has_socket(c))
        flush(c);
    watch_update(c);
}

static void on_kick(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, kick);
    if (c->state >= CLIENT_UPGRADE)
        flush(c);
    watch_update(c);
}

/* ---- dialling ---- */

/* Try the next address; the last failure's words stand in c->why. */
static void connect_next(struct rpc_client *c)
{
    while (c->next_addr < c->addrs.n) {
        size_t i = c->next_addr++;
        socket_close(c);
        c->fd = socket(c->addrs.list[i].ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd >= 0 &&
            (connect(c->fd, (struct sockaddr *)&c->addrs.list[i], c->addrs.lens[i]) == 0 ||
             errno == EINPROGRESS)) {
            c->state = CLIENT_CONNECT;
            watch_update(c);
            return;
        }
        (void)bt_fail(&c->why, BT_E_UNAVAILABLE, "connect to %.200s port %d: %s", c->url.host,
                      c->url.port, strerror(errno));
    }
    struct bt_err why = c->why;
    end_with(c, &why);
}

static void on_resolved(struct rpc_resolver *r, const struct rpc_addrs *addrs,
                        const struct bt_err *err)
{
    struct rpc_client *c = BT_CONTAINER_OF(r, struct rpc_client, resolver);
    if (c->freeing && c->state == CLIENT_IDLE) {
        bt_timer_start(&c->finish, 0);
        return;
    }
    if (c->state != CLIENT_RESOLVE)
        return; /* nobody waits any more */
    if (addrs->n == 0) {
        end_with(c, err);
        return;
    }
    c->addrs = *addrs;
    connect_next(c);
}

static void on_deadline(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, deadline);
    if (c->state == CLIENT_CLOSING)
        end(c, BT_E_CANCELLED, "closed by us");
    else
        end(c, BT_E_TIMEOUT, "the server does not answer");
}

static void on_ping(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, ping);
    if (now_ms(c) - c->heard_ms > c->cfg.ping_ms * 5 / 2) {
        end(c, BT_E_UNAVAILABLE, "the peer is silent");
        return;
    }
    frame_out(c, RPC_OP_PING, "", 0);
    bt_timer_start(&c->ping, c->cfg.ping_ms);
    kick(c);
}

static void client_dial(struct rpc_dialer *d, struct rpc_peer *p,
                        void (*opened)(struct rpc_peer *p),
                        void (*failed)(struct rpc_peer *p, const struct bt_err *err))
{
    struct rpc_client *c = d->impl;
    assert(c->state == CLIENT_IDLE && !c->peer && !c->freeing);
    c->peer = p;
    c->opened = opened;
    c->failed = failed;
    c->was_open = c->over = false;
    c->heard_ms = now_ms(c);
    p->ops = &client_ops;
    p->impl = c;
    c->state = CLIENT_RESOLVE;
    c->next_addr = 0;
    bt_timer_start(&c->deadline, c->cfg.connect_deadline_ms);
    if (rpc_resolve_literal(c->url.host, c->url.port, &c->addrs))
        connect_next(c);
    else
        rpc_resolver_start(&c->resolver, c->cfg.loop, c->url.host, c->url.port);
}

/* ---- life ---- */

static int ctx_load(const struct rpc_client *c, SSL_CTX **ret, struct bt_err *err)
{
    struct rpc_tls_config cfg = {
        .ca_file = c->cfg.ca_file, .cert_file = c->cfg.cert_file, .key_file = c->cfg.key_file};
    return rpc_tls_ctx_new(&cfg, ret, err);
}

static bool header_safe(const char *s)
{
    return !s || (s[0] && !s[strcspn(s, "\r\n")]);
}

int rpc_client_new(const struct rpc_client_config *cfg, struct rpc_client **ret, struct bt_err *err)
{
    struct rpc_url url;
    int rc = rpc_url_parse(cfg->url, &url, err);
    if (rc < 0)
        return rc;
    if (!header_safe(cfg->subprotocol) || !header_safe(cfg->authorization))
        return bt_fail(err, BT_E_INVALID, "a header's value has a line break");
    struct rpc_client *c = bt_xcalloc(1, sizeof(*c));
    c->cfg = *cfg;
    c->cfg.url = bt_xstrdup(cfg->url);
    c->cfg.ca_file = bt_xstrdup(cfg->ca_file);
    c->cfg.cert_file = bt_xstrdup(cfg->cert_file);
    c->cfg.key_file = bt_xstrdup(cfg->key_file);
    c->cfg.subprotocol = bt_xstrdup(cfg->subprotocol);
    c->cfg.authorization = bt_xstrdup(cfg->authorization);
    c->cfg.connect_deadline_ms =
        cfg->connect_deadline_ms ? cfg->connect_deadline_ms : CONNECT_DEADLINE_MS;
    c->cfg.ping_ms = cfg->ping_ms ? cfg->ping_ms : PING_MS;
    c->url = url;
    c->upgrade = (struct rpc_upgrade){
        .url = &c->url, .subprotocol = c->cfg.subprotocol, .authorization = c->cfg.authorization};
    c->dialer = (struct rpc_dialer){.dial = client_dial, .impl = c};
    c->fd = -1;
    c->in = BT_BUF(RPC_UPGRADE_MAX + RECORD_MAX);
    c->out = BT_BUF(OUT_MAX);
    c->watch.cb = on_event;
    c->resolver.done = on_resolved;
    rpc_lane_init(&c->lane);
    bt_timer_init(&c->deadline, cfg->loop, on_deadline);
    bt_timer_init(&c->ping, cfg->loop, on_ping);
    bt_timer_init(&c->kick, cfg->loop, on_kick);
    bt_timer_init(&c->finish, cfg->loop, on_finish);
    rc = ctx_load(c, &c->ctx, err);
    if (rc < 0) {
        client_fini(c);
        return rc;
    }
    *ret = c;
    return 0;
}

struct rpc_dialer *rpc_client_dialer(struct rpc_client *c)
{
    return &c->dialer;
}

int rpc_client_reload(struct rpc_client *c, struct bt_err *err)
{
    SSL_CTX *fresh = NULL;
    int rc = ctx_load(c, &fresh, err);
    if (rc < 0)
        return rc;
    SSL_CTX_free(c->ctx); /* a live connection holds its own reference */
    c->ctx = fresh;
    return 0;
}

void rpc_client_free(struct rpc_client *c, void (*done)(void *ctx), void *ctx)
{
    assert(!c->freeing);
    c->freeing = true;
    c->freed = done;
    c->freed_ctx = ctx;
    if (c->peer)
        end(c, BT_E_CANCELLED, "closed by us");
    else
        bt_timer_start(&c->finish, 0);
}
