/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/host/host_conf.h"
#include "agent/sys/sys.h"
#include "proto/link.h"

/*
 * Kernel settings that are a wall between instances and the host (the network's own are
 * agent/net's). Sources: Documentation/admin-guide/sysctl/kernel.rst;
 * docs/decisions/0034-host-sysctls.md.
 */

/** Set what differs (@how = set), or fail with all that differ (@how = check: PRECONDITION).
 * Errors: PRECONDITION, KERNEL. */
int host_sysctl_apply(struct sys *sys, int64_t how, struct bt_err *err);

/** Add a finding for each that differs. */
void host_sysctl_check(struct sys *sys, struct link_doctor *out);
