/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/rpc/rpc_client.h"
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

/** Is there a descriptor that may be read and written? */
static inline bool rpc_client_has_socket(const struct rpc_client *c)
{
    return c->state >= CLIENT_CONNECT && c->state <= CLIENT_CLOSING;
}

/** Now, monotonic. */
static inline int64_t rpc_client_now_ms(const struct rpc_client *c)
{
    return bt_mono_ms(bt_loop_clock(c->cfg.loop));
}

/* ---- rpc_client.c ---- */

/** The connection is over because of @why; the owner is told from the loop. */
void rpc_client_end_with(struct rpc_client *c, const struct bt_err *why);

/** As rpc_client_end_with, with @code and @text. */
void rpc_client_end(struct rpc_client *c, enum bt_code code, const char *text);

/** As rpc_client_end_with, for the result @rc of a TLS operation. */
void rpc_client_end_tls(struct rpc_client *c, int rc);

/** Let the loop write what is queued. */
void rpc_client_kick(struct rpc_client *c);

/* ---- rpc_client_io.c ---- */

/** What the peer's struct gets. */
extern const struct rpc_peer_ops rpc_client_ops;

/** Queue one frame. */
void rpc_client_frame(struct rpc_client *c, enum rpc_opcode op, const void *data, size_t n);

/** Watch the descriptor for what the state needs. */
void rpc_client_watch(struct rpc_client *c);

/** Write what is queued, a part of it in one turn. */
void rpc_client_flush(struct rpc_client *c);

/** Read one record and act on it; false when there was none. */
bool rpc_client_read(struct rpc_client *c);
