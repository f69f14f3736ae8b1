/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys_record.h"
#include "common/base/list.h"
#include "common/base/map.h"

/*
 * The fake's model: one map of objects by "KIND KEY" (sorted text of the keys = the model's text),
 * each with a plain struct behind it. Links hold more, so they have a map of their own.
 */
struct sys_record_link {
    struct sys_link_info info;
    char peer[SYS_IFNAME_MAX];
};

struct sys_record_obj {
    char *key;
    void *data; /* a copy of what was given */
};

/* Object "file PATH"; what was written stands behind the struct, with its NUL. */
struct sys_record_file {
    struct sys_fs_stat st;
    bool locked;
    char text[];
};

/* Object "cgroup NAME". */
struct sys_record_group {
    int64_t values[SYS_CG__COUNT];
    char cpus[256];
    bool frozen;
};

struct sys_record_proc {
    pid_t pid;
    int64_t start;
    char group[128];
};

struct sys_record {
    struct sys base;
    struct bt_buf text;
    size_t calls;
    size_t fail_in; /* calls until the failing one, 0 = none */
    int fail_errno;
    char *fail_prefix;
    int fail_prefix_errno;
    char *only[16];
    size_t n_only;

    struct bt_map links; /* name -> struct sys_record_link */
    struct bt_map objs;  /* key -> struct sys_record_obj */
    struct bt_map procs; /* pid -> struct sys_record_proc */
    struct bt_list watches;
    int next_ifindex;
    struct sys_machine machine;
    struct sys_fs_space space;
    struct sys_record_player player;
    bool plays;
    pid_t next_pid;
};

extern const struct sys_link_ops sys_record_link_ops;
extern const struct sys_nft_ops sys_record_nft_ops;
extern const struct sys_cgroup_ops sys_record_cgroup_ops;
extern const struct sys_proc_ops sys_record_proc_ops;
extern const struct sys_helper_ops sys_record_helper_ops;
extern const struct sys_fs_ops sys_record_fs_ops;

/** The fake around @s. */
static inline struct sys_record *sys_record_of(struct sys *s)
{
    return s->impl;
}

/** Write the line of a call and decide its fate: 0, or the injected error in @err. */
int sys_record_call(struct sys *s, struct bt_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** A line below the last call's, indented; not a call. */
void sys_record_more(struct sys *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Set the object "@kind @key" to a copy of @size bytes. */
void sys_record_put(struct sys *s, const char *key, const void *data, size_t size);

/** Its data, NULL = absent. */
void *sys_record_find(struct sys *s, const char *key);

/** Remove it; absent is fine. */
void sys_record_drop(struct sys *s, const char *key);

/** Copy the data of every object whose key begins with @prefix into rows of @size. */
void sys_record_rows(struct sys *s, const char *prefix, size_t size, struct sys_rows *ret);

/** Drop every object whose key begins with @prefix. */
void sys_record_drop_all(struct sys *s, const char *prefix);

/** Keys of objects that begin with @prefix, in order: rows of char *; the caller's. */
void sys_record_keys_of(struct sys *s, const char *prefix, struct sys_rows *ret);
