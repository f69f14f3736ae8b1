/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    return bt_crypto_init(NULL);
}

static void sha256_vectors(void **state)
{
    (void)state;
    unsigned char h[BT_SHA256_LEN];
    char hex[2 * BT_SHA256_LEN + 1];
    bt_sha256("abc", 3, h);
    bt_hex(h, sizeof(h), hex);
    /* FIPS 180-2, appendix B */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct bt_sha256_ctx c;
    bt_sha256_init(&c);
    bt_sha256_add(&c, "abcdbcdecdefdefgefghfghighij", 28);
    bt_sha256_add(&c, "hijkijkljklmklmnlmnomnopnopq", 28);
    bt_sha256_end(&c, h);
    bt_hex(h, sizeof(h), hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void same(void **state)
{
    (void)state;
    assert_true(bt_same("abc", "abc", 3));
    assert_false(bt_same("abc", "abd", 3));
    assert_true(bt_same("abc", "abd", 2));
}

static void seal_opens(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    bt_random_seeded_init(&r, 1);
    unsigned char key[BT_SEAL_KEY_LEN];
    bt_random_fill(&r.table, key, sizeof(key));
    size_t n = 0;
    _cleanup_free_ unsigned char *sealed =
        bt_seal(7, key, &r.table, "secret", 6, "users/1/totp", &n);
    assert_int_equal(n, 4 + 24 + 6 + 16);
    assert_memory_equal(sealed, "\0\0\0\7", 4);
    void *plain = NULL;
    size_t plain_n = 0;
    assert_int_equal(bt_unseal(7, key, sealed, n, "users/1/totp", &plain, &plain_n, NULL), 0);
    assert_int_equal(plain_n, 6);
    assert_string_equal(plain, "secret");
    free(plain);
    size_t again = 0;
    _cleanup_free_ unsigned char *other =
        bt_seal(7, key, &r.table, "secret", 6, "users/1/totp", &again);
    assert_memory_not_equal(sealed, other, n); /* fresh nonce */
}

static void seal_refuses(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    bt_random_seeded_init(&r, 2);
    unsigned char key[BT_SEAL_KEY_LEN], wrong[BT_SEAL_KEY_LEN] = {1};
    bt_random_fill(&r.table, key, sizeof(key));
    size_t n = 0;
    _cleanup_free_ unsigned char *sealed = bt_seal(7, key, &r.table, "secret", 6, "a", &n);
    void *plain = NULL;
    size_t plain_n = 0;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(bt_unseal(7, wrong, sealed, n, "a", &plain, &plain_n, &err), -BT_E_DENIED);
    assert_int_equal(bt_unseal(8, key, sealed, n, "a", &plain, &plain_n, &err), -BT_E_DENIED);
    assert_int_equal(bt_unseal(7, key, sealed, n, "b", &plain, &plain_n, &err), -BT_E_DENIED);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(bt_unseal(7, key, sealed, cut, "a", &plain, &plain_n, &err), -BT_E_DENIED);
    for (size_t i = 0; i < n; i++) {
        sealed[i] ^= 1;
        assert_int_equal(bt_unseal(7, key, sealed, n, "a", &plain, &plain_n, &err), -BT_E_DENIED);
        sealed[i] ^= 1;
    }
    assert_null(plain);
    assert_int_equal(plain_n, 0);
}

static void password(void **state)
{
    (void)state;
    _cleanup_free_ char *hash = NULL;
    assert_int_equal(bt_password_hash("correct horse", &hash, NULL), 0);
    assert_true(bt_starts_with(hash, "$argon2id$v=19$m=65536,t=2,p=1$"));
    assert_true(bt_password_ok(hash, "correct horse"));
    assert_false(bt_password_ok(hash, "correct horsf"));
    assert_false(bt_password_ok(hash, ""));
    assert_false(bt_password_ok("", "x"));
    assert_false(bt_password_ok("$argon2id$nonsense", "x"));
    char long_text[1100];
    memset(long_text, 'a', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    char *none = NULL;
    assert_int_equal(bt_password_hash(long_text, &none, NULL), -BT_E_INVALID);
    assert_null(none);
}

static void guest_password(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    bt_random_seeded_init(&r, 3);
    _cleanup_free_ char *y = NULL, *six = NULL;
    assert_int_equal(bt_guest_password_hash("pw", false, &r.table, &y, NULL), 0);
    assert_true(bt_starts_with(y, "$y$j9T$"));
    assert_int_equal(bt_guest_password_hash("pw", true, &r.table, &six, NULL), 0);
    assert_true(bt_starts_with(six, "$6$"));
    assert_int_equal(strlen(strrchr(six, '$') + 1), 86);
    _cleanup_free_ char *y2 = NULL;
    bt_random_seeded_init(&r, 3);
    assert_int_equal(bt_guest_password_hash("pw", false, &r.table, &y2, NULL), 0);
    assert_string_equal(y, y2); /* the salt is the given random's, nothing else */
    char long_text[600];
    memset(long_text, 'a', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    char *none = NULL;
    assert_int_equal(bt_guest_password_hash(long_text, true, &r.table, &none, NULL), -BT_E_INVALID);
}

static void totp(void **state)
{
    (void)state;
    /* RFC 6238 appendix B, SHA-1, last six of the eight digits */
    static const char secret[] = "12345678901234567890";
    int64_t step = 0;
    assert_true(bt_totp_ok(secret, 20, "287082", 59000, &step));
    assert_int_equal(step, 1);
    assert_true(bt_totp_ok(secret, 20, "081804", 1111111109000, &step));
    assert_int_equal(step, 37037036);
    assert_true(bt_totp_ok(secret, 20, "081804", 1111111109000 + 30000, &step));
    assert_int_equal(step, 37037036); /* one step late counts as that step */
    assert_true(bt_totp_ok(secret, 20, "081804", 1111111109000 - 30000, &step));
    step = -5;
    assert_false(bt_totp_ok(secret, 20, "081804", 1111111109000 + 60000, &step));
    assert_false(bt_totp_ok(secret, 20, "081805", 1111111109000, &step));
    assert_false(bt_totp_ok(secret, 20, "0818", 1111111109000, &step));
    assert_false(bt_totp_ok(secret, 20, "0081804", 1111111109000, &step));
    assert_int_equal(step, -5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors), cmocka_unit_test(same),
        cmocka_unit_test(seal_opens),     cmocka_unit_test(seal_refuses),
        cmocka_unit_test(password),       cmocka_unit_test(guest_password),
        cmocka_unit_test(totp),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, NULL);
}
