/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/host_conf.h"

#include <stddef.h>
#include <string.h>

#include "common/log/log.h"

#define IDS_EACH 65536
#define IDS_MAX 4294967295LL

static const char *const sysctls_names[] = {"set", "check", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

#define OPT(k, t, ...)                                                                             \
    {                                                                                              \
        .key = #k, .type = t, .off = offsetof(struct host_conf, k), __VA_ARGS__                    \
    }
#define TEXT(k, d, h) OPT(k, BT_OPT_STR, .def = d, .optional = (d) == NULL, .help = h)
#define PATH(k, d, h) OPT(k, BT_OPT_PATH, .def = d, .help = h)
#define NUMBER(k, d, lo, hi, h) OPT(k, BT_OPT_INT, .def = d, .min = lo, .max = hi, .help = h)
#define BYTES(k, d, h) OPT(k, BT_OPT_SIZE, .def = d, .min = 0, .max = INT64_MAX, .help = h)
#define TIME(k, d, lo, h) OPT(k, BT_OPT_DURATION, .def = d, .min = lo, .max = INT64_MAX, .help = h)

const struct bt_opt host_conf_opts[] = {
    TEXT(name, NULL, "name of the host that a join asks for"),
    TEXT(controller, NULL, "wss://HOST:8444/agent/v1; a join writes it into the state directory"),
    PATH(state_dir, "/var/lib/berth-agent", "journal, certificate, images, disks"),
    PATH(run_dir, "/run/berth-agent", "sockets and locks; empty after a boot"),
    PATH(helper_dir, "/usr/libexec/berth", "berth-container, berth-unpack"),
    NUMBER(id_base, "1000000", IDS_EACH, IDS_MAX, "first host id of instances"),
    NUMBER(id_count, "655360000", IDS_EACH, IDS_MAX, "how many; 65,536 an instance"),
    TEXT(cgroup_parent, "berth-instances",
         "control group of all instances, below the agent's root"),
    TEXT(uplink, NULL, "device towards the outside; default: that of the default route"),
    NUMBER(capacity_cpus, "0", 0, 65536, "cores that the host is said to have; 0 = all it has"),
    BYTES(capacity_memory, "0", "memory that the host is said to have; 0 = all it has"),
    BYTES(capacity_disk, "0", "disk that the host is said to have; 0 = the state directory's"),
    OPT(sysctls, BT_OPT_ENUM, .def = "set", .names = sysctls_names,
        .help = "set kernel settings of the machine, or only check them"),
    NUMBER(brake_deletes, "10", 1, 1000000, "deletes in a window that need no confirmation"),
    NUMBER(brake_delete_pct, "10", 0, 100, "or so many hundredths of the instances, if more"),
    NUMBER(brake_purges, "3", 1, 1000000, "purges in a window that need no confirmation"),
    NUMBER(brake_purge_pct, "5", 0, 100, "or so many hundredths of the instances, if more"),
    TIME(brake_window, "10m", 1000, "the window of the destroy brake"),
    TIME(trash_time, "7d", 0, "shortest stay of a deleted instance in the trash"),
    OPT(log_level, BT_OPT_ENUM, .def = "info", .names = level_names, .help = "what is logged"),
    OPT(driver_fake, BT_OPT_BOOL, .def = "no",
        .help = "instances are made up: for suites that need none"),
    {.key = NULL}};

static int check(const struct host_conf *c, struct bt_err *err)
{
    if (c->id_base + c->id_count - 1 > IDS_MAX)
        return bt_fail(err, BT_E_INVALID, "id_base + id_count is beyond the last host id");
    if (c->cgroup_parent[0] == '/' || strstr(c->cgroup_parent, ".."))
        return bt_fail(err, BT_E_INVALID, "cgroup_parent is a relative path without \"..\"");
    if (c->controller && strncmp(c->controller, "wss://", 6) != 0)
        return bt_fail(err, BT_E_INVALID, "controller is not a wss:// address");
    return 0;
}

int host_conf_load(const char *path, struct host_conf *ret, struct bt_err *err)
{
    struct host_conf c = {0};
    int rc = bt_conf_load(host_conf_opts, &c, path, NULL, err);
    if (rc < 0)
        return rc;
    rc = check(&c, err);
    if (rc < 0) {
        host_conf_free(&c);
        return bt_wrap(err, "%s", path ? path : "defaults");
    }
    *ret = c;
    return 0;
}

void host_conf_free(struct host_conf *c)
{
    bt_conf_free(host_conf_opts, c);
    memset(c, 0, sizeof *c);
}
