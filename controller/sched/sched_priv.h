/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/map.h"
#include "controller/sched/sched.h"

/*
 * Index: a treap over slots in the order (rank, instances, id). Every node knows the best of its
 * subtree (largest free amounts, union of drivers, features, places), so a search skips whole
 * subtrees that cannot hold a fitting host and still visits hosts in exact order.
 */
#define SCHED_NIL UINT32_MAX

/* Best of a subtree. */
struct sched_best {
    int64_t cpus, memory_bytes, disk_bytes;
    uint64_t features, places; /* places: bit (location_id % 64) */
    uint32_t drivers;
};

struct sched_tree {
    uint32_t *left, *right, *prio;
    struct sched_best *best;
    uint32_t root;
};

struct sched {
    size_t n, cap; /* slots in use, allocated */
    /* One array per field; slot = index. */
    int64_t *id, *location_id, *group_id;
    uint8_t *state, *policy, *cordoned, *silent;
    uint32_t *drivers;
    uint64_t *features;
    int64_t *sell_cpus, *sell_memory, *sell_disk;
    int64_t *alloc_cpus, *alloc_memory, *alloc_disk, *instances;
    struct bt_opt_int *max_instances;
    int64_t *disk_used, *disk_free;
    int64_t *rank;
    uint32_t *by_id;     /* slots in order of id */
    struct bt_map slots; /* id -> slot + 1 */
    struct sched_tree tree;
};

/** Gather a slot into a struct. */
void sched_load(const struct sched *s, uint32_t slot, struct sched_host *ret);

/** Grow the tree's arrays with the slots. */
void sched_tree_reserve(struct sched_tree *t, size_t cap);

/** Free the tree's arrays. */
void sched_tree_fini(struct sched_tree *t);

/** Add a slot whose fields and rank are set. */
void sched_tree_add(struct sched *s, uint32_t slot);

/** Take a slot out; its fields and rank must be as they were when it was added. */
void sched_tree_del(struct sched *s, uint32_t slot);
