/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/agent/sys/lib_sys.h"

/* Files, processes, helpers and sysctls of the machine. */
static char dir[] = "/tmp/berth-unit-sys-XXXXXX";

static int setup(void **state)
{
    return mkdtemp(dir) ? lib_sys_setup(state) : -1;
}

static int teardown(void **state)
{
    struct sys *s = *state;
    (void)s->fs->remove_tree(s, dir, NULL);
    return lib_sys_teardown(state);
}

static const char *in(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void files(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_fs_stat st;
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    for (int twice = 0; twice < 2; twice++)
        OK(s->fs->mkdir_p(s, in("a/b/c"), 0700, &err));
    OK(s->fs->stat(s, in("a/b"), &st, &err));
    assert_true(st.kind == SYS_FS_DIR && st.mode == 0700);
    OK(s->fs->sparse(s, in("a/disk"), 1 << 30, &err));
    OK(s->fs->stat(s, in("a/disk"), &st, &err));
    assert_true(st.kind == SYS_FS_FILE && st.size_bytes == 1 << 30 && st.used_bytes < 1 << 20 &&
                st.mode == 0600);
    assert_int_equal(s->fs->sparse(s, in("a/disk"), 5, &err), -BT_E_EXISTS);
    OK(s->fs->grow(s, in("a/disk"), 2LL << 30, &err));
    OK(s->fs->grow(s, in("a/disk"), 5, &err));
    OK(s->fs->stat(s, in("a/disk"), &st, &err));
    assert_int_equal(st.size_bytes, 2LL << 30);
    assert_int_equal(s->fs->grow(s, in("a/absent"), 5, &err), -BT_E_NOT_FOUND);
    OK(s->fs->write(s, in("a/text"), "one\n", 0640, &err));
    OK(s->fs->write(s, in("a/text"), "two\n", 0640, &err));
    OK(s->fs->read(s, in("a/text"), 100, &b, &err));
    assert_string_equal(b.data, "two\n");
    bt_buf_fini(&b);
    assert_int_equal(s->fs->read(s, in("a/text"), 3, &b, &err), -BT_E_TOO_LARGE);
    assert_int_equal(s->fs->read(s, in("a/absent"), 3, &b, &err), -BT_E_NOT_FOUND);
    OK(s->fs->chown(s, in("a/text"), (struct sys_fs_owner){1000000, 1000000}, &err));
    OK(s->fs->stat(s, in("a/text"), &st, &err));
    assert_int_equal(st.uid, 1000000);
    assert_int_equal(s->fs->stat(s, in("a/absent"), &st, &err), -BT_E_NOT_FOUND);
}

static void renames_and_removes(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_fs_stat st;
    struct sys_fs_space space;
    _cleanup_rows_str_ struct sys_rows names = {0};
    _cleanup_rows_str_ struct sys_rows none = {0};
    OK(s->fs->rename(s, in("a"), in("z"), &err));
    assert_int_equal(s->fs->rename(s, in("a"), in("z"), &err), -BT_E_NOT_FOUND);
    OK(s->fs->mkdir_p(s, in("full/of"), 0700, &err));
    assert_int_equal(s->fs->rename(s, in("z"), in("full"), &err), -BT_E_EXISTS);
    OK(s->fs->list(s, in("z"), &names, &err));
    assert_int_equal(names.len, 3);
    assert_string_equal(((char **)names.items)[0], "b");
    OK(s->fs->list(s, in("absent"), &none, &err));
    assert_int_equal(none.len, 0);
    assert_int_equal(symlink("/etc/passwd", in("z/b/link")), 0);
    OK(s->fs->stat(s, in("z/b/link"), &st, &err));
    assert_int_equal(st.kind, SYS_FS_LINK);
    for (int twice = 0; twice < 2; twice++) {
        OK(s->fs->unlink(s, in("z/text"), &err));
        OK(s->fs->remove_tree(s, in("z"), &err));
    }
    assert_int_equal(s->fs->stat(s, in("z"), &st, &err), -BT_E_NOT_FOUND);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    OK(s->fs->space(s, dir, &space, &err));
    assert_true(space.total_bytes > space.free_bytes && space.free_bytes > 0);
}

static void locks(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    bool held = true;
    OK(s->fs->locked(s, in("lock"), &held, &err));
    assert_false(held);
    int fd = open(in("lock"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    OK(s->fs->locked(s, in("lock"), &held, &err));
    assert_false(held);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    OK(s->fs->locked(s, in("lock"), &held, &err));
    assert_true(held);
    (void)close(fd);
    OK(s->fs->locked(s, in("lock"), &held, &err));
    assert_false(held);
}

static void sysctls(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    char value[SYS_SYSCTL_MAX];
    OK(s->sysctl->read(s, "net/ipv4/ip_forward", value, &err));
    OK(s->sysctl->ensure(s, "net/ipv4/ip_forward", "1", &err));
    OK(s->sysctl->read(s, "net/ipv4/ip_forward", value, &err));
    assert_string_equal(value, "1");
    assert_int_equal(s->sysctl->read(s, "net/ipv4/absent", value, &err), -BT_E_NOT_FOUND);
    assert_int_not_equal(s->sysctl->read(s, "../meminfo", value, &err), 0);
}

static void machine(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_machine m;
    OK(s->proc->machine(s, &m, &err));
    assert_true(m.cpus >= 1 && m.memory_bytes > m.memory_available_bytes &&
                m.memory_available_bytes > 0);
    assert_int_equal(strlen(m.boot_id), 36);
    assert_true(m.kernel[0] != '\0');
}

/* ---- processes ---- */

struct ends {
    struct sys_pidwatch watch;
    struct bt_loop *loop;
    int n;
};

static void on_end(struct sys_pidwatch *w)
{
    struct ends *e = BT_CONTAINER_OF(w, struct ends, watch);
    e->n++;
    bt_loop_stop(e->loop);
}

static pid_t sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            (void)pause();
    }
    return pid;
}

static void stop_loop(struct bt_timer *t)
{
    bt_loop_stop(t->loop);
}

static void run_for(struct bt_loop *loop, int64_t ms)
{
    struct bt_timer t;
    bt_timer_init(&t, loop, stop_loop);
    bt_timer_start(&t, ms);
    bt_loop_run(loop);
    bt_timer_stop(&t);
}

static void watches_processes(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct ends e = {.watch = {.ended = on_end}, .loop = s->loop};
    int64_t start = 0;
    pid_t pid = sleeper();
    OK(s->proc->start_time(s, pid, &start, &err));
    assert_true(start > 0);
    assert_int_equal(s->proc->kill(s, pid, start + 1, SIGKILL, &err), -BT_E_NOT_FOUND);
    struct sys_proc_ns ns = {.pid = pid, .start = start, .ns = "net"};
    int fd = s->proc->open_ns(s, &ns, &err);
    assert_true(fd >= 0);
    (void)close(fd);
    ns.start++;
    assert_int_equal(s->proc->open_ns(s, &ns, &err), -BT_E_NOT_FOUND);
    OK(s->proc->watch(s, &e.watch, pid, start, &err));
    run_for(s->loop, 30);
    assert_int_equal(e.n, 0);
    OK(s->proc->kill(s, pid, start, SIGKILL, &err));
    run_for(s->loop, 2000);
    assert_int_equal(e.n, 1);
    s->proc->unwatch(s, &e.watch);
    /* A zombie, and nobody, are gone; the watch says so later. */
    assert_int_equal(s->proc->start_time(s, pid, &start, &err), -BT_E_NOT_FOUND);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    OK(s->proc->watch(s, &e.watch, pid, start, &err));
    assert_int_equal(e.n, 1);
    run_for(s->loop, 2000);
    assert_int_equal(e.n, 2);
    OK(s->proc->watch(s, &e.watch, pid, start, &err));
    s->proc->unwatch(s, &e.watch);
    run_for(s->loop, 20);
    assert_int_equal(e.n, 2);
}

/* ---- helpers: a Python program speaks frames on descriptor 3 ---- */

struct talk {
    struct sys_helper h;
    struct sys *sys;
    char got[4][200];
    size_t n;
    int fd;
    bool over, close_on_frame, abandon_on_frame;
    int status, signum;
    enum bt_code code;
};

static void on_frame(struct sys_helper *h, const char *json, size_t len)
{
    struct talk *t = h->owner;
    assert_int_equal(strlen(json), len);
    if (t->n < BT_ARRAY_LEN(t->got))
        (void)snprintf(t->got[t->n], sizeof t->got[0], "%s", json);
    t->n++;
    int fd = t->sys->helper->take_fd(t->sys, h);
    if (fd >= 0)
        t->fd = fd;
    if (t->close_on_frame)
        t->sys->helper->close(t->sys, h);
    if (t->abandon_on_frame) {
        t->sys->helper->abandon(t->sys, h);
        bt_loop_stop(t->sys->loop);
    }
}

static void on_over(struct sys_helper *h, int status, int signum, const struct bt_err *err)
{
    struct talk *t = h->owner;
    assert_false(t->over);
    t->over = true;
    t->status = status;
    t->signum = signum;
    t->code = err ? err->code : BT_E_OK;
    bt_loop_stop(t->sys->loop);
}

static const char program[] =
    "import os, socket, struct, sys, array\n"
    "s = socket.socket(fileno=3)\n"
    "def say(text, fds=()):\n"
    "    data = struct.pack('>I', len(text)) + text.encode()\n"
    "    socket.send_fds(s, [data], list(fds)) if fds else s.sendall(data)\n"
    "def hear():\n"
    "    head = s.recv(4, socket.MSG_WAITALL)\n"
    "    return s.recv(struct.unpack('>I', head)[0], socket.MSG_WAITALL).decode() if head else "
    "None\n"
    "exec(sys.argv[1])\n";

static void talk_start(struct talk *t, struct sys *s, const char *script)
{
    struct bt_err err = BT_ERR_INIT;
    const char *argv[] = {"/usr/bin/python3", "-c", program, script, NULL};
    struct sys_helper_start how = {.argv = argv};
    t->sys = s;
    t->fd = -1;
    t->h = (struct sys_helper){.frame = on_frame, .ended = on_over, .owner = t};
    OK(s->helper->start(s, &t->h, &how, &err));
    assert_true(t->h.pid > 0);
}

static void talk_wait(struct talk *t)
{
    for (int i = 0; i < 100 && !t->over; i++)
        run_for(t->sys->loop, 100);
    assert_true(t->over);
    assert_null(t->h.impl);
}

static void helper_answers(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct talk t = {0};
    struct sys_helper_frame f = {.json = "{\"op\":\"x\"}", .len = 10};
    talk_start(&t, s,
               "say('{\"got\":' + hear() + '}')\n"
               "r, w = os.pipe()\n"
               "os.write(w, b'through the pipe')\n"
               "say('{\"fd\":1}', [r])\n"
               "say('{\"env\":%d}' % len(os.environ))\n"
               "sys.exit(7)\n");
    OK(s->helper->send(s, &t.h, &f, &err));
    talk_wait(&t);
    assert_int_equal(t.n, 3);
    assert_string_equal(t.got[0], "{\"got\":{\"op\":\"x\"}}");
    assert_int_equal(t.status, 7);
    assert_int_equal(t.signum, 0);
    assert_int_equal(t.code, BT_E_OK);
    char text[32] = "";
    assert_true(t.fd >= 0 && read(t.fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "through the pipe");
    (void)close(t.fd);
    assert_int_equal(s->helper->send(s, &t.h, &f, &err), -BT_E_UNAVAILABLE);
}

static void helper_killed(void **state)
{
    struct sys *s = *state;
    struct talk t = {0};
    talk_start(&t, s, "hear()\n");
    s->helper->kill(s, &t.h, SIGKILL);
    talk_wait(&t);
    assert_int_equal(t.signum, SIGKILL);
    s->helper->kill(s, &t.h, SIGKILL);
    s->helper->close(s, &t.h);
}

static void helper_breaks_the_frame(void **state)
{
    struct sys *s = *state;
    struct talk t = {0};
    talk_start(&t, s, "s.sendall(b'\\xff\\xff\\xff\\xff' + b'x' * 100)\nhear()\n");
    talk_wait(&t); /* it sees the end of the conversation and ends */
    assert_int_equal(t.code, BT_E_PROTOCOL);
    assert_int_equal(t.n, 0);
}

static void helper_closed_in_its_frame(void **state)
{
    struct sys *s = *state;
    struct talk t = {.close_on_frame = true};
    talk_start(&t, s, "s.sendall(b'\\0\\0\\0\\2{}' * 2)\nassert hear() is None\n");
    talk_wait(&t);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.status, 0);
}

static void helper_abandoned(void **state)
{
    struct sys *s = *state;
    struct talk *t = bt_xcalloc(1, sizeof *t);
    t->abandon_on_frame = true;
    talk_start(t, s, "say('{}')\nassert hear() is None\n");
    for (int i = 0; i < 100 && t->n == 0; i++)
        run_for(s->loop, 100);
    assert_int_equal(t->n, 1);
    assert_false(t->over);
    free(t); /* nobody touches it any more */
    run_for(s->loop, 500);
}

static void helper_that_is_not_there(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    const char *argv[] = {"/nonexistent/berth-container", NULL};
    struct sys_helper_start how = {.argv = argv};
    struct sys_helper h = {.frame = on_frame, .ended = on_over};
    assert_int_equal(s->helper->start(s, &h, &how, &err), -BT_E_HELPER);
}

/* ---- queues ---- */

struct work {
    struct sys_op op;
    pthread_t thread;
    int rc;
    bool over;
};

static int work_run(struct sys_op *op, struct bt_err *err)
{
    struct work *w = BT_CONTAINER_OF(op, struct work, op);
    w->thread = pthread_self();
    return bt_fail(err, BT_E_KERNEL, "as told");
}

static void work_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct work *w = BT_CONTAINER_OF(op, struct work, op);
    w->rc = rc;
    w->over = true;
    assert_int_equal(err->code, BT_E_KERNEL);
    bt_loop_stop(op->sys->loop);
}

static void queues_have_threads(void **state)
{
    struct sys *s = *state;
    struct work w[2] = {0};
    for (int i = 0; i < 2; i++) {
        w[i].op = (struct sys_op){.run = work_run, .done = work_done};
        sys_op_start(s, i == 0 ? SYS_Q_LINK : SYS_Q_NFT, &w[i].op);
        assert_false(w[i].over);
    }
    for (int i = 0; i < 20 && !(w[0].over && w[1].over); i++)
        run_for(s->loop, 100);
    assert_int_equal(w[0].rc, -BT_E_KERNEL);
    assert_false(pthread_equal(w[0].thread, w[1].thread));
    assert_false(pthread_equal(w[0].thread, pthread_self()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(renames_and_removes),
        cmocka_unit_test(locks),
        cmocka_unit_test(sysctls),
        cmocka_unit_test(machine),
        cmocka_unit_test(watches_processes),
        cmocka_unit_test(helper_answers),
        cmocka_unit_test(helper_killed),
        cmocka_unit_test(helper_breaks_the_frame),
        cmocka_unit_test(helper_closed_in_its_frame),
        cmocka_unit_test(helper_abandoned),
        cmocka_unit_test(helper_that_is_not_there),
        cmocka_unit_test(queues_have_threads),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!lib_sys_unshare()) {
        printf("1..1\nok 1 - the machine # SKIP needs root\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
