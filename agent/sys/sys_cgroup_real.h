/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "agent/sys/sys_cgroup.h"
#include "common/base/buf.h"

#define SYS_CGROUP_TREES_MAX 16
#define SYS_CGROUP_PATH_MAX 512

/* One mounted hierarchy. */
struct sys_cgroup_hier {
    int fd; /* its mount point */
    bool v2;
    char controllers[160]; /* " cpu cpuacct " or " memory pids ... ": between blanks */
};

/* All hierarchies under /sys/fs/cgroup, and where instances live in each. */
struct sys_cgroup_tree {
    enum sys_cgroup_mode mode;
    struct sys_cgroup_hier hiers[SYS_CGROUP_TREES_MAX];
    size_t n;
    char parent[256]; /* relative to each mount point */
};

/** Look at what is mounted. NULL + err when no hierarchy is there (MISSING_CAPABILITY). */
struct sys_cgroup_tree *sys_cgroup_tree_new(const char *parent, struct bt_err *err);

/** Close and free; NULL is fine. */
void sys_cgroup_tree_free(struct sys_cgroup_tree *t);

/** The hierarchy that has @controller, v1 before v2; NULL = none. */
const struct sys_cgroup_hier *sys_cgroup_find(const struct sys_cgroup_tree *t,
                                              const char *controller);

/** The v2 hierarchy, NULL = none. */
const struct sys_cgroup_hier *sys_cgroup_unified(const struct sys_cgroup_tree *t);

/** "PARENT/GROUP" or "PARENT/GROUP/FILE" (@file may be NULL) into @dst. Errors: INVALID. */
int sys_cgroup_path(const struct sys_cgroup_tree *t, const char *group, const char *file,
                    char dst[SYS_CGROUP_PATH_MAX], struct bt_err *err);

/**
 * Write text ([1]) to the file ([0]) of every group below @path, parents before children or after;
 * refusals are passed over.
 */
void sys_cgroup_write_below(const struct sys_cgroup_hier *h, const char *path,
                            const char *const file_and_text[2], bool deepest_first);

/** sys_cgroup_ops.set */
int sys_real_cgroup_set(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t value,
                        struct bt_err *err);
/** sys_cgroup_ops.get */
int sys_real_cgroup_get(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t *ret,
                        struct bt_err *err);
/** sys_cgroup_ops.set_io */
int sys_real_cgroup_set_io(struct sys *s, const char *group, const struct sys_cgroup_io *io,
                           struct bt_err *err);
/** sys_cgroup_ops.get_io */
int sys_real_cgroup_get_io(struct sys *s, const char *group, struct sys_cgroup_io *io,
                           struct bt_err *err);
/** sys_cgroup_ops.set_cpus */
int sys_real_cgroup_set_cpus(struct sys *s, const char *group, const char *cpus,
                             struct bt_err *err);
/** sys_cgroup_ops.get_cpus */
int sys_real_cgroup_get_cpus(struct sys *s, const char *group, char ret[256], struct bt_err *err);
