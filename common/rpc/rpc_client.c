/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/crypto.h"
#include "common/rpc/rpc_client_priv.h"

enum {
    CONNECT_DEADLINE_MS = 10000,
    PING_MS = 15000,
    RECORD_MAX = 16384,
    OUT_MAX = 64 << 20,
    READS_A_TURN = 4,
};

void rpc_client_kick(struct rpc_client *c)
{
    if (rpc_client_has_socket(c))
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
void rpc_client_end_with(struct rpc_client *c, const struct bt_err *why)
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

void rpc_client_end(struct rpc_client *c, enum bt_code code, const char *text)
{
    struct bt_err why = BT_ERR_INIT;
    (void)bt_fail(&why, code, "%s", text);
    rpc_client_end_with(c, &why);
}

void rpc_client_end_tls(struct rpc_client *c, int rc)
{
    struct bt_err why = BT_ERR_INIT;
    if (rc == RPC_TLS_EOF)
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "closed by the peer");
    else
        (void)rpc_tls_why(&c->tls, &why);
    rpc_client_end_with(c, &why);
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
        rpc_client_end_with(c, &why);
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
        rpc_client_end_tls(c, rc);
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
    for (int i = 0; i < READS_A_TURN && events & BT_READABLE && rpc_client_read(c); i++)
        continue;
    if (c->state >= CLIENT_UPGRADE && rpc_client_has_socket(c))
        rpc_client_flush(c);
    rpc_client_watch(c);
}

static void on_kick(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, kick);
    if (c->state >= CLIENT_UPGRADE)
        rpc_client_flush(c);
    rpc_client_watch(c);
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
            rpc_client_watch(c);
            return;
        }
        (void)bt_fail(&c->why, BT_E_UNAVAILABLE, "connect to %.200s port %d: %s", c->url.host,
                      c->url.port, strerror(errno));
    }
    struct bt_err why = c->why;
    rpc_client_end_with(c, &why);
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
        rpc_client_end_with(c, err);
        return;
    }
    c->addrs = *addrs;
    connect_next(c);
}

static void on_deadline(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, deadline);
    if (c->state == CLIENT_CLOSING)
        rpc_client_end(c, BT_E_CANCELLED, "closed by us");
    else
        rpc_client_end(c, BT_E_TIMEOUT, "the server does not answer");
}

static void on_ping(struct bt_timer *t)
{
    struct rpc_client *c = BT_CONTAINER_OF(t, struct rpc_client, ping);
    if (rpc_client_now_ms(c) - c->heard_ms > c->cfg.ping_ms * 5 / 2) {
        rpc_client_end(c, BT_E_UNAVAILABLE, "the peer is silent");
        return;
    }
    rpc_client_frame(c, RPC_OP_PING, "", 0);
    bt_timer_start(&c->ping, c->cfg.ping_ms);
    rpc_client_kick(c);
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
    c->heard_ms = rpc_client_now_ms(c);
    p->ops = &rpc_client_ops;
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
        rpc_client_end(c, BT_E_CANCELLED, "closed by us");
    else
        bt_timer_start(&c->finish, 0);
}
