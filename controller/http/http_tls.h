/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <openssl/ssl.h>

#include "common/base/err.h"
#include "controller/http/http_server.h"

/*
 * TLS 1.3 over a non-blocking descriptor (OpenSSL 3; docs/decisions/0011-http.md). No session
 * tickets: a resumed session would not show its client certificate again.
 */
enum {
    HTTP_TLS_AGAIN = 0,  /* wait for the descriptor: http_tls_wants_write tells for what */
    HTTP_TLS_EOF = -1,   /* the peer has closed in order */
    HTTP_TLS_FAIL = -2,  /* broken */
    HTTP_TLS_PLAIN = -3, /* handshake: the peer speaks HTTP without TLS */
};

/** Context of @cfg's certificate, key and client CA. Errors: INVALID. Free with SSL_CTX_free. */
int http_tls_ctx_new(const struct http_config *cfg, SSL_CTX **ret, struct bt_err *err);

/** Server side of a connection on @fd, which stays the caller's. NULL when memory is out. */
SSL *http_tls_new(SSL_CTX *ctx, int fd);

/** Go on with the handshake: 1 = done, else one of the values above. */
int http_tls_accept(SSL *ssl);

/** Read up to @n bytes: > 0 how many, else one of the values above. */
int http_tls_read(SSL *ssl, void *dst, size_t n);

/** Write up to @n bytes: > 0 how many, else one of the values above. */
int http_tls_write(SSL *ssl, const void *src, size_t n);

/** Does the last operation that returned AGAIN wait for room to write? */
bool http_tls_wants_write(const SSL *ssl);

/** Tell the peer that nothing more comes (close_notify), without waiting. */
void http_tls_shutdown(SSL *ssl);
