/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging certificates: of our own server before it listens, and of peers during a TLS handshake.
 */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_priv.h"

static bool has_san(X509 *cert, const char *san)
{
    if (bt_starts_with(san, "IP:"))
        return X509_check_ip_asc(cert, san + 3, 0) == 1;
    if (bt_starts_with(san, "DNS:"))
        return X509_check_host(cert, san + 4, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
    return false;
}

static size_t count_sans(X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int n = names ? sk_GENERAL_NAME_num(names) : 0;
    GENERAL_NAMES_free(names);
    return (size_t)n;
}

int bt_x509_server_check(const char *cert_pem, const char *key_pem, const char *ca_pem,
                         const char *const *sans, struct bt_err *err)
{
    _cleanup_cert_ X509 *cert = NULL, *ca = NULL;
    _cleanup_key_ EVP_PKEY *key = NULL;
    int rc = x509_cert_parse(cert_pem, &cert, err);
    if (rc >= 0)
        rc = x509_cert_parse(ca_pem, &ca, err);
    if (rc >= 0)
        rc = x509_key_parse(key_pem, &key, err);
    if (rc < 0)
        return rc;
    if (X509_check_private_key(cert, key) != 1)
        return x509_fail(err, BT_E_INVALID, "certificate and key");
    if (X509_verify(cert, X509_get0_pubkey(ca)) != 1)
        return x509_fail(err, BT_E_INVALID, "certificate is not of this CA");
    size_t n = 0;
    for (; sans[n]; n++) {
        if (!has_san(cert, sans[n]))
            return bt_fail(err, BT_E_INVALID, "certificate does not name %.200s", sans[n]);
    }
    if (count_sans(cert) != n)
        return bt_fail(err, BT_E_INVALID, "certificate names more than it should");
    return 0;
}

int bt_x509_peer_info(void *ssl, struct bt_cert_info *ret, struct bt_err *err)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (!cert || SSL_get_verify_result(ssl) != X509_V_OK)
        return bt_fail(err, BT_E_NOT_FOUND, "the peer has shown no certificate");
    return x509_cert_info(cert, ret, err);
}

/* ---- pinned CA ---- */

/* The chain's certificate with this fingerprint, NULL when the server did not send it. */
static X509 *pinned_in(STACK_OF(X509) * chain, const unsigned char fp[32])
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        unsigned char have[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        X509 *cert = sk_X509_value(chain, i);
        if (X509_digest(cert, EVP_sha256(), have, &n) == 1 && n == 32 && bt_same(have, fp, 32))
            return cert;
    }
    return NULL;
}

/* Verify with a store that holds the pinned certificate alone. */
static int pin_verify(X509_STORE_CTX *ctx, void *arg)
{
    X509 *root = pinned_in(X509_STORE_CTX_get0_untrusted(ctx), arg);
    STACK_OF(X509) *trusted = root ? sk_X509_new_null() : NULL;
    if (!trusted || !sk_X509_push(trusted, root)) {
        sk_X509_free(trusted);
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
        return 0;
    }
    X509_STORE_CTX_set0_trusted_stack(ctx, trusted);
    int ok = X509_verify_cert(ctx);
    sk_X509_free(trusted);
    return ok;
}

void bt_x509_pin_ctx(void *ssl_ctx, const unsigned char fp[32])
{
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ssl_ctx, pin_verify, (void *)fp);
}

/* ---- names ---- */

int bt_x509_expect_host(void *ssl, const char *host, struct bt_err *err)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return 0; /* an address is no server name (RFC 6066 section 3) */
    if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1 ||
        SSL_set_tlsext_host_name(ssl, host) != 1)
        return x509_fail(err, BT_E_INVALID, "server name");
    return 0;
}

const char *bt_x509_verify_text(void *ssl)
{
    return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
}
