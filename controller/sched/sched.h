/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/json/json.h"
#include "proto/enums.h"

/*
 * Placement: which host takes an instance. Pure: no clock, no I/O, integers only. The state is one
 * array per field, owned by the writer thread; every change inside a transaction registers its undo
 * (db_tx_on_rollback), so a rolled back savepoint or batch leaves no trace. It only proposes: the
 * caller proves the choice by SQL in the same transaction and else asks for the next.
 *
 * Order of hosts: smallest rank first, then fewest instances, then lowest id. use = the fullest of
 * cpus, memory and disk in millionths of what is sold; rank = use where the policy is spread,
 * 1,000,000 - use where it is pack (docs/decisions/0041-placement.md).
 */
struct sched;
struct db_tx;

struct sched_amount {
    int64_t cpus, memory_bytes, disk_bytes, instances;
};

/* A host as placement sees it. */
struct sched_host {
    int64_t id, location_id, group_id; /* group 0 = none */
    int state;                         /* enum host_state */
    int policy;                        /* enum policy, of its group */
    bool cordoned;
    bool silent;       /* its lease is not renewed, or it never came back after a start */
    uint32_t drivers;  /* bit set of enum driver_kind that are available */
    uint64_t features; /* bit set of enum feature that it can give */
    struct sched_amount sellable;    /* instances unused */
    struct bt_opt_int max_instances; /* absent or null = no maximum */
    struct sched_amount allocated;
    int64_t disk_used_bytes, disk_free_bytes; /* really; both 0 = unknown */
};

#define SCHED_GROUPS_MAX 64

struct sched_request {
    struct sched_amount need; /* instances: 1 */
    int driver;               /* enum driver_kind */
    uint64_t features;
    int64_t host_id;       /* pinned; 0 = any */
    int64_t location_id;   /* 0 = any */
    const int64_t *groups; /* the plan's; n_groups 0 = any */
    size_t n_groups;       /* <= SCHED_GROUPS_MAX */
};

/* Why a host does not take it; the names are API (`berth explain`). */
#define SCHED_REASONS(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(PINNED, "pinned_elsewhere")                                                                  \
    X(STATE, "state")                                                                              \
    X(SILENT, "silent")                                                                            \
    X(CORDONED, "cordoned")                                                                        \
    X(DRIVER, "driver")                                                                            \
    X(FEATURES, "features")                                                                        \
    X(LOCATION, "location")                                                                        \
    X(HOST_GROUP, "host_group")                                                                    \
    X(MAX_INSTANCES, "max_instances")                                                              \
    X(CPU, "cpu")                                                                                  \
    X(MEMORY, "memory")                                                                            \
    X(DISK, "disk")                                                                                \
    X(DISK_FULL, "disk_full")                                                                      \
    X(POOL, "pool")

#define SCHED_REASON_ENUM(c, s) SCHED_##c,
enum sched_reason { SCHED_REASONS(SCHED_REASON_ENUM) SCHED__COUNT };
#undef SCHED_REASON_ENUM

/** Name of a reason. Static. */
const char *sched_reason_str(enum sched_reason r);

/* Placement stops where this share of the real disk is used. */
#define SCHED_DISK_STOP_PERCENT 85

/** An empty state. */
struct sched *sched_new(void);

/** Free it. NULL is fine. */
void sched_free(struct sched *s);

/** Add a host or replace what is known of it (all of it). @tx NULL = no undo (start-up). */
void sched_host_put(struct sched *s, struct db_tx *tx, const struct sched_host *h);

/** Forget a host; fine when it is not known. */
void sched_host_remove(struct sched *s, struct db_tx *tx, int64_t id);

/** What is known of a host; false when nothing is. */
bool sched_host_get(const struct sched *s, int64_t id, struct sched_host *ret);

/** Add @d (members may be negative) to what is allocated on a host; nothing when it is not known.
 */
void sched_alloc(struct sched *s, struct db_tx *tx, int64_t id, const struct sched_amount *d);

/** How many hosts are known. */
size_t sched_count(const struct sched *s);

/** Hosts in order of id: the first with an id above @after_id; false at the end. */
bool sched_next_host(const struct sched *s, int64_t after_id, struct sched_host *ret);

/* Where a search stands; zeroed before the first. Nothing may change between two steps. */
struct sched_cursor {
    bool started;
    int64_t rank, instances, id;
};

/** The best host for @r behind @at, in the order above; moves @at. False when there is none left.
 */
bool sched_pick(const struct sched *s, const struct sched_request *r, struct sched_cursor *at,
                int64_t *ret_id);

/** Does @h take @r? The first reason against it in the order of the list above. Any thread. */
enum sched_reason sched_judge(const struct sched_host *h, const struct sched_request *r);

/** As sched_judge with figures for people ("needs 2 cores, 1 of 48 free") in @dst. Any thread. */
enum sched_reason sched_explain(const struct sched_host *h, const struct sched_request *r,
                                char *dst, size_t size);

/** How many times @r fits on @h, and what ends it (a host that refuses: 0 and why). Any thread. */
int64_t sched_fits(const struct sched_host *h, const struct sched_request *r,
                   enum sched_reason *ret_limit);

/* Ratios and reserves as they count for one host. */
struct sched_ratios {
    int64_t cpu_milli, memory_milli, disk_milli;
    int64_t reserve_memory_bytes, reserve_disk_bytes;
};

/** What is sold of a physical host: (physical - reserve) * ratio, rounded down; saturates. */
void sched_sellable(const struct sched_amount *physical, const struct sched_ratios *q,
                    struct sched_amount *ret);
