/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

/*
 * TLS over a non-blocking descriptor (OpenSSL 3), the same for both sides. Results > 0 are bytes
 * (or 1 for a finished handshake), else one of these.
 */
enum {
    RPC_TLS_AGAIN = 0,  /* wait for the descriptor: rpc_tls_wants_write tells for what */
    RPC_TLS_EOF = -1,   /* the peer has closed in order */
    RPC_TLS_FAIL = -2,  /* broken: rpc_tls_why */
    RPC_TLS_PLAIN = -3, /* handshake of a server: the peer speaks HTTP without TLS */
};

struct rpc_tls {
    SSL *ssl;
    unsigned long reason; /* OpenSSL's code of the failure, 0 = the connection broke */
};

struct rpc_tls_config {
    bool server;
    const char *ca_file;   /* whom to trust; a client without one uses the system's store, a server
                              with one demands client certificates */
    const char *cert_file; /* chain and key; NULL = none (clients) */
    const char *key_file;
};

/**
 * Context for one side: TLS 1.3 only, HTTP/1.1 by ALPN, no session tickets (a resumed session would
 * not show its client certificate again). SIGPIPE is ignored from here on. Errors: INVALID (a
 * file). Free with SSL_CTX_free.
 */
int rpc_tls_ctx_new(const struct rpc_tls_config *cfg, SSL_CTX **ret, struct bt_err *err);

/**
 * Begin a connection on @fd, which stays the caller's. @host: whom a client expects (name or
 * address), NULL for servers. Errors: INTERNAL.
 */
int rpc_tls_init(struct rpc_tls *t, SSL_CTX *ctx, int fd, const char *host, struct bt_err *err);

/** Free; fine on zeroed memory. */
void rpc_tls_fini(struct rpc_tls *t);

/** Go on with the handshake. */
int rpc_tls_handshake(struct rpc_tls *t);

/** Read up to @n bytes. */
int rpc_tls_read(struct rpc_tls *t, void *dst, size_t n);

/** Write up to @n bytes. */
int rpc_tls_write(struct rpc_tls *t, const void *src, size_t n);

/** Does the last operation that returned AGAIN wait for room to write? */
bool rpc_tls_wants_write(const struct rpc_tls *t);

/** Tell the peer that nothing more comes (close_notify), without waiting. */
void rpc_tls_shutdown(struct rpc_tls *t);

/** Why the last operation failed: DENIED (certificates), PROTOCOL (TLS), UNAVAILABLE (the rest). */
int rpc_tls_why(const struct rpc_tls *t, struct bt_err *err);
