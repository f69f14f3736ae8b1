/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys_cgroup.h"
#include "agent/sys/sys_fs.h"
#include "agent/sys/sys_helper.h"
#include "agent/sys/sys_link.h"
#include "agent/sys/sys_nft.h"
#include "agent/sys/sys_op.h"
#include "agent/sys/sys_proc.h"
#include "agent/sys/sys_sysctl.h"

/*
 * The kernel and the helpers, as the agent sees them: function tables, each in its header, whose
 * first argument is this struct. Made by sys_real_new (the machine) or sys_record_new (a recording
 * fake with a small model of the machine), handed down at *_init.
 */
struct sys {
    const struct sys_link_ops *link;
    const struct sys_nft_ops *nft;
    const struct sys_sysctl_ops *sysctl;
    const struct sys_cgroup_ops *cgroup;
    const struct sys_proc_ops *proc;
    const struct sys_helper_ops *helper;
    const struct sys_fs_ops *fs;
    struct bt_loop *loop;
    struct bt_pool *pools[SYS_Q__COUNT];
    int64_t latency_ms; /* of sys_op on a virtual loop */
    void *impl;
};
