/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* The client's half of the WebSocket handshake (RFC 6455 section 4.1). Pure functions over text. */
#define RPC_UPGRADE_MAX 32768 /* bytes of an answer */

struct rpc_url {
    char host[256]; /* name or address, without brackets */
    int port;
    char path[1024]; /* with its query, "/" at least */
};

/** Parse wss://HOST[:PORT][/PATH]. Errors: INVALID. */
int rpc_url_parse(const char *text, struct rpc_url *ret, struct bt_err *err);

struct rpc_upgrade {
    const struct rpc_url *url;
    const char *subprotocol;   /* NULL = none */
    const char *authorization; /* NULL = none */
    char key[25];
};

/** Append the request. */
void rpc_upgrade_emit(const struct rpc_upgrade *u, struct bt_buf *out);

/**
 * Judge the answer. 1 = upgraded, *@ret_used bytes of it are used, frames follow; 0 = more is
 * needed. Errors: PROTOCOL (no lawful answer), or what the server said instead: the code and text
 * of its problem, or a code by its status.
 */
int rpc_upgrade_parse(const struct rpc_upgrade *u, const char *data, size_t n, size_t *ret_used,
                      struct bt_err *err);
