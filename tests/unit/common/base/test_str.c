/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#include <cmocka.h>

#define BAD INT64_MIN

static void compare(void **state)
{
    (void)state;
    assert_true(bt_streq("a", "a"));
    assert_true(bt_streq(NULL, NULL));
    assert_false(bt_streq(NULL, ""));
    assert_false(bt_streq("", NULL));
    assert_false(bt_streq("a", "b"));
    assert_true(bt_starts_with("abc", "ab"));
    assert_true(bt_starts_with("abc", ""));
    assert_false(bt_starts_with("ab", "abc"));
}

static void copy_is_cut(void **state)
{
    (void)state;
    char dst[4] = "zzz";
    assert_true(bt_strcpy(dst, sizeof dst, "abc"));
    assert_string_equal(dst, "abc");
    assert_false(bt_strcpy(dst, sizeof dst, "wxyz"));
    assert_string_equal(dst, "wxy");
    assert_true(bt_strcpy(dst, sizeof dst, ""));
    assert_string_equal(dst, "");
    assert_false(bt_strcpy(dst, 1, "a"));
    assert_string_equal(dst, "");
}

struct row {
    const char *text;
    int64_t want; /* BAD = refused */
};

static void check(const char *what, int (*parse)(const char *, int64_t *, struct bt_err *),
                  const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct bt_err err = BT_ERR_INIT;
        int64_t got = 12345;
        int rc = parse(rows[i].text, &got, &err);
        bool ok = rows[i].want == BAD ? rc == -BT_E_INVALID && got == 12345 && err.msg[0]
                                      : rc == 0 && got == rows[i].want && err.code == BT_E_OK;
        if (!ok)
            fail_msg("%s \"%s\": rc %d, %lld", what, rows[i].text, rc, (long long)got);
    }
}

static int parse_int(const char *s, int64_t *ret, struct bt_err *err)
{
    return bt_parse_i64(s, -100, INT64_MAX, ret, err);
}

static void integers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0},     {"42", 42},   {"-100", -100}, {"9223372036854775807", INT64_MAX},
        {"", BAD},    {"-", BAD},   {"+1", BAD},    {" 1", BAD},
        {"1 ", BAD},  {"1x", BAD},  {"0x10", BAD},  {"-101", BAD},
        {"1.0", BAD}, {"1\n", BAD}, {"- 1", BAD},   {"9223372036854775808", BAD},
        {NULL, BAD},
    };
    check("integer", parse_int, rows, BT_ARRAY_LEN(rows));
}

static void sizes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0},
        {"512M", 512LL << 20},
        {"5G", 5LL << 30},
        {"1T", 1LL << 40},
        {"64KiB", 65536},
        {"1.5k", 1536},
        {"10B", 10},
        {"1MB", 1 << 20},
        {"8388607T", 8388607LL << 40},
        {"8388608T", BAD},
        {"99999999999999999999", BAD},
        {"", BAD},
        {"G", BAD},
        {"-1", BAD},
        {"1.", BAD},
        {".5G", BAD},
        {"1..5G", BAD},
        {"1.5.5", BAD},
        {"1.2345G", BAD},
        {"1 G", BAD},
        {"1GG", BAD},
        {"1e3", BAD},
        {"1P", BAD},
        {NULL, BAD},
    };
    check("size", bt_parse_size, rows, BT_ARRAY_LEN(rows));
}

static void rates(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"100M", 100000000}, {"1.5G", 1500000000},  {"500k", 500000},
        {"500K", 500000},    {"1T", 1000000000000}, {"7", 7},
        {"1MiB", BAD},       {"1b", BAD},           {"9300000T", BAD},
    };
    check("rate", bt_parse_si, rows, BT_ARRAY_LEN(rows));
}

static void durations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"30s", 30000}, {"5m", 300000}, {"24h", 86400000}, {"7d", 604800000}, {"250ms", 250},
        {"15", 15000},  {"0.5s", 500},  {"1w", BAD},       {"1h30m", BAD},    {"", BAD},
        {"-5s", BAD},   {"0", 0},       {"s", BAD},
    };
    check("duration", bt_parse_duration, rows, BT_ARRAY_LEN(rows));
}

static void thousandths(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1", 1000},
        {"1.5", 1500},
        {"0.001", 1},
        {"0.0001", BAD},
        {"1.5k", BAD},
        {"", BAD},
        {"9223372036854775", 9223372036854775000},
        {"9223372036854776", BAD},
    };
    check("thousandths", bt_parse_milli, rows, BT_ARRAY_LEN(rows));
}

static void hex(void **state)
{
    (void)state;
    char text[9];
    unsigned char bytes[4] = {1};
    bt_hex("\x00\xab\x7f\xff", 4, text);
    assert_string_equal(text, "00ab7fff");
    assert_true(bt_unhex("00ABcd12", bytes, 4));
    assert_memory_equal(bytes, "\x00\xab\xcd\x12", 4);
    assert_false(bt_unhex("00abcd1", bytes, 4));
    assert_false(bt_unhex("00abcd123", bytes, 4));
    assert_false(bt_unhex("00abcd1g", bytes, 4));
    assert_true(bt_unhex("", bytes, 0));
}

/* Vectors of RFC 4648 section 10, without their padding. */
static void base64url(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},           {"f", "Zg"},          {"f\x6f", "Zm8"},       {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    struct bt_err err = BT_ERR_INIT;
    unsigned char back[64];
    size_t n = 0;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i][0]);
        _cleanup_free_ char *text = bt_b64url(rows[i][0], len);
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(bt_unb64url(text, back, sizeof back, &n, &err), 0);
        assert_int_equal(n, len);
        assert_memory_equal(back, rows[i][0], len);
        if (len)
            assert_int_equal(bt_unb64url(text, back, len - 1, &n, &err), -BT_E_INVALID);
    }
    static const char *const bad[] = {"A",    "AAAAA", "Z",    "Zg=", "Zm9vY",
                                      "Zm+v", "Zm/v",  "Zm v", "Zh",  "Zm9"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(bt_unb64url(bad[i], back, sizeof back, &n, &err), -BT_E_INVALID);
}

static void base64url_of_anything(void **state)
{
    (void)state;
    unsigned char data[97];
    unsigned char back[97];
    struct bt_err err = BT_ERR_INIT;
    for (size_t n = 0; n <= sizeof data; n++) {
        for (size_t i = 0; i < n; i++)
            data[i] = (unsigned char)(i * 37 + n * 11);
        _cleanup_free_ char *text = bt_b64url(data, n);
        size_t got = 0;
        assert_int_equal(bt_unb64url(text, back, n, &got, &err), 0);
        assert_int_equal(got, n);
        assert_memory_equal(back, data, n);
    }
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *allow;
        bool clean;
    } rows[] = {
        {"", NULL, true},
        {"plain ~", NULL, true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9\xf4\x8f\xbf\xbf", NULL, true},
        {"a\nb", NULL, false},
        {"a\nb", "\n\t", true},
        {"a\rb", "\n\t", false},
        {"\x1b[2J", "\n", false},
        {"\x7f", NULL, false},
        {"\xc2\x85", NULL, false}, /* a control character of two bytes */
        {"\xc2\xa0", NULL, true},
        {"\xc0\x80", NULL, false},
        {"\xc1\xbf", NULL, false},
        {"\xe0\x9f\xbf", NULL, false},
        {"\xe0\xa0\x80", NULL, true},
        {"\xed\xa0\x80", NULL, false},
        {"\xed\x9f\xbf", NULL, true},
        {"\xf0\x8f\xbf\xbf", NULL, false},
        {"\xf4\x90\x80\x80", NULL, false},
        {"\xf5\x80\x80\x80", NULL, false},
        {"\x80", NULL, false},
        {"\xc3", NULL, false},
        {"\xe2\x82", NULL, false},
        {"\xff", NULL, false},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        /* Exactly sized: a read past the end is seen. */
        size_t n = strlen(rows[i].text);
        _cleanup_free_ char *exact = bt_xmalloc(n);
        memcpy(exact, rows[i].text, n);
        if (bt_utf8_clean(exact, n, rows[i].allow) != rows[i].clean)
            fail_msg("row %zu", i);
    }
    assert_false(bt_utf8_clean("a\0b", 3, NULL));
    assert_false(bt_utf8_clean("a\0b", 3, "\n"));
    assert_int_equal(bt_utf8_seq("\xe2\x82\xac", 3), 3);
    assert_int_equal(bt_utf8_seq("\xe2\x82\xac", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compare),     cmocka_unit_test(copy_is_cut),
        cmocka_unit_test(integers),    cmocka_unit_test(sizes),
        cmocka_unit_test(rates),       cmocka_unit_test(durations),
        cmocka_unit_test(thousandths), cmocka_unit_test(hex),
        cmocka_unit_test(base64url),   cmocka_unit_test(base64url_of_anything),
        cmocka_unit_test(utf8),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
