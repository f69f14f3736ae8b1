/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host can do for instances. Quotas are believed when they stopped a write, not by the
 * kernel's version.
 */
#include <errno.h>
#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_cgroup.h"
#include "runtime/container/ct_quota.h"

struct backend {
    const char *name;
    bool inodes, grows, shrinks;
    int (*try)(const char *dir, bool *ret_grows, struct bt_err *err);
};

/* Best first. */
static const struct backend backends[] = {
    {"xfs", true, true, true, ct_quota_try_xfs},
    {"ext4", true, true, true, ct_quota_try_ext4},
    {"loop", true, true, false, ct_quota_try_loop},
};

static void probe_backends(const char *dir, struct bt_arr *ret)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(backends); i++) {
        const struct backend *b = &backends[i];
        struct bt_err e = BT_ERR_INIT;
        bool grows = b->grows;
        struct helper_quota_backend *q = bt_arr_push(ret, sizeof *q);
        q->name = bt_xstrdup(b->name);
        q->works = b->try(dir, &grows, &e) == 0;
        if (!q->works) {
            q->reason = bt_xstrdup(e.msg);
            continue;
        }
        q->inodes = b->inodes;
        q->grows = grows;
        q->shrinks = b->shrinks;
    }
}

struct node {
    enum feature feature;
    const char *path; /* NULL = nothing is needed */
};

/* A node may be there without its driver: opening it tells. */
static uint64_t probe_features(void)
{
    static const struct node nodes[] = {
        {FEATURE_NET_ADMIN, NULL},     {FEATURE_NET_RAW, NULL},     {FEATURE_COMPAT32, NULL},
        {FEATURE_TUN, "/dev/net/tun"}, {FEATURE_FUSE, "/dev/fuse"},
    };
    uint64_t set = 0;
    for (size_t i = 0; i < BT_ARRAY_LEN(nodes); i++) {
        _cleanup_close_ int fd = nodes[i].path ? open(nodes[i].path, O_RDWR | O_CLOEXEC) : -1;
        if (!nodes[i].path || fd >= 0)
            set |= UINT64_C(1) << nodes[i].feature;
    }
    return set;
}

static bool probe_apparmor(void)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(64);
    return bt_read_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 64, &b, NULL) == 0 &&
           b.data[0] == 'Y';
}

static void probe_cgroup(const struct ct_cg *cg, struct helper_container_probed *p)
{
    char text[64];
    p->cgroup = bt_xstrdup(ct_cg_kind_str(cg->kind));
    p->io_limits = cg->kind == CT_CG_V2;
    _cleanup_buf_ struct bt_buf swaps = BT_BUF(65536);
    bool have_swap = bt_read_file(AT_FDCWD, "/proc/swaps", 65536, &swaps, NULL) == 0 &&
                     memmem(swaps.data, swaps.len, "\n/", 2);
    p->swap = have_swap &&
              (cg->kind == CT_CG_V2 ||
               ct_cg_get(cg, "memory", "", "memory.memsw.limit_in_bytes", text, sizeof text));
}

int ct_probe(struct ct *c, struct bt_err *err)
{
    struct helper_container_probed p = {0};
    struct utsname u;
    struct ct_cg cg;
    c->step = "probe";
    if (!c->req.probe)
        return bt_fail(err, BT_E_INVALID, "probe: required");
    int rc = ct_cg_init(&cg, err);
    if (rc < 0)
        return rc;
    probe_cgroup(&cg, &p);
    ct_cg_fini(&cg);
    probe_backends(c->req.probe->dir, &p.backends);
    p.features = probe_features();
    p.apparmor = probe_apparmor();
    if (uname(&u) == 0)
        p.kernel = bt_xstrdup(u.release);
    p.engine = bt_xasprintf("liblxc %s", lxc_get_version());
    ct_reply_ok(c, &helper_container_probed_schema, &p, NULL, 0);
    bt_schema_free(&helper_container_probed_schema, &p);
    return 0;
}
