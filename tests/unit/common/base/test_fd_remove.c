/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "tests/unit/common/base/lib_tmp.h"

#include <cmocka.h>

static void removes_a_tree(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tmp_new(&t);
    assert_int_equal(bt_mkdir_p(t.fd, "tree/a/b/c", 0700, &err), 0);
    assert_int_equal(bt_mkdir_p(t.fd, "tree/a/b2", 0, &err), 0);
    assert_int_equal(bt_mkdir_p(t.fd, "tree/.removed-0/x/.removed-1", 0700, &err), 0);
    tmp_write(&t, "tree/a/b/c/f", "x");
    tmp_write(&t, "tree/.removed-2", "x");
    assert_int_equal(mkfifoat(t.fd, "tree/a/fifo", 0600), 0);
    tmp_write(&t, "kept", "x");
    assert_int_equal(mkdirat(t.fd, "dir", 0700), 0);
    tmp_write(&t, "dir/kept", "x");
    assert_int_equal(symlinkat("../dir", t.fd, "tree/link"), 0);
    assert_int_equal(symlinkat("nowhere", t.fd, "tree/a/dangling"), 0);
    assert_int_equal(bt_remove_tree(t.fd, "tree", &err), 0);
    assert_false(tmp_has(&t, "tree"));
    assert_true(tmp_has(&t, "dir/kept"));
    assert_int_equal(bt_remove_tree(t.fd, "tree", &err), 0);
    assert_int_equal(bt_remove_tree(t.fd, "no/such/parent", &err), 0);
    assert_int_equal(bt_remove_tree(t.fd, "kept", &err), 0);
    assert_false(tmp_has(&t, "kept"));
    tmp_free(&t);
}

static void takes_the_link_not_its_target(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tmp_new(&t);
    assert_int_equal(bt_mkdir_p(t.fd, "dir/sub", 0700, &err), 0);
    assert_int_equal(symlinkat("dir", t.fd, "link"), 0);
    assert_true(bt_remove_tree(t.fd, "link/sub", &err) < 0);
    assert_true(tmp_has(&t, "dir/sub"));
    assert_int_equal(bt_remove_tree(t.fd, "link", &err), 0);
    assert_false(tmp_has(&t, "link"));
    assert_true(tmp_has(&t, "dir/sub"));
    static const char *const bad[] = {"", ".", "..", "dir/", "dir/.", "dir/.."};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(bt_remove_tree(t.fd, bad[i], &err), -BT_E_INVALID);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/dir", t.path);
    assert_int_equal(bt_remove_tree(AT_FDCWD, path, &err), 0);
    assert_false(tmp_has(&t, "dir"));
    tmp_free(&t);
}

/* Deeper than paths, descriptors and stack allow a walk to go. */
static void deep_tree(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    struct rlimit old;
    tmp_new(&t);
    assert_int_equal(mkdirat(t.fd, "deep", 0700), 0);
    int at = openat(t.fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int file = openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(file >= 0);
        (void)close(file);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)close(at);
        at = next;
    }
    (void)close(at);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit few = {32, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int rc = bt_remove_tree(t.fd, "deep", &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    if (rc != 0)
        fail_msg("%s", err.msg);
    assert_false(tmp_has(&t, "deep"));
    tmp_free(&t);
}

/* In a mount namespace of its own: nothing of it can stay behind. */
static int mounts_are_not_entered(struct tmp *t)
{
    struct bt_err err = BT_ERR_INIT;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 77;
    /* The descriptor from before belongs to the other namespace. */
    t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->fd < 0 || fchdir(t->fd) < 0 || mount("outside", "tree/a/bind", NULL, MS_BIND, NULL) < 0)
        return 2;
    if (bt_remove_tree(t->fd, "tree", &err) != -BT_E_IN_USE || !tmp_has(t, "outside/kept"))
        return 3;
    if (bt_remove_tree(t->fd, "tree/a/bind", &err) != -BT_E_IN_USE || !tmp_has(t, "outside/kept"))
        return 4;
    if (umount2("tree/a/bind", 0) < 0 || mount("tmpfs", "tree/a/bind", "tmpfs", 0, NULL) < 0)
        return 5;
    if (bt_remove_tree(t->fd, "tree", &err) != -BT_E_IN_USE)
        return 6;
    return 0;
}

static void mounts_stay(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tmp_new(&t);
    assert_int_equal(bt_mkdir_p(t.fd, "tree/a/bind", 0700, &err), 0);
    assert_int_equal(mkdirat(t.fd, "outside", 0700), 0);
    tmp_write(&t, "outside/kept", "x");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(mounts_are_not_entered(&t));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool missing = WIFEXITED(status) && WEXITSTATUS(status) == 77;
    if (!missing) {
        assert_int_equal(status, 0);
        assert_true(tmp_has(&t, "outside/kept"));
    }
    tmp_free(&t);
    if (missing) {
        print_message("# skip: no right to make a mount namespace\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removes_a_tree),
        cmocka_unit_test(takes_the_link_not_its_target),
        cmocka_unit_test(deep_tree),
        cmocka_unit_test(mounts_stay),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
