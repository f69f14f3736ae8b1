/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_tls.h"

#include <openssl/err.h>
#include <signal.h>

#include "common/crypto/x509.h"

static int fail(struct bt_err *err, const char *what, const char *path)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = e ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return bt_fail(err, BT_E_INVALID, "%s %s: %s", what, path ? path : "",
                   why ? why : "cannot be used");
}

static const unsigned char alpn[] = "\x08http/1.1";

/* A client that offers other protocols alone is told so (RFC 7301). Without ALPN all is well. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *hit = NULL;
    if (SSL_select_next_proto(&hit, out_len, alpn, sizeof(alpn) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = hit;
    return SSL_TLSEXT_ERR_OK;
}

static int load_own(SSL_CTX *ctx, const struct rpc_tls_config *cfg, struct bt_err *err)
{
    if (!cfg->cert_file)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(ctx, cfg->cert_file) != 1)
        return fail(err, "certificate", cfg->cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, cfg->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return fail(err, "private key", cfg->key_file);
    return 0;
}

static int load_trust(SSL_CTX *ctx, const struct rpc_tls_config *cfg, struct bt_err *err)
{
    if (!cfg->server)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!cfg->ca_file)
        return cfg->server || SSL_CTX_set_default_verify_paths(ctx) == 1
                   ? 0
                   : fail(err, "the system's certificates", NULL);
    if (SSL_CTX_load_verify_file(ctx, cfg->ca_file) != 1)
        return fail(err, "CA", cfg->ca_file);
    if (!cfg->server)
        return 0;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(cfg->ca_file);
    if (!names)
        return fail(err, "CA", cfg->ca_file);
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

int rpc_tls_ctx_new(const struct rpc_tls_config *cfg, SSL_CTX **ret, struct bt_err *err)
{
    ERR_clear_error();
    /* OpenSSL writes with write(2): a peer that is gone is an error, not our end. */
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    SSL_CTX *ctx = SSL_CTX_new(cfg->server ? TLS_server_method() : TLS_client_method());
    if (!ctx)
        return fail(err, "TLS", NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    if (cfg->server)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    else
        (void)SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1);
    int rc = load_own(ctx, cfg, err);
    if (rc >= 0)
        rc = load_trust(ctx, cfg, err);
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *ret = ctx;
    return 0;
}

int rpc_tls_init(struct rpc_tls *t, SSL_CTX *ctx, int fd, const char *host, struct bt_err *err)
{
    *t = (struct rpc_tls){.ssl = SSL_new(ctx)};
    if (!t->ssl || SSL_set_fd(t->ssl, fd) != 1 ||
        (host && bt_x509_expect_host(t->ssl, host, err) < 0)) {
        rpc_tls_fini(t);
        return bt_fail(err, BT_E_INTERNAL, "TLS cannot begin");
    }
    if (host)
        SSL_set_connect_state(t->ssl);
    else
        SSL_set_accept_state(t->ssl);
    return 0;
}

void rpc_tls_fini(struct rpc_tls *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
    ERR_clear_error();
}

static int outcome(struct rpc_tls *t, int rc)
{
    if (rc > 0)
        return rc;
    int e = SSL_get_error(t->ssl, rc);
    unsigned long reason = ERR_peek_error();
    ERR_clear_error();
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
        return RPC_TLS_AGAIN;
    if (e == SSL_ERROR_ZERO_RETURN)
        return RPC_TLS_EOF;
    t->reason = reason;
    return ERR_GET_REASON(reason) == SSL_R_HTTP_REQUEST ? RPC_TLS_PLAIN : RPC_TLS_FAIL;
}

int rpc_tls_handshake(struct rpc_tls *t)
{
    ERR_clear_error();
    return outcome(t, SSL_do_handshake(t->ssl));
}

static int bounded(size_t n)
{
    return n > (1u << 20) ? 1 << 20 : (int)n;
}

int rpc_tls_read(struct rpc_tls *t, void *dst, size_t n)
{
    ERR_clear_error();
    return outcome(t, SSL_read(t->ssl, dst, bounded(n)));
}

int rpc_tls_write(struct rpc_tls *t, const void *src, size_t n)
{
    ERR_clear_error();
    return outcome(t, SSL_write(t->ssl, src, bounded(n)));
}

bool rpc_tls_wants_write(const struct rpc_tls *t)
{
    return SSL_want_write(t->ssl);
}

void rpc_tls_shutdown(struct rpc_tls *t)
{
    if (t->ssl && SSL_is_init_finished(t->ssl))
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

/* Alerts with which a server turns a client's certificate down (RFC 8446 section 6.2). */
static bool is_certificate_alert(int reason)
{
    return reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
           reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
           reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED ||
           reason == SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED ||
           reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN ||
           reason == SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE ||
           reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA || reason == SSL_R_TLSV1_ALERT_ACCESS_DENIED;
}

int rpc_tls_why(const struct rpc_tls *t, struct bt_err *err)
{
    int reason = ERR_GET_REASON(t->reason);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return bt_fail(err, BT_E_DENIED, "the server's certificate is not accepted: %s",
                       bt_x509_verify_text(t->ssl));
    if (is_certificate_alert(reason))
        return bt_fail(err, BT_E_DENIED, "the server does not accept our certificate");
    if (t->reason == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return bt_fail(err, BT_E_UNAVAILABLE, "connection lost");
    const char *text = ERR_reason_error_string(t->reason);
    return bt_fail(err, BT_E_PROTOCOL, "TLS: %s", text ? text : "failed");
}
