/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a guest in a plain directory; what only an overlay can show is in tests/system. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/container/ct_files.h"

#include <cmocka.h>

/* Specs borrow literals here; nothing frees them. */
#pragma GCC diagnostic ignored "-Wwrite-strings"
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"

struct guest {
    char top[32];
    struct ct_files f;
};

static int setup(void **state)
{
    struct guest *g = bt_xcalloc(1, sizeof *g);
    (void)snprintf(g->top, sizeof g->top, "/tmp/ct_files.XXXXXX");
    assert_non_null(mkdtemp(g->top));
    assert_int_equal(chmod(g->top, 0755), 0);
    /* The tester's own ids: a test needs no root for them. */
    g->f = (struct ct_files){.id_base = geteuid(), .seeded = true};
    _cleanup_free_ char *root = bt_xasprintf("%s/root", g->top);
    assert_int_equal(mkdir(root, 0755), 0);
    g->f.root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(g->f.root >= 0);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    struct guest *g = *state;
    (void)close(g->f.root);
    assert_int_equal(bt_remove_tree(AT_FDCWD, g->top, NULL), 0);
    free(g);
    return 0;
}

static void content_is(const struct guest *g, const char *path, const char *want)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(65536);
    assert_int_equal(bt_read_file(g->f.root, path, 65536, &b, NULL), 0);
    assert_string_equal(b.data, want);
}

static mode_t mode_of(const struct guest *g, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(g->f.root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static int apply(const struct guest *g, struct helper_file *files, size_t n)
{
    struct helper_container_spec s = {.files = {files, n}};
    struct bt_err err = BT_ERR_INIT;
    return ct_files_apply(&g->f, &s, &err);
}

static void put(const struct guest *g, const char *path, const char *text)
{
    assert_int_equal(bt_write_file_atomic(g->f.root, path, text, strlen(text), 0640, NULL), 0);
}

static void writes(void **state)
{
    struct guest *g = *state;
    struct helper_file files[] = {
        {.path = "/etc/hostname", .content = "a\n"},
        {.path = "/root/.ssh/authorized_keys", .content = "k\n", .mode = 0600, .dir_mode = 0700},
        {.path = "/empty"},
    };
    assert_int_equal(apply(g, files, 3), 0);
    content_is(g, "etc/hostname", "a\n");
    content_is(g, "empty", "");
    assert_int_equal(mode_of(g, "etc/hostname"), 0644);
    assert_int_equal(mode_of(g, "root/.ssh"), 0700);
    assert_int_equal(mode_of(g, "root/.ssh/authorized_keys"), 0600);
    assert_int_equal(faccessat(g->f.root, "etc/.berth-new", F_OK, 0), -1);
}

static void seeds(void **state)
{
    struct guest *g = *state;
    struct helper_file files[] = {{.path = "/once", .content = "1"},
                                  {.path = "/always", .content = "1", .every_boot = true}};
    int upper = open(g->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(ct_files_seed_is_new(upper, "s-0"));
    assert_int_equal(ct_files_mark(upper, "s-0", NULL), 0);
    assert_false(ct_files_seed_is_new(upper, "s-0"));
    assert_true(ct_files_seed_is_new(upper, "s-1"));
    assert_true(ct_files_seed_is_new(upper, "s-"));
    (void)close(upper);
    g->f.seeded = false;
    assert_int_equal(apply(g, files, 2), 0);
    assert_int_equal(faccessat(g->f.root, "once", F_OK, 0), -1);
    content_is(g, "always", "1");
}

static void bad_paths(void **state)
{
    struct guest *g = *state;
    static const char *const bad[] = {"", "/", "x", "/etc/", "/..", "/a/.."};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct helper_file f = {.path = (char *)(uintptr_t)bad[i], .content = "x"};
        assert_int_equal(apply(g, &f, 1), -BT_E_INVALID);
    }
    /* ".." on the way stops at the guest's root. */
    struct helper_file f = {.path = "/../../../../in", .content = "x"};
    assert_int_equal(apply(g, &f, 1), 0);
    content_is(g, "in", "x");
}

static void links_stay_inside(void **state)
{
    struct guest *g = *state;
    _cleanup_free_ char *outside = bt_xasprintf("%s/outside", g->top);
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(symlinkat(outside, g->f.root, "etc"), 0);
    struct helper_file f = {.path = "/etc/hostname", .content = "x"};
    assert_int_equal(apply(g, &f, 1), -BT_E_BAD_IMAGE);
    assert_int_equal(unlinkat(g->f.root, "etc", 0), 0);
    assert_int_equal(mkdirat(g->f.root, "etc", 0755), 0);
    assert_int_equal(symlinkat(outside, g->f.root, "etc/hostname"), 0);
    assert_int_equal(apply(g, &f, 1), 0);
    content_is(g, "etc/hostname", "x");
    assert_int_equal(rmdir(outside), 0);
    /* A later boot: the owner's own fault keeps nobody from it. */
    assert_int_equal(unlinkat(g->f.root, "etc/hostname", 0), 0);
    assert_int_equal(mkdirat(g->f.root, "etc/hostname", 0755), 0);
    assert_int_equal(apply(g, &f, 1), -BT_E_BAD_IMAGE);
    g->f.seeded = false;
    f.every_boot = true;
    assert_int_equal(apply(g, &f, 1), 0);
}

static void removes(void **state)
{
    struct guest *g = *state;
    struct helper_file f = {.path = "/x", .op = HELPER_FILE_REMOVE};
    struct helper_file deep = {.path = "/no/such/file", .op = HELPER_FILE_REMOVE};
    put(g, "x", "1");
    assert_int_equal(apply(g, &f, 1), 0);
    assert_int_equal(faccessat(g->f.root, "x", F_OK, 0), -1);
    assert_int_equal(apply(g, &f, 1), 0);
    assert_int_equal(apply(g, &deep, 1), 0);
}

static void shadow(void **state)
{
    struct guest *g = *state;
    struct helper_file f = {
        .path = "/etc/shadow", .op = HELPER_FILE_SHADOW_ROOT, .content = "$6$h"};
    assert_int_equal(apply(g, &f, 1), 0);
    content_is(g, "etc/shadow", "root:$6$h:19700:0:99999:7:::\n");
    assert_int_equal(mode_of(g, "etc/shadow"), 0600);
    put(g, "etc/shadow", "daemon:*:1::::::\nroot:old:2:0:9:7:::\nrooty:x:3::::::");
    assert_int_equal(apply(g, &f, 1), 0);
    content_is(g, "etc/shadow", "daemon:*:1::::::\nroot:$6$h:2:0:9:7:::\nrooty:x:3::::::\n");
    assert_int_equal(mode_of(g, "etc/shadow"), 0640);
    put(g, "etc/shadow", "root\nroot:\n");
    assert_int_equal(apply(g, &f, 1), 0);
    content_is(g, "etc/shadow", "root:$6$h:19700:0:99999:7:::\nroot\nroot:\n");
    f.content = "a:b";
    assert_int_equal(apply(g, &f, 1), -BT_E_INVALID);
    f.content = "a\nevil::0:0::::";
    assert_int_equal(apply(g, &f, 1), -BT_E_INVALID);
}

static void points(void **state)
{
    struct guest *g = *state;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(ct_files_check_points(&g->f, &err), 0);
    assert_int_equal(unlinkat(g->f.root, "dev", AT_REMOVEDIR), 0);
    assert_int_equal(symlinkat("proc", g->f.root, "dev"), 0);
    assert_int_equal(ct_files_check_points(&g->f, &err), -BT_E_BAD_STATE);
    assert_int_equal(unlinkat(g->f.root, "dev", 0), 0);
    put(g, "dev", "");
    assert_int_equal(ct_files_check_points(&g->f, &err), -BT_E_BAD_STATE);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(writes),  CASE(seeds),  CASE(bad_paths), CASE(links_stay_inside),
        CASE(removes), CASE(shadow), CASE(points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
