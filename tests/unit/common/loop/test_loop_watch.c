/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_loop common_base */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/loop/loop.h"

#include <cmocka.h>

struct ear {
    struct bt_watch watch;
    struct bt_timer timeout;
    struct bt_loop *loop;
    int pair[2];
    int calls, last_events;
    int stop_at;
    bool read_it;
    ssize_t last_read;
};

static void on_timeout(struct bt_timer *t)
{
    bt_loop_stop(t->loop);
}

static void on_event(struct bt_watch *w, int events)
{
    struct ear *e = BT_CONTAINER_OF(w, struct ear, watch);
    char byte;
    e->calls++;
    e->last_events = events;
    if (e->read_it)
        e->last_read = read(w->fd, &byte, 1);
    if (e->calls == e->stop_at) {
        bt_watch_stop(w);
        bt_loop_stop(e->loop);
    }
}

static void ear_init(struct ear *e)
{
    struct bt_err err = BT_ERR_INIT;
    *e = (struct ear){.watch.cb = on_event, .loop = bt_loop_new(&err), .stop_at = 1};
    assert_non_null(e->loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->pair), 0);
    bt_timer_init(&e->timeout, e->loop, on_timeout);
}

static void ear_fini(struct ear *e)
{
    bt_watch_stop(&e->watch);
    bt_timer_stop(&e->timeout);
    (void)close(e->pair[0]);
    (void)close(e->pair[1]);
    bt_loop_free(e->loop);
}

static void run_for(struct ear *e, int64_t ms)
{
    bt_timer_start(&e->timeout, ms);
    bt_loop_run(e->loop);
}

static void readable_is_level_triggered(void **state)
{
    (void)state;
    struct ear e;
    struct bt_err err = BT_ERR_INIT;
    ear_init(&e);
    e.stop_at = 3;
    e.read_it = true;
    assert_int_equal(bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE, &err), 0);
    run_for(&e, 30);
    assert_int_equal(e.calls, 0);
    assert_int_equal(write(e.pair[1], "abc", 3), 3);
    run_for(&e, 10000);
    assert_int_equal(e.calls, 3);
    assert_int_equal(e.last_events, BT_READABLE);
    ear_fini(&e);
}

static void events_can_change(void **state)
{
    (void)state;
    struct ear e;
    struct bt_err err = BT_ERR_INIT;
    ear_init(&e);
    assert_int_equal(bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE, &err), 0);
    assert_int_equal(bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE | BT_WRITABLE, &err),
                     0);
    run_for(&e, 10000);
    assert_int_equal(e.calls, 1);
    assert_int_equal(e.last_events, BT_WRITABLE);
    ear_fini(&e);
}

static void stopped_is_silent(void **state)
{
    (void)state;
    struct ear e;
    struct bt_err err = BT_ERR_INIT;
    ear_init(&e);
    assert_int_equal(write(e.pair[1], "a", 1), 1);
    assert_int_equal(bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE, &err), 0);
    bt_watch_stop(&e.watch);
    bt_watch_stop(&e.watch);
    run_for(&e, 30);
    assert_int_equal(e.calls, 0);
    assert_int_equal(bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE, &err), 0);
    run_for(&e, 10000);
    assert_int_equal(e.calls, 1);
    ear_fini(&e);
}

static void hangup_reads_as_end(void **state)
{
    (void)state;
    struct ear e;
    struct bt_err err = BT_ERR_INIT;
    ear_init(&e);
    e.read_it = true;
    assert_int_equal(bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE, &err), 0);
    assert_int_equal(shutdown(e.pair[1], SHUT_RDWR), 0);
    run_for(&e, 10000);
    assert_int_equal(e.last_events & BT_READABLE, BT_READABLE);
    assert_int_equal(e.last_read, 0);
    ear_fini(&e);
}

/* A peer that closes with our bytes unread gives EPOLLERR: it stays level-triggered, also when only
 * writability is watched. */
static void error_stays_until_stopped(void **state)
{
    (void)state;
    struct ear e;
    struct bt_err err = BT_ERR_INIT;
    int ends[2];
    ear_init(&e);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 39) > 0)
        ;
    e.stop_at = 3;
    assert_int_equal(bt_watch_start(&e.watch, e.loop, ends[1], BT_WRITABLE, &err), 0);
    run_for(&e, 20);
    assert_int_equal(e.calls, 0);
    (void)close(ends[0]);
    run_for(&e, 10000);
    assert_int_equal(e.calls, 3);
    (void)close(ends[1]);
    ear_fini(&e);
}

static void files_are_refused(void **state)
{
    (void)state;
    struct ear e;
    struct bt_err err = BT_ERR_INIT;
    ear_init(&e);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(bt_watch_start(&e.watch, e.loop, fd, BT_READABLE, &err), -BT_E_KERNEL);
    assert_null(e.watch.impl);
    (void)close(fd);
    ear_fini(&e);
}

/* A descriptor that is still watched when its loop goes is a mistake of ours: the process stops. */
static void free_with_a_watch_aborts(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ear e;
        (void)signal(SIGABRT, SIG_DFL);
        ear_init(&e);
        (void)bt_watch_start(&e.watch, e.loop, e.pair[0], BT_READABLE, NULL);
        (void)close(STDERR_FILENO);
        bt_loop_free(e.loop);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable_is_level_triggered), cmocka_unit_test(events_can_change),
        cmocka_unit_test(stopped_is_silent),           cmocka_unit_test(hangup_reads_as_end),
        cmocka_unit_test(error_stays_until_stopped),   cmocka_unit_test(files_are_refused),
        cmocka_unit_test(free_with_a_watch_aborts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
