/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "proto/helper_container.h"

/*
 * Control groups of an instance, v1, hybrid and v2 (cgroups(7)) behind one table. A path is one
 * name below cgroup_parent or cgroup_parent itself, below the root of our cgroup namespace, the
 * same in every hierarchy.
 */
#define CT_CG_HIERS 16

struct ct_cg_hier {
    char *mount;       /* "/sys/fs/cgroup/memory" */
    char *controllers; /* ",cpu,cpuacct,", with commas at both ends */
    bool v2;
};

enum ct_cg_kind { CT_CG_V1, CT_CG_HYBRID, CT_CG_V2 };

struct ct_cg {
    struct ct_cg_hier hier[CT_CG_HIERS];
    size_t n;
    enum ct_cg_kind kind;
    const struct ct_cg_ops *ops; /* resource limits */
};

/* A block device whose I/O is limited; major 0 = none. */
struct ct_cg_disk {
    unsigned major, minor;
};

/* Resource limits of one generation. @dir is the group's path below the mount. */
struct ct_cg_ops {
    int (*apply)(const struct ct_cg *cg, const char *path, const struct limits *l,
                 struct ct_cg_disk disk, struct bt_err *err);
    void (*read)(const struct ct_cg *cg, const char *path, struct ct_cg_disk disk,
                 struct limits *ret);
    void (*usage)(const struct ct_cg *cg, const char *path, struct helper_container_usage *ret);
};

extern const struct ct_cg_ops ct_cg_v1_ops, ct_cg_v2_ops;

/** Find the mounted hierarchies (/proc/self/mountinfo). MISSING_CAPABILITY when there is none. */
int ct_cg_init(struct ct_cg *cg, struct bt_err *err);

/** Free it. */
void ct_cg_fini(struct ct_cg *cg);

/** As ct_cg_init from the text of a mountinfo (proc_pid_mountinfo(5)); no ops are chosen. */
void ct_cg_parse(struct ct_cg *cg, const char *mountinfo);

/** Kind as the API names it. Static. */
const char *ct_cg_kind_str(enum ct_cg_kind kind);

/** Hierarchy that has @controller; NULL when there is none. "" = the v2 tree. */
const struct ct_cg_hier *ct_cg_find(const struct ct_cg *cg, const char *controller);

/** Is @path fit to be used: absolute, no empty, "." or ".." component? */
bool ct_cg_path_ok(const char *path);

/** Make @path in every hierarchy, with cpusets that can take tasks and all v2 controllers given
 * on to children of its ancestors (and of itself with @inner: it will hold no process). */
int ct_cg_make(const struct ct_cg *cg, const char *path, bool inner, struct bt_err *err);

/** Move process @pid (0 = self) into @path in every hierarchy; gone ones are no error. */
int ct_cg_enter(const struct ct_cg *cg, const char *path, pid_t pid, struct bt_err *err);

/** Does @path exist anywhere? */
bool ct_cg_exists(const struct ct_cg *cg, const char *path);

/** SIGKILL to all processes at and below @path, frozen ones too, until none is left. TIMEOUT. */
int ct_cg_kill(const struct ct_cg *cg, const char *path, int64_t timeout_ms, struct bt_err *err);

/** Remove the trees of @path (no processes); waits a little for those that still die. IN_USE. */
int ct_cg_remove(const struct ct_cg *cg, const char *path, struct bt_err *err);

/** Freeze or thaw all below @path and wait until it is so. TIMEOUT. */
int ct_cg_freeze(const struct ct_cg *cg, const char *path, bool on, struct bt_err *err);

/** Is @path frozen? */
bool ct_cg_frozen(const struct ct_cg *cg, const char *path);

/** Restrict @path to @cpus ("0-1,4"; "" = what the parent has). */
int ct_cg_cpuset(const struct ct_cg *cg, const char *path, const char *cpus, struct bt_err *err);

/** Number of cores in a list like "0-1,4"; 0 when it cannot be read. */
int ct_cg_count_cpus(const char *list);

/** Read file @name of @path in the hierarchy of @controller into @dst. False when absent. */
bool ct_cg_get(const struct ct_cg *cg, const char *controller, const char *path, const char *name,
               char *dst, size_t size);

/** Write @text to a control file. NOT_FOUND when hierarchy or file is absent. */
int ct_cg_set(const struct ct_cg *cg, const char *controller, const char *path, const char *name,
              const char *text, struct bt_err *err);

/** Number behind @key in lines of "key number" (memory.stat); @fallback when absent. */
int64_t ct_cg_keyed(const char *text, const char *key, int64_t fallback);
