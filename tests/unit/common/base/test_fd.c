/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "tests/unit/common/base/lib_tmp.h"

#include <cmocka.h>

static void cloexec_and_close(int fd)
{
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    (void)close(fd);
}

/* in/ holds a file, a link out of the tree, an absolute link and a link to the file. */
static void tree_with_links(struct tmp *t)
{
    tmp_new(t);
    tmp_write(t, "secret", "outside");
    assert_int_equal(mkdirat(t->fd, "in", 0755), 0);
    assert_int_equal(mkdirat(t->fd, "in/etc", 0755), 0);
    tmp_write(t, "in/etc/passwd", "inside");
    assert_int_equal(symlinkat("../secret", t->fd, "in/up"), 0);
    assert_int_equal(symlinkat("/etc/passwd", t->fd, "in/absolute"), 0);
    assert_int_equal(symlinkat("etc/passwd", t->fd, "in/plain"), 0);
    assert_int_equal(symlinkat("/proc/self/root", t->fd, "in/magic"), 0);
}

static void in_root_stays_inside(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tree_with_links(&t);
    char text[16] = "";
    int in = open(t.path, O_PATH | O_CLOEXEC);
    int root = openat(in, "in", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = bt_open_in_root(root, "/absolute", O_RDONLY, 0, &err);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text), 6);
    assert_string_equal(text, "inside");
    cloexec_and_close(fd);
    cloexec_and_close(bt_open_in_root(root, "plain", O_RDONLY, 0, &err));
    assert_int_equal(bt_open_in_root(root, "up", O_RDONLY, 0, &err), -BT_E_NOT_FOUND);
    assert_int_equal(bt_open_in_root(root, "../../secret", O_RDONLY, 0, &err), -BT_E_NOT_FOUND);
    assert_true(bt_open_in_root(root, "magic", O_RDONLY, 0, &err) < 0);
    cloexec_and_close(bt_open_in_root(root, "etc/new", O_WRONLY | O_CREAT, 0600, &err));
    (void)close(root);
    (void)close(in);
    tmp_free(&t);
}

static void beneath_takes_no_link(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tree_with_links(&t);
    cloexec_and_close(bt_open_beneath(t.fd, "in/etc/passwd", O_RDONLY, 0, &err));
    assert_int_equal(bt_open_beneath(t.fd, "in/absent", O_RDONLY, 0, &err), -BT_E_NOT_FOUND);
    static const char *const bad[] = {"in/plain", "in/up",       "in/../secret/..",
                                      "..",       "/etc/passwd", "in/../../x"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        int rc = bt_open_beneath(t.fd, bad[i], O_RDONLY, 0, &err);
        if (rc >= 0 || rc == -BT_E_NOT_FOUND)
            fail_msg("%s: %d", bad[i], rc);
    }
    tmp_free(&t);
}

static void dirs(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    cloexec_and_close(bt_open_dir("/tmp", &err));
    assert_int_equal(bt_open_dir("/no/such", &err), -BT_E_NOT_FOUND);
    assert_int_equal(bt_open_dir("/etc/passwd", &err), -BT_E_KERNEL);
}

static void read_is_bounded(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    struct bt_buf b = BT_BUF(1);
    tmp_new(&t);
    tmp_write(&t, "empty", "");
    tmp_write(&t, "ten", "0123456789");
    assert_int_equal(bt_read_file(t.fd, "ten", 10, &b, &err), 0);
    assert_string_equal(b.data, "0123456789");
    bt_buf_fini(&b);
    assert_int_equal(bt_read_file(t.fd, "ten", 9, &b, &err), -BT_E_TOO_LARGE);
    assert_int_equal(bt_read_file(t.fd, "ten", 9, &b, NULL), -BT_E_TOO_LARGE);
    assert_null(b.data);
    assert_int_equal(bt_read_file(t.fd, "empty", 9, &b, &err), 0);
    assert_string_equal(b.data, "");
    bt_buf_fini(&b);
    assert_int_equal(bt_read_file(t.fd, "absent", 9, &b, &err), -BT_E_NOT_FOUND);
    assert_int_equal(bt_read_file(t.fd, "ten/x", 9, &b, &err), -BT_E_NOT_FOUND);
    assert_int_equal(bt_read_file(t.fd, ".", 9, &b, &err), -BT_E_KERNEL);
    char *big = bt_xmalloc(300001);
    memset(big, 'x', 300000);
    big[300000] = '\0';
    tmp_write(&t, "big", big);
    assert_int_equal(bt_read_file(t.fd, "big", 300000, &b, &err), 0);
    assert_int_equal(b.len, 300000);
    bt_buf_fini(&b);
    assert_int_equal(bt_read_file(t.fd, "big", 299999, &b, &err), -BT_E_TOO_LARGE);
    free(big);
    tmp_free(&t);
}

static void atomic_write_replaces(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    struct bt_buf b = BT_BUF(1);
    struct stat st;
    char stale[64];
    tmp_new(&t);
    (void)snprintf(stale, sizeof stale, "f.tmp%d", (int)getpid());
    tmp_write(&t, stale, "left by a crash");
    assert_int_equal(bt_write_file_atomic(t.fd, "f", "one", 3, 0600, &err), 0);
    assert_int_equal(fstatat(t.fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(tmp_has(&t, stale));
    assert_int_equal(symlinkat("/etc/passwd", t.fd, "g"), 0);
    assert_int_equal(bt_write_file_atomic(t.fd, "g", "two", 3, 0644, &err), 0);
    assert_int_equal(fstatat(t.fd, "g", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(bt_read_file(t.fd, "g", 9, &b, &err), 0);
    assert_string_equal(b.data, "two");
    bt_buf_fini(&b);
    assert_int_equal(mkdirat(t.fd, "sub", 0755), 0);
    assert_int_equal(bt_write_file_atomic(t.fd, "sub/f", "", 0, 0644, &err), 0);
    assert_true(tmp_has(&t, "sub/f"));
    assert_true(bt_write_file_atomic(t.fd, "sub", "x", 1, 0644, &err) < 0);
    assert_true(bt_write_file_atomic(t.fd, "no/such", "x", 1, 0644, &err) < 0);
    (void)snprintf(stale, sizeof stale, "sub.tmp%d", (int)getpid());
    assert_false(tmp_has(&t, stale));
    tmp_free(&t);
}

static void kernel_file_needs_to_exist(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tmp_new(&t);
    assert_int_equal(bt_write_kernel_file(t.fd, "absent", "1", &err), -BT_E_NOT_FOUND);
    assert_false(tmp_has(&t, "absent"));
    tmp_write(&t, "knob", "0\n");
    assert_int_equal(bt_write_kernel_file(t.fd, "knob", "1", &err), 0);
    assert_int_equal(bt_write_kernel_file(AT_FDCWD, "/proc/self/oom_score_adj", "bad", &err),
                     -BT_E_KERNEL);
    assert_non_null(strstr(err.msg, "bad"));
    tmp_free(&t);
}

static void mkdir_p_makes_all(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    char path[128];
    tmp_new(&t);
    assert_int_equal(bt_mkdir_p(t.fd, "a/b//c", 0700, &err), 0);
    assert_int_equal(bt_mkdir_p(t.fd, "a/b/c/", 0700, &err), 0);
    assert_true(tmp_has(&t, "a/b/c"));
    (void)snprintf(path, sizeof path, "%s/x/y", t.path);
    assert_int_equal(bt_mkdir_p(AT_FDCWD, path, 0700, &err), 0);
    assert_true(tmp_has(&t, "x/y"));
    tmp_write(&t, "file", "");
    assert_true(bt_mkdir_p(t.fd, "file", 0700, &err) < 0);
    assert_true(bt_mkdir_p(t.fd, "file/a", 0700, &err) < 0);
    tmp_free(&t);
}

static void lock_is_exclusive(void **state)
{
    (void)state;
    struct tmp t;
    struct bt_err err = BT_ERR_INIT;
    tmp_new(&t);
    tmp_write(&t, "lock", "");
    int a = openat(t.fd, "lock", O_RDONLY | O_CLOEXEC);
    int b = openat(t.fd, "lock", O_RDONLY | O_CLOEXEC);
    assert_int_equal(bt_try_lock(a, &err), 0);
    assert_int_equal(bt_try_lock(a, &err), 0);
    assert_int_equal(bt_try_lock(b, &err), -BT_E_LOCKED);
    (void)close(a);
    assert_int_equal(bt_try_lock(b, &err), 0);
    (void)close(b);
    tmp_free(&t);
}

static void write_all_writes_all(void **state)
{
    (void)state;
    struct bt_err err = BT_ERR_INIT;
    int ends[2];
    enum { N = 300000 };
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char chunk[1000];
        size_t sum = 0;
        (void)close(ends[1]);
        for (ssize_t n = 0; (n = read(ends[0], chunk, sizeof chunk)) > 0;)
            sum += (size_t)n;
        _exit(sum == N ? 0 : 1);
    }
    (void)close(ends[0]);
    char *data = bt_xcalloc(1, N);
    assert_int_equal(bt_write_all(ends[1], data, N, &err), 0);
    (void)close(ends[1]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(bt_write_all(-1, data, 1, &err), -BT_E_KERNEL);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_root_stays_inside),
        cmocka_unit_test(beneath_takes_no_link),
        cmocka_unit_test(dirs),
        cmocka_unit_test(read_is_bounded),
        cmocka_unit_test(atomic_write_replaces),
        cmocka_unit_test(kernel_file_needs_to_exist),
        cmocka_unit_test(mkdir_p_makes_all),
        cmocka_unit_test(lock_is_exclusive),
        cmocka_unit_test(write_all_writes_all),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
