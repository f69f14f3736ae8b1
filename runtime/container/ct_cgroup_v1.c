/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits in cgroup v1 and hybrid hierarchies (kernel, admin-guide/cgroup-v1). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_cgroup.h"

#define PERIOD_US 100000
#define NS_PER_MS 1000000
/* What an unlimited memory counter reads as, less a page of any size. */
#define UNLIMITED_BYTES (INT64_MAX - 65536)
#define SHARES_NORMAL 1024

struct blkio_row {
    enum limit_name limit;
    const char *file;
};

static const struct blkio_row blkio_rows[] = {
    {LIMIT_io_read_bytes_per_s, "blkio.throttle.read_bps_device"},
    {LIMIT_io_write_bytes_per_s, "blkio.throttle.write_bps_device"},
    {LIMIT_io_read_iops, "blkio.throttle.read_iops_device"},
    {LIMIT_io_write_iops, "blkio.throttle.write_iops_device"},
};

static int set_number(const struct ct_cg *cg, const char *path, const char *file, int64_t v,
                      struct bt_err *err)
{
    char text[32];
    _cleanup_free_ char *controller = bt_xstrndup(file, strcspn(file, "."));
    (void)snprintf(text, sizeof text, "%" PRId64, v);
    return ct_cg_set(cg, controller, path, file, text, err);
}

static bool get_number(const struct ct_cg *cg, const char *path, const char *file, int64_t *ret)
{
    char text[64];
    _cleanup_free_ char *controller = bt_xstrndup(file, strcspn(file, "."));
    return ct_cg_get(cg, controller, path, file, text, sizeof text) &&
           bt_parse_i64(text, INT64_MIN, INT64_MAX, ret, NULL) == 0;
}

static int apply_cpu(const struct ct_cg *cg, const char *path, const struct limits *l,
                     struct bt_err *err)
{
    struct bt_opt_int quota = l->cpu_limit_millicores;
    struct bt_opt_int weight = l->cpu_weight;
    int rc = 0;
    if (quota.is != BT_ABSENT) {
        rc = set_number(cg, path, "cpu.cfs_period_us", PERIOD_US, err);
        if (rc == 0)
            rc = set_number(cg, path, "cpu.cfs_quota_us",
                            quota.is == BT_NULL ? -1 : quota.v * PERIOD_US / 1000, err);
    }
    if (rc == 0 && weight.is != BT_ABSENT) {
        int64_t shares = weight.is == BT_NULL ? SHARES_NORMAL : weight.v * SHARES_NORMAL / 100;
        rc = set_number(cg, path, "cpu.shares", shares < 2 ? 2 : shares, err);
    }
    return rc;
}

/* memsw (memory + swap) may never be below the memory limit, so it is opened before and set after.
 */
static int apply_memory(const struct ct_cg *cg, const char *path, const struct limits *l,
                        struct bt_err *err)
{
    int64_t old;
    if (l->memory_bytes.is == BT_ABSENT)
        return 0;
    bool memsw = get_number(cg, path, "memory.memsw.limit_in_bytes", &old);
    if (memsw)
        (void)set_number(cg, path, "memory.memsw.limit_in_bytes", -1, NULL);
    int64_t memory = l->memory_bytes.is == BT_NULL ? -1 : l->memory_bytes.v;
    int rc = set_number(cg, path, "memory.limit_in_bytes", memory, err);
    if (rc < 0) {
        if (memsw && old < UNLIMITED_BYTES)
            (void)set_number(cg, path, "memory.memsw.limit_in_bytes", old, NULL);
        return rc;
    }
    if (!memsw || memory < 0 || l->swap_bytes.is == BT_NULL)
        return 0;
    int64_t swap = l->swap_bytes.is == BT_VALUE ? l->swap_bytes.v : 0;
    return set_number(cg, path, "memory.memsw.limit_in_bytes", memory + swap, err);
}

static int apply_pids(const struct ct_cg *cg, const char *path, const struct limits *l,
                      struct bt_err *err)
{
    if (l->pids.is == BT_ABSENT)
        return 0;
    if (l->pids.is == BT_NULL)
        return ct_cg_set(cg, "pids", path, "pids.max", "max", err);
    return set_number(cg, path, "pids.max", l->pids.v, err);
}

static int apply_blkio(const struct ct_cg *cg, const char *path, const struct limits *l,
                       struct ct_cg_disk disk, struct bt_err *err)
{
    for (size_t i = 0; disk.major && i < BT_ARRAY_LEN(blkio_rows); i++) {
        struct bt_opt_int v = limits_get(l, blkio_rows[i].limit);
        char text[96];
        if (v.is == BT_ABSENT)
            continue;
        (void)snprintf(text, sizeof text, "%u:%u %" PRId64, disk.major, disk.minor,
                       v.is == BT_VALUE ? v.v : 0);
        int rc = ct_cg_set(cg, "blkio", path, blkio_rows[i].file, text, err);
        if (rc < 0 && v.is == BT_VALUE)
            return rc;
    }
    return 0;
}

static int v1_apply(const struct ct_cg *cg, const char *path, const struct limits *l,
                    struct ct_cg_disk disk, struct bt_err *err)
{
    int rc = apply_cpu(cg, path, l, err);
    if (rc == 0)
        rc = apply_memory(cg, path, l, err);
    if (rc == 0)
        rc = apply_pids(cg, path, l, err);
    if (rc == 0)
        rc = apply_blkio(cg, path, l, disk, err);
    return rc;
}

static struct bt_opt_int bytes_or_null(int64_t v)
{
    return v >= UNLIMITED_BYTES ? BT_OPT_NULL : BT_OPT_V(v);
}

static void read_memory(const struct ct_cg *cg, const char *path, struct limits *ret)
{
    int64_t memory;
    int64_t memsw;
    if (!get_number(cg, path, "memory.limit_in_bytes", &memory))
        return;
    ret->memory_bytes = bytes_or_null(memory);
    if (!get_number(cg, path, "memory.memsw.limit_in_bytes", &memsw))
        return;
    bool unlimited = memsw >= UNLIMITED_BYTES || memory >= UNLIMITED_BYTES;
    ret->swap_bytes = unlimited ? BT_OPT_NULL : BT_OPT_V(memsw - memory);
}

static void read_cpu(const struct ct_cg *cg, const char *path, struct limits *ret)
{
    int64_t quota;
    int64_t period;
    int64_t shares;
    char cpus[4096];
    if (get_number(cg, path, "cpu.cfs_quota_us", &quota) &&
        get_number(cg, path, "cpu.cfs_period_us", &period) && period > 0)
        ret->cpu_limit_millicores = quota < 0 ? BT_OPT_NULL : BT_OPT_V(quota * 1000 / period);
    if (get_number(cg, path, "cpu.shares", &shares))
        ret->cpu_weight = BT_OPT_V((shares * 100 + SHARES_NORMAL / 2) / SHARES_NORMAL);
    if (ct_cg_get(cg, "cpuset", path, "cpuset.cpus", cpus, sizeof cpus) && ct_cg_count_cpus(cpus))
        ret->cpus = BT_OPT_V(ct_cg_count_cpus(cpus));
}

static void read_blkio(const struct ct_cg *cg, const char *path, struct ct_cg_disk disk,
                       struct limits *ret)
{
    char key[32];
    (void)snprintf(key, sizeof key, "%u:%u", disk.major, disk.minor);
    for (size_t i = 0; disk.major && i < BT_ARRAY_LEN(blkio_rows); i++) {
        char text[4096];
        if (!ct_cg_get(cg, "blkio", path, blkio_rows[i].file, text, sizeof text))
            continue;
        int64_t v = ct_cg_keyed(text, key, 0);
        *limits_at(ret, blkio_rows[i].limit) = v > 0 ? BT_OPT_V(v) : BT_OPT_NULL;
    }
}

static void v1_read(const struct ct_cg *cg, const char *path, struct ct_cg_disk disk,
                    struct limits *ret)
{
    char text[64];
    int64_t pids;
    read_cpu(cg, path, ret);
    read_memory(cg, path, ret);
    if (ct_cg_get(cg, "pids", path, "pids.max", text, sizeof text))
        ret->pids =
            bt_parse_i64(text, 0, INT64_MAX, &pids, NULL) == 0 ? BT_OPT_V(pids) : BT_OPT_NULL;
    read_blkio(cg, path, disk, ret);
}

static void v1_usage(const struct ct_cg *cg, const char *path, struct helper_container_usage *ret)
{
    char text[512];
    int64_t v;
    if (get_number(cg, path, "cpuacct.usage", &v))
        ret->cpu_ms = v / NS_PER_MS;
    if (get_number(cg, path, "memory.usage_in_bytes", &v))
        ret->memory_bytes = v;
    if (get_number(cg, path, "memory.memsw.usage_in_bytes", &v) && v > ret->memory_bytes)
        ret->swap_bytes = v - ret->memory_bytes;
    if (get_number(cg, path, "pids.current", &v))
        ret->pids = v;
    if (get_number(cg, path, "memory.failcnt", &v))
        ret->memory_limit_hits = v;
    if (ct_cg_get(cg, "memory", path, "memory.oom_control", text, sizeof text))
        ret->oom_kills = ct_cg_keyed(text, "oom_kill", 0);
}

const struct ct_cg_ops ct_cg_v1_ops = {.apply = v1_apply, .read = v1_read, .usage = v1_usage};
