/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening: sockets, limits per address, certificates, the end. */
#include "controller/http/http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/x509.h"
#include "controller/http/http_conn.h"

enum {
    BACKLOG = 512,
    PER_PEER_MAX = 64,
    CONNS_MAX = 8192,
    ACCEPTS_A_TURN = 16,
    ACCEPT_PAUSE_MS = 250, /* out of descriptors: somebody may leave */
};

/* ---- addresses ---- */

union address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int address_of(const char *listen, int port, union address *ret, struct bt_err *err)
{
    union address a = {0};
    struct bt_ip ip = {.family = 6}; /* "*": every address of both families */
    if (!bt_streq(listen, "*")) {
        int rc = bt_ip_parse(listen, &ip, err);
        if (rc < 0)
            return rc;
    }
    if (ip.family == 4) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons((uint16_t)port);
        memcpy(&a.v4.sin_addr, ip.bytes, 4);
    } else {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons((uint16_t)port);
        memcpy(&a.v6.sin6_addr, ip.bytes, 16);
    }
    *ret = a;
    return 0;
}

static bool ip_of(const union address *a, struct bt_ip *ret)
{
    *ret = (struct bt_ip){0};
    if (a->sa.sa_family == AF_INET) {
        ret->family = 4;
        memcpy(ret->bytes, &a->v4.sin_addr, 4);
    } else if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
        ret->family = 4;
        memcpy(ret->bytes, a->v6.sin6_addr.s6_addr + 12, 4);
    } else if (a->sa.sa_family == AF_INET6) {
        ret->family = 6;
        memcpy(ret->bytes, &a->v6.sin6_addr, 16);
    }
    return ret->family != 0;
}

/* Who counts as one peer: an IPv4 address, an IPv6 /64. */
static const char *peer_key(const struct bt_ip *ip, char dst[BT_IP_STR_MAX])
{
    struct bt_ip net = *ip;
    if (net.family == 6)
        memset(net.bytes + 8, 0, 8);
    return bt_ip_str(&net, dst);
}

/* ---- connections ---- */

static size_t peer_count(const struct http_server *s, const struct bt_ip *ip)
{
    char key[BT_IP_STR_MAX];
    return (size_t)(uintptr_t)bt_map_find(&s->per_peer, peer_key(ip, key));
}

static void peer_set(struct http_server *s, const struct bt_ip *ip, size_t n)
{
    char key[BT_IP_STR_MAX];
    if (n)
        (void)bt_map_set(&s->per_peer, peer_key(ip, key), (void *)(uintptr_t)n);
    else
        (void)bt_map_remove(&s->per_peer, peer_key(ip, key));
}

static void finish_if_empty(struct http_server *s)
{
    if (s->stopping && s->n_conns == 0)
        bt_timer_start(&s->done_timer, 0);
}

void http_server_forget(struct http_server *s, struct http_conn *c)
{
    s->n_conns--;
    peer_set(s, &c->peer, peer_count(s, &c->peer) - 1);
    finish_if_empty(s);
}

static void admit(struct http_server *s, int fd, const union address *from)
{
    struct bt_ip ip;
    size_t max = s->cfg.max_connections_per_ip ? s->cfg.max_connections_per_ip : PER_PEER_MAX;
    if (!ip_of(from, &ip) || peer_count(s, &ip) >= max || s->n_conns >= CONNS_MAX) {
        (void)close(fd);
        return;
    }
    s->n_conns++;
    peer_set(s, &ip, peer_count(s, &ip) + 1);
    http_conn_new(s, fd, &ip);
}

static void listeners_watch(struct http_server *s, int events)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        (void)bt_watch_start(&s->listeners[i].watch, s->cfg.loop, s->listeners[i].fd, events, NULL);
}

static void on_accept_resume(struct bt_timer *t)
{
    listeners_watch(BT_CONTAINER_OF(t, struct http_server, accept_pause), BT_READABLE);
}

static void on_acceptable(struct bt_watch *w, int events)
{
    (void)events;
    struct http_server *s = BT_CONTAINER_OF(w, struct http_listener, watch)->server;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        union address from = {0};
        socklen_t len = sizeof(from);
        int fd = accept4(w->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(s, fd, &from);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) { /* EMFILE, ENFILE, ENOBUFS: level-triggered polling would spin */
            listeners_watch(s, 0);
            bt_timer_start(&s->accept_pause, ACCEPT_PAUSE_MS);
        }
        return;
    }
}

/* ---- start ---- */

static int socket_listen(const char *listen_on, int *port, int *ret_fd, struct bt_err *err)
{
    union address a;
    int rc = address_of(listen_on, *port, &a, err);
    if (rc < 0)
        return rc;
    bool v4 = a.sa.sa_family == AF_INET;
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, only_v6 = !bt_streq(listen_on, "*");
    socklen_t len = v4 ? sizeof(a.v4) : sizeof(a.v6);
    if (fd < 0)
        return bt_fail_errno(err, errno, "socket for %s", listen_on);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!v4)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
    if (bind(fd, &a.sa, len) < 0 || listen(fd, BACKLOG) < 0 || getsockname(fd, &a.sa, &len) < 0) {
        rc = bt_fail_errno(err, errno, "listen on %s port %d", listen_on, *port);
        (void)close(fd);
        return rc;
    }
    *port = ntohs(v4 ? a.v4.sin_port : a.v6.sin6_port);
    *ret_fd = fd;
    return 0;
}

static int listeners_open(struct http_server *s, struct bt_err *err)
{
    size_t n = 0;
    while (s->cfg.listen[n])
        n++;
    s->listeners = bt_xcalloc(n + 1, sizeof(*s->listeners));
    s->port = s->cfg.port;
    for (; s->n_listeners < n; s->n_listeners++) {
        struct http_listener *l = &s->listeners[s->n_listeners];
        const char *listen_on = s->cfg.listen[s->n_listeners];
        int rc = socket_listen(listen_on, &s->port, &l->fd, err);
        /* A kernel without IPv6 still has all of IPv4. */
        if (rc == -BT_E_KERNEL && bt_streq(listen_on, "*"))
            rc = socket_listen("0.0.0.0", &s->port, &l->fd, err);
        if (rc < 0)
            return rc;
        l->server = s;
        l->watch.cb = on_acceptable;
        rc = bt_watch_start(&l->watch, s->cfg.loop, l->fd, BT_READABLE, err);
        if (rc < 0) {
            (void)close(l->fd);
            return rc;
        }
    }
    return 0;
}

static void listeners_close(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++) {
        bt_watch_stop(&s->listeners[i].watch);
        (void)close(s->listeners[i].fd);
    }
    s->n_listeners = 0;
}

static void server_free(struct http_server *s)
{
    bt_timer_stop(&s->accept_pause);
    bt_timer_stop(&s->done_timer);
    SSL_CTX_free(s->tls);
    free(s->listeners);
    bt_map_fini(&s->per_peer);
    free((void *)s->cfg.cert_file);
    free((void *)s->cfg.key_file);
    free((void *)s->cfg.client_ca_file);
    free(s);
}

static void on_done(struct bt_timer *t)
{
    struct http_server *s = BT_CONTAINER_OF(t, struct http_server, done_timer);
    void (*done)(void *) = s->done;
    void *ctx = s->done_ctx;
    server_free(s);
    if (done)
        done(ctx);
}

static int tls_new(const struct http_server *s, SSL_CTX **ret, struct bt_err *err)
{
    struct rpc_tls_config cfg = {.server = true,
                                 .ca_file = s->cfg.client_ca_file,
                                 .cert_file = s->cfg.cert_file,
                                 .key_file = s->cfg.key_file};
    return rpc_tls_ctx_new(&cfg, ret, err);
}

int http_server_start(const struct http_config *cfg, struct http_server **ret, struct bt_err *err)
{
    struct http_server *s = bt_xcalloc(1, sizeof(*s));
    s->cfg = *cfg;
    s->cfg.cert_file = bt_xstrdup(cfg->cert_file);
    s->cfg.key_file = bt_xstrdup(cfg->key_file);
    s->cfg.client_ca_file = bt_xstrdup(cfg->client_ca_file);
    bt_list_init(&s->conns);
    bt_timer_init(&s->accept_pause, cfg->loop, on_accept_resume);
    bt_timer_init(&s->done_timer, cfg->loop, on_done);
    int rc = tls_new(s, &s->tls, err);
    if (rc >= 0)
        rc = listeners_open(s, err);
    s->cfg.listen = NULL; /* the caller's */
    if (rc < 0) {
        listeners_close(s);
        server_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

int http_server_reload(struct http_server *s, struct bt_err *err)
{
    SSL_CTX *fresh = NULL;
    int rc = tls_new(s, &fresh, err);
    if (rc < 0)
        return rc;
    SSL_CTX_free(s->tls); /* connections hold their own reference */
    s->tls = fresh;
    return 0;
}

void http_server_stop(struct http_server *s, void (*done)(void *ctx), void *ctx)
{
    assert(!s->stopping);
    s->stopping = true;
    s->done = done;
    s->done_ctx = ctx;
    bt_timer_stop(&s->accept_pause);
    listeners_close(s);
    BT_LIST_FOREACH(l, &s->conns)
        http_conn_die(BT_CONTAINER_OF(l, struct http_conn, link));
    finish_if_empty(s);
}

bool http_peer_cert(const struct http_request *req, char *serial, size_t serial_size, char *cn,
                    size_t cn_size)
{
    const struct http_exchange *ex = req->ctx;
    struct bt_cert_info info;
    if (req->transport != http_reply_transport() || !ex->conn ||
        bt_x509_peer_info(ex->conn->tls.ssl, &info, NULL) < 0)
        return false;
    return bt_strcpy(serial, serial_size, info.serial) && bt_strcpy(cn, cn_size, info.cn);
}
