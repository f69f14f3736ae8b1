/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "runtime/container/ct_cgroup.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_limits.h"
#include "runtime/container/ct_proc.h"

int ct_open_in_monitor(const struct ct *c, int64_t monitor, const char *name)
{
    _cleanup_free_ char *path =
        bt_xasprintf("/proc/%lld/root%s/%s/%s", (long long)monitor, c->req.run_dir, c->uuid, name);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void fill_running(const struct ct *c, const struct ct_life *l, struct ct_cg *cg,
                         struct helper_container_stat *s)
{
    _cleanup_free_ char *group = ct_cgroup_of(&l->place);
    bool monitored = l->lock_held && ct_pid_lives(l->place.monitor, l->place.monitor_start);
    _cleanup_close_ int upper = monitored ? ct_open_in_monitor(c, l->place.monitor, "upper") : -1;
    s->state = ct_cg_frozen(cg, group) ? HELPER_CONTAINER_PAUSED : HELPER_CONTAINER_RUNNING;
    s->monitor_lost = !l->lock_held;
    s->pid = l->boot.pid;
    s->pid_start = l->boot.pid_start;
    s->boot = l->boot.boot;
    s->started_at = l->boot.started_at;
    if (monitored) {
        s->monitor = l->place.monitor;
        s->monitor_start = l->place.monitor_start;
    }
    s->usage = bt_xcalloc(1, sizeof *s->usage);
    ct_limits_effective(cg, &l->place, upper, &s->effective);
    ct_limits_usage(cg, &l->place, upper, s->usage);
}

static void fill_stopped(const struct ct *c, const struct ct_life *l,
                         struct helper_container_stat *s)
{
    s->state = l->lock_held ? HELPER_CONTAINER_CHANGING : HELPER_CONTAINER_STOPPED;
    struct helper_container_exit *x = bt_xcalloc(1, sizeof *x);
    if (ct_get(c->dir, CT_F_EXIT, &helper_container_exit_schema, x, NULL) == 0)
        s->exit = TAKE_PTR(x);
    free(x);
}

int ct_stat_reply(struct ct *c, struct bt_err *err)
{
    struct helper_container_stat s = {0};
    struct ct_life life;
    struct ct_cg cg;
    int rc = ct_cg_init(&cg, err);
    if (rc < 0)
        return rc;
    ct_life_read(c->dir, &life);
    if (life.placed && life.init_lives)
        fill_running(c, &life, &cg, &s);
    else
        fill_stopped(c, &life, &s);
    ct_reply_ok(c, &helper_container_stat_schema, &s, NULL, 0);
    bt_schema_free(&helper_container_stat_schema, &s);
    ct_life_fini(&life);
    ct_cg_fini(&cg);
    return 0;
}

int ct_stat(struct ct *c, struct bt_err *err)
{
    c->step = "stat";
    int rc = ct_open_dir(c, false, err);
    return rc < 0 ? rc : ct_stat_reply(c, err);
}
