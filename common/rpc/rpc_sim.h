/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/rpc/rpc_peer.h"

/* Simulated link for one process: seeded latency, cut connections, partitions. Virtual loop only.
 */
struct rpc_sim;

struct rpc_sim_config {
    struct bt_loop *loop;
    const struct bt_random *random;
    int64_t latency_min_ms, latency_max_ms;
};

/** A network. */
struct rpc_sim *rpc_sim_new(const struct rpc_sim_config *cfg);

/** Free; every connection must be closed. */
void rpc_sim_free(struct rpc_sim *s);

/**
 * Register a server: @accept gets a fresh peer (callbacks unset: the owner sets them before it
 * returns) for each dial of client @name; returning NULL refuses.
 */
void rpc_sim_listen(struct rpc_sim *s, struct rpc_peer *(*accept)(void *ctx, const char *name),
                    void *ctx);

/** A dialer for client @name (kept until rpc_sim_free). */
struct rpc_dialer *rpc_sim_dialer(struct rpc_sim *s, const char *name);

/** Cut the live connection of @name: each side sees closed() after its own random delay; what is in
 * flight is lost. */
void rpc_sim_cut(struct rpc_sim *s, const char *name);

/** While @on, dials of @name fail after a timeout and messages both ways vanish (half-open
 * partition). */
void rpc_sim_partition(struct rpc_sim *s, const char *name, bool on);

/**
 * The process of client @name is gone (kill -9): its peers are forgotten without a callback, the
 * server's ends see closed() after a random delay. Before its owner frees them; not from a callback
 * of theirs.
 */
void rpc_sim_kill_client(struct rpc_sim *s, const char *name);

/** As rpc_sim_kill_client for the server and all its peers; dials fail until rpc_sim_listen. */
void rpc_sim_kill_server(struct rpc_sim *s);
