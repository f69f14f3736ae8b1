/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "common/base/err.h"

#include <cmocka.h>

static void fills_and_returns(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(bt_fail(&err, BT_E_NO_CAPACITY, "host %s", "h1"), -BT_E_NO_CAPACITY);
    assert_int_equal(err.code, BT_E_NO_CAPACITY);
    assert_string_equal(err.msg, "host h1");
    bt_hint(&err, "add a %s", "host");
    assert_string_equal(err.hint, "add a host");
    assert_int_equal(bt_wrap(&err, "create %d", 3), -BT_E_NO_CAPACITY);
    assert_string_equal(err.msg, "create 3: host h1");
    assert_string_equal(err.hint, "add a host");
    assert_int_equal(bt_fail(&err, BT_E_INTERNAL, "x"), -BT_E_INTERNAL);
    assert_string_equal(err.hint, "");
}

static void null_is_fine(void **state)
{
    (void)state;
    assert_int_equal(bt_fail(NULL, BT_E_LOCKED, "x"), -BT_E_LOCKED);
    assert_int_equal(bt_fail_errno(NULL, ENOSPC, "x"), -BT_E_STORAGE_FULL);
    bt_hint(NULL, "x");
    assert_true(bt_wrap(NULL, "x") < 0);
}

static void errno_has_a_code(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(bt_fail_errno(&err, EDQUOT, "write"), -BT_E_STORAGE_FULL);
    assert_int_equal(bt_fail_errno(&err, ETIMEDOUT, "x"), -BT_E_TIMEOUT);
    assert_int_equal(bt_fail_errno(&err, EPERM, "open %s", "f"), -BT_E_KERNEL);
    assert_string_equal(err.msg, "open f: Operation not permitted");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)bt_fail(&err, BT_E_INVALID, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    (void)bt_fail_errno(&err, EPERM, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    (void)bt_wrap(&err, "%s", "while");
    assert_memory_equal(err.msg, "while: xxx", 10);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    bt_hint(&err, "%s", text);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
}

static void may_quote_itself(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, BT_E_DB, "disk is full");
    (void)bt_fail(&err, BT_E_STORAGE_FULL, "task %d: %s", 7, err.msg);
    assert_string_equal(err.msg, "task 7: disk is full");
    (void)bt_wrap(&err, "(%s)", err.msg);
    assert_string_equal(err.msg, "(task 7: disk is full): task 7: disk is full");
}

static void table_is_whole(void **state)
{
    (void)state;
    assert_string_equal(bt_code_str(BT_E_OK), "ok");
    assert_int_equal(bt_code_exit(BT_E_OK), 0);
    assert_int_equal(bt_code_http(BT_E_NOT_FOUND), 404);
    assert_int_equal(bt_code_exit(BT_E_NOT_FOUND), 3);
    assert_int_equal(bt_code_retry(BT_E_NO_CAPACITY), BT_RETRY_LATER);
    for (int c = 1; c < BT_E__COUNT; c++) {
        enum bt_code code = (enum bt_code)c;
        assert_int_equal(bt_code_from_str(bt_code_str(code)), code); /* no code twice */
        assert_true(bt_code_http(code) >= 400 && bt_code_http(code) < 600);
        assert_true(bt_code_exit(code) >= 1 && bt_code_exit(code) <= 6);
        assert_true(strlen(bt_code_text(code)) > 3);
    }
    assert_int_equal(bt_code_from_str("no such code"), BT_E_INTERNAL);
    assert_int_equal(bt_code_from_str(NULL), BT_E_INTERNAL);
    assert_string_equal(bt_code_str((enum bt_code)9999), "internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_returns), cmocka_unit_test(null_is_fine),
        cmocka_unit_test(errno_has_a_code),  cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(may_quote_itself),  cmocka_unit_test(table_is_whole),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
