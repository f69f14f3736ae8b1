/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_cgroup.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_limits.h"
#include "runtime/container/ct_proc.h"
#include "runtime/container/ct_stat.h"

#define SAID_MOVED 'm'
#define SAID_REPLIED 'r'
#define SAID_FAILED 'f'
#define POLL_MS 1

/* What the companion works with; it is a fork of the monitor made before its mounts. */
struct companion {
    struct ct *c;
    const struct helper_container_place *place;
    struct ct_cg cg;
    int go, say;
};

static void say(const struct companion *k, char what)
{
    while (write(k->say, &what, 1) < 0 && errno == EINTR)
        ;
}

/* 1 = go, 0 = the monitor has nothing more to wait for, -1 = nothing yet. */
static int heard(const struct companion *k, int timeout_ms)
{
    char what;
    struct pollfd p = {.fd = k->go, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) <= 0)
        return -1;
    return read(k->go, &what, 1) == 1;
}

static int move_in(const struct companion *k, struct bt_err *err)
{
    _cleanup_free_ char *monitors = ct_cgroup_monitors(k->place);
    int rc = ct_cg_make(&k->cg, monitors, false, err);
    if (rc == 0)
        rc = ct_cg_enter(&k->cg, monitors, 0, err);
    return rc < 0 ? rc : ct_cg_enter(&k->cg, monitors, (pid_t)k->place->monitor, err);
}

/* liblxc answers on its command socket from when init runs; before, it refuses or lets wait. */
static pid_t wait_running(const struct companion *k)
{
    struct lxc_container *lxc = lxc_container_new(k->c->uuid, k->c->req.run_dir);
    pid_t pid = -1;
    while (lxc && pid <= 0) {
        pid = lxc->init_pid(lxc);
        if (pid <= 0 && heard(k, POLL_MS) == 0)
            break;
    }
    if (lxc)
        (void)lxc_container_put(lxc);
    return pid;
}

/* liblxc insists on a group of its own for the monitor; one for all is enough (memory). */
static void share_group(const struct companion *k)
{
    _cleanup_free_ char *own = ct_cgroup_monitor(k->place);
    _cleanup_free_ char *monitors = ct_cgroup_monitors(k->place);
    if (ct_cg_enter(&k->cg, monitors, (pid_t)k->place->monitor, NULL) == 0)
        (void)ct_cg_remove(&k->cg, own, NULL);
}

static void reply(const struct companion *k, pid_t pid)
{
    struct helper_container_started s = {.pid = pid,
                                         .pid_start = ct_pid_start(pid),
                                         .monitor = k->place->monitor,
                                         .monitor_start = k->place->monitor_start};
    struct helper_container_boot b = {0};
    struct helper_container_place now = {0};
    _cleanup_close_ int upper = ct_open_in_monitor(k->c, s.monitor, "upper");
    if (ct_get(k->c->dir, CT_F_BOOT, &helper_container_boot_schema, &b, NULL) == 0) {
        s.boot = b.boot;
        s.started_at = b.started_at;
    }
    if (ct_get(k->c->dir, CT_F_PLACE, &helper_container_place_schema, &now, NULL) == 0)
        ct_limits_effective(&k->cg, &now, upper, &s.effective);
    s.seeded = now.seeded;
    ct_reply_ok(k->c, &helper_container_started_schema, &s, NULL, 0);
    bt_schema_free(&helper_container_place_schema, &now);
}

static void companion_main(struct companion *k)
{
    struct bt_err err = BT_ERR_INIT;
    if (ct_cg_init(&k->cg, &err) < 0 || move_in(k, &err) < 0) {
        say(k, SAID_FAILED);
        (void)bt_write_all(k->say, &err, sizeof err, NULL);
        return;
    }
    say(k, SAID_MOVED);
    if (heard(k, -1) != 1)
        return;
    pid_t pid = wait_running(k);
    if (pid <= 0)
        return;
    reply(k, pid);
    say(k, SAID_REPLIED);
    share_group(k);
}

/* Twice forked: nobody would reap it while the instance runs. */
static void fork_companion(struct companion *k, int lock)
{
    pid_t pid = fork();
    if (pid != 0)
        _exit(pid < 0);
    (void)close(lock);
    companion_main(k);
    _exit(0);
}

int ct_watch_start(struct ct_watch *w, struct ct *c, const struct helper_container_place *place,
                   int lock, struct bt_err *err)
{
    int to[2];
    int from[2];
    int status = 0;
    if (pipe2(to, O_CLOEXEC) < 0)
        return bt_fail_errno(err, errno, "pipe");
    if (pipe2(from, O_CLOEXEC) < 0) {
        int saved = errno;
        (void)close(to[0]);
        (void)close(to[1]);
        return bt_fail_errno(err, saved, "pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        struct companion k = {.c = c, .place = place, .go = to[0], .say = from[1]};
        (void)close(to[1]);
        (void)close(from[0]);
        fork_companion(&k, lock);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    *w = (struct ct_watch){.go = to[1], .said = from[0]};
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid < 0 || status ? bt_fail_errno(err, errno, "fork") : 0;
}

int ct_watch_moved(struct ct_watch *w, struct bt_err *err)
{
    char what = 0;
    struct bt_err why = BT_ERR_INIT;
    while (read(w->said, &what, 1) < 0 && errno == EINTR)
        ;
    if (what == SAID_MOVED)
        return 0;
    if (what == SAID_FAILED && read(w->said, &why, sizeof why) == sizeof why)
        return bt_fail(err, why.code, "%s", why.msg);
    return bt_fail(err, BT_E_HELPER, "the companion of the start died");
}

void ct_watch_go(struct ct_watch *w)
{
    while (write(w->go, "g", 1) < 0 && errno == EINTR)
        ;
}

bool ct_watch_end(struct ct_watch *w)
{
    char what;
    bool replied = false;
    bt_close_p(&w->go);
    while (read(w->said, &what, 1) == 1)
        replied = replied || what == SAID_REPLIED;
    bt_close_p(&w->said);
    *w = CT_WATCH_INIT;
    return replied;
}
