/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: runtime_unpack */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/unpack/unpack.h"

#include <cmocka.h>

static void paths_that_stay_inside(void **state)
{
    static const char *const paths[] = {"a",     "./a", "a/b",  "a//b",    ".",   "./",
                                        "a/./b", "...", "..a",  "a..",     "a/",  ".hidden",
                                        "a b",   "-rf", "$(x)", "..\\..a", "a/.", "\xff\xfe"};
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(paths); i++)
        assert_int_equal(unpack_path_ok(paths[i], NULL), 0);
}

static void paths_that_do_not(void **state)
{
    static const char *const paths[] = {"",       "/",    "/a",    "//a",     "..",     "../",
                                        "../a",   "a/..", "a/../", "a/../b",  "./../a", "a//../b",
                                        "a/b/..", "./..", ".//..", "a/./../", "..//a",  "a/..//b"};
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(paths); i++) {
        struct bt_err err = BT_ERR_INIT;
        assert_int_equal(unpack_path_ok(paths[i], &err), -BT_E_BAD_IMAGE);
        assert_true(err.msg[0]);
    }
}

static void lengths(void **state)
{
    char path[UNPACK_PATH_MAX + 2];
    (void)state;
    memset(path, 'n', sizeof path);
    path[UNPACK_COMPONENT_MAX] = '\0';
    assert_int_equal(unpack_path_ok(path, NULL), 0);
    path[UNPACK_COMPONENT_MAX] = 'n';
    path[UNPACK_COMPONENT_MAX + 1] = '\0';
    assert_int_equal(unpack_path_ok(path, NULL), -BT_E_BAD_IMAGE);
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = i % 2 ? '/' : 'd';
    path[UNPACK_PATH_MAX - 1] = '\0';
    assert_int_equal(unpack_path_ok(path, NULL), 0);
    path[UNPACK_PATH_MAX - 1] = '/';
    path[UNPACK_PATH_MAX] = '\0';
    assert_int_equal(unpack_path_ok(path, NULL), -BT_E_BAD_IMAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_that_stay_inside),
                                       cmocka_unit_test(paths_that_do_not),
                                       cmocka_unit_test(lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
