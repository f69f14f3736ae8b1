/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sys/sys_rows.h"
#include "common/base/err.h"
#include "common/base/ip.h"

/*
 * rtnetlink(7). Every call blocks, for 30 us to some ms (a veth delete: 30 ms), and is for the link
 * queue's thread only (sys_op.h, SYS_Q_LINK). "ensure" makes what is missing, mends what differs
 * and changes nothing else; "remove" of what is not there is success. Devices are named, never
 * numbered: a name derived from a uuid survives the death of the agent, an index does not.
 */
struct sys;

#define SYS_IFNAME_MAX 16 /* with the NUL (IFNAMSIZ) */
#define SYS_MAC_LEN 6
#define SYS_MAC_STR_MAX 18

/*
 * Of a port: all of them but pause frames, which no bridge passes. Without it they are handed to
 * the host's own stack as if they came from the port's link, past every rule of the bridge.
 */
#define SYS_LINK_GROUP_FWD 0xfffdu

/* Links put into this group wait for one batched delete (docs/decisions/0022-netlink.md). */
#define SYS_LINK_GROUP_TRASH 0x62740001u

struct sys_link_port {
    bool isolated, learning, flood, mcast_flood, bcast_flood, neigh_suppress;
    uint16_t group_fwd_mask; /* frames to 01:80:c2:00:00:0X that are bridged like others, by X */
};

struct sys_link_info {
    char name[SYS_IFNAME_MAX];
    char kind[SYS_IFNAME_MAX];   /* veth, bridge, ...; "" = hardware or none */
    char master[SYS_IFNAME_MAX]; /* "" = none */
    int ifindex;
    int peer_ifindex;    /* veth: 0 = none */
    bool peer_elsewhere; /* veth: the peer is in another network namespace */
    bool up;             /* IFF_UP (administratively) */
    bool carrier;        /* IFF_LOWER_UP */
    uint32_t mtu, group;
    unsigned char mac[SYS_MAC_LEN];
    bool is_port; /* of a bridge: `port` counts */
    struct sys_link_port port;
    uint64_t rx_bytes, tx_bytes; /* shown, never billed */
};

struct sys_bridge {
    const char *name;
    unsigned char mac[SYS_MAC_LEN]; /* fixed: else it follows the lowest port */
};

/* A pair, made down, without IPv6 link-local addresses; both ends in our namespace. */
struct sys_veth {
    const char *name, *peer;
    unsigned char mac[SYS_MAC_LEN], peer_mac[SYS_MAC_LEN];
    uint32_t mtu; /* 0 = the kernel's 1500 */
};

struct sys_neigh {
    char dev[SYS_IFNAME_MAX];
    struct bt_ip ip;
    unsigned char mac[SYS_MAC_LEN];
};

struct sys_fdb {
    char dev[SYS_IFNAME_MAX]; /* the port */
    unsigned char mac[SYS_MAC_LEN];
};

struct sys_route {
    struct bt_cidr dst;
    char dev[SYS_IFNAME_MAX]; /* "" with `unreachable` */
    struct bt_ip via;         /* family 0 = directly on the link; else with the onlink flag */
    bool unreachable;
    uint32_t metric; /* 0 = the kernel's */
};

struct sys_addr {
    char dev[SYS_IFNAME_MAX];
    struct bt_ip ip;
    int prefix; /* v6 addresses are set with nodad */
};

/* eth0 of an instance, seen from inside its network namespace. */
struct sys_guest_net {
    const char *from;             /* present name in that namespace */
    const char *name;             /* wanted name; the link is renamed when they differ */
    const struct sys_addr *addrs; /* dev is ignored */
    size_t n_addrs;
    const struct sys_route *routes; /* dev is ignored */
    size_t n_routes;
};

struct sys_link_ops {
    /** One link by name. Errors: NOT_FOUND, KERNEL. */
    int (*get)(struct sys *s, const char *name, struct sys_link_info *ret, struct bt_err *err);
    /** All links of our namespace: struct sys_link_info rows. */
    int (*list)(struct sys *s, struct sys_rows *ret, struct bt_err *err);
    /** A bridge with fixed MAC, forward_delay 0, mcast_snooping 0, no STP, no link-local; up. */
    int (*bridge_ensure)(struct sys *s, const struct sys_bridge *b, struct bt_err *err);
    /**
     * The pair of these names. One that is there is kept when its peer is the named one or lives
     * in another namespace (a running guest has it); it leaves the trash group. Half a pair of
     * other make is deleted and made anew. Never brings anything up.
     */
    int (*veth_ensure)(struct sys *s, const struct sys_veth *v, struct bt_err *err);
    /**
     * Make @name a port of @master with learning and all flooding off, isolated on, and
     * SYS_LINK_GROUP_FWD: it must be down, or a port of @master already. Errors: BAD_STATE (it is
     * up elsewhere), KERNEL (EXFULL: 1023 ports).
     */
    int (*port_ensure)(struct sys *s, const char *name, const char *master, struct bt_err *err);
    /** Administrative state of a link. Errors: NOT_FOUND, KERNEL. */
    int (*set_up)(struct sys *s, const char *name, bool up, struct bt_err *err);
    /** Put a link (down) into the trash group; an absent one is fine. */
    int (*trash)(struct sys *s, const char *name, struct bt_err *err);
    /** Delete every link of the trash group in one kernel call; none is fine. */
    int (*trash_empty)(struct sys *s, struct bt_err *err);
    /** Delete one link now (30 ms); absent is fine. */
    int (*remove)(struct sys *s, const char *name, struct bt_err *err);

    /** Static entry of @f->mac at a port; one of that MAC at another port of its bridge moves. */
    int (*fdb_ensure)(struct sys *s, const struct sys_fdb *f, struct bt_err *err);
    /** Remove it; absent is fine. */
    int (*fdb_remove)(struct sys *s, const struct sys_fdb *f, struct bt_err *err);
    /** Static entries of all ports: struct sys_fdb rows. */
    int (*fdb_list)(struct sys *s, struct sys_rows *ret, struct bt_err *err);
    /** Permanent neighbour; an entry of another MAC is replaced. */
    int (*neigh_ensure)(struct sys *s, const struct sys_neigh *n, struct bt_err *err);
    /** Remove the neighbour @n->ip of @n->dev; absent is fine. */
    int (*neigh_remove)(struct sys *s, const struct sys_neigh *n, struct bt_err *err);
    /** Permanent neighbours of both families: struct sys_neigh rows. */
    int (*neigh_list)(struct sys *s, struct sys_rows *ret, struct bt_err *err);
    /** Route in the main table; another one of the same destination and metric is replaced. */
    int (*route_ensure)(struct sys *s, const struct sys_route *r, struct bt_err *err);
    /** Remove the route of this destination, device and metric; absent is fine. */
    int (*route_remove)(struct sys *s, const struct sys_route *r, struct bt_err *err);
    /** Routes of the main table, both families: struct sys_route rows. */
    int (*route_list)(struct sys *s, struct sys_rows *ret, struct bt_err *err);
    /** Address of a link. */
    int (*addr_ensure)(struct sys *s, const struct sys_addr *a, struct bt_err *err);
    /** Remove it; absent is fine. */
    int (*addr_remove)(struct sys *s, const struct sys_addr *a, struct bt_err *err);
    /** Addresses of all links, both families: struct sys_addr rows. */
    int (*addr_list)(struct sys *s, struct sys_rows *ret, struct bt_err *err);

    /**
     * In the namespace @netns_fd: rename, set addresses and routes, bring the link and lo up.
     * The descriptor stays the caller's.
     */
    int (*guest_net)(struct sys *s, int netns_fd, const struct sys_guest_net *g,
                     struct bt_err *err);
};

/** "02:00:..." into @dst; returns @dst. */
const char *sys_mac_str(const unsigned char mac[SYS_MAC_LEN], char dst[SYS_MAC_STR_MAX]);

/** Parse six lower- or upper-case hex bytes with colons; a group or all-zero address is refused.
 * Errors: INVALID. */
int sys_mac_parse(const char *s, unsigned char ret[SYS_MAC_LEN], struct bt_err *err);
