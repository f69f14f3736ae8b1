/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net.h"
#include "agent/sys/sys_record.h"
#include "common/base/mem.h"

#include <cmocka.h>

/* A network on the recording fake and a virtual clock. */
struct lib_net {
    struct bt_loop *loop;
    struct sys *sys;
    struct net *net;
};

/* What an asynchronous call ended with. */
struct lib_end {
    bool over;
    int rc;
    struct bt_err err;
    struct net_traffic traffic;
};

void lib_net_open(struct lib_net *n);
void lib_net_close(struct lib_net *n);

/* The agent dies and starts again: another struct net on the same machine. */
void lib_net_restart(struct lib_net *n);

/* Run until nothing is left to do but removing pairs later. */
void lib_net_settle(struct lib_net *n);

/* Run until the removed pairs are deleted too. */
void lib_net_settle_all(struct lib_net *n);

struct lib_end lib_net_setup(struct lib_net *n);
struct lib_end lib_net_ensure(struct lib_net *n, const struct net_port_spec *spec);
struct lib_end lib_net_cut(struct lib_net *n, const struct net_port_spec *spec);
struct lib_end lib_net_remove(struct lib_net *n, const struct net_port_spec *spec);

/* Number of findings, printed; the rest is freed. */
size_t lib_net_check(struct lib_net *n, const struct net_port_spec *specs, size_t n_specs);

/* Port number @i: its own uuid, MAC, one v4 and one v6 /64. */
struct net_port_spec lib_net_spec(int i);

/* Add "ADDRESS/LEN" with a gateway ("" = none). */
void lib_net_add(struct net_port_spec *s, const char *address, int prefix, const char *gateway);

/* Compare with tests/unit/agent/net/golden/NAME; with BERTH_GOLDEN_WRITE set, write it. */
void lib_net_golden(const char *name, const char *text);
