/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/crypto/crypto.h"

#include <liboath/oath.h>
#include <sodium.h>
#include <string.h>

#include "common/base/mem.h"

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct bt_sha256_ctx), "hash state fits");
_Static_assert(crypto_hash_sha256_BYTES == BT_SHA256_LEN, "SHA-256");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == BT_SEAL_KEY_LEN, "seal key");

int bt_crypto_init(struct bt_err *err)
{
    if (sodium_init() < 0)
        return bt_fail(err, BT_E_INTERNAL, "libsodium cannot start");
    if (oath_init() != OATH_OK)
        return bt_fail(err, BT_E_INTERNAL, "liboath cannot start");
    return 0;
}

void bt_sha256(const void *data, size_t n, unsigned char ret[BT_SHA256_LEN])
{
    (void)crypto_hash_sha256(ret, data, n);
}

static crypto_hash_sha256_state *sha_state(struct bt_sha256_ctx *c)
{
    return (crypto_hash_sha256_state *)(void *)c->opaque;
}

void bt_sha256_init(struct bt_sha256_ctx *c)
{
    (void)crypto_hash_sha256_init(sha_state(c));
}

void bt_sha256_add(struct bt_sha256_ctx *c, const void *data, size_t n)
{
    (void)crypto_hash_sha256_update(sha_state(c), data, n);
}

void bt_sha256_end(struct bt_sha256_ctx *c, unsigned char ret[BT_SHA256_LEN])
{
    (void)crypto_hash_sha256_final(sha_state(c), ret);
}

bool bt_same(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

/* ---- sealing: key id (u32, big-endian) | nonce (24) | ciphertext and tag; bound: key id | @ad
 * ---- */

enum {
    SEAL_ID = 4,
    SEAL_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    SEAL_HEAD = SEAL_ID + SEAL_NONCE,
    SEAL_TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
};

static void put_u32(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

/* The key id is bound too, so that a row cannot be made to name another key. */
static unsigned char *bound_data(uint32_t key_id, const char *ad, size_t *ret_n)
{
    size_t n = ad ? strlen(ad) : 0;
    unsigned char *p = bt_xmalloc(SEAL_ID + n);
    put_u32(p, key_id);
    if (n)
        memcpy(p + SEAL_ID, ad, n);
    *ret_n = SEAL_ID + n;
    return p;
}

void *bt_seal(uint32_t key_id, const unsigned char key[BT_SEAL_KEY_LEN],
              const struct bt_random *rnd, const void *plain, size_t n, const char *ad,
              size_t *ret_len)
{
    size_t bound_n;
    _cleanup_free_ unsigned char *bound = bound_data(key_id, ad, &bound_n);
    unsigned char *out = bt_xmalloc(SEAL_HEAD + n + SEAL_TAG);
    put_u32(out, key_id);
    bt_random_fill(rnd, out + SEAL_ID, SEAL_NONCE);
    unsigned long long sealed_n = 0;
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + SEAL_HEAD, &sealed_n, plain, n, bound,
                                                     bound_n, NULL, out + SEAL_ID, key);
    *ret_len = SEAL_HEAD + (size_t)sealed_n;
    return out;
}

int bt_unseal(uint32_t key_id, const unsigned char key[BT_SEAL_KEY_LEN], const void *sealed,
              size_t n, const char *ad, void **ret, size_t *ret_len, struct bt_err *err)
{
    const unsigned char *in = sealed;
    unsigned char id[SEAL_ID];
    put_u32(id, key_id);
    if (n < SEAL_HEAD + SEAL_TAG || memcmp(in, id, SEAL_ID) != 0)
        return bt_fail(err, BT_E_DENIED, "sealed data is not of key %u", key_id);
    size_t bound_n;
    _cleanup_free_ unsigned char *bound = bound_data(key_id, ad, &bound_n);
    /* One byte more: sealed text can be used as a string. */
    size_t cap = n - SEAL_HEAD - SEAL_TAG + 1;
    unsigned char *out = bt_xcalloc(1, cap);
    unsigned long long plain_n = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, &plain_n, NULL, in + SEAL_HEAD,
                                                   n - SEAL_HEAD, bound, bound_n, in + SEAL_ID,
                                                   key) != 0) {
        bt_erase(out, cap);
        free(out);
        return bt_fail(err, BT_E_DENIED, "sealed data does not open: wrong key or altered");
    }
    *ret = out;
    *ret_len = (size_t)plain_n;
    return 0;
}

/* ---- TOTP (RFC 6238, SHA-1, 30 s, 6 digits: what every authenticator speaks) ---- */

enum { TOTP_STEP_MS = 30000, TOTP_DIGITS = 6 };

bool bt_totp_ok(const void *secret, size_t n, const char *code, int64_t utc_ms, int64_t *ret_step)
{
    if (strlen(code) != TOTP_DIGITS || utc_ms < TOTP_STEP_MS)
        return false;
    int64_t now = utc_ms / TOTP_STEP_MS;
    int64_t hit = -1;
    for (int64_t step = now - 1; step <= now + 1; step++) {
        char want[TOTP_DIGITS + 2] = "";
        if (oath_hotp_generate(secret, n, (uint64_t)step, TOTP_DIGITS, false,
                               OATH_HOTP_DYNAMIC_TRUNCATION, want) != OATH_OK)
            return false;
        if (bt_same(want, code, TOTP_DIGITS))
            hit = step;
        bt_erase(want, sizeof(want));
    }
    if (hit < 0)
        return false;
    *ret_step = hit;
    return true;
}
