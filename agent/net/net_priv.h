/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/net/net.h"
#include "common/base/list.h"

/*
 * The words of this folder: a grant is one address (or v6 prefix of whole bytes) that a MAC may use
 * at a port; want = all that the kernel shall have for a port, computed from its spec; port = all
 * that the kernel has, or may have after a failure.
 */
#define NET_TABLE "berth"
#define NET_PORT_PREFIX "bt"
#define NET_PEER_PREFIX "bp"
#define NET_COUNTER_MAX 16
/* A removed pair waits this long for others to be deleted with it. */
#define NET_TRASH_DELAY_MS 500
#define NET_CHANGE_BATCH 64

struct net_grant {
    unsigned char mac[SYS_MAC_LEN]; /* zero: not known */
    struct bt_ip ip;                /* bits behind the prefix are 0; family 0: the MAC alone */
    int prefix;                     /* 32, or 64 to 128 in steps of 8 */
};

struct net_want {
    char port[BT_PORT_LEN + 1], peer[BT_PORT_LEN + 1], bridge[SYS_IFNAME_MAX];
    unsigned char mac[SYS_MAC_LEN], host_mac[SYS_MAC_LEN];
    uint32_t mtu;
    struct sys_rows grants;   /* struct net_grant */
    struct sys_rows neighs;   /* struct sys_neigh */
    struct sys_rows routes;   /* struct sys_route */
    struct sys_rows gateways; /* struct sys_addr of the bridge */
};

struct net_port {
    char name[BT_PORT_LEN + 1];
    int bridge; /* number, -1 = none yet */
    struct sys_rows grants, neighs, routes;
};

struct net_change;

struct net {
    struct sys *sys;
    char *prefix, *mgmt;
    struct sys_rows denied;   /* struct bt_cidr */
    struct sys_rows gateways; /* struct bt_ip */
    bool sysctls_check;
    char *rules, version[20];
    struct bt_map ports; /* name -> struct net_port, owned */
    int bridge_ports[NET_BRIDGES_MAX];
    bool bridge_made[NET_BRIDGES_MAX];
    /* changes of sets: one transaction runs, the others wait and go together */
    struct bt_list changes;
    struct net_change_run *change_run;
    /* removed pairs */
    struct bt_timer trash_timer;
    struct net_trash *trash_op;
    bool trash_again;
    /* operations in flight; a network that is freed meanwhile goes with the last of them */
    size_t users;
    bool closing;
};

/* ---- net_want.c ---- */

/** Is @name one of our ports ("bt" + 12 base32 characters + digit)? */
bool net_is_port(const char *name);

/** Name of the counter of @port towards ('i') or from ('o') the instance. */
void net_counter_name(const char *port, char direction, char dst[NET_COUNTER_MAX]);

/** Port of the counter @name, and its direction; false when it is not one of ours. */
bool net_counter_port(const char *name, char ret_port[BT_PORT_LEN + 1], char *ret_direction);

/** All that @spec needs on @bridge. Errors: INVALID. Freed with net_want_fini. */
int net_want_init(struct net_want *w, const struct net_port_spec *spec, const char *bridge,
                  struct bt_err *err);

/** Free the rows. */
void net_want_fini(struct net_want *w);

/** Set elements of grants at @port into rows of struct sys_nft_elem: guard, and maps of counters.
 */
void net_elems(const char *port, const struct sys_rows *grants, struct sys_rows *ret);

/** As net_elems, without the maps of counters. */
void net_guard_elems(const char *port, const struct sys_rows *grants, struct sys_rows *ret);

/** Name of bridge number @n. */
void net_bridge_name(const char *prefix, int n, char dst[SYS_IFNAME_MAX]);

/** Number of the bridge @name, -1 = not ours. */
int net_bridge_number(const char *prefix, const char *name);

/* ---- net_row.c: rows as sets ---- */

/** Is an equal row in @rows? Rows are compared bytewise; they are zeroed before they are filled. */
bool net_rows_has(const struct sys_rows *rows, const void *row, size_t size);

/** Add @row unless an equal one is there. */
void net_rows_add(struct sys_rows *rows, const void *row, size_t size);

/** Add all of @from. */
void net_rows_join(struct sys_rows *rows, const struct sys_rows *from, size_t size);

/** Rows of @a that are not in @b. */
void net_rows_minus(const struct sys_rows *a, const struct sys_rows *b, size_t size,
                    struct sys_rows *ret);

/** A copy. */
void net_rows_copy(const struct sys_rows *from, size_t size, struct sys_rows *ret);

/* ---- net_rules.c ---- */

/* v6 prefix lengths that have a set of their own, shortest first; ends with 0. */
extern const int net_v6_lens[];

/** Name of the guard's set, or of a map of counters ("cin", "cout"), for v6 prefixes of @len
 * bits; static. NULL = no such length. */
const char *net_set_v6(const char *which, int len);

/** Text that loads both tables, without the version marks; caller frees. */
char *net_rules_text(const struct net *net);

/** Short hash of the rules' text: names the mark (an empty chain "v_HASH"). */
void net_rules_version(const char *text, char dst[20]);

/** Is the marked version loaded in both tables? nft thread. */
int net_rules_loaded(struct sys *s, const char *version, bool *ret, struct bt_err *err);

/** Load the rules unless the marked version is there, keeping elements and counters. nft thread. */
int net_rules_ensure(struct sys *s, const char *text, const char *version, struct bt_err *err);

/** Read every element of every set and map of ours: rows of struct sys_nft_elem. nft thread. */
int net_rules_elems(struct sys *s, struct sys_rows *ret, struct bt_err *err);

/* ---- net_kernel.c: what runs on the link thread ---- */

struct net_bridge_want {
    char name[SYS_IFNAME_MAX];
    struct sys_rows gateways; /* struct bt_ip */
};

/** Make or mend a bridge with its sysctls and gateway addresses. */
int net_kernel_bridge(struct sys *s, const struct net_bridge_want *b, struct bt_err *err);

/** Sysctls of the host: set, or compare. */
int net_kernel_sysctls(struct sys *s, bool check, struct bt_err *err);

/** The pair, its bridge port, entries, neighbours and routes, then up. */
int net_kernel_open(struct sys *s, const struct net_want *w, struct bt_err *err);

/* What to take away around an open port, or of a removed one. */
struct net_stale {
    struct sys_rows fdbs, neighs, routes;
};

/** Remove entries; absent ones are fine. */
int net_kernel_stale(struct sys *s, const struct net_stale *stale, struct bt_err *err);

/** Free the rows. */
void net_stale_fini(struct net_stale *stale);

/** Sysctls that differ from what is wanted, as rows of struct net_finding. Any thread. */
int net_kernel_sysctl_findings(struct sys *s, struct sys_rows *ret, struct bt_err *err);

/* ---- net_change.c ---- */

/* A change of sets that waits for its turn; the struct stays until done. */
struct net_change {
    struct sys_rows del, add;        /* struct sys_nft_elem */
    char port[BT_PORT_LEN + 1];      /* whose counters */
    bool counters_add, counters_del; /* del: after the last values were read into traffic */
    void (*done)(struct net_change *c, int rc, const struct bt_err *err);
    /* results, ours */
    struct net_traffic traffic;
    struct bt_list link;
    int rc;
    struct bt_err err;
};

/** End every change that waits, with CANCELLED (the network closes). */
void net_change_cancel(struct net *net);

/** Queue a change; its rows stay its own. */
void net_change_start(struct net *net, struct net_change *c);

/** Free the rows. */
void net_change_fini(struct net_change *c);

/* ---- net.c ---- */

/** The port of this name, made when unknown. */
struct net_port *net_port_get(struct net *net, const char *name);

/** Forget a port: nothing of it is in the kernel. */
void net_port_forget(struct net *net, const char *name);

/** Put the port on bridge @n (-1 = none), counting. */
void net_port_place(struct net *net, struct net_port *p, int n);

/** The first bridge with room. Errors: NO_CAPACITY. */
int net_bridge_pick(const struct net *net, int *ret, struct bt_err *err);

/** An operation begins. */
void net_use(struct net *net);

/** It has ended; its owner was told unless net->closing. @net may be gone afterwards. */
void net_unuse(struct net *net);

/** Delete removed pairs soon, together. */
void net_trash_soon(struct net *net);
