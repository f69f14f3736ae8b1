/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <crypt.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/crypto.h"

enum {
    SALT_BYTES = 16,
    /* glibc's crypt(3) and PAM take no more (CRYPT_MAX_PASSPHRASE_SIZE). */
    GUEST_PASSWORD_MAX = 511,
    /* Longer text costs time and adds nothing. */
    PASSWORD_MAX = 1024,
};

int bt_password_hash(const char *password, char **ret, struct bt_err *err)
{
    if (strlen(password) > PASSWORD_MAX)
        return bt_fail(err, BT_E_INVALID, "a password has at most %d bytes", PASSWORD_MAX);
    char out[crypto_pwhash_argon2id_STRBYTES];
    if (crypto_pwhash_argon2id_str(out, password, strlen(password),
                                   crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
                                   crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE) != 0)
        return bt_fail(err, BT_E_UNAVAILABLE, "no memory for a password hash");
    *ret = bt_xstrdup(out);
    return 0;
}

bool bt_password_ok(const char *hash, const char *password)
{
    if (strlen(password) > PASSWORD_MAX)
        return false;
    return crypto_pwhash_argon2id_str_verify(hash, password, strlen(password)) == 0;
}

int bt_guest_password_hash(const char *password, bool sha512, const struct bt_random *rnd,
                           char **ret, struct bt_err *err)
{
    if (strlen(password) > GUEST_PASSWORD_MAX)
        return bt_fail(err, BT_E_INVALID, "a guest password has at most %d bytes",
                       GUEST_PASSWORD_MAX);
    char salt[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    bt_random_fill(rnd, salt, sizeof(salt));
    if (!crypt_gensalt_rn(sha512 ? "$6$" : "$y$", 0, salt, sizeof(salt), setting, sizeof(setting)))
        return bt_fail_errno(err, errno, "salt for crypt(3)");
    /* 32 KiB: too much for a pool thread's stack together with its caller's. */
    struct crypt_data *work = bt_xcalloc(1, sizeof(*work));
    const char *hash = crypt_r(password, setting, work);
    bool ok = hash && hash[0] == '$';
    if (ok)
        *ret = bt_xstrdup(hash);
    bt_erase(work, sizeof(*work));
    free(work);
    return ok ? 0 : bt_fail(err, BT_E_INTERNAL, "crypt(3) refuses %s", sha512 ? "$6$" : "$y$");
}
