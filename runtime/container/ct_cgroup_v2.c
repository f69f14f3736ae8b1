/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits in a unified hierarchy (kernel, admin-guide/cgroup-v2). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_cgroup.h"

#define PERIOD_US 100000

struct io_row {
    enum limit_name limit;
    const char *key;
};

static const struct io_row io_rows[] = {
    {LIMIT_io_read_bytes_per_s, "rbps"},
    {LIMIT_io_write_bytes_per_s, "wbps"},
    {LIMIT_io_read_iops, "riops"},
    {LIMIT_io_write_iops, "wiops"},
};

static int set_opt(const struct ct_cg *cg, const char *path, const char *file, struct bt_opt_int v,
                   struct bt_err *err)
{
    char text[32] = "max";
    if (v.is == BT_ABSENT)
        return 0;
    if (v.is == BT_VALUE)
        (void)snprintf(text, sizeof text, "%" PRId64, v.v);
    return ct_cg_set(cg, "", path, file, text, err);
}

static struct bt_opt_int get_opt(const struct ct_cg *cg, const char *path, const char *file)
{
    char text[64];
    int64_t v;
    if (!ct_cg_get(cg, "", path, file, text, sizeof text))
        return (struct bt_opt_int){BT_ABSENT, 0};
    return bt_parse_i64(text, 0, INT64_MAX, &v, NULL) == 0 ? BT_OPT_V(v) : BT_OPT_NULL;
}

static int apply_cpu(const struct ct_cg *cg, const char *path, const struct limits *l,
                     struct bt_err *err)
{
    struct bt_opt_int quota = l->cpu_limit_millicores;
    char text[64];
    if (quota.is == BT_ABSENT)
        return 0;
    if (quota.is == BT_NULL)
        (void)snprintf(text, sizeof text, "max %d", PERIOD_US);
    else
        (void)snprintf(text, sizeof text, "%" PRId64 " %d", quota.v * PERIOD_US / 1000, PERIOD_US);
    return ct_cg_set(cg, "", path, "cpu.max", text, err);
}

static int apply_memory(const struct ct_cg *cg, const char *path, const struct limits *l,
                        struct bt_err *err)
{
    struct bt_opt_int swap = l->swap_bytes;
    if (l->memory_bytes.is == BT_ABSENT)
        return 0;
    if (swap.is == BT_ABSENT)
        swap = BT_OPT_V(0);
    int rc = set_opt(cg, path, "memory.max", l->memory_bytes, err);
    if (rc < 0)
        return rc;
    /* One process too big must not take the whole instance with it. */
    (void)ct_cg_set(cg, "", path, "memory.oom.group", "0", NULL);
    rc = set_opt(cg, path, "memory.swap.max", swap, err);
    return rc == -BT_E_NOT_FOUND ? 0 : rc; /* kernel without swap accounting */
}

static int apply_io(const struct ct_cg *cg, const char *path, const struct limits *l,
                    struct ct_cg_disk disk, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(512);
    bool any = false;
    (void)bt_buf_addf(&b, "%u:%u", disk.major, disk.minor);
    for (size_t i = 0; disk.major && i < BT_ARRAY_LEN(io_rows); i++) {
        struct bt_opt_int v = limits_get(l, io_rows[i].limit);
        if (v.is == BT_VALUE)
            (void)bt_buf_addf(&b, " %s=%" PRId64, io_rows[i].key, v.v);
        else if (v.is == BT_NULL)
            (void)bt_buf_addf(&b, " %s=max", io_rows[i].key);
        any = any || v.is == BT_VALUE;
    }
    int rc = disk.major ? ct_cg_set(cg, "", path, "io.max", b.data, err) : 0;
    return any ? rc : 0;
}

static int v2_apply(const struct ct_cg *cg, const char *path, const struct limits *l,
                    struct ct_cg_disk disk, struct bt_err *err)
{
    struct bt_opt_int weight = l->cpu_weight.is == BT_NULL ? BT_OPT_V(100) : l->cpu_weight;
    int rc = apply_cpu(cg, path, l, err);
    if (rc == 0)
        rc = set_opt(cg, path, "cpu.weight", weight, err);
    if (rc == 0)
        rc = apply_memory(cg, path, l, err);
    if (rc == 0)
        rc = set_opt(cg, path, "pids.max", l->pids, err);
    if (rc == 0)
        rc = apply_io(cg, path, l, disk, err);
    return rc;
}

static void read_cpu(const struct ct_cg *cg, const char *path, struct limits *ret)
{
    char text[4096];
    if (ct_cg_get(cg, "", path, "cpu.max", text, sizeof text)) {
        char *space = strchr(text, ' ');
        int64_t quota;
        int64_t period;
        if (space)
            *space = '\0';
        bool limited = bt_parse_i64(text, 0, INT64_MAX, &quota, NULL) == 0;
        if (limited && space && bt_parse_i64(space + 1, 1, INT64_MAX, &period, NULL) == 0)
            ret->cpu_limit_millicores = BT_OPT_V(quota * 1000 / period);
        else
            ret->cpu_limit_millicores = BT_OPT_NULL;
    }
    ret->cpu_weight = get_opt(cg, path, "cpu.weight");
    if (ct_cg_get(cg, "", path, "cpuset.cpus.effective", text, sizeof text) &&
        ct_cg_count_cpus(text))
        ret->cpus = BT_OPT_V(ct_cg_count_cpus(text));
}

/* " key=" behind the line of this device. */
static struct bt_opt_int io_value(const char *line, const char *key)
{
    char pattern[16];
    (void)snprintf(pattern, sizeof pattern, " %s=", key);
    const char *at = memmem(line, strcspn(line, "\n"), pattern, strlen(pattern));
    int64_t v;
    if (!at)
        return BT_OPT_NULL;
    at += strlen(pattern);
    _cleanup_free_ char *number = bt_xstrndup(at, strcspn(at, " \n"));
    return bt_parse_i64(number, 0, INT64_MAX, &v, NULL) == 0 ? BT_OPT_V(v) : BT_OPT_NULL;
}

static void read_io(const struct ct_cg *cg, const char *path, struct ct_cg_disk disk,
                    struct limits *ret)
{
    char text[4096];
    char key[32];
    if (!disk.major || !ct_cg_get(cg, "", path, "io.max", text, sizeof text))
        return;
    (void)snprintf(key, sizeof key, "%u:%u ", disk.major, disk.minor);
    const char *line = text;
    while (line && !bt_starts_with(line, key)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    for (size_t i = 0; i < BT_ARRAY_LEN(io_rows); i++)
        *limits_at(ret, io_rows[i].limit) = line ? io_value(line, io_rows[i].key) : BT_OPT_NULL;
}

static void v2_read(const struct ct_cg *cg, const char *path, struct ct_cg_disk disk,
                    struct limits *ret)
{
    read_cpu(cg, path, ret);
    ret->memory_bytes = get_opt(cg, path, "memory.max");
    ret->swap_bytes = get_opt(cg, path, "memory.swap.max");
    ret->pids = get_opt(cg, path, "pids.max");
    read_io(cg, path, disk, ret);
}

static int64_t number_or_0(const struct ct_cg *cg, const char *path, const char *file)
{
    struct bt_opt_int v = get_opt(cg, path, file);
    return v.is == BT_VALUE ? v.v : 0;
}

static void v2_usage(const struct ct_cg *cg, const char *path, struct helper_container_usage *ret)
{
    char text[4096];
    if (ct_cg_get(cg, "", path, "cpu.stat", text, sizeof text))
        ret->cpu_ms = ct_cg_keyed(text, "usage_usec", 0) / 1000;
    ret->memory_bytes = number_or_0(cg, path, "memory.current");
    ret->swap_bytes = number_or_0(cg, path, "memory.swap.current");
    ret->pids = number_or_0(cg, path, "pids.current");
    if (ct_cg_get(cg, "", path, "memory.events", text, sizeof text)) {
        ret->memory_limit_hits = ct_cg_keyed(text, "max", 0);
        ret->oom_kills = ct_cg_keyed(text, "oom_kill", 0);
    }
}

const struct ct_cg_ops ct_cg_v2_ops = {.apply = v2_apply, .read = v2_read, .usage = v2_usage};
