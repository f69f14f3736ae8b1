/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_http common_loop common_crypto proto */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/http/http_parse.h"

#include <cmocka.h>

static void ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"", 0},
        {"GET", 0},
        {"GET / HTTP/1.1\r\n", 0},
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"GET / HTTP/1.1\r\nA: b\r\n\r\nrest", 24},
        {"GET / HTTP/1.1\n", -1},
        {"GET / HTTP/1.1\r\nA\n", -1},
        {"GET / HTTP/1.1\r\n\n", -1},
        {" GET", -1},
        {"\n", -1},
        {"\x16\x03\x01", -1},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].text), scanned = 0;
        assert_int_equal(http_head_end(rows[i].text, n, &scanned), rows[i].want);
        /* byte by byte, the same */
        int rc = 0;
        scanned = 0;
        for (size_t k = 1; k <= n && rc == 0; k++)
            rc = http_head_end(rows[i].text, k, &scanned);
        assert_int_equal(rc, rows[i].want);
    }
}

static int parse(const char *text, struct http_head *h, char buf[512], struct bt_err *err)
{
    size_t scanned = 0;
    assert_true(bt_strcpy(buf, 512, text));
    int n = http_head_end(buf, strlen(buf), &scanned);
    assert_true(n > 0);
    return http_head_parse(buf, (size_t)n, h, err);
}

static void request(void **state)
{
    (void)state;
    struct http_head h;
    char buf[512];
    assert_int_equal(
        parse("PATCH /a%2Fb/c+d//?x=%41&y=+ HTTP/1.1\r\nHOST:h\r\nIf-Match:  \"7\" \t\r\n"
              "Connection: Keep-Alive , X\r\nContent-Length: 007\r\nX-Empty:\r\n\r\n",
              &h, buf, NULL),
        0);
    assert_int_equal(h.method, HTTP_PATCH);
    assert_string_equal(h.path, "/a/b/c+d//"); /* decoded once, nothing else */
    assert_string_equal(h.query, "x=%41&y=+");
    assert_int_equal(h.minor, 1);
    assert_int_equal(h.content_length, 7);
    assert_string_equal(http_head_get(&h, "if-match"), "\"7\"");
    assert_string_equal(http_head_get(&h, "x-empty"), "");
    assert_null(http_head_get(&h, "expect"));
    assert_true(http_head_has_token(&h, "connection", "keep-alive"));
    assert_true(http_head_has_token(&h, "connection", "x"));
    assert_false(http_head_has_token(&h, "connection", "keep"));
    assert_false(h.close);
    assert_false(h.expect_continue);
    assert_int_equal(
        parse("GET /%25zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &h, buf, NULL), 0);
    assert_string_equal(h.path, "/%zz");
    assert_true(h.close);
    assert_int_equal(h.content_length, -1);
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &h, buf, NULL), 0);
    assert_true(h.close);
    assert_int_equal(
        parse("POST / HTTP/1.1\r\nHost:\r\nExpect: 100-Continue\r\n\r\n", &h, buf, NULL), 0);
    assert_true(h.expect_continue);
}

/* Codes go with the statuses; the rest of what is refused is in client.py, over the wire. */
static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        enum bt_code code;
    } rows[] = {
        {"GET /% HTTP/1.1\r\nHost: h\r\n\r\n", 400, BT_E_BAD_REQUEST},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n", 411, BT_E_LENGTH_REQUIRED},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1234567890123456789\r\n\r\n", 413,
         BT_E_TOO_LARGE},
        {"POST / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", 417, BT_E_BAD_REQUEST},
        {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505, BT_E_BAD_REQUEST},
        {"GET / HTTP/11\r\nHost: h\r\n\r\n", 400, BT_E_BAD_REQUEST},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct http_head h;
        struct bt_err err = BT_ERR_INIT;
        char buf[512];
        assert_int_equal(parse(rows[i].text, &h, buf, &err), -(int)rows[i].code);
        assert_int_equal(h.status, rows[i].status);
        assert_int_equal(err.code, rows[i].code);
    }
}

static void pct(void **state)
{
    (void)state;
    char out[32];
    assert_int_equal(http_pct_decode("a%41+%c3%A9", 11, false, out), 5);
    assert_string_equal(out, "aA+\xc3\xa9");
    assert_int_equal(http_pct_decode("a+b", 3, true, out), 3);
    assert_string_equal(out, "a b");
    static const char *const bad[] = {"%", "%4", "%4g", "%g4", "a%00", "%%41"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(http_pct_decode(bad[i], strlen(bad[i]), false, out), -1);
    assert_int_equal(http_pct_decode("%41", 2, false, out),
                     -1); /* the length counts, not the NUL */
}

static void query(void **state)
{
    (void)state;
    struct http_request req = {.query =
                                   "limit=50&&name=a%26b+c&empty=&flag&limit=7&bad=%zz&%6e=enc"};
    char v[16];
    assert_true(http_query(&req, "limit", v, sizeof(v)));
    assert_string_equal(v, "50"); /* the first counts */
    assert_true(http_query(&req, "name", v, sizeof(v)));
    assert_string_equal(v, "a&b c");
    assert_true(http_query(&req, "empty", v, sizeof(v)));
    assert_string_equal(v, "");
    assert_true(http_query(&req, "flag", v, sizeof(v)));
    assert_true(http_query(&req, "n", v, sizeof(v)));
    assert_string_equal(v, "enc");
    assert_false(http_query(&req, "bad", v, sizeof(v)));
    assert_false(http_query(&req, "absent", v, sizeof(v)));
    assert_false(http_query(&req, "lim", v, sizeof(v)));
    assert_false(http_query(&req, "name", v, 5)); /* does not fit */
    req.query = "";
    assert_false(http_query(&req, "limit", v, sizeof(v)));
}

static void query_walk(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        {"a", "1"}, {"b", "x y"}, {"c", ""}, {"d", ""}, {"e=", "f=g"}};
    struct http_request req = {.query = "&a=1&b=x+y&&c=&d&e%3D=f=g&"};
    char name[16], value[16];
    size_t pos = 0, n = 0;
    while (http_query_next(&req, &pos, name, sizeof(name), value, sizeof(value))) {
        assert_true(n < BT_ARRAY_LEN(want));
        assert_string_equal(name, want[n][0]);
        assert_string_equal(value, want[n][1]);
        n++;
    }
    assert_int_equal(n, BT_ARRAY_LEN(want));
}

static void methods(void **state)
{
    (void)state;
    for (int m = HTTP_GET; m < HTTP_OTHER; m++)
        assert_int_equal(http_method_from_str(http_method_str((enum http_method)m)), m);
    assert_int_equal(http_method_from_str("get"), HTTP_OTHER);
    assert_int_equal(http_method_from_str("OTHER"), HTTP_OTHER);
    assert_int_equal(http_method_from_str(""), HTTP_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends),    cmocka_unit_test(request), cmocka_unit_test(refusals),
        cmocka_unit_test(pct),     cmocka_unit_test(query),   cmocka_unit_test(query_walk),
        cmocka_unit_test(methods),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
