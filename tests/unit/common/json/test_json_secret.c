/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_json common_base -Wl,--wrap=bt_erase */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/common/json/lib_sample.h"

#include <cmocka.h>

void __real_bt_erase(void *p, size_t n);
void __wrap_bt_erase(void *p, size_t n);

static int erased;

/* Counts how often the password is wiped, wherever it stands. */
void __wrap_bt_erase(void *p, size_t n)
{
    erased += n == 7 && memcmp(p, "hunter2", 7) == 0;
    __real_bt_erase(p, n);
}

static void secret_is_erased_everywhere(void **state)
{
    (void)state;
    struct sample s;
    struct sample copy;
    erased = 0;
    assert_int_equal(sample_parse("{\"title\":\"ab\",\"password\":\"hunter2\"}", 0, &s, NULL), 0);
    assert_int_equal(erased, 1); /* the parser's own copy */
    assert_string_equal(s.password, "hunter2");
    bt_schema_copy(&sample_schema, &s, &copy);
    bt_schema_free(&sample_schema, &s);
    assert_int_equal(erased, 2);
    bt_schema_free(&sample_schema, &copy);
    assert_int_equal(erased, 3);
}

static void secret_of_a_refused_body_too(void **state)
{
    (void)state;
    struct sample s;
    erased = 0;
    assert_int_equal(sample_parse("{\"password\":\"hunter2\"}", 0, &s, NULL), -BT_E_INVALID);
    assert_int_equal(erased, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_is_erased_everywhere),
        cmocka_unit_test(secret_of_a_refused_body_too),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
