/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * The controller's own CA (EC P-256), its certificates and agents' CSRs, in PEM text.
 * Serial numbers are 128 random bits as 32 lower-case hex digits.
 */
#define BT_SERIAL_LEN 32

struct bt_cert_info {
    char serial[BT_SERIAL_LEN + 1];
    char cn[128];
    int64_t not_before_ms, not_after_ms;
};

/** New private key, PEM (PKCS#8). Caller erases and frees. */
int bt_x509_key_new(char **ret_pem, struct bt_err *err);

/** Self-signed CA for @cn, valid @days from @now_ms - 1 h. Caller frees. */
int bt_x509_ca_new(const char *key_pem, const char *cn, int64_t now_ms, int days,
                   char **ret_cert_pem, struct bt_err *err);

/* Who issues a certificate, to whom, for how long. */
struct bt_x509_issue {
    const char *ca_cert_pem, *ca_key_pem;
    const char *cn;
    int64_t now_ms; /* valid from an hour before it */
    int days;
};

/**
 * Server certificate with subject alternative names (NULL-terminated; "DNS:x" or "IP:y"). Caller
 * frees. Errors: INVALID (a name, the CA).
 */
int bt_x509_server_new(const struct bt_x509_issue *how, const char *key_pem,
                       const char *const *sans, char **ret_cert_pem, struct bt_err *err);

/** Certificate request for @key_pem. Caller frees. */
int bt_x509_csr_new(const char *key_pem, const char *cn, char **ret_csr_pem, struct bt_err *err);

/**
 * Client certificate for the key of @csr_pem (its subject is ignored, its signature checked; EC
 * P-256, P-384 or RSA >= 2048 only): CN and SAN URI "urn:berth:host:CN", clientAuth only.
 * *@ret_info may be NULL. Errors: INVALID (bad request).
 */
int bt_x509_client_sign(const struct bt_x509_issue *how, const char *csr_pem, char **ret_cert_pem,
                        struct bt_cert_info *ret_info, struct bt_err *err);

/** Read a certificate's facts. */
int bt_x509_info(const char *cert_pem, struct bt_cert_info *ret, struct bt_err *err);

/** SHA-256 of the DER of a certificate: what join tokens carry. */
int bt_x509_fingerprint(const char *cert_pem, unsigned char ret[32], struct bt_err *err);

/**
 * Do @cert_pem and @key_pem belong together, is the certificate signed by @ca_pem, and does it
 * carry exactly @sans (NULL-terminated as above)? Expiry is not judged. Errors: INVALID, saying
 * what is wrong.
 */
int bt_x509_server_check(const char *cert_pem, const char *key_pem, const char *ca_pem,
                         const char *const *sans, struct bt_err *err);

/** Facts of the peer's verified certificate of a TLS connection (an SSL *). Errors: NOT_FOUND
 * (none). */
int bt_x509_peer_info(void *ssl, struct bt_cert_info *ret, struct bt_err *err);

/**
 * Make a TLS client context (SSL_CTX *) trust one certificate, by the SHA-256 @fp of its DER, which
 * the server must send in its chain, and nothing else; dates, purpose and signatures are checked as
 * ever. For joins. @fp must outlive the context.
 */
void bt_x509_pin_ctx(void *ssl_ctx, const unsigned char fp[32]);

/** Make a TLS client connection (SSL *) demand that the server's certificate names @host: a DNS
 * name or an IP address. Errors: INVALID. */
int bt_x509_expect_host(void *ssl, const char *host, struct bt_err *err);

/** Why the peer's certificate of a TLS connection (SSL *) was not accepted. Static. */
const char *bt_x509_verify_text(void *ssl);
