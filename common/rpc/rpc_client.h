/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/rpc/rpc_peer.h"

/*
 * WebSocket client (RFC 6455) over TLS on the loop: agent link (mutual TLS), CLI consoles and
 * events (ticket). docs/decisions/0011-http.md says why it is our own. Names are resolved in a
 * thread; the loop never waits.
 */
struct rpc_client;

struct rpc_client_config {
    struct bt_loop *loop;
    const char *url;       /* wss://host:port/path */
    const char *ca_file;   /* CA that must have signed the server; NULL = system store */
    const char *cert_file; /* client certificate and key; NULL = none */
    const char *key_file;
    const char *subprotocol;     /* offered, e.g. a ticket; NULL = none */
    const char *authorization;   /* header value; NULL = none */
    int64_t connect_deadline_ms; /* own deadline on the whole handshake; 0 = 10 s */
    int64_t ping_ms;             /* WebSocket ping interval; 0 = 15 s */
    bool raw_binary;             /* binary messages have no u32 stream id (CLI exec): stream is 0 */
};

/** Make a dialer (one connection at a time). Errors: INVALID (url, files). */
int rpc_client_new(const struct rpc_client_config *cfg, struct rpc_client **ret,
                   struct bt_err *err);

/**
 * The dialer of @c. failed() has UNAVAILABLE (network, DNS), TIMEOUT, DENIED (certificates), or
 * what the server answered instead of the upgrade (its problem's code and text); closed() has
 * CANCELLED (by us), UNAVAILABLE (lost, silent, closed by the peer) or PROTOCOL.
 */
struct rpc_dialer *rpc_client_dialer(struct rpc_client *c);

/** Re-read certificate files (renewed); used from the next dial on. The old ones stay on failure.
 */
int rpc_client_reload(struct rpc_client *c, struct bt_err *err);

/** Close the connection, then free after the loop has turned; @done (may be NULL) follows. */
void rpc_client_free(struct rpc_client *c, void (*done)(void *ctx), void *ctx);
