/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>

#include "tests/unit/agent/sys/lib_sys.h"

/* The fake answers as the machine would, tells every call, and fails when told to. */
struct fake {
    struct bt_loop *loop;
    struct sys *s;
};

static int setup(void **state)
{
    struct fake *f = bt_xcalloc(1, sizeof *f);
    f->loop = bt_loop_new_virtual(1700000000000);
    f->s = sys_record_new(f->loop);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;
    sys_record_free(f->s);
    bt_loop_free(f->loop);
    free(f);
    return 0;
}

static void run(struct fake *f, int64_t ms)
{
    bt_loop_run_until(f->loop, bt_mono_ms(bt_loop_clock(f->loop)) + ms);
}

static void tells_and_fails(void **state)
{
    struct fake *f = *state;
    struct sys *s = f->s;
    struct bt_err err = BT_ERR_INIT;
    OK(s->fs->mkdir_p(s, "/state/a", 0700, &err));
    sys_record_fail_at(s, 2, ENOSPC);
    OK(s->fs->write(s, "/state/a/one", "1", 0600, &err));
    assert_int_equal(s->fs->write(s, "/state/a/two", "2", 0600, &err), -BT_E_STORAGE_FULL);
    OK(s->fs->write(s, "/state/a/three", "3", 0600, &err));
    assert_string_equal(sys_record_text(s), "fs mkdir_p /state/a 0700\n"
                                            "fs write /state/a/one 0600 1 bytes\n"
                                            "fs write /state/a/two 0600 1 bytes -> error\n"
                                            "fs write /state/a/three 0600 1 bytes\n");
    assert_int_equal(sys_record_calls(s), 4);
    sys_record_reset(s);
    sys_record_fail_on(s, "fs unlink", EIO);
    assert_int_equal(s->fs->unlink(s, "/state/a/one", &err), -BT_E_KERNEL);
    assert_int_equal(s->fs->unlink(s, "/state/a/one", &err), -BT_E_KERNEL);
    sys_record_fail_on(s, NULL, 0);
    OK(s->fs->unlink(s, "/state/a/one", &err));
    static const char *const only[] = {"cgroup", NULL};
    sys_record_reset(s);
    sys_record_only(s, only);
    OK(s->fs->unlink(s, "/state/a/three", &err));
    OK(s->cgroup->create(s, "x", &err));
    assert_string_equal(sys_record_text(s), "cgroup create x\n");
    assert_int_equal(sys_record_calls(s), 2);
    _cleanup_free_ char *model = sys_record_model(s);
    assert_string_equal(model, "cgroup x\nfile /state\nfile /state/a\n");
}

static void files_behave(void **state)
{
    struct fake *f = *state;
    struct sys *s = f->s;
    struct bt_err err = BT_ERR_INIT;
    struct sys_fs_stat st;
    bool held = true;
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    _cleanup_rows_str_ struct sys_rows names = {0};
    assert_int_equal(s->fs->sparse(s, "/d/disk", 10, &err), -BT_E_NOT_FOUND);
    OK(s->fs->mkdir_p(s, "/d/sub", 0700, &err));
    OK(s->fs->sparse(s, "/d/disk", 10, &err));
    assert_int_equal(s->fs->sparse(s, "/d/disk", 10, &err), -BT_E_EXISTS);
    OK(s->fs->grow(s, "/d/disk", 20, &err));
    OK(s->fs->write(s, "/d/sub/text", "hello", 0600, &err));
    OK(s->fs->list(s, "/d", &names, &err));
    assert_int_equal(names.len, 2);
    OK(s->fs->rename(s, "/d", "/e", &err));
    OK(s->fs->read(s, "/e/sub/text", 100, &b, &err));
    assert_string_equal(b.data, "hello");
    OK(s->fs->stat(s, "/e/disk", &st, &err));
    assert_int_equal(st.size_bytes, 20);
    assert_int_equal(s->fs->stat(s, "/d", &st, &err), -BT_E_NOT_FOUND);
    OK(s->fs->mkdir_p(s, "/f", 0700, &err));
    assert_int_equal(s->fs->rename(s, "/e", "/f", &err), -BT_E_EXISTS);
    sys_record_lock(s, "/e/lock", true);
    OK(s->fs->locked(s, "/e/lock", &held, &err));
    assert_true(held);
    sys_record_lock(s, "/e/lock", false);
    OK(s->fs->locked(s, "/e/lock", &held, &err));
    assert_false(held);
    OK(s->fs->remove_tree(s, "/e", &err));
    assert_int_equal(s->fs->read(s, "/e/sub/text", 100, &b, &err), -BT_E_NOT_FOUND);
}

struct ends {
    struct sys_pidwatch watch;
    int n;
};

static void on_end(struct sys_pidwatch *w)
{
    BT_CONTAINER_OF(w, struct ends, watch)->n++;
}

static void groups_and_processes(void **state)
{
    struct fake *f = *state;
    struct sys *s = f->s;
    struct bt_err err = BT_ERR_INIT;
    struct ends e[2] = {{.watch = {.ended = on_end}}, {.watch = {.ended = on_end}}};
    int64_t v = 0;
    OK(s->cgroup->create(s, "u/inner", &err));
    sys_record_process(s, 70, 7, "u/inner");
    sys_record_process(s, 71, 8, "u");
    OK(s->proc->start_time(s, 70, &v, &err));
    assert_int_equal(v, 7);
    OK(s->proc->watch(s, &e[0].watch, 70, 7, &err));
    OK(s->proc->watch(s, &e[1].watch, 70, 6, &err)); /* another one, long gone */
    assert_int_equal(e[1].n, 0);
    run(f, 0);
    assert_int_equal(e[1].n, 1);
    assert_int_equal(s->cgroup->remove(s, "u", &err), -BT_E_IN_USE);
    OK(s->cgroup->set(s, "u", SYS_CG_PIDS, 99, &err));
    OK(s->cgroup->get(s, "u", SYS_CG_PIDS, &v, &err));
    assert_int_equal(v, 99);
    OK(s->cgroup->kill(s, "u", &err));
    assert_int_equal(e[0].n, 0);
    run(f, 0);
    assert_int_equal(e[0].n, 1);
    OK(s->cgroup->remove(s, "u", &err));
    assert_false(s->cgroup->exists(s, "u/inner"));
    sys_record_process(s, 72, 9, NULL);
    OK(s->proc->watch(s, &e[0].watch, 72, 9, &err));
    s->proc->unwatch(s, &e[0].watch);
    OK(s->proc->kill(s, 72, 9, SIGKILL, &err));
    run(f, 10);
    assert_int_equal(e[0].n, 1);
}

/* ---- helpers ---- */

struct play {
    struct fake *f;
    struct sys_helper h;
    char got[64];
    char said[2][64];
    size_t n_said;
    bool over;
    int status, signum;
};

static void started(void *ctx, struct sys_helper *h, const struct sys_helper_start *how)
{
    struct play *p = ctx;
    assert_string_equal(how->argv[1], "run");
    sys_record_say(p->f->s, h, "{\"hello\":1}");
}

static void got(void *ctx, struct sys_helper *h, const char *json, size_t len)
{
    struct play *p = ctx;
    (void)snprintf(p->got, sizeof p->got, "%.*s", (int)len, json);
    sys_record_say(p->f->s, h, "{\"ok\":1}");
    sys_record_exit(p->f->s, h, 3, 0);
}

static void on_frame(struct sys_helper *h, const char *json, size_t len)
{
    struct play *p = h->owner;
    (void)len;
    (void)snprintf(p->said[p->n_said++], sizeof p->said[0], "%s", json);
}

static void on_over(struct sys_helper *h, int status, int signum, const struct bt_err *err)
{
    struct play *p = h->owner;
    assert_null(err);
    p->over = true;
    p->status = status;
    p->signum = signum;
}

static void play_start(struct play *p, struct fake *f)
{
    static const char *const argv[] = {"/usr/lib/berth/berth-container", "run", NULL};
    struct bt_err err = BT_ERR_INIT;
    struct sys_record_player player = {.started = started, .got = got, .ctx = p};
    struct sys_helper_start how = {.argv = argv};
    *p = (struct play){.f = f, .h = {.frame = on_frame, .ended = on_over, .owner = p}};
    sys_record_play(f->s, &player);
    OK(f->s->helper->start(f->s, &p->h, &how, &err));
    assert_int_equal(p->n_said, 0);
}

static void helpers_are_played(void **state)
{
    struct fake *f = *state;
    struct sys *s = f->s;
    struct bt_err err = BT_ERR_INIT;
    struct play p;
    struct sys_helper_frame frame = {.json = "{\"op\":1}", .len = 8};
    play_start(&p, f);
    run(f, 0);
    assert_string_equal(p.said[0], "{\"hello\":1}");
    OK(s->helper->send(s, &p.h, &frame, &err));
    assert_string_equal(p.got, "{\"op\":1}");
    assert_false(p.over);
    run(f, 0);
    assert_string_equal(p.said[1], "{\"ok\":1}");
    assert_true(p.over);
    assert_int_equal(p.status, 3);
    assert_int_equal(s->helper->send(s, &p.h, &frame, &err), -BT_E_UNAVAILABLE);
    play_start(&p, f);
    s->helper->kill(s, &p.h, SIGTERM);
    run(f, 0);
    assert_true(p.over && p.signum == SIGTERM && p.n_said == 1);
    play_start(&p, f);
    s->helper->close(s, &p.h);
    run(f, 0);
    assert_true(p.n_said == 0 && !p.over);
    s->helper->abandon(s, &p.h);
    run(f, 0);
    assert_false(p.over);
    sys_record_fail_at(s, 1, ENOMEM);
    static const char *const argv[] = {"/x", "run", NULL};
    struct sys_helper_start how = {.argv = argv};
    assert_int_equal(s->helper->start(s, &p.h, &how, &err), -BT_E_HELPER);
}

/* ---- operations take the fake's time ---- */

struct work {
    struct sys_op op;
    int order;
    int *next;
};

static int work_run(struct sys_op *op, struct bt_err *err)
{
    (void)op;
    (void)err;
    return 0;
}

static void work_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct work *w = BT_CONTAINER_OF(op, struct work, op);
    (void)err;
    assert_int_equal(rc, 0);
    w->order = ++*w->next;
}

static void operations_are_late(void **state)
{
    struct fake *f = *state;
    int next = 0;
    struct work w[3] = {0};
    f->s->latency_ms = 20;
    for (int i = 0; i < 3; i++) {
        w[i].next = &next;
        w[i].op = (struct sys_op){.run = work_run, .done = work_done};
        sys_op_start(f->s, SYS_Q_LINK, &w[i].op);
    }
    run(f, 19);
    assert_int_equal(next, 0);
    run(f, 1);
    assert_int_equal(w[0].order, 1);
    assert_int_equal(w[2].order, 3);
}

static void keys(void **state)
{
    struct bt_ip ip = lib_ip("2001:db8:1:2:3:4:5:6");
    unsigned char mac[6] = {2, 0, 0, 0, 0, 9};
    struct sys_nft_key k = {0};
    struct sys_nft_key m = {0};
    (void)state;
    sys_nft_key_ifname(&k, "bta");
    sys_nft_key_mac(&k, mac);
    sys_nft_key_ip(&k, &ip, 72);
    assert_int_equal(k.len, 16 + 8 + 12);
    assert_memory_equal(k.bytes, "bta\0", 4);
    assert_memory_equal(k.bytes + 24, "\x20\x01\x0d\xb8\0\1\0\2\0\0\0\0", 12);
    assert_string_equal(k.text, "bta . 02:00:00:00:00:09 . 2001:db8:1:2::/72");
    sys_nft_key_masked(&m, &ip, 64);
    assert_int_equal(m.len, 16);
    assert_string_equal(m.text, "2001:db8:1:2::/64");
    assert_true(sys_nft_key_cmp(&k, &m) != 0 && sys_nft_key_cmp(&k, &k) == 0);
    assert_int_equal(sys_nft_key_cmp(&k, &m), -sys_nft_key_cmp(&m, &k));
}

int main(void)
{
#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FAKE_TEST(tells_and_fails),      FAKE_TEST(files_behave),
        FAKE_TEST(groups_and_processes), FAKE_TEST(helpers_are_played),
        FAKE_TEST(operations_are_late),  FAKE_TEST(keys),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
