/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_pki common_crypto common_base */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "controller/pki/pki.h"

#include <cmocka.h>

#define DAY_MS (86400 * (int64_t)1000)

struct rig {
    char dir[64];
    char path[80];
    int64_t now_ms;
    struct bt_clock clock;
    struct pki_config cfg;
    struct pki *pki;
};

static const char *const sans[] = {"controller", "127.0.0.1", "2001:db8::1", NULL};

static int64_t on_utc(void *ctx)
{
    return ((struct rig *)ctx)->now_ms;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    *state = r;
    snprintf(r->dir, sizeof(r->dir), "/tmp/berth-pki-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/keys", r->dir);
    r->now_ms = 1800000000000;
    r->clock = (struct bt_clock){.utc_ms = on_utc, .mono_ms = on_utc, .ctx = r};
    r->cfg = (struct pki_config){
        .dir = r->path, .sans = sans, .clock = &r->clock, .random = bt_random_real()};
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    pki_free(r->pki);
    assert_int_equal(bt_remove_tree(AT_FDCWD, r->dir, NULL), 0);
    free(r);
    return 0;
}

static void reopen(struct rig *r)
{
    struct bt_err err = BT_ERR_INIT;
    pki_free(TAKE_PTR(r->pki));
    if (pki_open(&r->cfg, &r->pki, &err) < 0)
        fail_msg("%s", err.msg);
}

static void refuses(struct rig *r, const char *why)
{
    struct bt_err err = BT_ERR_INIT;
    pki_free(TAKE_PTR(r->pki));
    assert_int_equal(pki_open(&r->cfg, &r->pki, &err), -BT_E_INVALID);
    if (!strstr(err.msg, why))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
}

static char *text_of(struct rig *r, const char *name)
{
    char path[128];
    struct bt_buf b = BT_BUF(65536);
    snprintf(path, sizeof(path), "%s/%s", r->path, name);
    assert_int_equal(bt_read_file(AT_FDCWD, path, 65536, &b, NULL), 0);
    return bt_buf_take(&b);
}

static void put(struct rig *r, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->path, name);
    assert_int_equal(bt_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static void drop(struct rig *r, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->path, name);
    assert_int_equal(unlink(path), 0);
}

static mode_t mode_of(struct rig *r, const char *name)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", r->path, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void first_start(void **state)
{
    struct rig *r = *state;
    reopen(r);
    static const char *const keys[] = {"ca.key", "server.key", "seal.key"};
    for (size_t i = 0; i < BT_ARRAY_LEN(keys); i++)
        assert_int_equal(mode_of(r, keys[i]), 0600);
    assert_int_equal(mode_of(r, ""), 0700);
    unsigned char fp[32], seal[BT_SEAL_KEY_LEN], zero[32] = {0};
    memcpy(seal, pki_seal_key(r->pki), sizeof(seal));
    assert_memory_not_equal(seal, zero, 32);
    assert_int_equal(bt_x509_fingerprint(pki_ca_pem(r->pki), fp, NULL), 0);
    assert_memory_equal(fp, pki_ca_fingerprint(r->pki), 32);
    _cleanup_free_ char *cert = text_of(r, "server.crt"), *key = text_of(r, "server.key");
    static const char *const want[] = {"DNS:controller", "IP:127.0.0.1", "IP:2001:db8::1", NULL};
    assert_int_equal(bt_x509_server_check(cert, key, pki_ca_pem(r->pki), want, NULL), 0);
    assert_non_null(strstr(cert, pki_ca_pem(r->pki))); /* the CA is behind it */
    reopen(r);                                         /* nothing changes */
    _cleanup_free_ char *cert2 = text_of(r, "server.crt"), *key2 = text_of(r, "server.key");
    assert_string_equal(cert, cert2);
    assert_string_equal(key, key2);
    assert_memory_equal(seal, pki_seal_key(r->pki), sizeof(seal));
    assert_memory_equal(fp, pki_ca_fingerprint(r->pki), 32);
}

/* A first start that was cut off after any of its files is completed, with what was there. */
static void crash_in_first_start(void **state)
{
    struct rig *r = *state;
    reopen(r);
    _cleanup_free_ char *ca_key = text_of(r, "ca.key"), *seal = text_of(r, "seal.key"),
                        *server_key = text_of(r, "server.key");
    drop(r, "server.crt");
    reopen(r);
    _cleanup_free_ char *server_key2 = text_of(r, "server.key");
    assert_string_equal(server_key, server_key2);
    drop(r, "server.crt");
    drop(r, "server.key");
    drop(r, "ca.crt");
    reopen(r);
    _cleanup_free_ char *ca_key2 = text_of(r, "ca.key"), *seal2 = text_of(r, "seal.key");
    assert_string_equal(ca_key, ca_key2);
    assert_string_equal(seal, seal2);
    drop(r, "server.crt");
    drop(r, "server.key");
    drop(r, "ca.crt");
    drop(r, "seal.key");
    put(r, "ca.crt.tmp1", "half a fil");
    reopen(r);
    _cleanup_free_ char *ca_key3 = text_of(r, "ca.key");
    assert_string_equal(ca_key, ca_key3);
}

static void losses_are_errors(void **state)
{
    struct rig *r = *state;
    reopen(r);
    _cleanup_free_ char *ca_key = text_of(r, "ca.key"), *seal = text_of(r, "seal.key"),
                        *ca = text_of(r, "ca.crt");
    drop(r, "ca.key");
    refuses(r, "ca.key is missing");
    put(r, "ca.key", ca_key);
    reopen(r);
    drop(r, "seal.key");
    refuses(r, "seal.key is missing");
    put(r, "seal.key", "1 abcdef\n");
    refuses(r, "damaged");
    put(r, "seal.key", seal);
    reopen(r);
    drop(r, "ca.crt");
    refuses(r, "restore it from a backup");
    put(r, "ca.crt", "nonsense");
    refuses(r, "CA");
    put(r, "ca.crt", ca);
    _cleanup_free_ char *other = NULL;
    assert_int_equal(bt_x509_key_new(&other, NULL), 0);
    put(r, "ca.key", other);
    refuses(r, "CA");
    put(r, "ca.key", ca_key);
    reopen(r);
    char path[128];
    snprintf(path, sizeof(path), "%s/ca.key", r->path);
    assert_int_equal(chmod(path, 0640), 0);
    refuses(r, "read by others");
    assert_int_equal(chmod(path, 0600), 0);
    reopen(r);
}

static void server_made_again(void **state)
{
    struct rig *r = *state;
    reopen(r);
    bool changed = true;
    assert_int_equal(pki_renew_server(r->pki, &changed, NULL), 0);
    assert_false(changed);
    _cleanup_free_ char *first = text_of(r, "server.crt");
    static const char *const more[] = {"controller", "127.0.0.1", NULL};
    r->cfg.sans = more; /* a name less */
    reopen(r);
    _cleanup_free_ char *second = text_of(r, "server.crt");
    assert_string_not_equal(first, second);
    r->now_ms += 200 * DAY_MS;
    assert_int_equal(pki_renew_server(r->pki, &changed, NULL), 0);
    assert_false(changed);
    r->now_ms += 50 * DAY_MS; /* 2/3 of 365 days */
    assert_int_equal(pki_renew_server(r->pki, &changed, NULL), 0);
    assert_true(changed);
    _cleanup_free_ char *third = text_of(r, "server.crt");
    assert_string_not_equal(second, third);
    put(r, "server.crt", "rubbish"); /* can be made again: no reason to stop */
    reopen(r);
    _cleanup_free_ char *key = NULL;
    assert_int_equal(bt_x509_key_new(&key, NULL), 0);
    put(r, "server.key", key); /* a crash between key and certificate */
    reopen(r);
    _cleanup_free_ char *last = text_of(r, "server.crt");
    static const char *const want[] = {"DNS:controller", "IP:127.0.0.1", NULL};
    assert_int_equal(bt_x509_server_check(last, key, pki_ca_pem(r->pki), want, NULL), 0);
    static const char *const odd[] = {"a b", NULL};
    r->cfg.sans = odd;
    refuses(r, "a b");
}

static void agents(void **state)
{
    struct rig *r = *state;
    reopen(r);
    _cleanup_free_ char *key = NULL, *csr = NULL, *cert = NULL;
    assert_int_equal(bt_x509_key_new(&key, NULL), 0);
    assert_int_equal(bt_x509_csr_new(key, "anything", &csr, NULL), 0);
    struct bt_cert_info info;
    assert_int_equal(pki_sign_agent(r->pki, csr, "h1", &cert, &info, NULL), 0);
    assert_string_equal(info.cn, "h1");
    assert_int_equal(info.not_after_ms, r->now_ms + 30 * DAY_MS);
    char *none = NULL;
    assert_int_equal(pki_sign_agent(r->pki, "no request", "h1", &none, &info, NULL), -BT_E_INVALID);
    struct bt_join_token t, t2;
    pki_join_token_new(r->pki, &t);
    pki_join_token_new(r->pki, &t2);
    assert_memory_not_equal(&t, &t2, 40);
    assert_memory_equal(t.ca_sha256, pki_ca_fingerprint(r->pki), 32);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(first_start), T(crash_in_first_start), T(losses_are_errors), T(server_made_again),
        T(agents),
    };
    if (bt_crypto_init(NULL) < 0)
        return 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
