/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/sys/sys_rows.h"
#include "common/base/err.h"

/*
 * Control groups of instances, the same for v1, hybrid (v1 controllers, a v2 tree without) and v2.
 * @group is a relative path below agent.conf's cgroup_parent ("UUID", "UUID/inner"), without "..".
 * A group exists in every hierarchy at once. Any thread.
 */
struct sys;

enum sys_cgroup_mode { SYS_CGROUP_V1, SYS_CGROUP_HYBRID, SYS_CGROUP_V2 };

#define SYS_CGROUP_UNLIMITED INT64_MAX

/* Limits (get, set) and readings (get); a controller that is missing gives MISSING_CAPABILITY. */
enum sys_cgroup_key {
    SYS_CG_MEMORY_BYTES,
    SYS_CG_SWAP_BYTES, /* swap alone, on v1 too (memsw = memory + swap; set memory first) */
    SYS_CG_PIDS,
    SYS_CG_CPU_MILLICORES,      /* quota; period 100 ms */
    SYS_CG_CPU_WEIGHT,          /* 1..10000, 100 = normal; v1 shares = weight * 1024 / 100 */
    SYS_CG_IO_READ_BYTES_PER_S, /* IO keys: with set_io and get_io only */
    SYS_CG_IO_WRITE_BYTES_PER_S,
    SYS_CG_IO_READ_IOPS,
    SYS_CG_IO_WRITE_IOPS,
    SYS_CG_MEMORY_USED_BYTES, /* readings from here on */
    SYS_CG_CPU_USED_US,
    SYS_CG_PIDS_USED,
    SYS_CG_OOM_KILLS,
    SYS_CG__COUNT
};

struct sys_cgroup_io {
    dev_t dev;
    enum sys_cgroup_key key;
    int64_t value;
};

struct sys_cgroup_ops {
    /** What the machine has. */
    enum sys_cgroup_mode (*mode)(struct sys *s);
    /** Make @group (and cgroup_parent) in every hierarchy; controllers on; existing is fine. */
    int (*create)(struct sys *s, const char *group, struct bt_err *err);
    /** Remove @group with its empty descendants everywhere. Errors: IN_USE (processes left). */
    int (*remove)(struct sys *s, const char *group, struct bt_err *err);
    /** Is it there in any hierarchy? */
    bool (*exists)(struct sys *s, const char *group);
    /** SIGKILL to every process of @group and its descendants, frozen ones too; no wait. */
    int (*kill)(struct sys *s, const char *group, struct bt_err *err);
    /** Freeze or thaw; ends when the kernel says so (at most 1 s). Errors: TIMEOUT. */
    int (*freeze)(struct sys *s, const char *group, bool on, struct bt_err *err);
    /** Processes of @group and its descendants: rows of pid_t. A missing group has none. */
    int (*pids)(struct sys *s, const char *group, struct sys_rows *ret, struct bt_err *err);
    /** Set one limit; SYS_CGROUP_UNLIMITED lifts it. */
    int (*set)(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t value,
               struct bt_err *err);
    /** Limit or reading from the kernel. */
    int (*get)(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t *ret,
               struct bt_err *err);
    /** Set a SYS_CG_IO_* limit of one block device; SYS_CGROUP_UNLIMITED lifts it. */
    int (*set_io)(struct sys *s, const char *group, const struct sys_cgroup_io *io,
                  struct bt_err *err);
    /** Read it back into @io->value. */
    int (*get_io)(struct sys *s, const char *group, struct sys_cgroup_io *io, struct bt_err *err);
    /** Cores of @group as a kernel list ("0-1,4"). */
    int (*set_cpus)(struct sys *s, const char *group, const char *cpus, struct bt_err *err);
    /** Effective cores as a kernel list into @ret. */
    int (*get_cpus)(struct sys *s, const char *group, char ret[256], struct bt_err *err);
    /** Groups directly below cgroup_parent, in any hierarchy: rows of char *, sorted, once each. */
    int (*list)(struct sys *s, struct sys_rows *ret, struct bt_err *err);
};
