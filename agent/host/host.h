/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "agent/host/host_conf.h"
#include "agent/sys/sys.h"
#include "common/loop/loop.h"
#include "proto/link.h"

/*
 * The machine as the controller sees it: what it has (or is said to have, agent.conf capacity_*),
 * what is used, and the kernel settings that every host needs. Loop thread.
 */
struct host;

struct host_config {
    struct sys *sys; /* NULL: only what @conf says (simulations) */
    const struct host_conf *conf;
    const char *boot_id; /* NULL = the machine's */
    const char *proc;    /* "/proc"; tests point it elsewhere. NULL = "/proc" */
};

/** Read the facts of the machine once. Errors: KERNEL. */
int host_new(const struct host_config *cfg, struct host **ret, struct bt_err *err);

/** NULL is fine. */
void host_free(struct host *h);

/** Boot id of the machine; lives as long as @h. */
const char *host_boot_id(const struct host *h);

/** Facts for hello, without drivers and features; free with link_host_schema. */
void host_facts(struct host *h, struct link_host *ret);

/** Figures for renew, without the number of instances. */
void host_figures(struct host *h, struct link_renew *ret);
