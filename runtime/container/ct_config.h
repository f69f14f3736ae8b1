/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "common/base/err.h"
#include "common/json/json.h"
#include "proto/helper_container.h"
#include "runtime/container/ct_cgroup.h"

struct ct_config_in {
    const struct helper_container_spec *spec;
    const char *uuid, *run_dir;
    const char *exe; /* of this program, for the hook of every boot */
    enum ct_cg_kind kind;
    bool devices;   /* can devices be limited by a control group? */
    bool own_nodes; /* device nodes are those of ct_mount_nodes */
};

/** Is @spec one that can be run (paths, names, ids, signals)? INVALID, MISSING_CAPABILITY. */
int ct_config_check(const struct ct_config_in *in, struct bt_err *err);

/* A device that a feature gives: its node in /dev, and below the folder of ct_mount_nodes. */
struct ct_node {
    enum feature feature;
    const char *path; /* below /dev */
    const char *name; /* without a slash */
    unsigned major, minor;
};

#define CT_NODES 2
extern const struct ct_node ct_nodes[CT_NODES];

/** Fill @ret with struct bt_pair of liblxc configuration (lxc.container.conf(5)), in order. */
void ct_config_build(const struct ct_config_in *in, struct bt_arr *ret);

/** Free what ct_config_build filled. */
void ct_config_free(struct bt_arr *items);

/** Number of a signal by name ("SIGPWR", "SIGRTMIN+3", "TERM"); 0 when there is no such. */
int ct_signal_number(const char *name);

/** Names of the groups below cgroup_parent: the instance's, and what liblxc needs for the monitor
 * while it starts and ends. Caller frees. */
char *ct_cgroup_of(const struct helper_container_place *place);

/** The group of all monitors. Caller frees. */
char *ct_cgroup_monitors(const struct helper_container_place *place);

/** The monitor's own while it starts. Caller frees. */
char *ct_cgroup_monitor(const struct helper_container_place *place);

/** Where liblxc pivots at the end. Caller frees. */
char *ct_cgroup_pivot(const struct helper_container_place *place);
