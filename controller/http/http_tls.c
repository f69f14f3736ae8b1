/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/http/http_tls.h"

#include <openssl/err.h>
#include <string.h>

static int fail(struct bt_err *err, const char *what, const char *path)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = e ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return bt_fail(err, BT_E_INVALID, "%s %s: %s", what, path ? path : "",
                   why ? why : "cannot be used");
}

/* Only HTTP/1.1 is spoken; a client that offers other protocols alone is told so (RFC 7301). */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *hit = NULL;
    if (SSL_select_next_proto(&hit, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = hit;
    return SSL_TLSEXT_ERR_OK;
}

static int load_files(SSL_CTX *ctx, const struct http_config *cfg, struct bt_err *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cfg->cert_file) != 1)
        return fail(err, "certificate", cfg->cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, cfg->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return fail(err, "private key", cfg->key_file);
    if (!cfg->client_ca_file)
        return 0;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(cfg->client_ca_file);
    if (!names || SSL_CTX_load_verify_file(ctx, cfg->client_ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(err, "client CA", cfg->client_ca_file);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

int http_tls_ctx_new(const struct http_config *cfg, SSL_CTX **ret, struct bt_err *err)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return fail(err, "TLS", NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    int rc = load_files(ctx, cfg, err);
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *ret = ctx;
    return 0;
}

SSL *http_tls_new(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);
    if (ssl && SSL_set_fd(ssl, fd) == 1) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

static int outcome(SSL *ssl, int rc)
{
    if (rc > 0)
        return rc;
    int e = SSL_get_error(ssl, rc);
    unsigned long reason = ERR_peek_error();
    ERR_clear_error();
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
        return HTTP_TLS_AGAIN;
    if (e == SSL_ERROR_ZERO_RETURN)
        return HTTP_TLS_EOF;
    return ERR_GET_REASON(reason) == SSL_R_HTTP_REQUEST ? HTTP_TLS_PLAIN : HTTP_TLS_FAIL;
}

int http_tls_accept(SSL *ssl)
{
    ERR_clear_error();
    return outcome(ssl, SSL_do_handshake(ssl));
}

static int bounded(size_t n)
{
    return n > (1u << 20) ? 1 << 20 : (int)n;
}

int http_tls_read(SSL *ssl, void *dst, size_t n)
{
    ERR_clear_error();
    return outcome(ssl, SSL_read(ssl, dst, bounded(n)));
}

int http_tls_write(SSL *ssl, const void *src, size_t n)
{
    ERR_clear_error();
    return outcome(ssl, SSL_write(ssl, src, bounded(n)));
}

bool http_tls_wants_write(const SSL *ssl)
{
    return SSL_want_write(ssl);
}

void http_tls_shutdown(SSL *ssl)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl))
        (void)SSL_shutdown(ssl);
    ERR_clear_error();
}
