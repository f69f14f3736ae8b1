/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "common/base/ip.h"
#include "common/base/mem.h"

#include <cmocka.h>

static void parses_and_prints_one_form(void **state)
{
    static const struct {
        const char *in, *out; /* NULL = refused */
    } rows[] = {
        {"198.18.0.1", "198.18.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::", "::"},
        {"fe80::1", "fe80::1"},
        {"2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"},
        {"198.18.0.01", NULL},
        {"198.18.0", NULL},
        {"198.18.0.256", NULL},
        {" 198.18.0.1", NULL},
        {"198.18.0.1 ", NULL},
        {"fe80::1%eth0", NULL},
        {"::ffff:198.18.0.1", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct bt_ip ip;
        char text[BT_IP_STR_MAX];
        int rc = bt_ip_parse(rows[i].in, &ip, NULL);
        assert_int_equal(rc < 0, rows[i].out == NULL);
        if (rows[i].out)
            assert_string_equal(bt_ip_str(&ip, text), rows[i].out);
    }
    assert_true(bt_ip_parse(NULL, &(struct bt_ip){0}, NULL) < 0);
}

static void parses_prefixes(void **state)
{
    static const char *const good[] = {"198.18.0.0/20",   "0.0.0.0/0", "198.18.0.1/32",
                                       "2001:db8:1::/48", "::/0",      "2001:db8::1/128"};
    static const char *const bad[] = {"198.18.0.1/20",
                                      "198.18.0.0/33",
                                      "198.18.0.0/",
                                      "198.18.0.0",
                                      "198.18.0.0/-1",
                                      "198.18.0.0/+8",
                                      "198.18.0.0/08",
                                      "198.18.0.0/8/8",
                                      "2001:db8:1::1/48",
                                      "2001:db8::/129",
                                      "/8",
                                      "2001:db8::/ 48"};
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(good); i++) {
        struct bt_cidr c;
        char text[BT_CIDR_STR_MAX];
        assert_int_equal(bt_cidr_parse(good[i], &c, NULL), 0);
        assert_string_equal(bt_cidr_str(&c, text), good[i]);
    }
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(bt_cidr_parse(bad[i], &(struct bt_cidr){0}, NULL), -BT_E_INVALID);
}

static struct bt_cidr cidr(const char *s)
{
    struct bt_cidr c;
    assert_int_equal(bt_cidr_parse(s, &c, NULL), 0);
    return c;
}

static struct bt_ip ip_of(const char *s)
{
    struct bt_ip ip;
    assert_int_equal(bt_ip_parse(s, &ip, NULL), 0);
    return ip;
}

static void contains_and_overlaps(void **state)
{
    struct bt_cidr c = cidr("198.18.16.0/20");
    struct bt_ip in = ip_of("198.18.31.255");
    struct bt_ip out = ip_of("198.18.32.0");
    struct bt_ip six = ip_of("2001:db8::");
    (void)state;
    assert_true(bt_cidr_contains(&c, &in));
    assert_false(bt_cidr_contains(&c, &out));
    assert_false(bt_cidr_contains(&c, &six));
    struct bt_cidr inner = cidr("198.18.20.0/24");
    struct bt_cidr next = cidr("198.18.32.0/20");
    assert_true(bt_cidr_overlaps(&c, &inner));
    assert_true(bt_cidr_overlaps(&inner, &c));
    assert_false(bt_cidr_overlaps(&c, &next));
    struct bt_cidr all = cidr("::/0");
    assert_false(bt_cidr_overlaps(&c, &all));
}

static void counts_and_numbers(void **state)
{
    static const struct {
        const char *cidr;
        int sub_len;
        int64_t n;
        const char *ip; /* NULL = out of range */
    } rows[] = {
        {"198.18.0.0/20", 32, 0, "198.18.0.0"},
        {"198.18.0.0/20", 32, 4095, "198.18.15.255"},
        {"198.18.0.0/20", 32, 4096, NULL},
        {"198.18.0.0/20", 32, -1, NULL},
        {"2001:db8:1::/48", 64, 0, "2001:db8:1::"},
        {"2001:db8:1::/48", 64, 0xabcd, "2001:db8:1:abcd::"},
        {"2001:db8:1::/48", 64, 65536, NULL},
        {"2001:db8::/65", 128, INT64_C(1) << 61, "2001:db8:0:0:2000::"},
        {"0.0.0.0/0", 32, 0xffffffff, "255.255.255.255"},
        {"198.18.0.7/32", 32, 0, "198.18.0.7"},
    };
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct bt_cidr c = cidr(rows[i].cidr);
        struct bt_ip ip;
        char text[BT_IP_STR_MAX];
        int rc = bt_cidr_nth(&c, rows[i].sub_len, rows[i].n, &ip, NULL);
        assert_int_equal(rc < 0, rows[i].ip == NULL);
        if (!rows[i].ip)
            continue;
        assert_string_equal(bt_ip_str(&ip, text), rows[i].ip);
        int64_t n = -1;
        assert_int_equal(bt_cidr_index(&c, rows[i].sub_len, &ip, &n, NULL), 0);
        assert_true(n == rows[i].n);
    }
    struct bt_cidr wide = cidr("2001:db8::/32");
    assert_true(bt_cidr_count(&wide, 128) == INT64_MAX);
    assert_true(bt_cidr_count(&wide, 48) == 65536);
    assert_true(bt_cidr_count(&wide, 16) == 0);
    struct bt_ip far = ip_of("2001:db8:8000::1");
    assert_int_equal(bt_cidr_index(&wide, 128, &far, &(int64_t){0}, NULL), -BT_E_INVALID);
    struct bt_ip out = ip_of("2001:db9::1");
    assert_int_equal(bt_cidr_index(&wide, 64, &out, &(int64_t){0}, NULL), -BT_E_INVALID);
}

static void orders(void **state)
{
    struct bt_ip a = ip_of("10.0.0.1");
    struct bt_ip b = ip_of("10.0.0.2");
    struct bt_ip c = ip_of("::1");
    (void)state;
    assert_int_equal(bt_ip_cmp(&a, &b), -1);
    assert_int_equal(bt_ip_cmp(&b, &a), 1);
    assert_int_equal(bt_ip_cmp(&a, &a), 0);
    assert_int_equal(bt_ip_cmp(&b, &c), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_prints_one_form),
        cmocka_unit_test(parses_prefixes),
        cmocka_unit_test(contains_and_overlaps),
        cmocka_unit_test(counts_and_numbers),
        cmocka_unit_test(orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
