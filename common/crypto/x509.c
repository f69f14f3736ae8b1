/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys, PEM and the facts of certificates. */
#include "common/crypto/x509.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"
#include "common/crypto/x509_priv.h"

enum { PEM_MAX = 64 * 1024 };

int x509_fail(struct bt_err *err, enum bt_code code, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = e ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return bt_fail(err, code, "%s: %s", what, why ? why : "refused");
}

static int bio_of(const char *pem, BIO **ret, struct bt_err *err)
{
    size_t n = strlen(pem);
    if (n > PEM_MAX)
        return bt_fail(err, BT_E_INVALID, "PEM text is too long");
    *ret = BIO_new_mem_buf(pem, (int)n);
    return *ret ? 0 : x509_fail(err, BT_E_INTERNAL, "memory BIO");
}

static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    return n > 0 ? bt_xstrndup(data, (size_t)n) : NULL;
}

int x509_key_parse(const char *pem, EVP_PKEY **ret, struct bt_err *err)
{
    BIO *bio = NULL;
    int rc = bio_of(pem, &bio, err);
    if (rc < 0)
        return rc;
    /* An empty password: an encrypted key is refused, never asked for on a terminal. */
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
    BIO_free(bio);
    if (!key)
        return x509_fail(err, BT_E_INVALID, "private key");
    *ret = key;
    return 0;
}

int x509_cert_parse(const char *pem, X509 **ret, struct bt_err *err)
{
    BIO *bio = NULL;
    int rc = bio_of(pem, &bio, err);
    if (rc < 0)
        return rc;
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, (void *)"");
    BIO_free(bio);
    if (!cert)
        return x509_fail(err, BT_E_INVALID, "certificate");
    *ret = cert;
    return 0;
}

int x509_cert_emit(X509 *cert, char **ret_pem, struct bt_err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = bio && PEM_write_bio_X509(bio, cert) == 1 ? bio_text(bio) : NULL;
    BIO_free(bio);
    if (!pem)
        return x509_fail(err, BT_E_INTERNAL, "writing a certificate");
    *ret_pem = pem;
    return 0;
}

int bt_x509_key_new(char **ret_pem, struct bt_err *err)
{
    _cleanup_key_ EVP_PKEY *key = EVP_EC_gen("P-256");
    /* Secure memory BIO: the buffer is erased when freed. */
    BIO *bio = BIO_new(BIO_s_secmem());
    char *pem = NULL;
    if (key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        pem = bio_text(bio);
    BIO_free(bio);
    if (!pem)
        return x509_fail(err, BT_E_INTERNAL, "new key");
    *ret_pem = pem;
    return 0;
}

static bool time_ms(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *ret = (int64_t)timegm(&tm) * 1000;
    return true;
}

/* Serials longer than ours belong to somebody else's CA and cannot be in our tables. */
static bool serial_of(const X509 *cert, char dst[BT_SERIAL_LEN + 1])
{
    unsigned char bytes[BT_SERIAL_LEN / 2];
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    bool ok = bn && !BN_is_negative(bn) && BN_bn2binpad(bn, bytes, sizeof(bytes)) >= 0;
    BN_free(bn);
    if (ok)
        bt_hex(bytes, sizeof(bytes), dst);
    return ok;
}

static bool cn_of(const X509 *cert, char *dst, size_t size)
{
    const X509_NAME *name = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    dst[0] = '\0';
    if (at < 0)
        return true;
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    bool ok = n >= 0 && (size_t)n < size && bt_utf8_clean((const char *)text, (size_t)n, NULL);
    if (ok) {
        memcpy(dst, text, (size_t)n);
        dst[n] = '\0';
    }
    OPENSSL_free(text);
    return ok;
}

int x509_cert_info(X509 *cert, struct bt_cert_info *ret, struct bt_err *err)
{
    struct bt_cert_info info = {0};
    if (!serial_of(cert, info.serial) || !cn_of(cert, info.cn, sizeof(info.cn)) ||
        !time_ms(X509_get0_notBefore(cert), &info.not_before_ms) ||
        !time_ms(X509_get0_notAfter(cert), &info.not_after_ms))
        return x509_fail(err, BT_E_INVALID, "certificate's serial, name or dates");
    *ret = info;
    return 0;
}

int bt_x509_info(const char *cert_pem, struct bt_cert_info *ret, struct bt_err *err)
{
    _cleanup_cert_ X509 *cert = NULL;
    int rc = x509_cert_parse(cert_pem, &cert, err);
    return rc < 0 ? rc : x509_cert_info(cert, ret, err);
}

int bt_x509_fingerprint(const char *cert_pem, unsigned char ret[32], struct bt_err *err)
{
    _cleanup_cert_ X509 *cert = NULL;
    int rc = x509_cert_parse(cert_pem, &cert, err);
    if (rc < 0)
        return rc;
    unsigned char fp[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (X509_digest(cert, EVP_sha256(), fp, &n) != 1 || n != 32)
        return x509_fail(err, BT_E_INTERNAL, "fingerprint");
    memcpy(ret, fp, 32);
    return 0;
}
