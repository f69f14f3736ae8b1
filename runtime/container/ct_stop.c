/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends an instance. With its monitor the monitor tidies up and writes exit.json; without (lock
 * free, init lives: docs/decisions/0015-container-runtime.md) that is done here.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_cgroup.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_exit.h"
#include "runtime/container/ct_proc.h"
#include "runtime/container/ct_stat.h"

#define MONITOR_MS 10000
#define ERROR_NUM_SIGNAL(sig) ((sig) << 8 | 0x7f)

/* The monitor still unmounts and removes groups after init is dead. */
static int wait_unlocked(const struct ct *c, int64_t timeout_ms, struct bt_err *err)
{
    int64_t end = ct_mono_ms() + timeout_ms;
    while (ct_lock_held(c->dir)) {
        if (ct_mono_ms() >= end)
            return bt_fail(err, BT_E_TIMEOUT, "the monitor does not end");
        ct_sleep_ms(2);
    }
    return 0;
}

/* What an instance without a monitor leaves: its groups. */
static int remove_groups(const struct ct_life *l, const struct ct_cg *cg, struct bt_err *err)
{
    char *(*const names[])(const struct helper_container_place *) = {
        ct_cgroup_of, ct_cgroup_monitor, ct_cgroup_pivot};
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++) {
        _cleanup_free_ char *path = names[i](&l->place);
        int rc = ct_cg_kill(cg, path, MONITOR_MS, err);
        if (rc == 0)
            rc = ct_cg_remove(cg, path, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int bury(struct ct *c, const struct ct_life *l, const struct ct_cg *cg, int error_num,
                struct bt_err *err)
{
    int rc = remove_groups(l, cg, err);
    if (rc == 0)
        rc = ct_exit_write(c->dir, error_num, ct_exit_cause(error_num), l->boot.boot, err);
    (void)unlinkat(c->dir, CT_F_BOOT, 0);
    return rc;
}

static int send_signal(const struct ct_life *l, const struct ct_cg *cg, int pidfd,
                       struct bt_err *err)
{
    _cleanup_free_ char *path = ct_cgroup_of(&l->place);
    int sig = ct_signal_number(l->place.stop_signal ? l->place.stop_signal : "SIGPWR");
    /* A frozen init would hear it after its thaw only. */
    if (ct_cg_frozen(cg, path)) {
        int rc = ct_cg_freeze(cg, path, false, err);
        if (rc < 0)
            return rc;
    }
    if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
        return bt_fail_errno(err, errno, "signal init");
    return 0;
}

static int stop_softly(struct ct *c, const struct ct_life *l, const struct ct_cg *cg, int pidfd,
                       struct bt_err *err)
{
    int rc = send_signal(l, cg, pidfd, err);
    if (rc < 0)
        return rc;
    rc = ct_pidfd_wait(pidfd, c->req.stop->timeout_ms, err);
    if (rc == -BT_E_TIMEOUT)
        return bt_fail(err, BT_E_GUEST_TIMEOUT, "the guest did not power off within %lld ms",
                       (long long)c->req.stop->timeout_ms);
    return rc;
}

static int kill_all(struct ct *c, const struct ct_life *l, const struct ct_cg *cg, int pidfd,
                    struct bt_err *err)
{
    _cleanup_free_ char *path = ct_cgroup_of(&l->place);
    (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    int rc = ct_cg_kill(cg, path, c->req.stop->timeout_ms, err);
    return rc < 0 ? rc : ct_pidfd_wait(pidfd, c->req.stop->timeout_ms, err);
}

static int stop_running(struct ct *c, const struct ct_life *l, const struct ct_cg *cg,
                        struct bt_err *err)
{
    bool by_force = c->req.stop->how == HELPER_STOP_KILL;
    _cleanup_close_ int pidfd = ct_pidfd(l->boot.pid, l->boot.pid_start, err);
    if (pidfd < 0)
        return pidfd;
    int rc = by_force ? kill_all(c, l, cg, pidfd, err) : stop_softly(c, l, cg, pidfd, err);
    if (rc < 0)
        return rc;
    if (l->lock_held)
        return wait_unlocked(c, MONITOR_MS, err);
    return bury(c, l, cg, ERROR_NUM_SIGNAL(by_force ? SIGKILL : SIGINT), err);
}

/* No init: a monitor that starts or ends is waited for, a dead one tidied up after. */
static int stop_other(struct ct *c, const struct ct_life *l, const struct ct_cg *cg,
                      struct bt_err *err)
{
    if (!l->lock_held)
        return l->placed ? remove_groups(l, cg, err) : 0;
    _cleanup_free_ char *path = l->placed ? ct_cgroup_of(&l->place) : NULL;
    if (path && c->req.stop->how == HELPER_STOP_KILL)
        (void)ct_cg_kill(cg, path, c->req.stop->timeout_ms, err);
    return wait_unlocked(c, c->req.stop->timeout_ms, err);
}

int ct_stop(struct ct *c, struct bt_err *err)
{
    struct ct_life life;
    struct ct_cg cg;
    c->step = "stop";
    if (!c->req.stop)
        return bt_fail(err, BT_E_INVALID, "stop: required");
    int rc = ct_open_dir(c, false, err);
    if (rc == -BT_E_NOT_FOUND) {
        /* It never ran here. */
        struct helper_container_stat s = {.state = HELPER_CONTAINER_STOPPED};
        ct_reply_ok(c, &helper_container_stat_schema, &s, NULL, 0);
        return 0;
    }
    if (rc == 0)
        rc = ct_cg_init(&cg, err);
    if (rc < 0)
        return rc;
    ct_life_read(c->dir, &life);
    rc = life.placed && life.init_lives ? stop_running(c, &life, &cg, err)
                                        : stop_other(c, &life, &cg, err);
    ct_life_fini(&life);
    ct_cg_fini(&cg);
    return rc < 0 ? rc : ct_stat_reply(c, err);
}

int ct_freeze(struct ct *c, struct bt_err *err)
{
    struct ct_life life;
    struct ct_cg cg;
    c->step = "freeze";
    if (!c->req.freeze)
        return bt_fail(err, BT_E_INVALID, "freeze: required");
    int rc = ct_open_dir(c, false, err);
    if (rc == 0)
        rc = ct_cg_init(&cg, err);
    if (rc < 0)
        return rc;
    ct_life_read(c->dir, &life);
    if (life.placed && life.init_lives) {
        _cleanup_free_ char *path = ct_cgroup_of(&life.place);
        rc = ct_cg_freeze(&cg, path, c->req.freeze->on, err);
    } else {
        rc = bt_fail(err, BT_E_BAD_STATE, "the instance does not run");
    }
    ct_life_fini(&life);
    ct_cg_fini(&cg);
    return rc < 0 ? rc : ct_stat_reply(c, err);
}
