/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "common/base/err.h"

/*
 * /proc/sys through a descriptor that was checked to be procfs. Keys are paths
 * ("net/ipv4/ip_forward"); net/ keys are those of the process's own network namespace. Any thread.
 */
struct sys;

#define SYS_SYSCTL_MAX 64

struct sys_sysctl_ops {
    /** Value without the newline into @ret. Errors: NOT_FOUND, KERNEL. */
    int (*read)(struct sys *s, const char *key, char ret[SYS_SYSCTL_MAX], struct bt_err *err);
    /** Write unless it reads the same already. Errors: NOT_FOUND, DENIED, KERNEL. */
    int (*ensure)(struct sys *s, const char *key, const char *value, struct bt_err *err);
};
