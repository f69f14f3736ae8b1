/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys.h"

struct sys_real_config {
    const char *cgroup_parent; /* "berth-instances": below the agent's own cgroup root */
};

/** The machine's kernel; starts the queues. NULL + err when it refuses (KERNEL). Loop thread. */
struct sys *sys_real_new(struct bt_loop *loop, const struct sys_real_config *config,
                         struct bt_err *err);

/** End the queues (what waits is cancelled, what runs is waited for) and free. NULL is fine. */
void sys_real_free(struct sys *s);
