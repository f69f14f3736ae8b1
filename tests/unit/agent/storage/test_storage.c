/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/storage/storage.h"
#include "agent/sys/sys_record.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include <cmocka.h>

#define UUID "11111111-2222-4333-8444-555555555555"
#define OTHER "22222222-2222-4333-8444-555555555555"
#define LIVE "/st/instances/" UUID
#define TRASH "/st/trash/" UUID
#define GIB (1ll << 30)

enum { CALLS_MAX = 40 };

struct world {
    struct bt_loop *loop;
    struct sys *sys;
    struct storage *storage;
    char argv[512]; /* of the last mkfs */
    int mkfs_status;
};

static void on_started(void *ctx, struct sys_helper *h, const struct sys_helper_start *how)
{
    struct world *w = ctx;
    w->argv[0] = '\0';
    for (size_t i = 0; how->argv[i]; i++) {
        size_t n = strlen(w->argv);
        (void)snprintf(w->argv + n, sizeof w->argv - n, "%s%s", i ? " " : "", how->argv[i]);
    }
    sys_record_exit(w->sys, h, w->mkfs_status, 0);
}

static void on_got(void *ctx, struct sys_helper *h, const char *json, size_t len)
{
    (void)ctx;
    (void)h;
    (void)json;
    (void)len;
    fail_msg("mkfs is told nothing");
}

static int open_world(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    w->loop = bt_loop_new_virtual(1700000000000);
    w->sys = sys_record_new(w->loop);
    const struct sys_record_player player = {on_started, on_got, NULL, w};
    sys_record_play(w->sys, &player);
    const struct storage_config cfg = {w->sys, "/st", "/sbin/mkfs.ext4"};
    w->storage = storage_new(&cfg);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    storage_free(w->storage);
    sys_record_free(w->sys);
    bt_loop_free(w->loop);
    free(w);
    return 0;
}

struct end {
    bool over;
    int rc;
    struct bt_err err;
};

static void on_done(struct storage_op *op, int rc, const struct bt_err *err)
{
    struct end *e = op->owner;
    assert_false(e->over);
    e->over = true;
    e->rc = rc;
    if (rc < 0)
        e->err = *err;
}

static struct storage_op last;

/* Run a verb to its end; the code of its failure, OK = none. */
static enum bt_code run(struct world *w, enum storage_verb verb, int64_t rebuild_seq)
{
    struct end e = {0};
    last = (struct storage_op){.verb = verb,
                               .size_bytes = GIB,
                               .inodes = 65536,
                               .rebuild_seq = rebuild_seq,
                               .done = on_done,
                               .owner = &e};
    (void)bt_strcpy(last.uuid, sizeof last.uuid, UUID);
    storage_start(w->storage, &last);
    assert_false(e.over);
    bt_loop_run(w->loop);
    assert_true(e.over);
    assert_int_equal(e.rc, -(int)e.err.code);
    return e.err.code;
}

static bool has(struct world *w, const char *path)
{
    struct sys_fs_stat st;
    return w->sys->fs->stat(w->sys, path, &st, NULL) >= 0;
}

/* The disk that a tenant has written to: told apart by its modification time. */
static int64_t disk_time(struct world *w)
{
    struct sys_fs_stat st;
    assert_int_equal(w->sys->fs->stat(w->sys, LIVE "/upper.img", &st, NULL), 0);
    return st.mtime_ms;
}

static void later(struct world *w)
{
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)) + 1000);
}

/* ---- what is done ---- */

static void ensure_makes_a_disk(void **state)
{
    struct world *w = *state;
    sys_record_reset(w->sys);
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    assert_string_equal(sys_record_text(w->sys), "fs stat " LIVE "/upper.img\n"
                                                 "fs mkdir_p " LIVE " 0700\n"
                                                 "fs unlink " LIVE "/upper.new\n"
                                                 "fs sparse " LIVE "/upper.new 1073741824\n"
                                                 "helper start /sbin/mkfs.ext4 -q\n"
                                                 "fs rename " LIVE "/upper.new " LIVE "/upper.img\n"
                                                 "fs write " LIVE "/rebuild 0600 1 bytes\n");
    assert_string_equal(w->argv,
                        "/sbin/mkfs.ext4 -q -F -t ext4 -m 0 -N 65536 -E "
                        "lazy_itable_init=1,lazy_journal_init=1,nodiscard -- " LIVE "/upper.new");
    assert_false(last.smaller);
    assert_true(storage_has(w->storage, UUID));
    char path[200];
    storage_upper(w->storage, UUID, path, sizeof path);
    assert_string_equal(path, LIVE "/upper.img");
}

static void ensure_again_changes_nothing(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    _cleanup_free_ char *before = sys_record_model(w->sys);
    int64_t made = disk_time(w);
    later(w);
    assert_int_equal(run(w, STORAGE_ENSURE, 7), BT_E_OK);
    _cleanup_free_ char *after = sys_record_model(w->sys);
    assert_string_equal(before, after);
    assert_int_equal(disk_time(w), made);
}

static void a_smaller_disk_is_told(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->sys->fs->mkdir_p(w->sys, LIVE, 0700, NULL), 0);
    assert_int_equal(w->sys->fs->sparse(w->sys, LIVE "/upper.img", GIB / 2, NULL), 0);
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    assert_true(last.smaller);
}

static void rebuild_once_for_each_seq(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    int64_t first = disk_time(w);
    later(w);
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_OK);
    int64_t second = disk_time(w);
    assert_true(second > first);
    later(w);
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_OK);
    assert_int_equal(disk_time(w), second);
    assert_int_equal(run(w, STORAGE_ENSURE, 1), BT_E_OK);
    assert_int_equal(disk_time(w), second);
    later(w);
    assert_int_equal(run(w, STORAGE_REBUILD, 2), BT_E_OK);
    assert_true(disk_time(w) > second);
}

static void trash_restore_purge(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, STORAGE_ENSURE, 3), BT_E_OK);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(run(w, STORAGE_TRASH, 0), BT_E_OK);
        assert_false(storage_has(w->storage, UUID));
        assert_true(has(w, TRASH "/upper.img") && has(w, TRASH "/rebuild"));
    }
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(run(w, STORAGE_RESTORE, 0), BT_E_OK);
        assert_true(storage_has(w->storage, UUID));
        assert_false(has(w, TRASH));
    }
    assert_int_equal(run(w, STORAGE_TRASH, 0), BT_E_OK);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(run(w, STORAGE_PURGE, 0), BT_E_OK);
        assert_false(has(w, TRASH) || has(w, LIVE));
    }
    assert_int_equal(run(w, STORAGE_RESTORE, 0), BT_E_NOT_FOUND);
    assert_int_equal(run(w, STORAGE_TRASH, 0), BT_E_OK);
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    assert_int_equal(run(w, STORAGE_PURGE, 0), BT_E_OK);
    assert_false(has(w, LIVE));
}

static void list_is_both_places_and_only_uuids(void **state)
{
    struct world *w = *state;
    _cleanup_rows_str_ struct sys_rows rows = {0};
    assert_int_equal(storage_list(w->storage, &rows, NULL), 0);
    assert_int_equal(rows.len, 0);
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    assert_int_equal(w->sys->fs->mkdir_p(w->sys, "/st/trash/" OTHER, 0700, NULL), 0);
    assert_int_equal(w->sys->fs->mkdir_p(w->sys, "/st/instances/lost+found", 0700, NULL), 0);
    assert_int_equal(storage_list(w->storage, &rows, NULL), 0);
    sys_rows_sort_str(&rows);
    assert_int_equal(rows.len, 2);
    assert_string_equal(((char **)rows.items)[0], UUID);
    assert_string_equal(((char **)rows.items)[1], OTHER);
}

/* ---- what fails ---- */

static void a_failed_mkfs_leaves_what_was(void **state)
{
    struct world *w = *state;
    w->mkfs_status = 1;
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_HELPER);
    assert_false(storage_has(w->storage, UUID));
    w->mkfs_status = 0;
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    int64_t made = disk_time(w);
    later(w);
    w->mkfs_status = 1;
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_HELPER);
    assert_int_equal(disk_time(w), made);
    w->mkfs_status = 0;
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_OK);
    assert_true(disk_time(w) > made);
}

static void no_space_is_said(void **state)
{
    struct world *w = *state;
    sys_record_fail_on(w->sys, "fs sparse", ENOSPC);
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_STORAGE_FULL);
    sys_record_fail_on(w->sys, NULL, 0);
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
}

/* A disk that cannot be looked at is not an absent one. */
static void an_unreadable_disk_is_never_made_anew(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_OK);
    int64_t made = disk_time(w);
    later(w);
    sys_record_fail_on(w->sys, "fs stat", EIO);
    assert_int_equal(run(w, STORAGE_ENSURE, 1), BT_E_KERNEL);
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_KERNEL);
    assert_int_equal(run(w, STORAGE_TRASH, 1), BT_E_KERNEL);
    assert_int_equal(run(w, STORAGE_RESTORE, 1), BT_E_KERNEL);
    assert_true(storage_has(w->storage, UUID));
    sys_record_fail_on(w->sys, "fs read", EIO);
    assert_int_equal(run(w, STORAGE_REBUILD, 1), BT_E_KERNEL);
    assert_int_equal(run(w, STORAGE_ENSURE, 1), BT_E_KERNEL);
    sys_record_fail_on(w->sys, NULL, 0);
    assert_int_equal(disk_time(w), made);
    assert_false(has(w, LIVE "/upper.new"));
}

/* Cut between the rename and the mark: the disk that came of it is not made anew. */
static void a_lost_mark_comes_back(void **state)
{
    struct world *w = *state;
    sys_record_fail_on(w->sys, "fs write", EIO);
    assert_int_equal(run(w, STORAGE_ENSURE, 5), BT_E_KERNEL);
    sys_record_fail_on(w->sys, NULL, 0);
    int64_t made = disk_time(w);
    later(w);
    assert_int_equal(run(w, STORAGE_ENSURE, 5), BT_E_OK);
    assert_int_equal(run(w, STORAGE_REBUILD, 5), BT_E_OK);
    assert_int_equal(disk_time(w), made);
}

/* The world before a verb, by name of the verb. */
static void stage(struct world *w, enum storage_verb verb)
{
    if (verb == STORAGE_ENSURE)
        return;
    assert_int_equal(run(w, STORAGE_ENSURE, 0), BT_E_OK);
    if (verb == STORAGE_RESTORE)
        assert_int_equal(run(w, STORAGE_TRASH, 0), BT_E_OK);
    later(w);
}

/* A disk in use is whole, or the one from before. */
static void check_nothing_half_done(struct world *w, enum storage_verb verb)
{
    bool live = has(w, LIVE "/upper.img");
    bool trashed = has(w, TRASH "/upper.img");
    assert_false(live && trashed);
    if (verb == STORAGE_TRASH || verb == STORAGE_RESTORE || verb == STORAGE_REBUILD)
        assert_true(live || trashed);
    if (live && verb != STORAGE_PURGE)
        assert_true(has(w, LIVE "/rebuild") || verb == STORAGE_ENSURE || verb == STORAGE_REBUILD);
}

/* Fail the n-th call of @verb; then the same again. False: there is no n-th call. */
static bool fails_at(size_t n, enum storage_verb verb, const char *wanted)
{
    void *state = NULL;
    (void)open_world(&state);
    struct world *w = state;
    stage(w, verb);
    sys_record_fail_at(w->sys, n, EIO);
    enum bt_code code = run(w, verb, 1);
    sys_record_fail_at(w->sys, 0, 0);
    if (code != BT_E_OK) {
        check_nothing_half_done(w, verb);
        later(w);
        assert_int_equal(run(w, verb, 1), BT_E_OK);
    }
    _cleanup_free_ char *model = sys_record_model(w->sys);
    assert_string_equal(model, wanted);
    (void)close_world(&state);
    return code != BT_E_OK;
}

static void each_call_fails_once(void **state)
{
    (void)state;
    for (int verb = STORAGE_ENSURE; verb <= STORAGE_PURGE; verb++) {
        void *whole = NULL;
        (void)open_world(&whole);
        stage(whole, (enum storage_verb)verb);
        assert_int_equal(run(whole, (enum storage_verb)verb, 1), BT_E_OK);
        _cleanup_free_ char *wanted = sys_record_model(((struct world *)whole)->sys);
        (void)close_world(&whole);
        size_t n = 1;
        while (n < CALLS_MAX && fails_at(n, (enum storage_verb)verb, wanted))
            n++;
        assert_in_range(n, 2, CALLS_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ensure_makes_a_disk, open_world, close_world),
        cmocka_unit_test_setup_teardown(ensure_again_changes_nothing, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_smaller_disk_is_told, open_world, close_world),
        cmocka_unit_test_setup_teardown(rebuild_once_for_each_seq, open_world, close_world),
        cmocka_unit_test_setup_teardown(trash_restore_purge, open_world, close_world),
        cmocka_unit_test_setup_teardown(list_is_both_places_and_only_uuids, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_failed_mkfs_leaves_what_was, open_world, close_world),
        cmocka_unit_test_setup_teardown(no_space_is_said, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_unreadable_disk_is_never_made_anew, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_lost_mark_comes_back, open_world, close_world),
        cmocka_unit_test(each_call_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
