/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sys/sys_rows.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/ip.h"

/*
 * nf_tables. Rules are loaded as text by libnftables, in process (13 ms to 1 s a call, rare); set
 * elements and counters, the daily work, are raw nfnetlink transactions (well under a ms whatever
 * is loaded). All calls block and are for the nft queue's thread only (sys_op.h, SYS_Q_NFT).
 */
struct sys;

enum sys_nft_family { SYS_NFT_BRIDGE, SYS_NFT_INET };

#define SYS_NFT_KEY_MAX 64
#define SYS_NFT_NAME_MAX 32

/*
 * Key of a set element: the concatenation's fields, each padded to 4 bytes, as in the kernel's
 * registers, and the same as text for logs, golden lines and findings.
 */
struct sys_nft_key {
    unsigned char bytes[SYS_NFT_KEY_MAX];
    size_t len;
    char text[112];
};

struct sys_nft_elem {
    enum sys_nft_family family;
    const char *table, *set; /* static strings */
    struct sys_nft_key key;
    char object[SYS_NFT_NAME_MAX]; /* object maps: the counter's name; "" in plain sets */
};

struct sys_nft_counter {
    char name[SYS_NFT_NAME_MAX];
    uint64_t packets, bytes;
};

/* One transaction: all or nothing, in this order within the kernel. */
struct sys_nft_change {
    enum sys_nft_family family;      /* of the counters */
    const char *table;               /* of the counters */
    const char *const *counters_add; /* existing ones keep their values */
    size_t n_counters_add;
    const struct sys_nft_elem *del; /* absent ones are fine */
    size_t n_del;
    const struct sys_nft_elem *add; /* existing ones are fine */
    size_t n_add;
    const char *const *counters_del; /* absent ones are fine */
    size_t n_counters_del;
};

struct sys_nft_ops {
    /** Run nft(8) commands (text) as one transaction. Errors: KERNEL with nft's own words. */
    int (*run)(struct sys *s, const char *commands, struct bt_err *err);
    /** Names of all chains of a table: rows of char *. A missing table has none. */
    int (*chains)(struct sys *s, enum sys_nft_family family, const char *table,
                  struct sys_rows *ret, struct bt_err *err);
    /** Apply a change of elements and counters. Errors: KERNEL, NOT_FOUND (no such table or set).
     */
    int (*change)(struct sys *s, const struct sys_nft_change *c, struct bt_err *err);
    /** Elements of one set or object map: rows of struct sys_nft_elem (key text empty). */
    int (*elems)(struct sys *s, const struct sys_nft_elem *which, struct sys_rows *ret,
                 struct bt_err *err);
    /** One counter by @ret->name. Errors: NOT_FOUND. */
    int (*counter)(struct sys *s, enum sys_nft_family family, const char *table,
                   struct sys_nft_counter *ret, struct bt_err *err);
    /** Counters of a table: rows of struct sys_nft_counter. */
    int (*counters)(struct sys *s, enum sys_nft_family family, const char *table,
                    struct sys_rows *ret, struct bt_err *err);
};

/** Append an interface name (16 bytes). */
void sys_nft_key_ifname(struct sys_nft_key *k, const char *name);

/** Append a MAC (6 bytes, padded to 8). */
void sys_nft_key_mac(struct sys_nft_key *k, const unsigned char mac[6]);

/** Append the first @bits (a multiple of 8) of an address, padded to 4 bytes. */
void sys_nft_key_ip(struct sys_nft_key *k, const struct bt_ip *ip, int bits);

/** Append a whole address of which only the first @bits count (the rest is zero). */
void sys_nft_key_masked(struct sys_nft_key *k, const struct bt_ip *ip, int bits);

/** -1, 0, 1 by bytes. */
int sys_nft_key_cmp(const struct sys_nft_key *a, const struct sys_nft_key *b);
