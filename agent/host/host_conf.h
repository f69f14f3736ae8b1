/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/conf/conf.h"

/* agent.conf: facts and safety of this host, out of the controller's reach. */
enum host_sysctls { HOST_SYSCTLS_SET, HOST_SYSCTLS_CHECK };

struct host_conf {
    char *name;       /* told at a join; NULL = the token's */
    char *controller; /* wss://HOST:8444/agent/v1; NULL = what the join wrote down */
    char *state_dir, *run_dir, *helper_dir;
    int64_t id_base, id_count;
    char *cgroup_parent;
    char *uplink; /* device towards the outside, NULL = the one of the default route */
    int64_t capacity_cpus, capacity_memory, capacity_disk; /* 0 = what the machine has */
    int64_t sysctls;                                       /* enum host_sysctls */
    int64_t brake_deletes, brake_delete_pct, brake_purges, brake_purge_pct;
    int64_t brake_window, trash_time; /* ms */
    int64_t log_level;                /* enum bt_level */
    bool driver_fake; /* every driver is the fake one: suites without real instances */
};

extern const struct bt_opt host_conf_opts[];

/** Read agent.conf at @path (NULL = defaults) and check what a table cannot. Errors: INVALID with
 * the line, NOT_FOUND. Free with host_conf_free. */
int host_conf_load(const char *path, struct host_conf *ret, struct bt_err *err);

/** Free what @c owns and zero it. */
void host_conf_free(struct host_conf *c);
