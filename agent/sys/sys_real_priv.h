/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys.h"
#include "agent/sys/sys_nl.h"

struct nft_ctx;
struct sys_cgroup_tree;

/* The machine's kernel. Each socket belongs to its queue's thread. */
struct sys_real {
    struct sys base;
    struct sys_nl route;  /* link thread */
    struct sys_nl filter; /* nft thread */
    struct nft_ctx *nft;  /* nft thread; made at its first use */
    int proc_sys;         /* /proc/sys, checked to be procfs */
    int netns;            /* our own network namespace */
    int root;             /* "/" */
    struct sys_cgroup_tree *cgroups;
};

/** The struct around @s, which sys_real_new made. */
static inline struct sys_real *sys_real_of(struct sys *s)
{
    return s->impl;
}

extern const struct sys_link_ops sys_real_link_ops;
extern const struct sys_nft_ops sys_real_nft_ops;
extern const struct sys_sysctl_ops sys_real_sysctl_ops;
extern const struct sys_cgroup_ops sys_real_cgroup_ops;
extern const struct sys_proc_ops sys_real_proc_ops;
extern const struct sys_helper_ops sys_real_helper_ops;
extern const struct sys_fs_ops sys_real_fs_ops;

/** Number of a link, 0 = none. */
int sys_real_ifindex(struct sys_nl *nl, const char *name);

/* Parts of sys_real_link_ops that live in files of their own; see sys_link.h. */

/** sys_link_ops.fdb_ensure */
int sys_real_fdb_ensure(struct sys *s, const struct sys_fdb *f, struct bt_err *err);
/** sys_link_ops.fdb_remove */
int sys_real_fdb_remove(struct sys *s, const struct sys_fdb *f, struct bt_err *err);
/** sys_link_ops.fdb_list */
int sys_real_fdb_list(struct sys *s, struct sys_rows *ret, struct bt_err *err);
/** sys_link_ops.neigh_ensure */
int sys_real_neigh_ensure(struct sys *s, const struct sys_neigh *n, struct bt_err *err);
/** sys_link_ops.neigh_remove */
int sys_real_neigh_remove(struct sys *s, const struct sys_neigh *n, struct bt_err *err);
/** sys_link_ops.neigh_list */
int sys_real_neigh_list(struct sys *s, struct sys_rows *ret, struct bt_err *err);
/** sys_link_ops.route_ensure */
int sys_real_route_ensure(struct sys *s, const struct sys_route *r, struct bt_err *err);
/** sys_link_ops.route_remove */
int sys_real_route_remove(struct sys *s, const struct sys_route *r, struct bt_err *err);
/** sys_link_ops.route_list */
int sys_real_route_list(struct sys *s, struct sys_rows *ret, struct bt_err *err);
/** sys_link_ops.addr_ensure */
int sys_real_addr_ensure(struct sys *s, const struct sys_addr *a, struct bt_err *err);
/** sys_link_ops.addr_remove */
int sys_real_addr_remove(struct sys *s, const struct sys_addr *a, struct bt_err *err);
/** sys_link_ops.addr_list */
int sys_real_addr_list(struct sys *s, struct sys_rows *ret, struct bt_err *err);
/** sys_link_ops.guest_net */
int sys_real_guest_net(struct sys *s, int netns_fd, const struct sys_guest_net *g,
                       struct bt_err *err);

/** An address on link @ifindex through @nl (any namespace). Returns 0 or -errno. */
int sys_real_addr_on(struct sys_nl *nl, int ifindex, const struct sys_addr *a);

/** A route through link @ifindex (0 = none) through @nl. Returns 0 or -errno. */
int sys_real_route_on(struct sys_nl *nl, int ifindex, const struct sys_route *r);
