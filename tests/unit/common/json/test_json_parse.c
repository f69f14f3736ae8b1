/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/common/json/lib_sample.h"

#include <cmocka.h>

static const struct sample zero;

static void takes_every_type(void **state)
{
    (void)state;
    struct sample s;
    struct bt_field_errors errs;
    const char *json =
        "{\"flag\":true,\"count\":-5,\"limit\":100,\"tri\":false,\"title\":\"\\u00e4bc\","
        "\"text\":\"a\\n\\tb\",\"password\":\"pw\",\"color\":\"blue\",\"plan\":7,"
        "\"inner\":{\"name\":\"a\",\"size\":3,\"color\":\"red\"},\"extra\":{\"name\":\"b\"},"
        "\"items\":[{\"name\":\"x\"},{\"name\":\"y\",\"size\":10}],"
        "\"keys\":[\"192.0.2.1\",\"2001:db8::1\"],\"colors\":[\"blue\",\"red\"],"
        "\"labels\":{\"a/b\":\"1\",\"c\":\"\"},\"raw\":{ \"any\" : [1, null, \"x\"] },"
        "\"secret_in\":\"s\",\"host\":\"h1\"}";
    assert_int_equal(sample_parse(json, BT_STRICT, &s, &errs), 0);
    assert_int_equal(errs.n, 0);
    assert_true(s.flag);
    assert_int_equal(s.count, -5);
    assert_int_equal(s.limit.is, BT_VALUE);
    assert_int_equal(s.limit.v, 100);
    assert_int_equal(s.tri.is, BT_VALUE);
    assert_int_equal(s.tri.v, 0);
    assert_string_equal(s.title, "\xc3\xa4"
                                 "bc");
    assert_string_equal(s.text, "a\n\tb");
    assert_string_equal(s.password, "pw");
    assert_int_equal(s.color, BLUE);
    assert_int_equal(s.plan.id, 7);
    assert_null(s.plan.name);
    assert_string_equal(s.inner.name, "a");
    assert_int_equal(s.inner.color, RED);
    assert_string_equal(s.extra->name, "b");
    assert_int_equal(s.extra->color, -1);
    assert_int_equal(s.items.len, 2);
    assert_int_equal(((struct item *)s.items.items)[1].size, 10);
    assert_int_equal(((struct item *)s.items.items)[1].color, -1);
    assert_int_equal(s.keys.len, 2);
    assert_string_equal(((char **)s.keys.items)[1], "2001:db8::1");
    assert_int_equal(s.colors, 1u << BLUE | 1u << RED);
    assert_int_equal(s.labels.len, 2);
    assert_string_equal(((struct bt_pair *)s.labels.items)[0].key, "a/b");
    assert_string_equal(s.raw, "{\"any\":[1,null,\"x\"]}");
    assert_string_equal(s.host.name, "h1");
    bt_schema_free(&sample_schema, &s);
    assert_memory_equal(&s, &zero, sizeof s);
}

static void absent_is_told_from_null(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(sample_parse("{\"title\":\"ab\"}", BT_STRICT, &s, NULL), 0);
    assert_int_equal(s.limit.is, BT_ABSENT);
    assert_int_equal(s.tri.is, BT_ABSENT);
    assert_int_equal(s.color, -1);
    assert_int_equal(s.inner.color, -1);
    assert_null(s.extra);
    assert_null(s.text);
    bt_schema_free(&sample_schema, &s);
    assert_int_equal(sample_parse("{\"title\":\"ab\",\"limit\":null,\"tri\":null,\"text\":null,"
                                  "\"color\":null,\"plan\":null,\"extra\":null,\"items\":null,"
                                  "\"raw\":null}",
                                  BT_STRICT, &s, NULL),
                     0);
    assert_int_equal(s.limit.is, BT_NULL);
    assert_int_equal(s.tri.is, BT_NULL);
    assert_int_equal(s.color, -1);
    assert_null(s.raw);
    bt_schema_free(&sample_schema, &s);
}

static void lists_every_bad_field(void **state)
{
    (void)state;
    struct sample s;
    struct bt_field_errors errs;
    struct bt_err err = BT_ERR_INIT;
    const char *json =
        "{\"flag\":1,\"count\":6,\"limit\":0,\"tri\":\"no\",\"text\":\"a\\u0007\",\"password\":5,"
        "\"color\":\"pink\",\"plan\":0,\"inner\":{\"name\":\"A\",\"size\":0,\"what\":1},\"extra\":["
        "],"
        "\"items\":[{\"name\":\"x\"},{\"size\":11},7],\"keys\":[\"192.0.2.1\",\"nope\",3],"
        "\"colors\":[\"red\",\"red\",\"pink\"],\"labels\":{\"\":\"x\",\"ok\":1},\"raw\":1.5,"
        "\"version\":3,\"huh\":1,\"host\":\"\"}";
    assert_int_equal(
        bt_schema_parse(&sample_schema, json, strlen(json), BT_STRICT, &s, &errs, &err),
        -BT_E_INVALID);
    static const struct {
        const char *field;
        const char *code;
    } want[] = {
        {"flag", "type"},
        {"count", "range"},
        {"limit", "range"},
        {"tri", "type"},
        {"title", "required"},
        {"text", "pattern"},
        {"password", "type"},
        {"color", "enum"},
        {"plan", "range"},
        {"inner.name", "pattern"},
        {"inner.size", "range"},
        {"inner.what", "unknown_field"},
        {"extra", "type"},
        {"items[1].name", "required"},
        {"items[1].size", "range"},
        {"items[2]", "type"},
        {"keys[1]", "pattern"},
        {"keys[2]", "type"},
        {"colors[1]", "duplicate"},
        {"colors[2]", "enum"},
        {"labels.", "pattern"},
        {"labels.ok", "type"},
        {"raw", "type"},
        {"version", "unknown_field"},
        {"huh", "unknown_field"},
        {"host", "length"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(want); i++) {
        if (!has_error(&errs, want[i].field, want[i].code))
            fail_msg("no error \"%s\" of field \"%s\"", want[i].code, want[i].field);
    }
    assert_int_equal(errs.n, BT_ARRAY_LEN(want));
    assert_int_equal(err.code, BT_E_INVALID);
    assert_non_null(strstr(err.msg, "flag must be true or false; count must be between -5 and 5"));
    assert_memory_equal(&s, &zero, sizeof s);
}

static void lengths_and_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *field;
        const char *code;
    } bad[] = {
        {"{\"title\":\"a\"}", "title", "length"},
        {"{\"title\":\"123456789\"}", "title", "length"},
        {"{\"title\":null}", "title", "required"},
        {"{\"title\":\"ab\",\"seen_at\":9007199254740992}", "seen_at", "range"},
        {"{\"title\":\"ab\",\"seen_at\":-9007199254740992}", "seen_at", "range"},
        {"{\"title\":\"ab\",\"seen_at\":1.0}", "seen_at", "type"},
        {"{\"title\":\"ab\",\"seen_at\":1e3}", "seen_at", "type"},
        {"{\"title\":\"ab\",\"seen_at\":99999999999999999999}", "seen_at", "range"},
        {"{\"title\":\"ab\",\"inner\":{\"name\":\"a\",\"size\":1e999}}", "inner.size", "range"},
        {"{\"title\":\"ab\",\"title\":\"cd\"}", "title", "duplicate"},
        {"{\"title\":\"ab\",\"items\":[{\"name\":\"a\"},{\"name\":\"a\",\"name\":\"b\"}]}",
         "items[1].name", "duplicate"},
        {"{\"title\":\"a\\u0000b\"}", "title", "pattern"},
        {"{\"title\":\"a\xc2\x85"
         "b\"}",
         "title", "pattern"},
        {"{\"title\":\"ab\",\"note\":\"a\\nb\"}", "note", "pattern"},
        {"{\"title\":\"ab\",\"items\":[{\"name\":\"a\"},{\"name\":\"a\"},{\"name\":\"a\"},{"
         "\"name\":\"a\"}]}",
         "items", "length"},
        {"{\"title\":\"ab\",\"labels\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\"}}", "labels",
         "length"},
        {"{\"title\":\"ab\",\"raw\":"
         "\"12345678901234567890123456789012345678901234567890123456789012345\"}",
         "raw", "length"},
        {"{\"title\":\"ab\",\"raw\":{\"x\":[0,9007199254740992]}}", "raw.x[1]", "range"},
        {"{\"title\":\"ab\",\"plan\":true}", "plan", "type"},
        {"{\"title\":\"ab\",\"plan\":{\"id\":1,\"name\":\"a\"}}", "plan", "type"},
        {"{\"title\":\"ab\",\"plan\":-1}", "plan", "range"},
        {"{\"title\":\"ab\",\"\xf0\x9f\x92\xa9\\u001b[2J\":1}", "?????[2J", "unknown_field"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct sample s;
        struct bt_field_errors errs;
        int rc = sample_parse(bad[i].json, BT_STRICT, &s, &errs);
        if (rc != -BT_E_INVALID || errs.n != 1 || !has_error(&errs, bad[i].field, bad[i].code))
            fail_msg("%s: rc %d, %zu errors, first \"%s\" \"%s\"", bad[i].json, rc, errs.n,
                     errs.n ? errs.list[0].field : "", errs.n ? errs.list[0].code : "");
    }
    struct sample s;
    assert_int_equal(sample_parse("{\"title\":\"ab\",\"seen_at\":9007199254740991}", 0, &s, NULL),
                     0);
    assert_true(s.seen_at == INT64_C(9007199254740991));
    bt_schema_free(&sample_schema, &s);
}

static void what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "{}x",
        "{} {}",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{\"title\":\"ab\",}",
        "{'title':1}",
        "{\"title\":\"\xff\xfe\"}",
        "{\"title\":\"\\ud800\"}",
        "{\"title\":\"a\nb\"}",
        "{\"title\":01}",
        "\xef\xbb\xbf{\"title\":\"ab\"}",
        "{\"title\":NaN}",
        "{\"a\":\"\\",
        "{\"",
        "{\"a\"",
        "}",
        "]]]]",
        "[[[{",
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct sample s;
        struct bt_field_errors errs;
        int rc = sample_parse(bad[i], BT_STRICT, &s, &errs);
        if (rc != -BT_E_BAD_REQUEST || errs.n != 0)
            fail_msg("%s: rc %d", bad[i], rc);
        assert_memory_equal(&s, &zero, sizeof s);
    }
    struct sample s;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(
        bt_schema_parse(&sample_schema, "{\"title\":\"ab\"}\0x", 16, 0, &s, NULL, &err),
        -BT_E_BAD_REQUEST);
    assert_int_equal(
        bt_schema_parse(&sample_schema, "{\"title\":\"ab\"}xyz", 14, 0, &s, NULL, &err), 0);
    bt_schema_free(&sample_schema, &s);
}

/* {"title":"ab","raw":[[...]]} with @n brackets: depth n + 1. */
static int parse_depth(int n, struct bt_field_errors *errs)
{
    struct sample s;
    struct bt_buf b = BT_BUF(100000);
    (void)bt_buf_adds(&b, "{\"title\":\"ab\",\"raw\":");
    for (int i = 0; i < n; i++)
        (void)bt_buf_addc(&b, '[');
    for (int i = 0; i < n; i++)
        (void)bt_buf_addc(&b, ']');
    (void)bt_buf_addc(&b, '}');
    int rc = sample_parse(b.data, BT_STRICT, &s, errs);
    bt_buf_fini(&b);
    if (rc == 0)
        bt_schema_free(&sample_schema, &s);
    return rc;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct bt_field_errors errs;
    assert_int_equal(parse_depth(BT_JSON_DEPTH_MAX - 1, &errs), 0);
    assert_int_equal(parse_depth(BT_JSON_DEPTH_MAX, &errs), -BT_E_INVALID);
    assert_int_equal(errs.n, 1);
    assert_string_equal(errs.list[0].code, "depth");
    assert_memory_equal(errs.list[0].field, "raw[0][0]", 9);
    assert_int_equal(parse_depth(40000, &errs), -BT_E_INVALID);
}

static void errors_are_capped(void **state)
{
    (void)state;
    struct sample s;
    struct bt_field_errors errs;
    struct bt_buf b = BT_BUF(100000);
    (void)bt_buf_adds(&b, "{\"title\":\"ab\"");
    for (int i = 0; i < 200; i++)
        (void)bt_buf_addf(&b, ",\"unknown%d\":%d", i, i);
    (void)bt_buf_addc(&b, '}');
    assert_int_equal(sample_parse(b.data, BT_STRICT, &s, &errs), -BT_E_INVALID);
    assert_int_equal(errs.n, BT_FIELD_ERRORS_MAX);
    assert_int_equal(sample_parse(b.data, BT_LENIENT, &s, &errs), 0);
    bt_schema_free(&sample_schema, &s);
    bt_buf_fini(&b);
}

static void long_key_makes_short_path(void **state)
{
    (void)state;
    struct sample s;
    struct bt_field_errors errs;
    char json[600];
    char key[400];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    (void)snprintf(json, sizeof json, "{\"title\":\"ab\",\"%s\":{\"a\":1.5}}", key);
    assert_int_equal(sample_parse(json, BT_STRICT, &s, &errs), -BT_E_INVALID);
    assert_int_equal(errs.n, 1);
    assert_int_equal(strlen(errs.list[0].field), sizeof errs.list[0].field - 1);
}

static void flags_of_the_link(void **state)
{
    (void)state;
    struct sample s;
    const char *json =
        "{\"title\":\"ab\",\"version\":3,\"new\":{\"deep\":1.5},"
        "\"inner\":{\"name\":\"a\",\"new\":1},\"plan\":{\"id\":4,\"name\":\"small\",\"x\":1}}";
    assert_int_equal(sample_parse(json, BT_STRICT, &s, NULL), -BT_E_INVALID);
    assert_int_equal(sample_parse(json, BT_LENIENT | BT_ALLOW_RO, &s, NULL), 0);
    assert_int_equal(s.version, 3);
    assert_int_equal(s.plan.id, 4);
    assert_string_equal(s.plan.name, "small");
    bt_schema_free(&sample_schema, &s);
    const char *readonly = "{\"title\":\"ab\",\"version\":3}";
    assert_int_equal(sample_parse(readonly, BT_LENIENT, &s, NULL), 0);
    assert_int_equal(s.version, 0);
    bt_schema_free(&sample_schema, &s);
    static const char *const bad_refs[] = {"{}",
                                           "{\"id\":\"4\"}",
                                           "{\"id\":-1}",
                                           "{\"id\":1,\"name\":2}",
                                           "{\"id\":1,\"name\":\"a\\u0001\"}",
                                           "{\"id\":9007199254740992}"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad_refs); i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "{\"title\":\"ab\",\"plan\":%s}", bad_refs[i]);
        assert_int_equal(sample_parse(text, BT_ALLOW_RO, &s, NULL), -BT_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_type),      cmocka_unit_test(absent_is_told_from_null),
        cmocka_unit_test(lists_every_bad_field), cmocka_unit_test(lengths_and_numbers),
        cmocka_unit_test(what_is_not_json),      cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(errors_are_capped),     cmocka_unit_test(long_key_makes_short_path),
        cmocka_unit_test(flags_of_the_link),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
