/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/image/image.h"
#include "agent/sys/sys_record.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include <cmocka.h>

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FETCHED "{\"ok\":{\"bytes\":1234}}"
#define UNPACKED "{\"ok\":{\"bytes\":9999,\"files\":12,\"skipped\":1}}"

enum { CALLS_MAX = 40 };

/* What the next helpers say (NULL = nothing) and how they end, in order. */
struct script {
    const char *reply;
    int status, signum;
};

/*
 * Files are the fake's; only what the store opens for its helpers (archive, tree, certificate) lies
 * in a real directory, which is the state directory of both.
 */
struct world {
    struct bt_loop *loop;
    struct sys *sys;
    struct image_store *store;
    char dir[64];
    const struct script *script; /* NULL = both succeed */
    size_t at;                   /* helpers started */
    char said[2][512];           /* requests */
    size_t n_fds[2];
    bool hold; /* helpers say nothing until the test lets them */
    struct sys_helper *held;
};

static const struct script fine[] = {{FETCHED, 0, 0}, {UNPACKED, 0, 0}};

static void on_started(void *ctx, struct sys_helper *h, const struct sys_helper_start *how)
{
    struct world *w = ctx;
    assert_string_equal(how->argv[0], "/helpers/berth-unpack");
    assert_in_range(w->at, 0, 1);
    w->n_fds[w->at] = how->n_fds;
    for (size_t i = 0; i < how->n_fds; i++)
        assert_true(fcntl(how->fds[i], F_GETFD) >= 0);
    w->held = h;
}

static void act(struct world *w, struct sys_helper *h)
{
    const struct script *s = &(w->script ? w->script : fine)[w->at++];
    if (s->reply)
        sys_record_say(w->sys, h, s->reply);
    sys_record_exit(w->sys, h, s->status, s->signum);
}

static void on_got(void *ctx, struct sys_helper *h, const char *json, size_t len)
{
    struct world *w = ctx;
    (void)snprintf(w->said[w->at], sizeof w->said[0], "%.*s", (int)len, json);
    if (!w->hold)
        act(w, h);
}

static void make_dir(struct world *w, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
    assert_int_equal(bt_mkdir_p(AT_FDCWD, path, 0700, NULL), 0);
}

static void make_file(struct world *w, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void make_store(struct world *w)
{
    char cert[100], key[100], ca[100];
    (void)snprintf(cert, sizeof cert, "%s/cert", w->dir);
    (void)snprintf(key, sizeof key, "%s/key", w->dir);
    (void)snprintf(ca, sizeof ca, "%s/ca", w->dir);
    const struct image_config cfg = {.sys = w->sys,
                                     .state_dir = w->dir,
                                     .helper = "/helpers/berth-unpack",
                                     .base_url = "https://c:8444/agent/v1/blobs",
                                     .cert_file = cert,
                                     .key_file = key,
                                     .ca_file = ca};
    w->store = image_store_new(&cfg);
}

static int open_world(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    (void)bt_strcpy(w->dir, sizeof w->dir, "/tmp/berth-test-image-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    make_dir(w, "images/" SHA ".tmp/root");
    make_file(w, "cert");
    make_file(w, "key");
    make_file(w, "ca");
    w->loop = bt_loop_new_virtual(1700000000000);
    w->sys = sys_record_new(w->loop);
    assert_int_equal(w->sys->fs->mkdir_p(w->sys, w->dir, 0700, NULL), 0);
    sys_record_reset(w->sys);
    const struct sys_record_player player = {on_started, on_got, NULL, w};
    sys_record_play(w->sys, &player);
    make_store(w);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    image_store_free(w->store);
    sys_record_free(w->sys);
    bt_loop_free(w->loop);
    assert_int_equal(bt_remove_tree(AT_FDCWD, w->dir, NULL), 0);
    free(w);
    return 0;
}

struct end {
    struct image_op op;
    bool over;
    struct bt_err err;
};

static void on_done(struct image_op *op, int rc, const struct bt_err *err)
{
    struct end *e = op->owner;
    assert_false(e->over);
    e->over = true;
    if (rc < 0)
        e->err = *err;
    assert_int_equal(rc, -(int)e->err.code);
}

static void begin(struct world *w, struct end *e)
{
    *e = (struct end){.op = {.sha256 = SHA, .bytes = 1234, .done = on_done, .owner = e}};
    image_ensure_start(w->store, &e->op);
    assert_false(e->over);
}

static enum bt_code ensure(struct world *w)
{
    struct end e;
    w->at = 0;
    begin(w, &e);
    bt_loop_run(w->loop);
    assert_true(e.over);
    return e.err.code;
}

static bool has(struct world *w, const char *name)
{
    struct sys_fs_stat st;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/images/%s", w->dir, name);
    return w->sys->fs->stat(w->sys, path, &st, NULL) >= 0;
}

/* What is there, without the random directory's name. */
static char *model(struct world *w)
{
    char *text = sys_record_model(w->sys);
    for (char *p; (p = strstr(text, w->dir));)
        memset(p, '_', strlen(w->dir));
    return text;
}

/* ---- what is done ---- */

static void an_image_is_fetched_and_unpacked(void **state)
{
    struct world *w = *state;
    char wanted[2048], said[512], root[256];
    const char *d = w->dir;
    assert_int_equal(ensure(w), BT_E_OK);
    (void)snprintf(wanted, sizeof wanted,
                   "fs stat %s/images/" SHA "/root\n"
                   "fs mkdir_p %s/images 0700\n"
                   "helper start /helpers/berth-unpack fetch\n"
                   "fs remove_tree %s/images/" SHA "\n"
                   "fs remove_tree %s/images/" SHA ".tmp\n"
                   "fs mkdir_p %s/images/" SHA ".tmp/root 0755\n"
                   "helper start /helpers/berth-unpack unpack\n"
                   "fs rename %s/images/" SHA ".tmp %s/images/" SHA "\n"
                   "fs unlink %s/images/" SHA ".archive\n",
                   d, d, d, d, d, d, d, d);
    _cleanup_free_ char *text = bt_xstrdup(sys_record_text(w->sys));
    for (char *send; (send = strstr(text, "helper send"));) {
        char *after = strchr(send, '\n') + 1;
        memmove(send, after, strlen(after) + 1);
    }
    assert_string_equal(text, wanted);
    (void)snprintf(said, sizeof said,
                   "{\"url\":\"https://c:8444/agent/v1/blobs/" SHA "\",\"sha256\":\"" SHA
                   "\",\"bytes\":1234,\"max_bytes\":34359738368}");
    assert_string_equal(w->said[0], said);
    assert_string_equal(w->said[1], "{\"max_bytes\":34359738368,\"max_files\":2000000}");
    assert_int_equal(w->n_fds[0], 4);
    assert_int_equal(w->n_fds[1], 2);
    image_root(w->store, SHA, root, sizeof root);
    (void)snprintf(wanted, sizeof wanted, "%s/images/" SHA "/root", d);
    assert_string_equal(root, wanted);
    assert_true(has(w, SHA "/root"));
}

static void an_image_that_is_there_costs_nothing(void **state)
{
    struct world *w = *state;
    assert_int_equal(ensure(w), BT_E_OK);
    assert_int_equal(ensure(w), BT_E_OK);
    assert_int_equal(w->at, 0);
}

static void all_wait_for_one(void **state)
{
    struct world *w = *state;
    struct end e[3];
    for (size_t i = 0; i < 3; i++)
        begin(w, &e[i]);
    bt_loop_run(w->loop);
    for (size_t i = 0; i < 3; i++)
        assert_true(e[i].over && e[i].err.code == BT_E_OK);
    assert_int_equal(w->at, 2);
}

/* ---- what fails ---- */

static void what_a_helper_says_is_passed_on(void **state)
{
    struct world *w = *state;
    static const struct script scripts[] = {
        {"{\"err\":{\"code\":\"unavailable\",\"message\":\"no route\"}}", 1, 0},
        {"{\"err\":{\"code\":\"checksum_mismatch\",\"message\":\"x\"}}", 1, 0},
        {"{\"err\":{\"code\":\"storage_full\"}}", 1, 0},
        {"{}", 0, 0},
        {"[", 0, 0},
        {NULL, 0, SIGKILL},
        {NULL, 1, 0},
    };
    static const enum bt_code codes[] = {BT_E_UNAVAILABLE, BT_E_CHECKSUM,    BT_E_STORAGE_FULL,
                                         BT_E_INTERNAL,    BT_E_BAD_REQUEST, BT_E_HELPER,
                                         BT_E_HELPER};
    for (size_t i = 0; i < BT_ARRAY_LEN(scripts); i++) {
        w->script = &scripts[i];
        assert_int_equal(ensure(w), codes[i]);
        assert_false(has(w, SHA) || has(w, SHA ".tmp"));
        assert_int_equal(w->at, 1);
    }
    w->script = NULL;
    assert_int_equal(ensure(w), BT_E_OK);
}

static void a_failed_unpack_leaves_no_tree(void **state)
{
    struct world *w = *state;
    static const struct {
        struct script two[2];
        enum bt_code code;
        bool keeps_archive;
    } rows[] = {
        {{{FETCHED, 0, 0}, {"{\"err\":{\"code\":\"bad_image\",\"message\":\"twice\"}}", 1, 0}},
         BT_E_BAD_IMAGE,
         false},
        {{{FETCHED, 0, 0}, {"{\"err\":{\"code\":\"too_large\",\"message\":\"x\"}}", 1, 0}},
         BT_E_TOO_LARGE,
         false},
        {{{FETCHED, 0, 0}, {"{\"err\":{\"code\":\"storage_full\",\"message\":\"x\"}}", 1, 0}},
         BT_E_STORAGE_FULL,
         true},
        {{{FETCHED, 0, 0}, {NULL, 0, SIGSEGV}}, BT_E_HELPER, true},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        char archive[200];
        (void)snprintf(archive, sizeof archive, "%s/images/" SHA ".archive", w->dir);
        assert_int_equal(w->sys->fs->unlink(w->sys, archive, NULL), 0);
        assert_int_equal(w->sys->fs->mkdir_p(w->sys, w->dir, 0700, NULL), 0);
        char images[200];
        (void)snprintf(images, sizeof images, "%s/images", w->dir);
        assert_int_equal(w->sys->fs->mkdir_p(w->sys, images, 0700, NULL), 0);
        assert_int_equal(w->sys->fs->sparse(w->sys, archive, 1234, NULL), 0);
        w->script = rows[i].two;
        assert_int_equal(ensure(w), rows[i].code);
        assert_false(has(w, SHA) || has(w, SHA ".tmp"));
        assert_int_equal(has(w, SHA ".archive"), rows[i].keeps_archive);
    }
}

/* Perhaps it is there and mounted: nothing is removed, nothing is fetched. */
static void an_unreadable_image_is_left_alone(void **state)
{
    struct world *w = *state;
    assert_int_equal(ensure(w), BT_E_OK);
    sys_record_fail_on(w->sys, "fs stat", EIO);
    sys_record_reset(w->sys);
    assert_int_equal(ensure(w), BT_E_KERNEL);
    assert_null(strstr(sys_record_text(w->sys), "remove"));
    assert_int_equal(w->at, 0);
    sys_record_fail_on(w->sys, NULL, 0);
    assert_true(has(w, SHA "/root"));
}

static void a_missing_certificate_is_said(void **state)
{
    struct world *w = *state;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/key", w->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ensure(w), BT_E_KERNEL);
    assert_int_equal(w->at, 0);
    make_file(w, "key");
    assert_int_equal(ensure(w), BT_E_OK);
}

/* Fail the n-th call; then again. False: there is no n-th call. */
static bool fails_at(size_t n, const char *wanted)
{
    void *state = NULL;
    (void)open_world(&state);
    struct world *w = state;
    sys_record_fail_at(w->sys, n, EIO);
    enum bt_code code = ensure(w);
    bool failed = strstr(sys_record_text(w->sys), "-> error") != NULL;
    sys_record_fail_at(w->sys, 0, 0);
    assert_true(code == BT_E_OK || !has(w, SHA "/root"));
    if (code != BT_E_OK)
        assert_int_equal(ensure(w), BT_E_OK);
    assert_true(has(w, SHA "/root"));
    assert_int_equal(ensure(w), BT_E_OK); /* removes an archive that stayed */
    _cleanup_free_ char *text = model(w);
    assert_string_equal(text, wanted);
    (void)close_world(&state);
    return failed;
}

static void each_call_fails_once(void **state)
{
    (void)state;
    void *whole = NULL;
    (void)open_world(&whole);
    assert_int_equal(ensure(whole), BT_E_OK);
    _cleanup_free_ char *wanted = model(whole);
    (void)close_world(&whole);
    size_t n = 1;
    while (n < CALLS_MAX && fails_at(n, wanted))
        n++;
    assert_in_range(n, 10, CALLS_MAX - 1);
}

/* ---- the end of the agent ---- */

static void an_end_while_a_helper_runs(void **state)
{
    struct world *w = *state;
    struct end e[2];
    w->hold = true;
    begin(w, &e[0]);
    begin(w, &e[1]);
    bt_loop_run(w->loop);
    assert_false(e[0].over);
    assert_non_null(w->held);
    image_store_free(w->store);
    w->store = NULL;
    assert_true(e[0].over && e[0].err.code == BT_E_CANCELLED);
    assert_true(e[1].over && e[1].err.code == BT_E_CANCELLED);
    bt_loop_run(w->loop);
}

static void an_end_while_the_disk_works(void **state)
{
    struct world *w = *state;
    struct end e;
    begin(w, &e);
    image_store_free(w->store);
    w->store = NULL;
    assert_true(e.over && e.err.code == BT_E_CANCELLED);
    bt_loop_run(w->loop);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        T(an_image_is_fetched_and_unpacked),
        T(an_image_that_is_there_costs_nothing),
        T(all_wait_for_one),
        T(what_a_helper_says_is_passed_on),
        T(a_failed_unpack_leaves_no_tree),
        T(an_unreadable_image_is_left_alone),
        T(a_missing_certificate_is_said),
        cmocka_unit_test(each_call_fails_once),
        T(an_end_while_a_helper_runs),
        T(an_end_while_the_disk_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
