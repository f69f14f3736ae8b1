/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/socket.h>

#include "common/loop/loop.h"

/* Names to addresses without making the loop wait: getaddrinfo(3) in a thread of its own. */
#define RPC_ADDRS_MAX 8

struct rpc_addrs {
    struct sockaddr_storage list[RPC_ADDRS_MAX];
    socklen_t lens[RPC_ADDRS_MAX];
    size_t n;
};

struct rpc_resolver {
    struct bt_work work;
    struct bt_pool *pool; /* made when the first name has to be looked up */
    char host[256];
    int port;
    bool busy;
    int rc; /* of getaddrinfo */
    struct rpc_addrs found;
    /* Loop thread, once per start. *@addrs is valid during the call; n = 0: @err says why. */
    void (*done)(struct rpc_resolver *r, const struct rpc_addrs *addrs, const struct bt_err *err);
};

/** Addresses written as such: no look-up is needed. False when @host is a name. */
bool rpc_resolve_literal(const char *host, int port, struct rpc_addrs *ret);

/**
 * Look @host up; done() follows. While an older look-up is under way (busy) nothing is started:
 * its done() comes. A look-up cannot be cancelled.
 */
void rpc_resolver_start(struct rpc_resolver *r, struct bt_loop *loop, const char *host, int port);

/** Free the thread; not while busy. */
void rpc_resolver_fini(struct rpc_resolver *r);
