/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_exit.h"
#include "runtime/container/ct_proc.h"

#include <cmocka.h>

static void causes(void **state)
{
    (void)state;
    assert_int_equal(ct_exit_cause(0x27f), HELPER_CONTAINER_CAUSE_POWEROFF);
    assert_int_equal(ct_exit_cause(0x17f), HELPER_CONTAINER_CAUSE_REBOOT);
    assert_int_equal(ct_exit_cause(0x97f), HELPER_CONTAINER_CAUSE_KILLED);
    assert_int_equal(ct_exit_cause(0x300), HELPER_CONTAINER_CAUSE_EXIT);
    assert_int_equal(ct_exit_cause(0), HELPER_CONTAINER_CAUSE_EXIT);
    assert_int_equal(ct_exit_cause(0xb7f), HELPER_CONTAINER_CAUSE_CRASH);
    assert_int_equal(ct_exit_cause(11), HELPER_CONTAINER_CAUSE_CRASH);
    assert_int_equal(ct_exit_cause(0x8b), HELPER_CONTAINER_CAUSE_CRASH);
    assert_int_equal(ct_exit_cause(9), HELPER_CONTAINER_CAUSE_KILLED);
}

static void records(void **state)
{
    (void)state;
    char top[] = "/tmp/ct_exit.XXXXXX";
    struct helper_container_exit x;
    struct ct_life life;
    struct bt_err err = BT_ERR_INIT;
    assert_non_null(mkdtemp(top));
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    /* Without a boot on record: the number of the start. */
    assert_int_equal(ct_exit_write(dir, 0x97f, HELPER_CONTAINER_CAUSE_KILLED, 3, &err), 0);
    assert_int_equal(ct_get(dir, CT_F_EXIT, &helper_container_exit_schema, &x, &err), 0);
    assert_int_equal(x.boot, 3);
    assert_int_equal(x.cause, HELPER_CONTAINER_CAUSE_KILLED);
    struct helper_container_boot b = {
        .boot = 5, .started_at = 1234, .pid = getpid(), .pid_start = ct_pid_start(getpid())};
    assert_true(b.pid_start > 0);
    assert_int_equal(ct_put(dir, CT_F_BOOT, &helper_container_boot_schema, &b, &err), 0);
    assert_int_equal(ct_exit_write(dir, 0x27f, HELPER_CONTAINER_CAUSE_POWEROFF, 3, &err), 0);
    assert_int_equal(ct_get(dir, CT_F_EXIT, &helper_container_exit_schema, &x, &err), 0);
    assert_int_equal(x.boot, 5);
    assert_int_equal(x.started_at, 1234);
    assert_true(x.ended_at >= x.started_at);
    ct_life_read(dir, &life);
    assert_false(life.placed);
    assert_true(life.init_lives);
    assert_false(life.lock_held);
    ct_life_fini(&life);
    /* The same pid with another start time is somebody else. */
    b.pid_start++;
    assert_int_equal(ct_put(dir, CT_F_BOOT, &helper_container_boot_schema, &b, &err), 0);
    ct_life_read(dir, &life);
    assert_false(life.init_lives);
    ct_life_fini(&life);
    (void)close(dir);
    assert_int_equal(bt_remove_tree(AT_FDCWD, top, NULL), 0);
}

static void locks(void **state)
{
    (void)state;
    char top[] = "/tmp/ct_lock.XXXXXX";
    assert_non_null(mkdtemp(top));
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_false(ct_lock_held(dir));
    int fd = openat(dir, CT_F_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_false(ct_lock_held(dir));
    assert_int_equal(bt_try_lock(fd, NULL), 0);
    assert_true(ct_lock_held(dir));
    (void)close(fd);
    assert_false(ct_lock_held(dir));
    (void)close(dir);
    assert_int_equal(bt_remove_tree(AT_FDCWD, top, NULL), 0);
}

static void processes(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    int64_t start = ct_pid_start(getpid());
    assert_true(ct_pid_lives(getpid(), start));
    assert_false(ct_pid_lives(getpid(), start + 1));
    assert_false(ct_pid_lives(0, start));
    assert_false(ct_pid_lives(-1, start));
    assert_int_equal(ct_pidfd(getpid(), start + 1, &err), -BT_E_NOT_FOUND);
    int fd = ct_pidfd(getpid(), start, &err);
    assert_true(fd >= 0);
    assert_int_equal(ct_pidfd_wait(fd, 5, &err), -BT_E_TIMEOUT);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes),
        cmocka_unit_test(records),
        cmocka_unit_test(locks),
        cmocka_unit_test(processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
