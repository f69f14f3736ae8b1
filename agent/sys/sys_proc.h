/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/loop/loop.h"

/*
 * Processes that are not our children, by pid and start time (field 22 of /proc/PID/stat): a pid
 * alone may have been given to somebody else. And facts of the machine. Loop thread, except facts.
 */
struct sys;

#define SYS_BOOT_ID_MAX 37

struct sys_machine {
    int64_t cpus; /* that this process may use */
    int64_t memory_bytes, memory_available_bytes, swap_bytes;
    char kernel[65]; /* uname release */
    char boot_id[SYS_BOOT_ID_MAX];
};

/* Fires once when the process has ended; the owner's memory, started and stopped by the ops. */
struct sys_pidwatch {
    void (*ended)(struct sys_pidwatch *w);
    struct bt_watch watch;
    struct bt_timer gone; /* it had ended before the watch began */
    int fd;
    bool on;
    pid_t pid;
    int64_t start;
    void *impl;
};

struct sys_proc_ns {
    pid_t pid;
    int64_t start;
    const char *ns; /* "net", "mnt", "user", ... as in /proc/PID/ns */
};

struct sys_proc_ops {
    /** Facts of the machine. Any thread. */
    int (*machine)(struct sys *s, struct sys_machine *ret, struct bt_err *err);
    /** Start time of @pid in clock ticks since boot. Errors: NOT_FOUND (gone, or a zombie). */
    int (*start_time)(struct sys *s, pid_t pid, int64_t *ret, struct bt_err *err);
    /** Send @signum to exactly the process (@pid, @start). Errors: NOT_FOUND, DENIED. */
    int (*kill)(struct sys *s, pid_t pid, int64_t start, int signum, struct bt_err *err);
    /**
     * Watch (@pid, @start) by pidfd; @w->ended fires once on the loop, also when it is gone
     * already, never inside this call.
     */
    int (*watch)(struct sys *s, struct sys_pidwatch *w, pid_t pid, int64_t start,
                 struct bt_err *err);
    /** Stop watching; fine when it fired or never began. */
    void (*unwatch)(struct sys *s, struct sys_pidwatch *w);
    /** Open a namespace of a process; caller closes. Errors: NOT_FOUND. */
    int (*open_ns)(struct sys *s, const struct sys_proc_ns *which, struct bt_err *err);
};
