/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sys/sys.h"
#include "common/base/id.h"
#include "common/base/ip.h"
#include "common/base/map.h"
#include "proto/spec.h"

/*
 * The host's network: bridges of at most NET_PORTS_PER_BRIDGE isolated ports, the guard and the
 * policy tables, and the ports of instances (docs/decisions/0020-ports-and-guard.md). Everything is
 * asynchronous and idempotent; names come from the uuid, so that a run after a crash finds what is
 * there. Operations of one port must not overlap (the job engine sees to it); those of different
 * ports may. Loop thread.
 */
struct net;

#define NET_PORTS_PER_BRIDGE 250
#define NET_BRIDGES_MAX 64
#define NET_ADDRESSES_MAX 16
/* The same on every host, so that a guest's neighbour entry survives a move. */
#define NET_BRIDGE_MAC "\x02\x62\x74\x00\x00\x01"

struct net_config {
    const char *bridge_prefix;    /* "berth": berth0, berth1, ...; all links so named are ours */
    const char *mgmt;             /* device that instances never reach, NULL = none apart */
    const struct bt_cidr *denied; /* destinations that instances never reach (controller, agents) */
    size_t n_denied;
    const struct bt_ip *gateways; /* v4 gateways of the pools, on every bridge from the start */
    size_t n_gateways;
    bool sysctls_check; /* true: compare and fail; false: set (agent.conf `sysctls`) */
};

/** A network that knows nothing yet; everything in @config is copied. Call net_setup_start next. */
struct net *net_new(struct sys *sys, const struct net_config *config);

/**
 * Free. Operations in flight end without their callbacks (their structs may go at once), at the
 * latest when the queues of @sys stop: free the network first. The kernel keeps what it has. NULL
 * is fine.
 */
void net_free(struct net *net);

struct net_setup {
    void (*done)(struct net_setup *setup, int rc, const struct bt_err *err);
    void *owner;
    void *impl;
};

/**
 * Sysctls, bridges, tables; then learn the ports, elements and routes that the kernel has. What is
 * right stays untouched: elements and counters always, rules unless their version differs. To be
 * called at the agent's start before any other operation. Errors: KERNEL, PRECONDITION (a sysctl
 * differs and sysctls = check; the message names all of them).
 */
void net_setup_start(struct net *net, struct net_setup *setup);

struct net_address {
    struct bt_ip ip;      /* v4 address, or first address of the v6 prefix (PREFIX::1) */
    int prefix;           /* v4: the pool's; v6: 64..128, the prefix is the instance's own */
    struct bt_ip gateway; /* v4: in-prefix; v6: fe80::1 */
};

struct net_port_spec {
    char uuid[BT_UUID_LEN + 1];
    int nic; /* 0..9 */
    unsigned char mac[SYS_MAC_LEN];
    struct net_address addrs[NET_ADDRESSES_MAX];
    size_t n_addrs;
    uint32_t mtu; /* 0 = 1500 */
};

/** NIC @nic of an instance as a port. Errors: INVALID, NOT_FOUND (no such NIC). */
int net_port_spec_from(const struct instance_spec *spec, int nic, struct net_port_spec *ret,
                       struct bt_err *err);

/** Name of the guest's end while it is in the host ("bp" + the rest of the port's name). */
void net_peer_name(const char *uuid, int nic, char dst[BT_PORT_LEN + 1]);

struct net_traffic {
    uint64_t in_bytes, out_bytes, in_packets, out_packets; /* in = towards the instance; L3 bytes */
};

struct net_port_op {
    struct net_port_spec spec; /* cut, remove: uuid and nic count */
    void (*done)(struct net_port_op *op, int rc, const struct bt_err *err);
    void *owner;
    /* results */
    char port[BT_PORT_LEN + 1], peer[BT_PORT_LEN + 1];
    struct net_traffic traffic; /* remove: last value of the counters that were removed */
    void *impl;
};

/**
 * Open the port: guard elements and counters, then the pair (made again if a guest's dead
 * namespace took it), bridge, isolation, forwarding entry, neighbours, routes, and up last. An
 * address that is no longer in the spec is closed first. After a failure call it again, or
 * net_port_remove_start. Errors: INVALID, NO_CAPACITY (64 bridges are full), KERNEL.
 */
void net_port_ensure_start(struct net *net, struct net_port_op *op);

/** Cut the port off: no element lets a frame pass, the link is down; all else stays. */
void net_port_cut_start(struct net *net, struct net_port_op *op);

/**
 * Close and remove whatever exists of the port, from any state; absent is fine. The pair itself
 * goes into the trash group and is deleted in a batch soon after. The guest must have ended.
 */
void net_port_remove_start(struct net *net, struct net_port_op *op);

/* Counters of all ports, from the kernel. */
struct net_counter {
    char port[BT_PORT_LEN + 1];
    struct net_traffic traffic;
};

struct net_counters {
    struct sys_rows rows; /* struct net_counter, by port name; the caller's to fini after done */
    void (*done)(struct net_counters *c, int rc, const struct bt_err *err);
    void *owner;
    void *impl;
};

/** Read all counters (one dump, 5 ms at 8,000). */
void net_counters_start(struct net *net, struct net_counters *c);

/* What differs between the kernel and the specs that should be open (doctor). */
struct net_finding {
    int kind; /* enum doctor_kind */
    char object[96], expected[128], found[128];
};

struct net_check {
    const struct net_port_spec *specs; /* ports that should be there; borrowed until done */
    size_t n_specs;
    struct sys_rows findings; /* struct net_finding; the caller's to fini after done */
    void (*done)(struct net_check *c, int rc, const struct bt_err *err);
    void *owner;
    void *impl;
};

/**
 * Compare links, port flags, elements, counters, forwarding entries, neighbours, routes, rules and
 * sysctls with @specs, both ways: missing, different, and ours but unknown. Changes nothing.
 */
void net_check_start(struct net *net, struct net_check *c);

/** Names of all ports that net knows (after setup and later operations): rows of char *, sorted. */
void net_ports(const struct net *net, struct sys_rows *ret);

/** Is a port of this uuid and nic known, in part or whole? */
bool net_port_known(const struct net *net, const char *uuid, int nic);
