/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define STAT_MAX (1u << 20)

struct host {
    struct sys *sys;
    int64_t capacity_cpus, capacity_memory, capacity_disk;
    char *state_dir, *stat_path;
    struct sys_machine machine;
    /* Cpu time at the last renew, for the use since. */
    int64_t busy_ticks, total_ticks;
};

int host_new(const struct host_config *cfg, struct host **ret, struct bt_err *err)
{
    struct sys_machine m = {.kernel = "none"};
    int rc = cfg->sys ? cfg->sys->proc->machine(cfg->sys, &m, err) : 0;
    if (rc < 0)
        return rc;
    struct host *h = bt_xcalloc(1, sizeof *h);
    h->sys = cfg->sys;
    h->machine = m;
    h->capacity_cpus = cfg->conf->capacity_cpus;
    h->capacity_memory = cfg->conf->capacity_memory;
    h->capacity_disk = cfg->conf->capacity_disk;
    h->state_dir = bt_xstrdup(cfg->conf->state_dir);
    h->stat_path = bt_xasprintf("%s/stat", cfg->proc ? cfg->proc : "/proc");
    if (cfg->boot_id)
        (void)bt_strcpy(h->machine.boot_id, sizeof h->machine.boot_id, cfg->boot_id);
    *ret = h;
    return 0;
}

void host_free(struct host *h)
{
    if (!h)
        return;
    free(h->state_dir);
    free(h->stat_path);
    free(h);
}

const char *host_boot_id(const struct host *h)
{
    return h->machine.boot_id;
}

static struct sys_fs_space space(struct host *h)
{
    struct sys_fs_space s = {0};
    if (h->sys)
        (void)h->sys->fs->space(h->sys, h->state_dir, &s, NULL);
    return s;
}

static const char *cgroup_name(const struct host *h)
{
    static const char *const names[] = {
        [SYS_CGROUP_V1] = "v1", [SYS_CGROUP_HYBRID] = "hybrid", [SYS_CGROUP_V2] = "v2"};
    return h->sys ? names[h->sys->cgroup->mode(h->sys)] : "none";
}

void host_facts(struct host *h, struct link_host *ret)
{
    struct sys_fs_space s = space(h);
    *ret = (struct link_host){
        .cpus = h->capacity_cpus ? h->capacity_cpus : h->machine.cpus,
        .memory_bytes = h->capacity_memory ? h->capacity_memory : h->machine.memory_bytes,
        .disk_bytes = h->capacity_disk ? h->capacity_disk : s.total_bytes,
        .disk_free_bytes = h->sys ? s.free_bytes : h->capacity_disk,
        .kernel = bt_xstrdup(h->machine.kernel),
        .cgroup = bt_xstrdup(cgroup_name(h)),
    };
}

/* First line of /proc/stat (proc_stat(5)): "cpu" user nice system idle iowait irq softirq steal;
 * what comes behind is counted in these already. */
static bool read_ticks(const struct host *h, int64_t *ret_busy, int64_t *ret_total)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(STAT_MAX);
    int64_t v[8] = {0};
    if (bt_read_file(AT_FDCWD, h->stat_path, STAT_MAX, &b, NULL) < 0 ||
        !bt_starts_with(b.data, "cpu "))
        return false;
    char *p = b.data + 4;
    for (int i = 0; i < 8; i++) {
        p += strspn(p, " ");
        size_t n = strcspn(p, " \n");
        bool last = p[n] == '\n' || p[n] == '\0';
        p[n] = '\0';
        if (bt_parse_i64(p, 0, INT64_MAX, &v[i], NULL) < 0 || (last && i < 7))
            return false;
        p += n + 1;
    }
    int64_t idle = v[3] + v[4];
    *ret_total = v[0] + v[1] + v[2] + v[5] + v[6] + v[7] + idle;
    *ret_busy = *ret_total - idle;
    return true;
}

static int64_t cpu_used_millicores(struct host *h)
{
    int64_t busy = 0;
    int64_t total = 0;
    int64_t used = 0;
    if (!read_ticks(h, &busy, &total))
        return 0;
    if (h->total_ticks && total > h->total_ticks && busy >= h->busy_ticks)
        used = (busy - h->busy_ticks) * sysconf(_SC_NPROCESSORS_ONLN) * 1000 /
               (total - h->total_ticks);
    h->busy_ticks = busy;
    h->total_ticks = total;
    return used;
}

void host_figures(struct host *h, struct link_renew *ret)
{
    *ret = (struct link_renew){0};
    if (!h->sys) {
        ret->disk_free_bytes = h->capacity_disk;
        return;
    }
    struct sys_fs_space s = space(h);
    struct sys_machine m = {0};
    if (h->sys->proc->machine(h->sys, &m, NULL) == 0)
        ret->memory_used_bytes = m.memory_bytes - m.memory_available_bytes;
    ret->disk_used_bytes = s.total_bytes - s.free_bytes;
    ret->disk_free_bytes = s.free_bytes;
    ret->cpu_used_millicores = cpu_used_millicores(h);
}
