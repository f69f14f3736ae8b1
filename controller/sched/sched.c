/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/sched/sched.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/sched/sched_priv.h"
#include "db/core/db.h"

#define MILLION 1000000

/* What a change overwrote. */
struct undo {
    bool was; /* was the host known? */
    struct sched_host before;
};

struct sched *sched_new(void)
{
    struct sched *s = bt_xcalloc(1, sizeof *s);
    s->tree.root = SCHED_NIL;
    return s;
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    void *arrays[] = {
        s->id,         s->location_id,  s->group_id,   s->state,     s->policy,        s->cordoned,
        s->silent,     s->drivers,      s->features,   s->sell_cpus, s->sell_memory,   s->sell_disk,
        s->alloc_cpus, s->alloc_memory, s->alloc_disk, s->instances, s->max_instances, s->disk_used,
        s->disk_free,  s->rank,         s->by_id};
    for (size_t i = 0; i < BT_ARRAY_LEN(arrays); i++)
        free(arrays[i]);
    sched_tree_fini(&s->tree);
    bt_map_fini(&s->slots);
    free(s);
}

#define GROW(member) s->member = bt_xrealloc(s->member, cap, sizeof *s->member)

static void reserve(struct sched *s)
{
    if (s->n < s->cap)
        return;
    size_t cap = s->cap ? s->cap * 2 : 64;
    GROW(id);
    GROW(location_id);
    GROW(group_id);
    GROW(state);
    GROW(policy);
    GROW(cordoned);
    GROW(silent);
    GROW(drivers);
    GROW(features);
    GROW(sell_cpus);
    GROW(sell_memory);
    GROW(sell_disk);
    GROW(alloc_cpus);
    GROW(alloc_memory);
    GROW(alloc_disk);
    GROW(instances);
    GROW(max_instances);
    GROW(disk_used);
    GROW(disk_free);
    GROW(rank);
    GROW(by_id);
    sched_tree_reserve(&s->tree, cap);
    s->cap = cap;
}

static uint32_t find(const struct sched *s, int64_t id)
{
    uintptr_t at = (uintptr_t)bt_map_find_u64(&s->slots, (uint64_t)id);
    return at ? (uint32_t)(at - 1) : SCHED_NIL;
}

/* Place of the first id >= @id in by_id. */
static size_t lower(const struct sched *s, int64_t id)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->id[s->by_id[mid]] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int64_t use_of(int64_t allocated, int64_t sellable)
{
    if (allocated <= 0)
        return 0;
    if (sellable <= 0)
        return MILLION;
    __int128 use = (__int128)allocated * MILLION / sellable;
    return use > 2 * MILLION ? 2 * MILLION : (int64_t)use;
}

static int64_t rank_of(const struct sched_host *h)
{
    int64_t use = use_of(h->allocated.cpus, h->sellable.cpus);
    int64_t memory = use_of(h->allocated.memory_bytes, h->sellable.memory_bytes);
    int64_t disk = use_of(h->allocated.disk_bytes, h->sellable.disk_bytes);
    if (memory > use)
        use = memory;
    if (disk > use)
        use = disk;
    return h->policy == POLICY_PACK ? MILLION - use : use;
}

static void store(struct sched *s, uint32_t i, const struct sched_host *h)
{
    s->id[i] = h->id;
    s->location_id[i] = h->location_id;
    s->group_id[i] = h->group_id;
    s->state[i] = (uint8_t)h->state;
    s->policy[i] = (uint8_t)h->policy;
    s->cordoned[i] = h->cordoned;
    s->silent[i] = h->silent;
    s->drivers[i] = h->drivers;
    s->features[i] = h->features;
    s->sell_cpus[i] = h->sellable.cpus;
    s->sell_memory[i] = h->sellable.memory_bytes;
    s->sell_disk[i] = h->sellable.disk_bytes;
    s->alloc_cpus[i] = h->allocated.cpus;
    s->alloc_memory[i] = h->allocated.memory_bytes;
    s->alloc_disk[i] = h->allocated.disk_bytes;
    s->instances[i] = h->allocated.instances;
    s->max_instances[i] = h->max_instances;
    s->disk_used[i] = h->disk_used_bytes;
    s->disk_free[i] = h->disk_free_bytes;
    s->rank[i] = rank_of(h);
}

void sched_load(const struct sched *s, uint32_t i, struct sched_host *ret)
{
    *ret = (struct sched_host){
        .id = s->id[i],
        .location_id = s->location_id[i],
        .group_id = s->group_id[i],
        .state = s->state[i],
        .policy = s->policy[i],
        .cordoned = s->cordoned[i],
        .silent = s->silent[i],
        .drivers = s->drivers[i],
        .features = s->features[i],
        .sellable = {s->sell_cpus[i], s->sell_memory[i], s->sell_disk[i], 0},
        .max_instances = s->max_instances[i],
        .allocated = {s->alloc_cpus[i], s->alloc_memory[i], s->alloc_disk[i], s->instances[i]},
        .disk_used_bytes = s->disk_used[i],
        .disk_free_bytes = s->disk_free[i],
    };
}

static void add(struct sched *s, const struct sched_host *h)
{
    reserve(s);
    uint32_t slot = (uint32_t)s->n;
    size_t at = lower(s, h->id);
    memmove(&s->by_id[at + 1], &s->by_id[at], (s->n - at) * sizeof *s->by_id);
    s->by_id[at] = slot;
    s->n++;
    (void)bt_map_set_u64(&s->slots, (uint64_t)h->id, (void *)(uintptr_t)(slot + 1u));
    store(s, slot, h);
    sched_tree_add(s, slot);
}

/* The last slot moves into the hole: slots stay dense. */
static void drop(struct sched *s, uint32_t slot)
{
    sched_tree_del(s, slot);
    size_t at = lower(s, s->id[slot]);
    (void)bt_map_remove_u64(&s->slots, (uint64_t)s->id[slot]);
    memmove(&s->by_id[at], &s->by_id[at + 1], (s->n - at - 1) * sizeof *s->by_id);
    s->n--;
    uint32_t last = (uint32_t)s->n;
    if (slot == last)
        return;
    struct sched_host h;
    sched_load(s, last, &h);
    sched_tree_del(s, last);
    store(s, slot, &h);
    s->by_id[lower(s, h.id)] = slot;
    (void)bt_map_set_u64(&s->slots, (uint64_t)h.id, (void *)(uintptr_t)(slot + 1u));
    sched_tree_add(s, slot);
}

static void put(struct sched *s, const struct sched_host *h)
{
    uint32_t slot = find(s, h->id);
    if (slot == SCHED_NIL) {
        add(s, h);
        return;
    }
    sched_tree_del(s, slot);
    store(s, slot, h);
    sched_tree_add(s, slot);
}

static void undo_change(void *ctx, void *arg)
{
    struct sched *s = ctx;
    const struct undo *u = arg;
    if (u->was)
        put(s, &u->before);
    else if (find(s, u->before.id) != SCHED_NIL)
        drop(s, find(s, u->before.id));
}

static void remember(struct sched *s, struct db_tx *tx, int64_t id)
{
    if (!tx)
        return;
    struct undo *u = bt_xcalloc(1, sizeof *u);
    u->was = sched_host_get(s, id, &u->before);
    u->before.id = id;
    db_tx_on_rollback(tx, undo_change, s, u);
}

void sched_host_put(struct sched *s, struct db_tx *tx, const struct sched_host *h)
{
    assert(h->id > 0);
    remember(s, tx, h->id);
    put(s, h);
}

void sched_host_remove(struct sched *s, struct db_tx *tx, int64_t id)
{
    uint32_t slot = find(s, id);
    if (slot == SCHED_NIL)
        return;
    remember(s, tx, id);
    drop(s, slot);
}

bool sched_host_get(const struct sched *s, int64_t id, struct sched_host *ret)
{
    uint32_t slot = find(s, id);
    if (slot == SCHED_NIL)
        return false;
    sched_load(s, slot, ret);
    return true;
}

void sched_alloc(struct sched *s, struct db_tx *tx, int64_t id, const struct sched_amount *d)
{
    struct sched_host h;
    if (!sched_host_get(s, id, &h))
        return;
    remember(s, tx, id);
    h.allocated.cpus += d->cpus;
    h.allocated.memory_bytes += d->memory_bytes;
    h.allocated.disk_bytes += d->disk_bytes;
    h.allocated.instances += d->instances;
    put(s, &h);
}

size_t sched_count(const struct sched *s)
{
    return s->n;
}

bool sched_next_host(const struct sched *s, int64_t after_id, struct sched_host *ret)
{
    size_t at = lower(s, after_id + 1);
    if (at >= s->n)
        return false;
    sched_load(s, s->by_id[at], ret);
    return true;
}
