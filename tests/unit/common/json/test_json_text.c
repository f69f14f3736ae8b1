/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/json/json_priv.h"

#include <cmocka.h>

static void quote_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\n\r\t\b\x1f", "\"\\n\\r\\t\\u0008\\u001f\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9\""},
        {"a\xff\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        _cleanup_buf_ struct bt_buf b = BT_BUF(100);
        assert_true(bt_json_quote(rows[i].in, &b));
        assert_string_equal(b.data, rows[i].want);
    }
    _cleanup_buf_ struct bt_buf small = BT_BUF(4);
    assert_false(bt_json_quote("abc", &small));
}

static int peek(const char *text, const char *key, char *dst, size_t size)
{
    struct bt_err err = BT_ERR_INIT;
    /* No NUL behind the text: the sanitizer sees a read past its end. */
    size_t len = strlen(text);
    _cleanup_free_ char *exact = bt_xmalloc(len);
    memcpy(exact, text, len);
    return bt_json_peek_str(exact, len, key, dst, size, &err);
}

static void peek_finds_members(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *want;
    } rows[] = {
        {"{\"op\":\"hello\"}", 0, "hello"},
        {" { \"v\" : 1 , \"op\" : \"x\" }", 0, "x"},
        {"{\"body\":{\"op\":\"inner\",\"a\":[\"}\",{}]},\"op\":\"outer\"}", 0, "outer"},
        {"{\"s\":\"\\\"op\\\":1}\",\"op\":7}", 0, "7"},
        {"{\"op\":-12}", 0, "-12"},
        {"{\"op\":\"\\u0041\"}", 0, "A"},
        {"{\"op\":null}", -BT_E_NOT_FOUND, NULL},
        {"{\"ops\":1}", -BT_E_NOT_FOUND, NULL},
        {"{}", -BT_E_NOT_FOUND, NULL},
        {"{\"op\":{}}", -BT_E_INVALID, NULL},
        {"{\"op\":[1]}", -BT_E_INVALID, NULL},
        {"{\"op\":true}", -BT_E_INVALID, NULL},
        {"{\"op\":1.5}", -BT_E_INVALID, NULL},
        {"{\"op\":\"12345678\"}", -BT_E_INVALID, NULL},
        {"{\"op\":}", -BT_E_BAD_REQUEST, NULL},
        {"{\"op\":\"x", -BT_E_BAD_REQUEST, NULL},
        {"[1]", -BT_E_BAD_REQUEST, NULL},
        {"x", -BT_E_BAD_REQUEST, NULL},
        {"{\"a\" 1,\"op\":2}", -BT_E_NOT_FOUND, NULL},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        char got[8] = "same";
        int rc = peek(rows[i].text, "op", got, sizeof got);
        if (rc != rows[i].rc)
            fail_msg("%s: %d, not %d", rows[i].text, rc, rows[i].rc);
        assert_string_equal(got, rows[i].want ? rows[i].want : "same");
    }
}

static void canonical_form(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    const char *a = " {\"b\": [1, {\"y\":null,\"x\":true}], \"a\" : \"\\u00e4\\n\"} ";
    const char *b = "{\"a\":\"\xc3\xa4\\n\",\"b\":[1,{\"x\":true,\"y\":null}]}";
    char *one = NULL;
    char *two = NULL;
    assert_int_equal(bt_json_canonical(a, strlen(a), &one, &err), 0);
    assert_int_equal(bt_json_canonical(b, strlen(b), &two, &err), 0);
    assert_string_equal(one, b);
    assert_string_equal(two, b);
    free(one);
    free(two);
    static const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "{\"a\":1e999}", "nul"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(bt_json_canonical(bad[i], strlen(bad[i]), &one, &err), -BT_E_BAD_REQUEST);
    assert_int_equal(bt_json_canonical("[1]", 3, &one, &err), 0);
    assert_string_equal(one, "[1]");
    free(one);
}

static void scan_tells_the_place(void **state)
{
    (void)state;
    struct json_scan at;
    const char *text = "{\"a\":[10,{\"b c\":\"x,\\\"{\",\"d\":tru";
    json_scan(text, strlen(text), &at);
    assert_string_equal(at.path, "a[1].d");
    assert_false(at.too_deep);
    json_scan(text, 18, &at);
    assert_string_equal(at.path, "a[1].b?c");
    json_scan(text, 0, &at);
    assert_string_equal(at.path, "");
    json_scan("]]}}", 4, &at);
    assert_string_equal(at.path, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quote_escapes),
        cmocka_unit_test(peek_finds_members),
        cmocka_unit_test(canonical_form),
        cmocka_unit_test(scan_tells_the_place),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
