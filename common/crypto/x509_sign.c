/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making certificates (RFC 5280) and certificate requests (RFC 2986). */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_priv.h"

enum {
    BACKDATE_MS = 3600 * 1000, /* agents' clocks may be behind */
    DAY_S = 86400,
    SANS_MAX = 16 * 1024,
    RSA_BITS_MIN = 2048,
    CSR_MAX = 16 * 1024,
};

/* What differs between the kinds of certificates; NULL issuer = signed by its own key. */
struct recipe {
    X509 *issuer;
    EVP_PKEY *issuer_key;
    EVP_PKEY *subject_key;
    const char *cn;
    int64_t now_ms;
    int days;
    const char *const (*ext)[2]; /* {OpenSSL's name, value}, ends with {NULL} */
    const char *sans;            /* subjectAltName's value, NULL = none */
};

static bool serial_set(X509 *cert)
{
    unsigned char bytes[BT_SERIAL_LEN / 2];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    BIGNUM *bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
    BN_free(bn);
    return ok;
}

static bool ext_add(X509 *cert, X509 *issuer, const char *name, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer ? issuer : cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_nconf(NULL, &ctx, name, value);
    bool ok = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool name_set(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1,
                                      0) == 1;
}

static bool dates_set(X509 *cert, int64_t now_ms, int days)
{
    time_t from = (time_t)((now_ms - BACKDATE_MS) / 1000);
    time_t until = (time_t)(now_ms / 1000) + (time_t)days * DAY_S;
    return ASN1_TIME_set(X509_getm_notBefore(cert), from) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), until);
}

static bool exts_set(X509 *cert, const struct recipe *r)
{
    for (size_t i = 0; r->ext[i][0]; i++) {
        if (!ext_add(cert, r->issuer, r->ext[i][0], r->ext[i][1]))
            return false;
    }
    return !r->sans || ext_add(cert, r->issuer, "subjectAltName", r->sans);
}

static int make(const struct recipe *r, X509 **ret, struct bt_err *err)
{
    _cleanup_cert_ X509 *cert = X509_new();
    EVP_PKEY *signer = r->issuer ? r->issuer_key : r->subject_key;
    if (!cert || X509_set_version(cert, X509_VERSION_3) != 1 || !serial_set(cert) ||
        !name_set(X509_get_subject_name(cert), r->cn) ||
        X509_set_issuer_name(cert, X509_get_subject_name(r->issuer ? r->issuer : cert)) != 1 ||
        !dates_set(cert, r->now_ms, r->days) || X509_set_pubkey(cert, r->subject_key) != 1 ||
        !exts_set(cert, r) || X509_sign(cert, signer, EVP_sha256()) == 0)
        return x509_fail(err, BT_E_INTERNAL, "making a certificate");
    *ret = TAKE_PTR(cert);
    return 0;
}

/* Make by @r and write PEM and, if wanted, the facts. */
static int make_pem(const struct recipe *r, char **ret_pem, struct bt_cert_info *ret_info,
                    struct bt_err *err)
{
    _cleanup_cert_ X509 *cert = NULL;
    int rc = make(r, &cert, err);
    struct bt_cert_info info;
    if (rc >= 0)
        rc = x509_cert_info(cert, &info, err);
    if (rc >= 0)
        rc = x509_cert_emit(cert, ret_pem, err);
    if (rc >= 0 && ret_info)
        *ret_info = info;
    return rc;
}

int bt_x509_ca_new(const char *key_pem, const char *cn, int64_t now_ms, int days,
                   char **ret_cert_pem, struct bt_err *err)
{
    static const char *const ext[][2] = {
        {"basicConstraints", "critical,CA:TRUE,pathlen:0"},
        {"keyUsage", "critical,keyCertSign,cRLSign"},
        {"subjectKeyIdentifier", "hash"},
        {NULL, NULL},
    };
    _cleanup_key_ EVP_PKEY *key = NULL;
    int rc = x509_key_parse(key_pem, &key, err);
    if (rc < 0)
        return rc;
    struct recipe r = {.subject_key = key, .cn = cn, .now_ms = now_ms, .days = days, .ext = ext};
    return make_pem(&r, ret_cert_pem, NULL, err);
}

struct ca {
    X509 *cert;
    EVP_PKEY *key;
};

static void ca_fini(struct ca *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static int ca_load(const char *cert_pem, const char *key_pem, struct ca *ca, struct bt_err *err)
{
    int rc = x509_cert_parse(cert_pem, &ca->cert, err);
    if (rc >= 0)
        rc = x509_key_parse(key_pem, &ca->key, err);
    if (rc < 0)
        return bt_wrap(err, "CA");
    if (X509_check_private_key(ca->cert, ca->key) != 1)
        return x509_fail(err, BT_E_INVALID, "CA key");
    return 0;
}

/* OpenSSL splits this text at commas and colons: names may hold only what names hold. */
static int sans_join(const char *const *sans, struct bt_buf *out, struct bt_err *err)
{
    for (size_t i = 0; sans[i]; i++) {
        const char *value = strchr(sans[i], ':');
        if (!value || !(bt_starts_with(sans[i], "DNS:") || bt_starts_with(sans[i], "IP:")) ||
            value[1] == '\0' ||
            value[1 + strspn(value + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789.:-*_")] != '\0')
            return bt_fail(err, BT_E_INVALID, "not a subject alternative name: %.200s", sans[i]);
        bt_buf_addf(out, "%s%s", i ? "," : "", sans[i]);
    }
    if (out->overflow)
        return bt_fail(err, BT_E_INVALID, "too many subject alternative names");
    return 0;
}

int bt_x509_server_new(const struct bt_x509_issue *how, const char *key_pem,
                       const char *const *sans, char **ret_cert_pem, struct bt_err *err)
{
    static const char *const ext[][2] = {
        {"basicConstraints", "critical,CA:FALSE"},  {"keyUsage", "critical,digitalSignature"},
        {"extendedKeyUsage", "serverAuth"},         {"subjectKeyIdentifier", "hash"},
        {"authorityKeyIdentifier", "keyid:always"}, {NULL, NULL},
    };
    _cleanup_(ca_fini) struct ca ca = {0};
    _cleanup_key_ EVP_PKEY *key = NULL;
    _cleanup_buf_ struct bt_buf joined = BT_BUF(SANS_MAX);
    int rc = ca_load(how->ca_cert_pem, how->ca_key_pem, &ca, err);
    if (rc >= 0)
        rc = x509_key_parse(key_pem, &key, err);
    if (rc >= 0)
        rc = sans_join(sans, &joined, err);
    if (rc < 0)
        return rc;
    struct recipe r = {.issuer = ca.cert,
                       .issuer_key = ca.key,
                       .subject_key = key,
                       .cn = how->cn,
                       .now_ms = how->now_ms,
                       .days = how->days,
                       .ext = ext,
                       .sans = joined.len ? joined.data : NULL};
    return make_pem(&r, ret_cert_pem, NULL, err);
}

/* ---- requests ---- */

static void req_free_p(X509_REQ **p)
{
    X509_REQ_free(*p);
}

int bt_x509_csr_new(const char *key_pem, const char *cn, char **ret_csr_pem, struct bt_err *err)
{
    _cleanup_key_ EVP_PKEY *key = NULL;
    int rc = x509_key_parse(key_pem, &key, err);
    if (rc < 0)
        return rc;
    _cleanup_(req_free_p) X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (req && bio && name_set(X509_REQ_get_subject_name(req), cn) &&
        X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) != 0 &&
        PEM_write_bio_X509_REQ(bio, req) == 1) {
        char *data = NULL;
        long n = BIO_get_mem_data(bio, &data);
        pem = bt_xstrndup(data, (size_t)n);
    }
    BIO_free(bio);
    if (!pem)
        return x509_fail(err, BT_E_INTERNAL, "making a certificate request");
    *ret_csr_pem = pem;
    return 0;
}

/* Keys that we sign: EC P-256 and P-384, RSA from 2048 bits. */
static bool key_ok(EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "RSA"))
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= 8192;
    char group[64];
    size_t n = 0;
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), &n) != 1)
        return false;
    return bt_streq(group, "prime256v1") || bt_streq(group, "P-256") ||
           bt_streq(group, "secp384r1") || bt_streq(group, "P-384");
}

static int csr_parse(const char *pem, X509_REQ **ret, struct bt_err *err)
{
    size_t n = strlen(pem);
    if (n > CSR_MAX)
        return bt_fail(err, BT_E_INVALID, "certificate request is too long");
    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    _cleanup_(req_free_p) X509_REQ *req =
        bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, (void *)"") : NULL;
    BIO_free(bio);
    EVP_PKEY *key = req ? X509_REQ_get0_pubkey(req) : NULL;
    if (!key)
        return x509_fail(err, BT_E_INVALID, "certificate request");
    if (!key_ok(key))
        return bt_fail(err, BT_E_INVALID,
                       "certificate request: the key is not EC P-256, P-384 or RSA >= 2048");
    if (X509_REQ_verify(req, key) != 1)
        return x509_fail(err, BT_E_INVALID, "certificate request's signature");
    *ret = TAKE_PTR(req);
    return 0;
}

int bt_x509_client_sign(const struct bt_x509_issue *how, const char *csr_pem, char **ret_cert_pem,
                        struct bt_cert_info *ret_info, struct bt_err *err)
{
    static const char *const ext[][2] = {
        {"basicConstraints", "critical,CA:FALSE"},  {"keyUsage", "critical,digitalSignature"},
        {"extendedKeyUsage", "clientAuth"},         {"subjectKeyIdentifier", "hash"},
        {"authorityKeyIdentifier", "keyid:always"}, {NULL, NULL},
    };
    if (!bt_name_ok(how->cn) || strlen(how->cn) > 63)
        return bt_fail(err, BT_E_INVALID, "not a host name: %.80s", how->cn);
    _cleanup_(ca_fini) struct ca ca = {0};
    _cleanup_(req_free_p) X509_REQ *req = NULL;
    int rc = ca_load(how->ca_cert_pem, how->ca_key_pem, &ca, err);
    if (rc >= 0)
        rc = csr_parse(csr_pem, &req, err);
    if (rc < 0)
        return rc;
    _cleanup_free_ char *san = bt_xasprintf("URI:urn:berth:host:%s", how->cn);
    struct recipe r = {.issuer = ca.cert,
                       .issuer_key = ca.key,
                       .subject_key = X509_REQ_get0_pubkey(req),
                       .cn = how->cn,
                       .now_ms = how->now_ms,
                       .days = how->days,
                       .ext = ext,
                       .sans = san};
    return make_pem(&r, ret_cert_pem, ret_info, err);
}
