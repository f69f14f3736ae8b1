/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/world.h"

#define BT_SHA256_LEN 32
#define BT_SEAL_KEY_LEN 32

/** Call once before anything else here (libsodium). */
int bt_crypto_init(struct bt_err *err);

/** SHA-256 of @n bytes. Any thread. */
void bt_sha256(const void *data, size_t n, unsigned char ret[BT_SHA256_LEN]);

/* Streaming SHA-256 (uploads, blobs). */
struct bt_sha256_ctx {
    _Alignas(16) unsigned char opaque[256];
};

/** Begin a hash. */
void bt_sha256_init(struct bt_sha256_ctx *c);

/** Add bytes. */
void bt_sha256_add(struct bt_sha256_ctx *c, const void *data, size_t n);

/** Finish. */
void bt_sha256_end(struct bt_sha256_ctx *c, unsigned char ret[BT_SHA256_LEN]);

/** Constant-time comparison. */
bool bt_same(const void *a, const void *b, size_t n);

/** Seal with XChaCha20-Poly1305: key id (u32) | nonce | ciphertext; @ad is bound. Caller frees. */
void *bt_seal(uint32_t key_id, const unsigned char key[BT_SEAL_KEY_LEN],
              const struct bt_random *rnd, const void *plain, size_t n, const char *ad,
              size_t *ret_len);

/** Open what bt_seal made. Caller frees (and erases). Errors: DENIED (wrong key or tampered). */
int bt_unseal(uint32_t key_id, const unsigned char key[BT_SEAL_KEY_LEN], const void *sealed,
              size_t n, const char *ad, void **ret, size_t *ret_len, struct bt_err *err);

/** argon2id of a password (interactive: 64 MiB, ~60 ms; pool thread). Caller frees. */
int bt_password_hash(const char *password, char **ret, struct bt_err *err);

/** Does @password match an argon2id string? Pool thread. */
bool bt_password_ok(const char *hash, const char *password);

/** crypt(3) hash of a guest's password (yescrypt "$y$", or sha512 "$6$" when @sha512). Pool thread.
 * Caller frees. */
int bt_guest_password_hash(const char *password, bool sha512, const struct bt_random *rnd,
                           char **ret, struct bt_err *err);

/** RFC 6238 code check with +-1 step; *@ret_step = the step used (store it: one use per step). */
bool bt_totp_ok(const void *secret, size_t n, const char *code, int64_t utc_ms, int64_t *ret_step);

/** Sec-WebSocket-Accept of a client's Sec-WebSocket-Key (RFC 6455 section 4.2.2): 28 characters and
 * a NUL. */
void bt_ws_accept(const char *key, char ret[29]);

/** A fresh Sec-WebSocket-Key: 16 random bytes in base64, 24 characters and a NUL. */
void bt_ws_key(const struct bt_random *rnd, char ret[25]);
