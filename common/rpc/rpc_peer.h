/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/loop/loop.h"

/*
 * One ordered, message-based connection between two parties (agent link, consoles), behind a table:
 * WebSocket over TLS in production, a simulated link with latency, loss of the connection,
 * duplicates and partitions in simulations. Loop thread only. Messages are whole or absent; order
 * is kept while a connection lives; nothing is known of what was sent before it broke.
 */
#define RPC_TEXT_MAX (1u << 20)
#define RPC_BINARY_MAX (4u + 16384u)
#define RPC_LOW_WATER 65536u /* writable() fires when the queue falls under it again */

struct rpc_peer {
    const struct rpc_peer_ops *ops;
    void *impl; /* transport's */

    /* The owner's callbacks; none after closed(). They may call rpc_send and rpc_close. */
    void (*text)(struct rpc_peer *p, const char *json, size_t len);
    void (*binary)(struct rpc_peer *p, uint32_t stream, const void *data, size_t len);
    void (*writable)(struct rpc_peer *p); /* queue under its low-water mark */
    void (*closed)(struct rpc_peer *p, const struct bt_err *why); /* last; the owner may free now;
                                                                     why is never NULL */
    void *owner;
};

struct rpc_peer_ops {
    size_t (*send_text)(struct rpc_peer *p, const char *json, size_t len);
    size_t (*send_binary)(struct rpc_peer *p, uint32_t stream, const void *data, size_t len);
    void (*close)(struct rpc_peer *p);
};

/** Queue a text message (copied). Returns queued bytes; text goes out before binary (control
 * first). */
static inline size_t rpc_send_text(struct rpc_peer *p, const char *json, size_t len)
{
    return p->ops->send_text(p, json, len);
}

/** Queue a binary message of @stream, <= 16 KiB (copied). Returns queued bytes. */
static inline size_t rpc_send_binary(struct rpc_peer *p, uint32_t stream, const void *data,
                                     size_t len)
{
    return p->ops->send_binary(p, stream, data, len);
}

/** Close; closed() follows from the loop. */
static inline void rpc_close(struct rpc_peer *p)
{
    p->ops->close(p);
}

/* Dialling side: how the agent reaches its controller. */
struct rpc_dialer {
    /* Begin connecting; exactly one of opened(p) or failed(err) follows on the loop. The owner's
     * callbacks in @p are set before. */
    void (*dial)(struct rpc_dialer *d, struct rpc_peer *p, void (*opened)(struct rpc_peer *p),
                 void (*failed)(struct rpc_peer *p, const struct bt_err *err));
    void *impl;
};
