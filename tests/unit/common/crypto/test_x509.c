/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/x509.h"

#include <cmocka.h>

enum { DAY_MS = 86400 * 1000 };
static const int64_t now_ms = 1800000000000;

#define ISSUE(ca_cert, ca_key, name, n_days)                                                       \
    ((struct bt_x509_issue){ca_cert, ca_key, name, now_ms, n_days})

struct pair {
    char *key;
    char *cert;
};

static void pair_fini(struct pair *p)
{
    free(p->key);
    free(p->cert);
}

static void make_ca(struct pair *ca)
{
    assert_int_equal(bt_x509_key_new(&ca->key, NULL), 0);
    assert_int_equal(bt_x509_ca_new(ca->key, "Berth CA", now_ms, 3650, &ca->cert, NULL), 0);
}

static void key_is_pem(void **state)
{
    (void)state;
    _cleanup_free_ char *a = NULL, *b = NULL;
    assert_int_equal(bt_x509_key_new(&a, NULL), 0);
    assert_int_equal(bt_x509_key_new(&b, NULL), 0);
    assert_true(bt_starts_with(a, "-----BEGIN PRIVATE KEY-----\n"));
    assert_string_not_equal(a, b);
}

static void ca_facts(void **state)
{
    (void)state;
    _cleanup_(pair_fini) struct pair ca = {0};
    make_ca(&ca);
    struct bt_cert_info info;
    assert_int_equal(bt_x509_info(ca.cert, &info, NULL), 0);
    assert_string_equal(info.cn, "Berth CA");
    assert_int_equal(strlen(info.serial), BT_SERIAL_LEN);
    assert_int_equal(info.not_before_ms, now_ms - 3600 * 1000);
    assert_int_equal(info.not_after_ms, now_ms + (int64_t)3650 * DAY_MS);
    unsigned char fp[32], fp2[32];
    assert_int_equal(bt_x509_fingerprint(ca.cert, fp, NULL), 0);
    _cleanup_(pair_fini) struct pair other = {0};
    make_ca(&other);
    assert_int_equal(bt_x509_fingerprint(other.cert, fp2, NULL), 0);
    assert_memory_not_equal(fp, fp2, 32);
}

static void server_cert(void **state)
{
    (void)state;
    static const char *const sans[] = {"DNS:controller", "IP:127.0.0.1", "IP:2001:db8::1", NULL};
    static const char *const more[] = {"DNS:controller", "IP:127.0.0.2", NULL};
    static const char *const fewer[] = {"DNS:controller", "IP:127.0.0.1", NULL};
    static const char *const bad[] = {"DNS:a,otherName:x", NULL};
    static const char *const bad2[] = {"email:a@b", NULL};
    _cleanup_(pair_fini) struct pair ca = {0}, s = {0}, foreign = {0};
    make_ca(&ca);
    make_ca(&foreign);
    assert_int_equal(bt_x509_key_new(&s.key, NULL), 0);
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(
        bt_x509_server_new(&ISSUE(ca.cert, ca.key, "berthd", 365), s.key, sans, &s.cert, &err), 0);
    assert_int_equal(bt_x509_server_check(s.cert, s.key, ca.cert, sans, &err), 0);
    assert_int_equal(bt_x509_server_check(s.cert, s.key, ca.cert, more, &err), -BT_E_INVALID);
    assert_non_null(strstr(err.msg, "IP:127.0.0.2"));
    assert_int_equal(bt_x509_server_check(s.cert, s.key, ca.cert, fewer, &err), -BT_E_INVALID);
    assert_int_equal(bt_x509_server_check(s.cert, ca.key, ca.cert, sans, &err), -BT_E_INVALID);
    assert_int_equal(bt_x509_server_check(s.cert, s.key, foreign.cert, sans, &err), -BT_E_INVALID);
    char *none = NULL;
    assert_int_equal(bt_x509_server_new(&ISSUE(ca.cert, ca.key, "x", 1), s.key, bad, &none, &err),
                     -BT_E_INVALID);
    assert_int_equal(bt_x509_server_new(&ISSUE(ca.cert, ca.key, "x", 1), s.key, bad2, &none, &err),
                     -BT_E_INVALID);
    assert_int_equal(
        bt_x509_server_new(&ISSUE(ca.cert, foreign.key, "x", 1), s.key, sans, &none, &err),
        -BT_E_INVALID);
    assert_null(none);
}

static void csr_signed(void **state)
{
    (void)state;
    _cleanup_(pair_fini) struct pair ca = {0}, agent = {0};
    make_ca(&ca);
    assert_int_equal(bt_x509_key_new(&agent.key, NULL), 0);
    _cleanup_free_ char *csr = NULL, *again = NULL;
    assert_int_equal(bt_x509_csr_new(agent.key, "liar", &csr, NULL), 0);
    assert_true(bt_starts_with(csr, "-----BEGIN CERTIFICATE REQUEST-----\n"));
    struct bt_cert_info info, info2;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(
        bt_x509_client_sign(&ISSUE(ca.cert, ca.key, "h1", 30), csr, &agent.cert, &info, &err), 0);
    assert_string_equal(info.cn, "h1"); /* the subject asked for is ignored */
    assert_int_equal(info.not_after_ms, now_ms + (int64_t)30 * DAY_MS);
    assert_int_equal(
        bt_x509_client_sign(&ISSUE(ca.cert, ca.key, "h1", 30), csr, &again, &info2, &err), 0);
    assert_string_not_equal(info.serial, info2.serial);
    struct bt_cert_info read;
    assert_int_equal(bt_x509_info(agent.cert, &read, NULL), 0);
    assert_string_equal(read.serial, info.serial);
}

/* A request for a key of RSA 1024 (openssl req). */
static const char weak_rsa[] = "-----BEGIN CERTIFICATE REQUEST-----\n"
                               "MIIBSzCBtQIBADAMMQowCAYDVQQDDAF4MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB\n"
                               "iQKBgQDLZzfQxLx0S2jGbN0A8qdseossf4QKcZDZ3MBdnq41E6zydiBdGlB0Vpjt\n"
                               "H5+i2F2dVpDKzoBChbRmdJydQxEZRS3X47gTERMqHhCihdLOaHCLW3/TqNRGD1mO\n"
                               "yYRQoq1Iz/PAXS4MnGwgjMNsxlIzlViV6fc4nskQbqaacIH9nwIDAQABoAAwDQYJ\n"
                               "KoZIhvcNAQELBQADgYEArPkJcoDp+AZTIa/sdiLaEMmieSxqdMQyA+fWh/vs87Ah\n"
                               "XoUTJBFi606328S+ovx0/1otGcbvXLKrE1Ub9PhFVXb3dyYjq163jFkFlH/LG/+3\n"
                               "Kot6J/JS8Y5AOJ1d+Xwa5rfaXd/k20r3jVyepVrCSmKi57WymephSm+P/NXFlSY=\n"
                               "-----END CERTIFICATE REQUEST-----\n";

static void csr_refused(void **state)
{
    (void)state;
    _cleanup_(pair_fini) struct pair ca = {0}, agent = {0};
    make_ca(&ca);
    assert_int_equal(bt_x509_key_new(&agent.key, NULL), 0);
    _cleanup_free_ char *csr = NULL;
    assert_int_equal(bt_x509_csr_new(agent.key, "x", &csr, NULL), 0);
    struct bt_err err = BT_ERR_INIT;
    char *none = NULL;
    const char *const bad[] = {"", "nonsense", ca.cert, agent.key, weak_rsa};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(
            bt_x509_client_sign(&ISSUE(ca.cert, ca.key, "h1", 30), bad[i], &none, NULL, &err),
            -BT_E_INVALID);
    assert_non_null(strstr(err.msg, "RSA >= 2048"));
    assert_int_equal(
        bt_x509_client_sign(&ISSUE(ca.cert, ca.key, "h1,DNS:x", 30), csr, &none, NULL, &err),
        -BT_E_INVALID);
    /* The signature's last byte sits before the padding: turn a character near the end. */
    char *end = strstr(csr, "\n-----END");
    char *last = end - 8;
    *last = *last == 'A' ? 'B' : 'A';
    assert_int_equal(bt_x509_client_sign(&ISSUE(ca.cert, ca.key, "h1", 30), csr, &none, NULL, &err),
                     -BT_E_INVALID);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_is_pem), cmocka_unit_test(ca_facts),    cmocka_unit_test(server_cert),
        cmocka_unit_test(csr_signed), cmocka_unit_test(csr_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
