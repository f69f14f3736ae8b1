/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <cmocka.h>

static void appends(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(1000);
    assert_null(b.data);
    assert_true(bt_buf_adds(&b, ""));
    assert_string_equal(b.data, "");
    assert_true(bt_buf_adds(&b, "ab"));
    assert_true(bt_buf_addc(&b, 'c'));
    assert_true(bt_buf_addf(&b, "-%d-%s", 7, "x"));
    assert_true(bt_buf_add(&b, "y\0z", 3));
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "abc-7-xy\0z", 10);
}

static void maximum_is_hard(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(5);
    assert_true(bt_buf_adds(&b, "abc"));
    assert_false(bt_buf_adds(&b, "def"));
    assert_string_equal(b.data, "abc");
    assert_true(b.overflow);
    assert_false(bt_buf_addc(&b, 'd')); /* stays overflown: no gap in the middle */
    assert_false(bt_buf_addf(&b, "%d", 1));
    assert_null(bt_buf_reserve(&b, 1));
    bt_buf_reset(&b);
    assert_string_equal(b.data, "");
    assert_true(bt_buf_adds(&b, "abcde"));
    assert_int_equal(b.len, 5);
    assert_false(bt_buf_add(&b, "x", SIZE_MAX));
}

static void reserve_and_commit(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(1 << 20);
    char *at = bt_buf_reserve(&b, 10);
    assert_non_null(at);
    assert_string_equal(b.data, ""); /* terminated before anything is committed */
    memcpy(at, "0123456789", 10);
    bt_buf_commit(&b, 4);
    assert_string_equal(b.data, "0123");
    assert_non_null(bt_buf_reserve(&b, 100000));
    assert_string_equal(b.data, "0123");
    bt_buf_commit(&b, 0);
    assert_int_equal(b.len, 4);
}

static void consume_from_the_front(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(100);
    bt_buf_consume(&b, 0);
    (void)bt_buf_adds(&b, "abcdef");
    bt_buf_consume(&b, 2);
    assert_string_equal(b.data, "cdef");
    bt_buf_consume(&b, 4);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
}

static void take_hands_over(void **state)
{
    (void)state;
    struct bt_buf b = BT_BUF(100);
    _cleanup_free_ char *empty = bt_buf_take(&b);
    assert_string_equal(empty, "");
    (void)bt_buf_adds(&b, "text");
    _cleanup_free_ char *text = bt_buf_take(&b);
    assert_string_equal(text, "text");
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    assert_true(bt_buf_adds(&b, "again"));
    bt_buf_fini(&b);
    assert_int_equal(b.max, 100);
}

static void grows_by_bytes(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(10000);
    for (int i = 0; i < 10000; i++) {
        assert_true(bt_buf_addc(&b, (char)('a' + i % 26)));
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_false(bt_buf_addc(&b, 'x'));
    assert_int_equal(b.data[9999], 'a' + 9999 % 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(maximum_is_hard),
        cmocka_unit_test(reserve_and_commit),
        cmocka_unit_test(consume_from_the_front),
        cmocka_unit_test(take_hands_over),
        cmocka_unit_test(grows_by_bytes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
