/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/sm/sm.h"

#include <cmocka.h>

enum light { OFF, ON, BROKEN };

static const struct bt_state lights[] = {
    [OFF] = {"off", BT_ST(ON) | BT_ST(BROKEN)},
    [ON] = {"on", BT_ST(OFF) | BT_ST(BROKEN)},
    [BROKEN] = {"broken", 0},
};

static const struct bt_sm_def lamp = {"lamp", lights, BT_ARRAY_LEN(lights)};

static void allowed_moves(void **state)
{
    (void)state;
    static const bool want[3][3] = {{true, true, true}, {true, true, true}, {false, false, true}};
    for (unsigned from = 0; from < 3; from++) {
        for (unsigned to = 0; to < 3; to++)
            assert_int_equal(bt_sm_allowed(&lamp, from, to), want[from][to]);
    }
    assert_false(bt_sm_allowed(&lamp, OFF, 3));
    assert_false(bt_sm_allowed(&lamp, 3, OFF));
    assert_false(bt_sm_allowed(&lamp, 99, 99));
}

static void moves(void **state)
{
    (void)state;
    unsigned s = OFF;
    (void)unsetenv("BERTH_STRICT_SM");
    assert_true(bt_sm_move(&lamp, &s, ON));
    assert_int_equal(s, ON);
    assert_true(bt_sm_move(&lamp, &s, BROKEN));
    assert_false(bt_sm_move(&lamp, &s, ON));
    assert_int_equal(s, BROKEN);
}

static void strict_aborts(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        unsigned s = BROKEN;
        (void)setenv("BERTH_STRICT_SM", "1", 1);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        (void)bt_sm_move(&lamp, &s, BROKEN);
        (void)bt_sm_move(&lamp, &s, ON);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(bt_sm_name(&lamp, ON), "on");
    assert_string_equal(bt_sm_name(&lamp, 3), "?");
}

static void prints_its_document(void **state)
{
    (void)state;
    static const char want[] = "- off -> on, broken\n- on -> off, broken\n- broken\n";
    char text[100];
    assert_int_equal(bt_sm_print(&lamp, text, sizeof text), strlen(want));
    assert_string_equal(text, want);
    assert_int_equal(bt_sm_print(&lamp, text, 8), strlen(want));
    assert_string_equal(text, "- off -");
    assert_int_equal(bt_sm_print(&lamp, NULL, 0), strlen(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_moves),       cmocka_unit_test(moves),
        cmocka_unit_test(strict_aborts),       cmocka_unit_test(names),
        cmocka_unit_test(prints_its_document),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
