/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_limits.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_proc.h"
#include "runtime/container/ct_stat.h"

static struct ct_cg_disk disk_of(const struct helper_container_place *p)
{
    return (struct ct_cg_disk){(unsigned)p->disk_major, (unsigned)p->disk_minor};
}

static int apply(const struct ct_cg *cg, const struct helper_container_place *place,
                 const struct helper_container_limits *l, struct bt_err *err)
{
    _cleanup_free_ char *path = ct_cgroup_of(place);
    int rc = l->cpuset ? ct_cg_cpuset(cg, path, l->cpuset, err) : 0;
    return rc < 0 ? rc : cg->ops->apply(cg, path, &l->limits, disk_of(place), err);
}

int ct_limits_at_boot(int dir, const struct helper_container_place *place, struct bt_err *err)
{
    struct helper_container_limits l = {0};
    struct ct_cg cg;
    int rc = ct_get(dir, CT_F_LIMITS, &helper_container_limits_schema, &l, err);
    if (rc < 0)
        return rc;
    rc = ct_cg_init(&cg, err);
    if (rc == 0) {
        rc = apply(&cg, place, &l, err);
        ct_cg_fini(&cg);
    }
    bt_schema_free(&helper_container_limits_schema, &l);
    return rc;
}

void ct_limits_effective(const struct ct_cg *cg, const struct helper_container_place *place,
                         int upper, struct limits *ret)
{
    struct statvfs st;
    _cleanup_free_ char *path = ct_cgroup_of(place);
    *ret = (struct limits){0};
    cg->ops->read(cg, path, disk_of(place), ret);
    if (upper < 0 || fstatvfs(upper, &st) < 0)
        return;
    ret->disk_bytes = BT_OPT_V((int64_t)(st.f_blocks * st.f_frsize));
    ret->inodes = BT_OPT_V((int64_t)st.f_files);
}

void ct_limits_usage(const struct ct_cg *cg, const struct helper_container_place *place, int upper,
                     struct helper_container_usage *ret)
{
    struct statvfs st;
    _cleanup_free_ char *path = ct_cgroup_of(place);
    *ret = (struct helper_container_usage){0};
    cg->ops->usage(cg, path, ret);
    if (upper < 0 || fstatvfs(upper, &st) < 0)
        return;
    ret->disk_bytes = (int64_t)((st.f_blocks - st.f_bfree) * st.f_frsize);
    ret->disk_free_bytes = (int64_t)(st.f_bavail * st.f_frsize);
    ret->inodes = (int64_t)(st.f_files - st.f_ffree);
    ret->inodes_free = (int64_t)st.f_ffree;
}

/* The file is what the next boot goes by: members that are absent in @now keep their old value. */
static int remember(int dir, const struct helper_container_limits *now, struct bt_err *err)
{
    struct helper_container_limits all = {0};
    int rc = ct_get(dir, CT_F_LIMITS, &helper_container_limits_schema, &all, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < LIMIT__COUNT; i++) {
        struct bt_opt_int v = limits_get(&now->limits, (enum limit_name)i);
        if (v.is != BT_ABSENT)
            *limits_at(&all.limits, (enum limit_name)i) = v;
    }
    if (now->cpuset) {
        free(all.cpuset);
        all.cpuset = bt_xstrdup(now->cpuset);
    }
    rc = ct_put(dir, CT_F_LIMITS, &helper_container_limits_schema, &all, err);
    bt_schema_free(&helper_container_limits_schema, &all);
    return rc;
}

static int limits_of_running(struct ct *c, const struct ct_life *life, struct bt_err *err)
{
    struct ct_cg cg;
    if (!life->init_lives || !life->placed)
        return bt_fail(err, BT_E_BAD_STATE, "the instance does not run");
    int rc = ct_cg_init(&cg, err);
    if (rc < 0)
        return rc;
    rc = apply(&cg, &life->place, c->req.limits, err);
    ct_cg_fini(&cg);
    if (rc == 0)
        rc = remember(c->dir, c->req.limits, err);
    return rc < 0 ? rc : ct_stat_reply(c, err);
}

int ct_limits(struct ct *c, struct bt_err *err)
{
    struct ct_life life;
    c->step = "limits";
    if (!c->req.limits)
        return bt_fail(err, BT_E_INVALID, "limits: required");
    int rc = ct_open_dir(c, false, err);
    if (rc < 0)
        return rc;
    ct_life_read(c->dir, &life);
    rc = limits_of_running(c, &life, err);
    ct_life_fini(&life);
    return rc;
}
