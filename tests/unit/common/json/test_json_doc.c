/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json_doc.h"

#include <cmocka.h>

static void reads_by_path(void **state)
{
    (void)state;
    static const char text[] = "{\"plan\":{\"id\":4,\"name\":\"small\"},\"on\":true,\"none\":null,"
                               "\"list\":[{\"a\":\"x\"},{\"a\":\"y\"}]}";
    struct bt_doc *d = NULL;
    struct bt_err err = BT_ERR_INIT;
    int64_t id = 0;
    assert_int_equal(bt_doc_parse(text, strlen(text), &d, &err), 0);
    assert_string_equal(bt_doc_str(bt_doc_at(d, "plan.name")), "small");
    assert_true(bt_doc_int(bt_doc_at(d, "plan.id"), &id));
    assert_int_equal(id, 4);
    assert_false(bt_doc_int(bt_doc_at(d, "plan.name"), &id));
    assert_true(bt_doc_true(bt_doc_at(d, "on")));
    assert_false(bt_doc_true(bt_doc_at(d, "plan")));
    assert_true(bt_doc_null(bt_doc_at(d, "none")));
    assert_true(bt_doc_null(bt_doc_at(d, "absent.deeper")));
    assert_null(bt_doc_str(bt_doc_at(d, "absent")));
    assert_null(bt_doc_at(d, "plan.name.x"));
    const struct bt_doc *list = bt_doc_at(d, "list");
    assert_int_equal(bt_doc_len(list), 2);
    assert_int_equal(bt_doc_len(bt_doc_at(d, "plan")), 0);
    assert_string_equal(bt_doc_str(bt_doc_at(bt_doc_item(list, 1), "a")), "y");
    assert_null(bt_doc_item(list, 2));
    bt_doc_free(d);
    bt_doc_free(NULL);
}

static void dumps_what_it_read(void **state)
{
    (void)state;
    static const char text[] = "{\"b\":[1,null],\"a\":\"\xc3\xa4\"}";
    struct bt_doc *d = NULL;
    struct bt_err err = BT_ERR_INIT;
    _cleanup_buf_ struct bt_buf b = BT_BUF(1000);
    assert_int_equal(bt_doc_parse(text, strlen(text), &d, &err), 0);
    bt_doc_dump(d, 0, &b);
    assert_string_equal(b.data, text);
    bt_buf_reset(&b);
    bt_doc_dump(bt_doc_at(d, "b"), 2, &b);
    assert_string_equal(b.data, "[\n  1,\n  null\n]");
    bt_doc_free(d);
}

static void refuses_the_rest(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    struct bt_doc *d = NULL;
    char deep[67];
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    deep[66] = '\0';
    const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "\xff", "{} x", deep};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(bt_doc_parse(bad[i], strlen(bad[i]), &d, &err), -BT_E_BAD_REQUEST);
    assert_null(d);
    assert_int_equal(bt_doc_parse(deep + 1, 64, &d, &err), 0);
    bt_doc_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_by_path),
        cmocka_unit_test(dumps_what_it_read),
        cmocka_unit_test(refuses_the_rest),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
