/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* A number behind @key in /proc/meminfo, in bytes; 0 = not there. */
static int64_t meminfo(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    char digits[24] = "";
    int64_t kib = 0;
    if (!at)
        return 0;
    at += strlen(key);
    at += strspn(at, " ");
    (void)snprintf(digits, sizeof digits, "%.*s", (int)strspn(at, "0123456789"), at);
    return bt_parse_i64(digits, 0, INT64_MAX / 1024, &kib, NULL) == 0 ? kib * 1024 : 0;
}

static int read_memory(struct sys *s, struct sys_machine *ret, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    int rc = bt_read_file(sys_real_of(s)->root, "proc/meminfo", 65536, &b, err);
    if (rc < 0)
        return rc;
    ret->memory_bytes = meminfo(b.data, "MemTotal:");
    ret->memory_available_bytes = meminfo(b.data, "MemAvailable:");
    ret->swap_bytes = meminfo(b.data, "SwapTotal:");
    return 0;
}

static int proc_machine(struct sys *s, struct sys_machine *ret, struct bt_err *err)
{
    struct sys_machine m = {0};
    struct utsname name;
    cpu_set_t cpus;
    _cleanup_buf_ struct bt_buf boot = BT_BUF(0);
    int rc = read_memory(s, &m, err);
    if (rc == 0)
        rc = bt_read_file(sys_real_of(s)->root, "proc/sys/kernel/random/boot_id", 64, &boot, err);
    if (rc < 0)
        return rc;
    if (uname(&name) < 0 || sched_getaffinity(0, sizeof cpus, &cpus) < 0)
        return bt_fail_errno(err, errno, "facts of the machine");
    boot.data[strcspn(boot.data, "\n")] = '\0';
    (void)bt_strcpy(m.boot_id, sizeof m.boot_id, boot.data);
    (void)bt_strcpy(m.kernel, sizeof m.kernel, name.release);
    m.cpus = CPU_COUNT(&cpus);
    *ret = m;
    return 0;
}

/* Behind the command name, which may hold anything: state, then fields 4, 5, ... */
static int parse_stat(const char *text, char *ret_state, int64_t *ret_start)
{
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == '\0')
        return -1;
    *ret_state = at[2];
    at += 2;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (!at)
            return -1;
        at++;
    }
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%.*s", (int)strspn(at, "0123456789"), at);
    return bt_parse_i64(digits, 0, INT64_MAX, ret_start, NULL);
}

static int proc_start_time(struct sys *s, pid_t pid, int64_t *ret, struct bt_err *err)
{
    char path[40];
    char state = 0;
    int64_t start = 0;
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    (void)snprintf(path, sizeof path, "proc/%d/stat", (int)pid);
    int rc = bt_read_file(sys_real_of(s)->root, path, 4096, &b, err);
    /* ESRCH comes when it ends between open and read. */
    if (rc < 0)
        return bt_fail(err, BT_E_NOT_FOUND, "no process %d", (int)pid);
    if (parse_stat(b.data, &state, &start) < 0)
        return bt_fail(err, BT_E_KERNEL, "/proc/%d/stat cannot be read", (int)pid);
    if (state == 'Z' || state == 'X')
        return bt_fail(err, BT_E_NOT_FOUND, "process %d has ended", (int)pid);
    *ret = start;
    return 0;
}

static int check_start(struct sys *s, pid_t pid, int64_t start, struct bt_err *err)
{
    int64_t now = 0;
    int rc = proc_start_time(s, pid, &now, err);
    if (rc == 0 && now != start)
        return bt_fail(err, BT_E_NOT_FOUND, "process %d is another one now", (int)pid);
    return rc;
}

/* A pidfd of exactly this process: the descriptor first, then who it is. */
static int open_pid(struct sys *s, pid_t pid, int64_t start, struct bt_err *err)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno == ESRCH)
        return bt_fail(err, BT_E_NOT_FOUND, "no process %d", (int)pid);
    if (fd < 0)
        return bt_fail_errno(err, errno, "pidfd of %d", (int)pid);
    int rc = check_start(s, pid, start, err);
    return rc < 0 ? rc : TAKE_FD(fd);
}

static int proc_kill(struct sys *s, pid_t pid, int64_t start, int signum, struct bt_err *err)
{
    _cleanup_close_ int fd = open_pid(s, pid, start, err);
    if (fd < 0)
        return fd;
    if (syscall(SYS_pidfd_send_signal, fd, signum, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return bt_fail(err, BT_E_NOT_FOUND, "process %d has ended", (int)pid);
    if (errno == EPERM)
        return bt_fail(err, BT_E_DENIED, "process %d may not be signalled", (int)pid);
    return bt_fail_errno(err, errno, "signal %d to %d", signum, (int)pid);
}

static void watch_end(struct sys_pidwatch *w)
{
    bt_watch_stop(&w->watch);
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
    w->on = false;
}

static void watch_fired(struct bt_watch *watch, int events)
{
    struct sys_pidwatch *w = BT_CONTAINER_OF(watch, struct sys_pidwatch, watch);
    (void)events;
    watch_end(w);
    w->ended(w);
}

/* It had ended before; the watch may have been stopped since. */
static void watch_posted(struct bt_timer *t)
{
    struct sys_pidwatch *w = BT_CONTAINER_OF(t, struct sys_pidwatch, gone);
    watch_end(w);
    w->ended(w);
}

static int proc_watch(struct sys *s, struct sys_pidwatch *w, pid_t pid, int64_t start,
                      struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    w->pid = pid;
    w->start = start;
    w->watch = (struct bt_watch){.cb = watch_fired};
    bt_timer_init(&w->gone, s->loop, watch_posted);
    w->fd = open_pid(s, pid, start, &why);
    if (w->fd == -BT_E_NOT_FOUND) {
        w->fd = -1;
        w->on = true;
        bt_timer_start(&w->gone, 0);
        return 0;
    }
    if (w->fd < 0) {
        int rc = w->fd;
        w->fd = -1;
        if (err)
            *err = why;
        return rc;
    }
    int rc = bt_watch_start(&w->watch, s->loop, w->fd, BT_READABLE, err);
    w->on = rc == 0;
    if (rc < 0)
        watch_end(w);
    return rc;
}

static void proc_unwatch(struct sys *s, struct sys_pidwatch *w)
{
    (void)s;
    if (!w->on)
        return;
    bt_timer_stop(&w->gone);
    watch_end(w);
}

static int proc_open_ns(struct sys *s, const struct sys_proc_ns *which, struct bt_err *err)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)which->pid, which->ns);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "no process %d", (int)which->pid);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open %s", path);
    int rc = check_start(s, which->pid, which->start, err);
    return rc < 0 ? rc : TAKE_FD(fd);
}

const struct sys_proc_ops sys_real_proc_ops = {
    .machine = proc_machine,
    .start_time = proc_start_time,
    .kill = proc_kill,
    .watch = proc_watch,
    .unwatch = proc_unwatch,
    .open_ns = proc_open_ns,
};
