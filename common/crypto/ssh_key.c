/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/crypto/ssh_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define BLOB_MAX 4096
#define POINT_LEN 65 /* uncompressed point of P-256 */
#define SCALAR_LEN 32
#define PEM_COLUMNS 70

static void add_u32(struct bt_buf *b, uint32_t v)
{
    const unsigned char raw[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                  (unsigned char)(v >> 8), (unsigned char)v};
    (void)bt_buf_add(b, raw, sizeof raw);
}

static void add_string(struct bt_buf *b, const void *data, size_t n)
{
    add_u32(b, (uint32_t)n);
    (void)bt_buf_add(b, data, n);
}

static void add_text(struct bt_buf *b, const char *s)
{
    add_string(b, s, strlen(s));
}

/* mpint: no leading zero bytes but the one that keeps it positive. */
static void add_mpint(struct bt_buf *b, const unsigned char *v, size_t n)
{
    while (n > 0 && *v == 0) {
        v++;
        n--;
    }
    bool pad = n > 0 && (*v & 0x80);
    add_u32(b, (uint32_t)(n + pad));
    if (pad)
        (void)bt_buf_addc(b, 0);
    (void)bt_buf_add(b, v, n);
}

/* What the two types write: the public blob, and the fields of the private section. */
struct material {
    const char *type;
    struct bt_buf public_blob, private_fields;
};

static int make_ed25519(struct material *m, struct bt_err *err)
{
    unsigned char pk[crypto_sign_PUBLICKEYBYTES];
    unsigned char sk[crypto_sign_SECRETKEYBYTES];
    if (crypto_sign_keypair(pk, sk) != 0)
        return bt_fail(err, BT_E_INTERNAL, "ed25519 key");
    m->type = "ssh-ed25519";
    add_text(&m->public_blob, m->type);
    add_string(&m->public_blob, pk, sizeof pk);
    add_string(&m->private_fields, pk, sizeof pk);
    add_string(&m->private_fields, sk, sizeof sk);
    bt_erase(sk, sizeof sk);
    return 0;
}

static int read_ecdsa(EVP_PKEY *key, unsigned char point[POINT_LEN],
                      unsigned char scalar[SCALAR_LEN])
{
    BIGNUM *d = NULL;
    size_t n = 0;
    bool ok =
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, POINT_LEN, &n) == 1 &&
        n == POINT_LEN && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
        BN_bn2binpad(d, scalar, SCALAR_LEN) == SCALAR_LEN;
    BN_clear_free(d);
    return ok ? 0 : -1;
}

static int make_ecdsa(struct material *m, struct bt_err *err)
{
    unsigned char point[POINT_LEN];
    unsigned char scalar[SCALAR_LEN];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int rc = key ? read_ecdsa(key, point, scalar) : -1;
    EVP_PKEY_free(key);
    if (rc < 0)
        return bt_fail(err, BT_E_INTERNAL, "ecdsa key");
    m->type = "ecdsa-sha2-nistp256";
    add_text(&m->public_blob, m->type);
    add_text(&m->public_blob, "nistp256");
    add_string(&m->public_blob, point, sizeof point);
    add_text(&m->private_fields, "nistp256");
    add_string(&m->private_fields, point, sizeof point);
    add_mpint(&m->private_fields, scalar, sizeof scalar);
    bt_erase(scalar, sizeof scalar);
    return 0;
}

static char *base64(const struct bt_buf *b)
{
    size_t n = sodium_base64_ENCODED_LEN(b->len, sodium_base64_VARIANT_ORIGINAL);
    char *text = bt_xmalloc(n);
    return sodium_bin2base64(text, n, (const unsigned char *)b->data, b->len,
                             sodium_base64_VARIANT_ORIGINAL);
}

/* check | check | type | fields | comment | 1, 2, 3 ... to a multiple of 8 */
static void add_private(const struct material *m, const char *comment, struct bt_buf *out)
{
    struct bt_buf s = BT_BUF(BLOB_MAX);
    uint32_t check = randombytes_random();
    add_u32(&s, check);
    add_u32(&s, check);
    add_text(&s, m->type);
    (void)bt_buf_add(&s, m->private_fields.data, m->private_fields.len);
    add_text(&s, comment);
    for (char pad = 1; s.len % 8 != 0; pad++)
        (void)bt_buf_addc(&s, pad);
    add_string(out, s.data, s.len);
    bt_erase(s.data, s.len);
    bt_buf_fini(&s);
}

static char *private_pem(const struct material *m, const char *comment)
{
    static const char magic[] = "openssh-key-v1"; /* with its NUL */
    struct bt_buf blob = BT_BUF(BLOB_MAX);
    struct bt_buf pem = BT_BUF(2 * BLOB_MAX);
    (void)bt_buf_add(&blob, magic, sizeof magic);
    add_text(&blob, "none");
    add_text(&blob, "none");
    add_text(&blob, "");
    add_u32(&blob, 1);
    add_string(&blob, m->public_blob.data, m->public_blob.len);
    add_private(m, comment, &blob);
    char *text = base64(&blob);
    (void)bt_buf_adds(&pem, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (const char *p = text; *p; p += strnlen(p, PEM_COLUMNS))
        (void)bt_buf_addf(&pem, "%.*s\n", PEM_COLUMNS, p);
    (void)bt_buf_adds(&pem, "-----END OPENSSH PRIVATE KEY-----\n");
    bt_erase(text, strlen(text));
    bt_erase(blob.data, blob.len);
    free(text);
    bt_buf_fini(&blob);
    return bt_buf_take(&pem);
}

int bt_ssh_key_new(enum bt_ssh_type type, const char *comment, struct bt_ssh_key *ret,
                   struct bt_err *err)
{
    static int (*const makers[])(struct material * m, struct bt_err * err) = {
        [BT_SSH_ED25519] = make_ed25519, [BT_SSH_ECDSA] = make_ecdsa};
    struct material m = {.public_blob = BT_BUF(BLOB_MAX), .private_fields = BT_BUF(BLOB_MAX)};
    int rc = makers[type](&m, err);
    if (rc >= 0) {
        _cleanup_free_ char *text = base64(&m.public_blob);
        ret->public_line = bt_xasprintf("%s %s %s\n", m.type, text, comment);
        ret->private_pem = private_pem(&m, comment);
    }
    if (m.private_fields.data)
        bt_erase(m.private_fields.data, m.private_fields.len);
    bt_buf_fini(&m.private_fields);
    bt_buf_fini(&m.public_blob);
    return rc;
}

void bt_ssh_key_fini(struct bt_ssh_key *k)
{
    if (k->private_pem)
        bt_erase(k->private_pem, strlen(k->private_pem));
    free(k->private_pem);
    free(k->public_line);
    *k = (struct bt_ssh_key){0};
}
