/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_record_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The fake's control groups and processes. A killed group's processes end at once. */

static void group_key(const char *group, char dst[200])
{
    (void)snprintf(dst, 200, "cgroup %.*s", 190, group);
}

static struct sys_record_group *group_find(struct sys *s, const char *group)
{
    char key[200];
    group_key(group, key);
    return sys_record_find(s, key);
}

static bool is_in(const char *group, const char *of)
{
    size_t n = strlen(of);
    return strncmp(group, of, n) == 0 && (group[n] == '\0' || group[n] == '/');
}

static enum sys_cgroup_mode rec_mode(struct sys *s)
{
    (void)s;
    return SYS_CGROUP_V2;
}

static void group_make(struct sys *s, const char *group)
{
    char key[200];
    struct sys_record_group g = {.cpus = "0-1"};
    for (int k = SYS_CG_MEMORY_BYTES; k < SYS_CG_MEMORY_USED_BYTES; k++)
        g.values[k] = SYS_CGROUP_UNLIMITED;
    g.values[SYS_CG_CPU_WEIGHT] = 100;
    group_key(group, key);
    if (!sys_record_find(s, key))
        sys_record_put(s, key, &g, sizeof g);
}

static int rec_create(struct sys *s, const char *group, struct bt_err *err)
{
    char level[200];
    int rc = sys_record_call(s, err, "cgroup create %s", group);
    for (const char *at = group; rc == 0; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        (void)snprintf(level, sizeof level, "%.*s", (int)(at - group), group);
        group_make(s, level);
        if (*at == '\0')
            break;
    }
    return rc;
}

static int rec_pids(struct sys *s, const char *group, struct sys_rows *ret, struct bt_err *err)
{
    const struct bt_map *m = &sys_record_of(s)->procs;
    size_t pos = 0;
    int rc = sys_record_call(s, err, "cgroup pids %s", group);
    if (rc < 0)
        return rc;
    for (struct sys_record_proc *p = bt_map_next(m, &pos); p; p = bt_map_next(m, &pos)) {
        if (is_in(p->group, group))
            *(pid_t *)sys_rows_push(ret, sizeof(pid_t)) = p->pid;
    }
    return 0;
}

static bool group_busy(struct sys *s, const char *group)
{
    const struct bt_map *m = &sys_record_of(s)->procs;
    size_t pos = 0;
    for (struct sys_record_proc *p = bt_map_next(m, &pos); p; p = bt_map_next(m, &pos)) {
        if (is_in(p->group, group))
            return true;
    }
    return false;
}

static int rec_remove(struct sys *s, const char *group, struct bt_err *err)
{
    char key[200];
    int rc = sys_record_call(s, err, "cgroup remove %s", group);
    if (rc < 0)
        return rc;
    if (group_busy(s, group))
        return bt_fail(err, BT_E_IN_USE, "control group %s has processes", group);
    group_key(group, key);
    sys_record_drop(s, key);
    (void)snprintf(key, sizeof key, "cgroup %s/", group);
    sys_record_drop_all(s, key);
    return 0;
}

static bool rec_exists(struct sys *s, const char *group)
{
    return group_find(s, group) != NULL;
}

static int rec_kill(struct sys *s, const char *group, struct bt_err *err)
{
    _cleanup_rows_ struct sys_rows pids = {0};
    const struct bt_map *m = &sys_record_of(s)->procs;
    size_t pos = 0;
    int rc = sys_record_call(s, err, "cgroup kill %s", group);
    if (rc < 0)
        return rc;
    for (struct sys_record_proc *p = bt_map_next(m, &pos); p; p = bt_map_next(m, &pos)) {
        if (is_in(p->group, group))
            *(pid_t *)sys_rows_push(&pids, sizeof(pid_t)) = p->pid;
    }
    SYS_ROWS_FOREACH(pid_t, it, &pids)
        sys_record_process_end(s, *it);
    return 0;
}

static int no_group(struct bt_err *err, const char *group)
{
    return bt_fail(err, BT_E_NOT_FOUND, "no control group %s", group);
}

static int rec_freeze(struct sys *s, const char *group, bool on, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "cgroup %s %s", on ? "freeze" : "thaw", group);
    struct sys_record_group *g = group_find(s, group);
    if (rc == 0 && !g)
        return no_group(err, group);
    if (rc == 0)
        g->frozen = on;
    return rc;
}

static const char *const key_names[SYS_CG__COUNT] = {
    [SYS_CG_MEMORY_BYTES] = "memory_bytes",
    [SYS_CG_SWAP_BYTES] = "swap_bytes",
    [SYS_CG_PIDS] = "pids",
    [SYS_CG_CPU_MILLICORES] = "cpu_millicores",
    [SYS_CG_CPU_WEIGHT] = "cpu_weight",
    [SYS_CG_IO_READ_BYTES_PER_S] = "io_read_bytes_per_s",
    [SYS_CG_IO_WRITE_BYTES_PER_S] = "io_write_bytes_per_s",
    [SYS_CG_IO_READ_IOPS] = "io_read_iops",
    [SYS_CG_IO_WRITE_IOPS] = "io_write_iops",
    [SYS_CG_MEMORY_USED_BYTES] = "memory_used_bytes",
    [SYS_CG_CPU_USED_US] = "cpu_used_us",
    [SYS_CG_PIDS_USED] = "pids_used",
    [SYS_CG_OOM_KILLS] = "oom_kills",
};

static int rec_set(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t value,
                   struct bt_err *err)
{
    char text[24] = "unlimited";
    if (value != SYS_CGROUP_UNLIMITED)
        (void)snprintf(text, sizeof text, "%" PRId64, value);
    int rc = sys_record_call(s, err, "cgroup set %s %s %s", group, key_names[key], text);
    struct sys_record_group *g = group_find(s, group);
    if (rc == 0 && !g)
        return no_group(err, group);
    if (rc == 0)
        g->values[key] = value;
    return rc;
}

static int rec_get(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t *ret,
                   struct bt_err *err)
{
    int rc = sys_record_call(s, err, "cgroup get %s %s", group, key_names[key]);
    const struct sys_record_group *g = group_find(s, group);
    if (rc == 0 && !g)
        return no_group(err, group);
    if (rc == 0)
        *ret = g->values[key];
    return rc;
}

static int rec_set_io(struct sys *s, const char *group, const struct sys_cgroup_io *io,
                      struct bt_err *err)
{
    return rec_set(s, group, io->key, io->value, err);
}

static int rec_get_io(struct sys *s, const char *group, struct sys_cgroup_io *io,
                      struct bt_err *err)
{
    return rec_get(s, group, io->key, &io->value, err);
}

static int rec_set_cpus(struct sys *s, const char *group, const char *cpus, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "cgroup set_cpus %s %s", group, cpus);
    struct sys_record_group *g = group_find(s, group);
    if (rc == 0 && !g)
        return no_group(err, group);
    if (rc == 0)
        (void)bt_strcpy(g->cpus, sizeof g->cpus, cpus);
    return rc;
}

static int rec_get_cpus(struct sys *s, const char *group, char ret[256], struct bt_err *err)
{
    int rc = sys_record_call(s, err, "cgroup get_cpus %s", group);
    const struct sys_record_group *g = group_find(s, group);
    if (rc == 0 && !g)
        return no_group(err, group);
    if (rc == 0)
        (void)bt_strcpy(ret, 256, g->cpus);
    return rc;
}

static int rec_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    _cleanup_rows_str_ struct sys_rows keys = {0};
    int rc = sys_record_call(s, err, "cgroup list");
    if (rc < 0)
        return rc;
    sys_record_keys_of(s, "cgroup ", &keys);
    SYS_ROWS_FOREACH(char *, it, &keys) {
        const char *name = *it + strlen("cgroup ");
        if (!strchr(name, '/'))
            sys_rows_push_str(ret, name);
    }
    return 0;
}

const struct sys_cgroup_ops sys_record_cgroup_ops = {
    .mode = rec_mode,
    .create = rec_create,
    .remove = rec_remove,
    .exists = rec_exists,
    .kill = rec_kill,
    .freeze = rec_freeze,
    .pids = rec_pids,
    .set = rec_set,
    .get = rec_get,
    .set_io = rec_set_io,
    .get_io = rec_get_io,
    .set_cpus = rec_set_cpus,
    .get_cpus = rec_get_cpus,
    .list = rec_list,
};

/* ---- processes ---- */

static struct sys_record_proc *proc_find(struct sys *s, pid_t pid)
{
    return bt_map_find_u64(&sys_record_of(s)->procs, (uint64_t)pid);
}

static bool is_same(struct sys *s, pid_t pid, int64_t start)
{
    const struct sys_record_proc *p = proc_find(s, pid);
    return p && p->start == start;
}

static int rec_machine(struct sys *s, struct sys_machine *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "proc machine");
    if (rc == 0)
        *ret = sys_record_of(s)->machine;
    return rc;
}

static int rec_start_time(struct sys *s, pid_t pid, int64_t *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "proc start_time %d", (int)pid);
    const struct sys_record_proc *p = proc_find(s, pid);
    if (rc == 0 && !p)
        return bt_fail(err, BT_E_NOT_FOUND, "no process %d", (int)pid);
    if (rc == 0)
        *ret = p->start;
    return rc;
}

static int rec_proc_kill(struct sys *s, pid_t pid, int64_t start, int signum, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "proc kill %d %d", (int)pid, signum);
    if (rc < 0)
        return rc;
    if (!is_same(s, pid, start))
        return bt_fail(err, BT_E_NOT_FOUND, "no process %d", (int)pid);
    sys_record_process_end(s, pid);
    return 0;
}

/* A watch of the fake: on the list while the process lives. */
struct watch {
    struct bt_list link;
    struct sys_pidwatch *owner;
};

static void watch_due(struct bt_timer *t)
{
    struct sys_pidwatch *w = BT_CONTAINER_OF(t, struct sys_pidwatch, gone);
    w->on = false;
    w->ended(w);
}

static int rec_watch(struct sys *s, struct sys_pidwatch *w, pid_t pid, int64_t start,
                     struct bt_err *err)
{
    int rc = sys_record_call(s, err, "proc watch %d", (int)pid);
    if (rc < 0)
        return rc;
    w->pid = pid;
    w->start = start;
    w->fd = -1;
    w->on = true;
    w->impl = NULL;
    bt_timer_init(&w->gone, s->loop, watch_due);
    if (!is_same(s, pid, start)) {
        bt_timer_start(&w->gone, 0);
        return 0;
    }
    struct watch *impl = bt_xcalloc(1, sizeof *impl);
    impl->owner = w;
    bt_list_push(&sys_record_of(s)->watches, &impl->link);
    w->impl = impl;
    return 0;
}

static void watch_drop(struct sys_pidwatch *w)
{
    struct watch *impl = w->impl;
    if (!impl)
        return;
    bt_list_remove(&impl->link);
    free(impl);
    w->impl = NULL;
}

static void rec_unwatch(struct sys *s, struct sys_pidwatch *w)
{
    (void)s;
    if (!w->on)
        return;
    bt_timer_stop(&w->gone);
    watch_drop(w);
    w->on = false;
}

static int rec_open_ns(struct sys *s, const struct sys_proc_ns *which, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "proc open_ns %d %s", (int)which->pid, which->ns);
    return rc < 0 ? rc : bt_fail(err, BT_E_UNSUPPORTED, "a fake process has no namespaces");
}

const struct sys_proc_ops sys_record_proc_ops = {
    .machine = rec_machine,
    .start_time = rec_start_time,
    .kill = rec_proc_kill,
    .watch = rec_watch,
    .unwatch = rec_unwatch,
    .open_ns = rec_open_ns,
};

void sys_record_process(struct sys *s, pid_t pid, int64_t start, const char *group)
{
    struct sys_record_proc *p = bt_xcalloc(1, sizeof *p);
    p->pid = pid;
    p->start = start;
    (void)bt_strcpy(p->group, sizeof p->group, group ? group : "");
    free(bt_map_set_u64(&sys_record_of(s)->procs, (uint64_t)pid, p));
}

void sys_record_process_end(struct sys *s, pid_t pid)
{
    struct sys_record *r = sys_record_of(s);
    struct sys_record_proc *p = bt_map_remove_u64(&r->procs, (uint64_t)pid);
    if (!p)
        return;
    BT_LIST_FOREACH(it, &r->watches) {
        struct sys_pidwatch *w = BT_CONTAINER_OF(it, struct watch, link)->owner;
        if (w->pid != pid || w->start != p->start)
            continue;
        watch_drop(w);
        bt_timer_start(&w->gone, 0);
    }
    free(p);
}
