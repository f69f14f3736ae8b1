/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/sys/sys_cgroup_real.h"
#include "agent/sys/sys_real_priv.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * Limits and readings: one table for both versions. Documentation/admin-guide/cgroup-v2.rst,
 * cgroup-v1/{memory,cpusets,blkio-controller,pids}.rst, scheduler/sched-bwc.rst.
 */
#define PERIOD_US 100000

/* How a number stands in a file. */
enum form {
    NONE,
    PLAIN,     /* number; unlimited = -1 (v1) or max (v2) */
    QUOTA,     /* millicores as us of PERIOD_US: a file of its own (v1), or "quota period" (v2) */
    SHARES,    /* weight * 1024 / 100 */
    NANO,      /* ns -> us */
    USAGE_KEY, /* line "usage_usec N" */
    OOM_KEY,   /* line "oom_kill N" */
    DEVICE,    /* "maj:min N", 0 lifts (v1); "maj:min KEY=N" (v2) */
};

struct row {
    const char *v1_controller, *v1_file;
    enum form v1;
    const char *v2_controller, *v2_file;
    enum form v2;
    const char *io_key;
};

static const struct row rows[SYS_CG__COUNT] = {
    [SYS_CG_MEMORY_BYTES] = {"memory", "memory.limit_in_bytes", PLAIN, "memory", "memory.max",
                             PLAIN, NULL},
    [SYS_CG_SWAP_BYTES] = {"memory", "memory.memsw.limit_in_bytes", PLAIN, "memory",
                           "memory.swap.max", PLAIN, NULL},
    [SYS_CG_PIDS] = {"pids", "pids.max", PLAIN, "pids", "pids.max", PLAIN, NULL},
    [SYS_CG_CPU_MILLICORES] = {"cpu", "cpu.cfs_quota_us", QUOTA, "cpu", "cpu.max", QUOTA, NULL},
    [SYS_CG_CPU_WEIGHT] = {"cpu", "cpu.shares", SHARES, "cpu", "cpu.weight", PLAIN, NULL},
    [SYS_CG_IO_READ_BYTES_PER_S] = {"blkio", "blkio.throttle.read_bps_device", DEVICE, "io",
                                    "io.max", DEVICE, "rbps"},
    [SYS_CG_IO_WRITE_BYTES_PER_S] = {"blkio", "blkio.throttle.write_bps_device", DEVICE, "io",
                                     "io.max", DEVICE, "wbps"},
    [SYS_CG_IO_READ_IOPS] = {"blkio", "blkio.throttle.read_iops_device", DEVICE, "io", "io.max",
                             DEVICE, "riops"},
    [SYS_CG_IO_WRITE_IOPS] = {"blkio", "blkio.throttle.write_iops_device", DEVICE, "io", "io.max",
                              DEVICE, "wiops"},
    [SYS_CG_MEMORY_USED_BYTES] = {"memory", "memory.usage_in_bytes", PLAIN, "memory",
                                  "memory.current", PLAIN, NULL},
    [SYS_CG_CPU_USED_US] = {"cpuacct", "cpuacct.usage", NANO, "cpu", "cpu.stat", USAGE_KEY, NULL},
    [SYS_CG_PIDS_USED] = {"pids", "pids.current", PLAIN, "pids", "pids.current", PLAIN, NULL},
    [SYS_CG_OOM_KILLS] = {"memory", "memory.oom_control", OOM_KEY, "memory", "memory.events",
                          OOM_KEY, NULL},
};

/* One file of one group: where, and how its number stands there. */
struct place {
    int fd;
    bool v2;
    enum form form;
    const struct row *row;
    char path[SYS_CGROUP_PATH_MAX];
};

static int find_file(struct sys *s, const char *group, const char *controllers[2],
                     const char *files[2], struct place *ret, struct bt_err *err)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    const struct sys_cgroup_hier *h = sys_cgroup_find(t, controllers[0]);
    if (!h || h->v2)
        h = sys_cgroup_find(t, controllers[1]);
    if (!h)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "no cgroup controller %s", controllers[0]);
    ret->fd = h->fd;
    ret->v2 = h->v2;
    return sys_cgroup_path(t, group, files[h->v2], ret->path, err);
}

static int find_place(struct sys *s, const char *group, enum sys_cgroup_key key, struct place *ret,
                      struct bt_err *err)
{
    const struct row *row = &rows[key];
    const char *controllers[2] = {row->v1_controller, row->v2_controller};
    const char *files[2] = {row->v1_file, row->v2_file};
    int rc = find_file(s, group, controllers, files, ret, err);
    if (rc < 0)
        return rc;
    ret->row = row;
    ret->form = ret->v2 ? row->v2 : row->v1;
    return 0;
}

static int read_text(const struct place *p, struct bt_buf *ret, struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    int rc = bt_read_file(p->fd, p->path, 65536, ret, &why);
    /* The group is there, the file is not: built without it (swap accounting, cpuset). */
    if (rc == -BT_E_NOT_FOUND)
        return bt_fail(err, BT_E_NOT_FOUND, "cgroup has no %.200s", p->path);
    return rc < 0 ? bt_fail(err, why.code, "%s", why.msg) : 0;
}

static int write_text(const struct place *p, const char *text, struct bt_err *err)
{
    return bt_write_kernel_file(p->fd, p->path, text, err);
}

static void format(const struct place *p, int64_t value, char *dst, size_t size)
{
    const char *unlimited = p->v2 || p->row == &rows[SYS_CG_PIDS] ? "max" : "-1";
    bool none = value == SYS_CGROUP_UNLIMITED;
    switch (p->form) {
    case QUOTA: {
        char quota[24];
        int64_t us = none ? 0 : value / 1000 * PERIOD_US + value % 1000 * PERIOD_US / 1000;
        (void)snprintf(quota, sizeof quota, "%" PRId64, us);
        (void)snprintf(dst, size, p->v2 ? "%s %d" : "%s", none ? unlimited : quota, PERIOD_US);
        return;
    }
    case SHARES:
        (void)snprintf(dst, size, "%" PRId64, none ? 1024 : value * 1024 / 100);
        return;
    case PLAIN:
    case NONE:
    case NANO:
    case USAGE_KEY:
    case OOM_KEY:
    case DEVICE:
        if (none)
            (void)snprintf(dst, size, "%s", unlimited);
        else
            (void)snprintf(dst, size, "%" PRId64, value);
    }
}

/* The number at the start of @text; max, -1, and v1's rounded-down "no limit" are unlimited. */
static int64_t number(const char *text)
{
    char digits[24];
    int64_t v = 0;
    size_t n = strspn(text, "0123456789");
    (void)snprintf(digits, sizeof digits, "%.*s", (int)n, text);
    if (n == 0 || bt_parse_i64(digits, 0, INT64_MAX, &v, NULL) < 0 || v > INT64_MAX - 65536)
        return SYS_CGROUP_UNLIMITED;
    return v;
}

/* The number behind "@key@sep" at the start of a line or behind a blank; -1 = not there. */
static int64_t keyed(const char *text, const char *key, char sep)
{
    size_t len = strlen(key);
    for (const char *at = strstr(text, key); at; at = strstr(at + 1, key)) {
        if ((at == text || at[-1] == '\n' || at[-1] == ' ') && at[len] == sep)
            return number(at + len + 1);
    }
    return -1;
}

static int64_t parse(const struct place *p, const char *text)
{
    int64_t v = 0;
    switch (p->form) {
    case QUOTA:
        v = number(text);
        return v == SYS_CGROUP_UNLIMITED ? v : v * 1000 / PERIOD_US;
    case SHARES:
        return (number(text) * 100 + 512) / 1024;
    case NANO:
        return number(text) / 1000;
    case USAGE_KEY:
        v = keyed(text, "usage_usec", ' ');
        return v < 0 ? 0 : v;
    case OOM_KEY:
        v = keyed(text, "oom_kill", ' ');
        return v < 0 ? 0 : v;
    case PLAIN:
    case NONE:
    case DEVICE:
        return number(text);
    }
    return 0;
}

static int get_place(const struct place *p, int64_t *ret, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    int rc = read_text(p, &b, err);
    if (rc == 0)
        *ret = parse(p, b.data);
    return rc;
}

static int set_place(const struct place *p, int64_t value, struct bt_err *err)
{
    char text[64];
    format(p, value, text, sizeof text);
    return write_text(p, text, err);
}

/* ---- v1: memsw is memory and swap together, and never less than memory ---- */

struct memory_v1 {
    struct place mem, both;
    int64_t mem_now, both_now;
    bool has_both;
};

static int64_t sum(int64_t a, int64_t b)
{
    return a > SYS_CGROUP_UNLIMITED - b ? SYS_CGROUP_UNLIMITED : a + b;
}

static int read_v1(struct sys *s, const char *group, struct memory_v1 *ret, struct bt_err *err)
{
    int rc = find_place(s, group, SYS_CG_MEMORY_BYTES, &ret->mem, err);
    if (rc == 0)
        rc = find_place(s, group, SYS_CG_SWAP_BYTES, &ret->both, err);
    if (rc == 0)
        rc = get_place(&ret->mem, &ret->mem_now, err);
    if (rc < 0)
        return rc;
    ret->has_both = get_place(&ret->both, &ret->both_now, NULL) == 0;
    return 0;
}

static int64_t swap_of(const struct memory_v1 *m)
{
    if (m->both_now == SYS_CGROUP_UNLIMITED || m->mem_now == SYS_CGROUP_UNLIMITED)
        return SYS_CGROUP_UNLIMITED;
    return m->both_now - m->mem_now;
}

/* Write both in the order that never has memsw below memory. */
static int write_v1(const struct memory_v1 *m, int64_t mem, int64_t both, struct bt_err *err)
{
    bool both_first = m->has_both && both > m->both_now;
    int rc = 0;
    if (both_first)
        rc = set_place(&m->both, both, err);
    if (rc == 0)
        rc = set_place(&m->mem, mem, err);
    if (rc == 0 && m->has_both && !both_first)
        rc = set_place(&m->both, both, err);
    return rc;
}

static int set_memory_v1(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t value,
                         struct bt_err *err)
{
    struct memory_v1 m = {0};
    int rc = read_v1(s, group, &m, err);
    if (rc < 0)
        return rc;
    if (key == SYS_CG_MEMORY_BYTES)
        return write_v1(&m, value, m.has_both ? sum(value, swap_of(&m)) : 0, err);
    if (!m.has_both)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "no swap accounting");
    return set_place(&m.both, sum(m.mem_now, value), err);
}

static bool is_memory(enum sys_cgroup_key key)
{
    return key == SYS_CG_MEMORY_BYTES || key == SYS_CG_SWAP_BYTES;
}

/* ---- the operations ---- */

int sys_real_cgroup_set(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t value,
                        struct bt_err *err)
{
    struct place p;
    int rc = find_place(s, group, key, &p, err);
    if (rc < 0)
        return rc;
    if (p.form == DEVICE || key >= SYS_CG_MEMORY_USED_BYTES)
        return bt_fail(err, BT_E_INTERNAL, "%s is not set this way", p.path);
    if (is_memory(key) && !p.v2)
        return set_memory_v1(s, group, key, value, err);
    return set_place(&p, value, err);
}

int sys_real_cgroup_get(struct sys *s, const char *group, enum sys_cgroup_key key, int64_t *ret,
                        struct bt_err *err)
{
    struct place p;
    int rc = find_place(s, group, key, &p, err);
    if (rc < 0)
        return rc;
    if (key != SYS_CG_SWAP_BYTES || p.v2)
        return get_place(&p, ret, err);
    struct memory_v1 m = {0};
    rc = read_v1(s, group, &m, err);
    if (rc == 0 && !m.has_both)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "no swap accounting");
    if (rc == 0)
        *ret = swap_of(&m);
    return rc;
}

int sys_real_cgroup_set_io(struct sys *s, const char *group, const struct sys_cgroup_io *io,
                           struct bt_err *err)
{
    struct place p;
    char number_text[24];
    char text[96];
    bool none = io->value == SYS_CGROUP_UNLIMITED;
    int rc = find_place(s, group, io->key, &p, err);
    if (rc < 0)
        return rc;
    (void)snprintf(number_text, sizeof number_text, "%" PRId64, io->value);
    if (none)
        (void)snprintf(number_text, sizeof number_text, "%s", p.v2 ? "max" : "0");
    (void)snprintf(text, sizeof text, "%u:%u %s%s%s", major(io->dev), minor(io->dev),
                   p.v2 ? p.row->io_key : "", p.v2 ? "=" : "", number_text);
    return write_text(&p, text, err);
}

int sys_real_cgroup_get_io(struct sys *s, const char *group, struct sys_cgroup_io *io,
                           struct bt_err *err)
{
    struct place p;
    char dev[32];
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    int rc = find_place(s, group, io->key, &p, err);
    if (rc == 0)
        rc = read_text(&p, &b, err);
    if (rc < 0)
        return rc;
    (void)snprintf(dev, sizeof dev, "%u:%u", major(io->dev), minor(io->dev));
    int64_t found = -1;
    for (char *line = b.data, *next = NULL; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        size_t n = strlen(dev);
        if (strncmp(line, dev, n) == 0 && line[n] == ' ')
            found = p.v2 ? keyed(line, p.row->io_key, '=') : number(line + n + 1);
    }
    io->value = found < 0 ? SYS_CGROUP_UNLIMITED : found;
    return 0;
}

static int find_cpuset(struct sys *s, const char *group, const char *const files[2],
                       struct place *ret, struct bt_err *err)
{
    const char *controllers[2] = {"cpuset", "cpuset"};
    const char *both[2] = {files[0], files[1]};
    return find_file(s, group, controllers, both, ret, err);
}

/* In v1 a group's cores include its children's, so these shrink first and grow last; v2 cuts to
 * what is there by itself. */
static int set_cpus_v1(const struct place *p, const struct sys_cgroup_hier *h, const char *cpus,
                       struct bt_err *err)
{
    const char *const file_and_text[2] = {"cpuset.cpus", cpus};
    char group[SYS_CGROUP_PATH_MAX];
    (void)snprintf(group, sizeof group, "%.*s", (int)(strrchr(p->path, '/') - p->path), p->path);
    if (write_text(p, cpus, NULL) < 0) {
        sys_cgroup_write_below(h, group, file_and_text, true);
        int rc = write_text(p, cpus, err);
        if (rc < 0)
            return rc;
    }
    sys_cgroup_write_below(h, group, file_and_text, false);
    return 0;
}

int sys_real_cgroup_set_cpus(struct sys *s, const char *group, const char *cpus, struct bt_err *err)
{
    static const char *const files[2] = {"cpuset.cpus", "cpuset.cpus"};
    struct place p;
    int rc = find_cpuset(s, group, files, &p, err);
    if (rc < 0)
        return rc;
    if (!p.v2)
        return set_cpus_v1(&p, sys_cgroup_find(sys_real_of(s)->cgroups, "cpuset"), cpus, err);
    return write_text(&p, cpus, err);
}

int sys_real_cgroup_get_cpus(struct sys *s, const char *group, char ret[256], struct bt_err *err)
{
    static const char *const files[2] = {"cpuset.effective_cpus", "cpuset.cpus.effective"};
    struct place p;
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    int rc = find_cpuset(s, group, files, &p, err);
    if (rc == 0)
        rc = read_text(&p, &b, err);
    if (rc < 0)
        return rc;
    b.data[strcspn(b.data, "\n")] = '\0';
    (void)bt_strcpy(ret, 256, b.data);
    return 0;
}
