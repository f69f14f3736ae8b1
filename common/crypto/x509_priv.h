/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/base/mem.h"
#include "common/crypto/x509.h"

/* Cleanup of OpenSSL's objects and PEM in and out, shared by the x509_*.c files. */

/** Cleanup of a key variable. */
static inline void x509_key_free_p(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

/** Cleanup of a certificate variable. */
static inline void x509_cert_free_p(X509 **p)
{
    X509_free(*p);
}

#define _cleanup_key_ _cleanup_(x509_key_free_p)
#define _cleanup_cert_ _cleanup_(x509_cert_free_p)

/** Fail with OpenSSL's newest reason behind @what; its error queue is empty afterwards. */
int x509_fail(struct bt_err *err, enum bt_code code, const char *what);

/** Private key from PEM. Errors: INVALID. */
int x509_key_parse(const char *pem, EVP_PKEY **ret, struct bt_err *err);

/** Certificate from PEM (the first one). Errors: INVALID. */
int x509_cert_parse(const char *pem, X509 **ret, struct bt_err *err);

/** PEM of a certificate. Caller frees. */
int x509_cert_emit(X509 *cert, char **ret_pem, struct bt_err *err);

/** Facts of @cert. Errors: INVALID (a serial or name that is not of our shape). */
int x509_cert_info(X509 *cert, struct bt_cert_info *ret, struct bt_err *err);
