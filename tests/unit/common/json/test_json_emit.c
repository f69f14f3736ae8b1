/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/common/json/lib_sample.h"

#include <cmocka.h>

static void fill(struct sample *s)
{
    memset(s, 0, sizeof *s);
    s->flag = true;
    s->count = -3;
    s->limit = BT_OPT_NULL;
    s->tri = BT_OPT_V(1);
    s->title = bt_xstrdup("q\"\\\n\t\x01\x7f\xc3\xa4");
    s->password = bt_xstrdup("pw");
    s->color = GREEN;
    s->plan = (struct bt_ref){9, bt_xstrdup("small")};
    s->inner = (struct item){bt_xstrdup("in"), 2, -1};
    s->extra = bt_xcalloc(1, sizeof *s->extra);
    *s->extra = (struct item){bt_xstrdup("ex"), 1, BLUE};
    for (int i = 0; i < 3; i++)
        *(struct item *)bt_arr_push(&s->items, sizeof(struct item)) =
            (struct item){bt_xasprintf("i%d", i), i + 1, RED};
    bt_arr_push_str(&s->keys, "192.0.2.1");
    bt_arr_push_str(&s->keys, "::1");
    s->colors = 1u << RED | 1u << BLUE;
    *(struct bt_pair *)bt_arr_push(&s->labels, sizeof(struct bt_pair)) =
        (struct bt_pair){bt_xstrdup("k"), bt_xstrdup("v\r")};
    s->raw = bt_xstrdup("{\"x\":[1]}");
    s->version = 12;
    s->secret_in = bt_xstrdup("never");
    s->host = (struct bt_ref){0, bt_xstrdup("h1")};
}

#define FULL                                                                                       \
    "{\"flag\":true,\"count\":-3,\"limit\":null,\"tri\":true,"                                     \
    "\"title\":\"q\\\"\\\\\\n\\t\\u0001\\u007f\xc3\xa4\",\"text\":null,\"password\":\"pw\","       \
    "\"color\":\"green\",\"plan\":{\"id\":9,\"name\":\"small\"},"                                  \
    "\"inner\":{\"name\":\"in\",\"size\":2},\"extra\":{\"name\":\"ex\",\"size\":1,\"color\":"      \
    "\"blue\"},"                                                                                   \
    "\"items\":[{\"name\":\"i0\",\"size\":1,\"color\":\"red\"},{\"name\":\"i1\",\"size\":2,"       \
    "\"color\":\"red\"},"                                                                          \
    "{\"name\":\"i2\",\"size\":3,\"color\":\"red\"}],"                                             \
    "\"keys\":[\"192.0.2.1\",\"::1\"],\"colors\":[\"red\",\"blue\"],\"labels\":{\"k\":\"v\\r\"},"  \
    "\"raw\":{\"x\":[1]},\"version\":12,\"seen_at\":null,\"host\":\"h1\"}"

static void emits_every_type(void **state)
{
    (void)state;
    struct sample s;
    fill(&s);
    _cleanup_free_ char *text = bt_schema_emit_str(&sample_schema, &s);
    assert_string_equal(text, FULL);
    bt_schema_free(&sample_schema, &s);
}

static void emits_absent_values(void **state)
{
    (void)state;
    struct sample s = {.color = -1, .inner.color = -1};
    _cleanup_free_ char *text = bt_schema_emit_str(&sample_schema, &s);
    assert_string_equal(text,
                        "{\"flag\":false,\"count\":0,\"text\":null,\"plan\":null,\"inner\":{},"
                        "\"extra\":null,\"items\":[],\"keys\":[],\"colors\":[],\"labels\":{},"
                        "\"version\":0,\"seen_at\":null}");
}

static void reference_forms(void **state)
{
    (void)state;
    char name[] = "small";
    static const struct {
        int64_t id;
        bool named;
        const char *want;
    } rows[] = {{3, true, "\"plan\":{\"id\":3,\"name\":\"small\"}"},
                {3, false, "\"plan\":3,"},
                {0, true, "\"plan\":\"small\""},
                {0, false, "\"plan\":null"}};
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct sample s = {.plan = {rows[i].id, rows[i].named ? name : NULL}};
        _cleanup_free_ char *text = bt_schema_emit_str(&sample_schema, &s);
        assert_non_null(strstr(text, rows[i].want));
    }
}

/* What is emitted is taken back, and emits the same bytes. */
static void round_trip(void **state)
{
    (void)state;
    struct sample s;
    struct sample back;
    fill(&s);
    free(s.title);
    s.title = bt_xstrdup("\"\\ \xe2\x82\xac");
    free(((struct bt_pair *)s.labels.items)[0].value);
    ((struct bt_pair *)s.labels.items)[0].value = bt_xstrdup("v");
    s.seen_at = INT64_C(9007199254740991);
    _cleanup_free_ char *once = bt_schema_emit_str(&sample_schema, &s);
    assert_int_equal(sample_parse(once, BT_ALLOW_RO, &back, NULL), 0);
    _cleanup_free_ char *twice = bt_schema_emit_str(&sample_schema, &back);
    assert_string_equal(once, twice);
    bt_schema_free(&sample_schema, &s);
    bt_schema_free(&sample_schema, &back);
}

static void copy_is_deep_and_whole(void **state)
{
    (void)state;
    struct sample s;
    struct sample copy;
    fill(&s);
    memset(&copy, 0xff, sizeof copy);
    bt_schema_copy(&sample_schema, &s, &copy);
    assert_string_equal(copy.secret_in, "never");
    assert_ptr_not_equal(copy.title, s.title);
    assert_ptr_not_equal(copy.extra, s.extra);
    assert_ptr_not_equal(copy.items.items, s.items.items);
    bt_schema_free(&sample_schema, &s);
    _cleanup_free_ char *text = bt_schema_emit_str(&sample_schema, &copy);
    assert_string_equal(text, FULL);
    bt_schema_free(&sample_schema, &copy);
}

static void arrays_grow(void **state)
{
    (void)state;
    struct bt_arr arr = {0};
    for (int64_t i = 0; i < 1000; i++) {
        struct item *it = bt_arr_push(&arr, sizeof *it);
        assert_null(it->name);
        it->size = i;
        it->name = bt_xasprintf("n%lld", (long long)i);
    }
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(((struct item *)arr.items)[i].size, i);
    _cleanup_buf_ struct bt_buf b = BT_BUF(1 << 20);
    assert_true(bt_schema_emit_array(&item_schema, &arr, &b));
    assert_memory_equal(b.data, "[{\"name\":\"n0\",\"color\":\"red\"},{", 30);
    bt_schema_free_array(&item_schema, &arr);
    assert_int_equal(arr.len, 0);
    assert_null(arr.items);
    bt_schema_free_array(&item_schema, &arr);
}

static void overflow_is_told(void **state)
{
    (void)state;
    struct sample s;
    fill(&s);
    size_t n = strlen(FULL);
    for (size_t max = 1; max < n; max++) {
        _cleanup_buf_ struct bt_buf b = BT_BUF(max);
        assert_false(bt_schema_emit(&sample_schema, &s, &b));
        assert_true(b.overflow);
        assert_true(b.len <= max);
    }
    _cleanup_buf_ struct bt_buf b = BT_BUF(n);
    assert_true(bt_schema_emit(&sample_schema, &s, &b));
    assert_int_equal(b.len, n);
    bt_schema_free(&sample_schema, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emits_every_type),       cmocka_unit_test(emits_absent_values),
        cmocka_unit_test(reference_forms),        cmocka_unit_test(round_trip),
        cmocka_unit_test(copy_is_deep_and_whole), cmocka_unit_test(arrays_grow),
        cmocka_unit_test(overflow_is_told),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
