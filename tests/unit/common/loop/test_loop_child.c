/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_loop common_base */
#include <fcntl.h>
#include <linux/close_range.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/loop/loop.h"

#include <cmocka.h>

struct nursery {
    struct bt_loop *loop;
    struct bt_child child;
    struct bt_timer timer;
    struct bt_err err;
    int exits, status, signum;
    int out[2]; /* pipe: the child's standard output */
    struct bt_buf said;
};

static void on_exit_of(struct bt_child *c, int status, int signum)
{
    struct nursery *n = BT_CONTAINER_OF(c, struct nursery, child);
    n->exits++;
    n->status = status;
    n->signum = signum;
    bt_loop_stop(n->loop);
}

static void setup(struct nursery *n)
{
    *n = (struct nursery){.child.on_exit = on_exit_of, .said = BT_BUF(1 << 16)};
    n->loop = bt_loop_new(&n->err);
    assert_non_null(n->loop);
    assert_int_equal(pipe2(n->out, O_CLOEXEC), 0);
}

static void teardown(struct nursery *n)
{
    (void)close(n->out[0]);
    bt_buf_fini(&n->said);
    bt_loop_free(n->loop);
}

/* Run a shell script to its end; what it printed is in n->said. @more becomes its descriptor 3. */
static void run_script(struct nursery *n, const char *script, int more, const char *const *envp)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const int fds[] = {-1, n->out[1], -1, more};
    struct bt_spawn spawn = {.argv = argv, .envp = envp, .fds = fds, .n_fds = 4};
    assert_int_equal(bt_child_spawn(&n->child, n->loop, &spawn, &n->err), 0);
    assert_true(n->child.pid > 1);
    assert_int_equal(n->exits, 0);
    bt_loop_run(n->loop);
    assert_int_equal(n->exits, 1);
    (void)close(n->out[1]);
    for (;;) {
        char *at = bt_buf_reserve(&n->said, 4096);
        ssize_t got = read(n->out[0], at, 4096);
        assert_true(got >= 0);
        bt_buf_commit(&n->said, (size_t)got);
        if (got == 0)
            return;
    }
}

static void status_and_output(void **state)
{
    (void)state;
    struct nursery n;
    setup(&n);
    run_script(&n, "echo hello; exit 7", -1, NULL);
    assert_string_equal(n.said.data, "hello\n");
    assert_int_equal(n.status, 7);
    assert_int_equal(n.signum, 0);
    bt_child_kill(&n.child, SIGKILL); /* long gone: nothing happens */
    teardown(&n);
}

static void world_is_empty(void **state)
{
    (void)state;
    struct nursery n;
    setup(&n);
    /* What the runner of this test left open for us is not ours to judge. */
    assert_int_equal(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC), 0);
    run_script(&n, "pwd; /usr/bin/env | /usr/bin/sort; echo fds; ls /proc/self/fd; cat", -1, NULL);
    assert_memory_equal(n.said.data, "/\n", 2);
    assert_null(strstr(n.said.data, "HOME="));
    assert_null(strstr(n.said.data, "PATH=/"));
    if (!strstr(n.said.data, "fds\n0\n1\n2\n3\n")) /* 3: ls's own */
        fail_msg("%s", n.said.data);
    assert_null(strstr(n.said.data, "\n4\n"));
    teardown(&n);
}

static void environment_is_given(void **state)
{
    (void)state;
    struct nursery n;
    static const char *const envp[] = {"A=1", "B=two words", NULL};
    setup(&n);
    run_script(&n, "echo \"$A $B\"", -1, envp);
    assert_string_equal(n.said.data, "1 two words\n");
    teardown(&n);
}

static void descriptors_are_handed_over(void **state)
{
    (void)state;
    struct nursery n;
    int pair[2];
    setup(&n);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(write(pair[0], "over three\n", 11), 11);
    run_script(&n, "read line <&3; echo got $line; echo back >&3", pair[1], NULL);
    assert_string_equal(n.said.data, "got over three\n");
    char back[8] = "";
    assert_int_equal(read(pair[0], back, sizeof back), 5);
    assert_string_equal(back, "back\n");
    assert_int_equal(fcntl(pair[1], F_GETFD), FD_CLOEXEC); /* stays ours */
    (void)close(pair[0]);
    (void)close(pair[1]);
    teardown(&n);
}

/* The descriptor for 3 may have any number here, also 0 to 3 in another order. */
static void descriptors_may_cross(void **state)
{
    (void)state;
    struct nursery n;
    setup(&n);
    int a[2];
    int b[2];
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    const char *const argv[] = {"/bin/sh", "-c", "echo three >&3; echo four >&4; echo five >&5",
                                NULL};
    const int fds[] = {-1, -1, -1, b[1], a[1], a[1]};
    assert_int_equal(bt_child_spawn(&n.child, n.loop,
                                    &(struct bt_spawn){.argv = argv, .fds = fds, .n_fds = 6},
                                    &n.err),
                     0);
    bt_loop_run(n.loop);
    assert_int_equal(n.status, 0);
    char text[32] = "";
    assert_int_equal(read(a[0], text, sizeof text), 10);
    assert_memory_equal(text, "four\nfive\n", 10);
    assert_int_equal(read(b[0], text, sizeof text), 6);
    assert_memory_equal(text, "three\n", 6);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
    (void)close(n.out[1]);
    teardown(&n);
}

static void kill_tells_the_signal(void **state)
{
    (void)state;
    struct nursery n;
    static const char *const argv[] = {"/bin/sleep", "1000", NULL};
    setup(&n);
    assert_int_equal(bt_child_spawn(&n.child, n.loop, &(struct bt_spawn){.argv = argv}, &n.err), 0);
    bt_child_kill(&n.child, SIGTERM);
    bt_loop_run(n.loop);
    assert_int_equal(n.exits, 1);
    assert_int_equal(n.signum, SIGTERM);
    (void)close(n.out[1]);
    teardown(&n);
}

static void missing_program(void **state)
{
    (void)state;
    struct nursery n;
    static const char *const argv[] = {"/no/such/program", NULL};
    setup(&n);
    assert_int_equal(bt_child_spawn(&n.child, n.loop, &(struct bt_spawn){.argv = argv}, &n.err),
                     -BT_E_HELPER);
    assert_non_null(strstr(n.err.msg, "/no/such/program"));
    assert_null(n.child.impl);
    (void)close(n.out[1]);
    teardown(&n);
    assert_int_equal(n.exits, 0);
}

static void detached_has_its_own_session(void **state)
{
    (void)state;
    struct nursery n;
    const char *const argv[] = {"/bin/sh", "-c", "read line", NULL};
    int in[2];
    setup(&n);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    for (int detached = 0; detached < 2; detached++) {
        struct bt_spawn spawn = {.argv = argv, .fds = in, .n_fds = 1, .detached = detached};
        assert_int_equal(bt_child_spawn(&n.child, n.loop, &spawn, &n.err), 0);
        assert_int_equal(getsid(n.child.pid), detached ? n.child.pid : getsid(0));
        assert_int_equal(write(in[1], "\n", 1), 1);
        bt_loop_run(n.loop);
    }
    assert_int_equal(n.exits, 2);
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(n.out[1]);
    teardown(&n);
}

/* Many at once: each exit is told once, to its own struct, also when that is freed in the callback.
 */
#define MANY 40

struct brood {
    struct bt_loop *loop;
    int left;
    bool seen[MANY];
};

struct chick {
    struct bt_child child;
    struct brood *brood;
    int number;
};

static void on_chick_exit(struct bt_child *c, int status, int signum)
{
    struct chick *k = BT_CONTAINER_OF(c, struct chick, child);
    struct brood *b = k->brood;
    assert_int_equal(signum, 0);
    assert_int_equal(status, k->number);
    assert_false(b->seen[k->number]);
    b->seen[k->number] = true;
    if (--b->left == 0)
        bt_loop_stop(b->loop);
    free(k);
}

static void many_children(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    struct brood b = {.loop = bt_loop_new(&err), .left = MANY};
    assert_non_null(b.loop);
    for (int i = 0; i < MANY; i++) {
        struct chick *k = bt_xcalloc(1, sizeof *k);
        char script[32];
        (void)snprintf(script, sizeof script, "exit %d", i);
        const char *const argv[] = {"/bin/sh", "-c", script, NULL};
        k->child.on_exit = on_chick_exit;
        k->brood = &b;
        k->number = i;
        assert_int_equal(bt_child_spawn(&k->child, b.loop, &(struct bt_spawn){.argv = argv}, &err),
                         0);
    }
    bt_loop_run(b.loop);
    assert_int_equal(b.left, 0);
    bt_loop_free(b.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_and_output),     cmocka_unit_test(world_is_empty),
        cmocka_unit_test(environment_is_given),  cmocka_unit_test(descriptors_are_handed_over),
        cmocka_unit_test(descriptors_may_cross), cmocka_unit_test(kill_tells_the_signal),
        cmocka_unit_test(missing_program),       cmocka_unit_test(detached_has_its_own_session),
        cmocka_unit_test(many_children),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
