/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_real.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/sys/sys_cgroup_real.h"
#include "agent/sys/sys_real_priv.h"
#include "common/base/mem.h"

static int open_proc_sys(struct bt_err *err)
{
    struct statfs f;
    _cleanup_close_ int fd = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstatfs(fd, &f) < 0)
        return bt_fail_errno(err, errno, "open /proc/sys");
    if (f.f_type != PROC_SUPER_MAGIC)
        return bt_fail(err, BT_E_KERNEL, "/proc/sys is not procfs");
    return TAKE_FD(fd);
}

static int open_all(struct sys_real *r, const struct sys_real_config *config, struct bt_err *err)
{
    r->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    r->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (r->root < 0 || r->netns < 0)
        return bt_fail_errno(err, errno, "open / and our network namespace");
    r->proc_sys = open_proc_sys(err);
    if (r->proc_sys < 0)
        return r->proc_sys;
    r->cgroups = sys_cgroup_tree_new(config->cgroup_parent, err);
    if (!r->cgroups)
        return -BT_E_MISSING_CAPABILITY;
    int rc = sys_nl_open(&r->route, NETLINK_ROUTE, err);
    return rc < 0 ? rc : sys_nl_open(&r->filter, NETLINK_NETFILTER, err);
}

static void close_all(struct sys_real *r)
{
    int fds[] = {r->root, r->netns, r->proc_sys};
    for (size_t i = 0; i < BT_ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    sys_nl_close(&r->route);
    sys_nl_close(&r->filter);
    if (r->nft)
        nft_ctx_free(r->nft);
    sys_cgroup_tree_free(r->cgroups);
}

struct sys *sys_real_new(struct bt_loop *loop, const struct sys_real_config *config,
                         struct bt_err *err)
{
    struct sys_real *r = bt_xcalloc(1, sizeof *r);
    *r = (struct sys_real){
        .base = {.link = &sys_real_link_ops,
                 .nft = &sys_real_nft_ops,
                 .sysctl = &sys_real_sysctl_ops,
                 .cgroup = &sys_real_cgroup_ops,
                 .proc = &sys_real_proc_ops,
                 .helper = &sys_real_helper_ops,
                 .fs = &sys_real_fs_ops,
                 .loop = loop,
                 .impl = r},
        .route = {.fd = -1},
        .filter = {.fd = -1},
        .root = -1,
        .netns = -1,
        .proc_sys = -1,
    };
    if (open_all(r, config, err) < 0) {
        close_all(r);
        free(r);
        return NULL;
    }
    sys_queues_start(&r->base);
    return &r->base;
}

void sys_real_free(struct sys *s)
{
    if (!s)
        return;
    struct sys_real *r = sys_real_of(s);
    sys_queues_stop(s);
    close_all(r);
    free(r);
}
