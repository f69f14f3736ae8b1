/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/common/json/lib_sample.h"

#include <cmocka.h>

static void sound_table(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(bt_schema_check(&sample_schema, &err), 0);
}

/* A table that holds itself. */
static const struct bt_schema loop;
static const struct bt_field itself[] = {{.key = "me", .type = BT_F_OBJ_PTR, .sub = &loop},
                                         {.key = NULL}};
static const struct bt_schema loop = {.name = "Loop", .fields = itself, .size = 8};

static void faults_are_named(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    static const struct {
        struct bt_field f;
        const char *message;
    } bad[] = {
        {{.key = "a", .type = BT_F_INT}, "T.a: the key stands twice"},
        {{.key = "b", .type = BT_F_INT, .off = 8}, "T.b: the offset"},
        {{.key = "b", .type = BT_F_INT, .min = 2, .max = 1}, "T.b: min is above"},
        {{.key = "b", .type = BT_F_STR, .pattern = "nonsense"}, "T.b: the pattern"},
        {{.key = "b", .type = BT_F_ENUM}, "T.b: names"},
        {{.key = "b", .type = BT_F_ARR_ENUM, .names = none}, "T.b: names"},
        {{.key = "b", .type = BT_F_ARR_OBJ}, "T.b: the sub table"},
        {{.key = "b", .type = BT_F_STR, .flags = BT_READONLY | BT_WRITE_ONLY}, "T.b: read-only"},
        {{.key = "b", .type = BT_F_OBJ_PTR, .sub = &loop}, "Loop: tables nested too deep"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct bt_err err = BT_ERR_INIT;
        struct bt_field fields[] = {{.key = "a", .type = BT_F_BOOL}, bad[i].f, {.key = NULL}};
        struct bt_schema s = {.name = "T", .fields = fields, .size = 8};
        assert_int_equal(bt_schema_check(&s, &err), -BT_E_INTERNAL);
        if (strncmp(err.msg, bad[i].message, strlen(bad[i].message)) != 0)
            fail_msg("%s", err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_table),
        cmocka_unit_test(faults_are_named),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
