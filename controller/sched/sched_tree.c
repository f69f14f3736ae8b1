/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "common/base/mem.h"
#include "controller/sched/sched_priv.h"

void sched_tree_reserve(struct sched_tree *t, size_t cap)
{
    t->left = bt_xrealloc(t->left, cap, sizeof *t->left);
    t->right = bt_xrealloc(t->right, cap, sizeof *t->right);
    t->prio = bt_xrealloc(t->prio, cap, sizeof *t->prio);
    t->best = bt_xrealloc(t->best, cap, sizeof *t->best);
}

void sched_tree_fini(struct sched_tree *t)
{
    free(t->left);
    free(t->right);
    free(t->prio);
    free(t->best);
}

/* Priorities need no secret: nobody outside chooses slots. */
static uint32_t priority(uint32_t slot)
{
    uint64_t z = ((uint64_t)slot + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

static bool before(const struct sched *s, uint32_t a, uint32_t b)
{
    if (s->rank[a] != s->rank[b])
        return s->rank[a] < s->rank[b];
    if (s->instances[a] != s->instances[b])
        return s->instances[a] < s->instances[b];
    return s->id[a] < s->id[b];
}

static int64_t more(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void join_best(struct sched_best *to, const struct sched_best *from)
{
    to->cpus = more(to->cpus, from->cpus);
    to->memory_bytes = more(to->memory_bytes, from->memory_bytes);
    to->disk_bytes = more(to->disk_bytes, from->disk_bytes);
    to->features |= from->features;
    to->places |= from->places;
    to->drivers |= from->drivers;
}

/* A host that takes nothing at all (state, silent, cordoned) counts as having nothing free. */
static void own_best(const struct sched *s, uint32_t i, struct sched_best *ret)
{
    *ret =
        (struct sched_best){.cpus = INT64_MIN, .memory_bytes = INT64_MIN, .disk_bytes = INT64_MIN};
    if (s->state[i] != HOST_ONLINE || s->silent[i] || s->cordoned[i])
        return;
    if (s->max_instances[i].is == BT_VALUE && s->instances[i] >= s->max_instances[i].v)
        return;
    ret->cpus = more(s->sell_cpus[i] - s->alloc_cpus[i], 0);
    ret->memory_bytes = more(s->sell_memory[i] - s->alloc_memory[i], 0);
    ret->disk_bytes = more(s->sell_disk[i] - s->alloc_disk[i], 0);
    ret->features = s->features[i];
    ret->places = UINT64_C(1) << ((uint64_t)s->location_id[i] % 64);
    ret->drivers = s->drivers[i];
}

static void renew(struct sched *s, uint32_t i)
{
    struct sched_tree *t = &s->tree;
    struct sched_best b;
    own_best(s, i, &b);
    if (t->left[i] != SCHED_NIL)
        join_best(&b, &t->best[t->left[i]]);
    if (t->right[i] != SCHED_NIL)
        join_best(&b, &t->best[t->right[i]]);
    t->best[i] = b;
}

/* Split @root into what is before @pivot and what is behind it. */
static void split(struct sched *s, uint32_t root, uint32_t pivot, uint32_t *ret_l, uint32_t *ret_r)
{
    struct sched_tree *t = &s->tree;
    if (root == SCHED_NIL) {
        *ret_l = SCHED_NIL;
        *ret_r = SCHED_NIL;
        return;
    }
    if (before(s, root, pivot)) {
        split(s, t->right[root], pivot, &t->right[root], ret_r);
        *ret_l = root;
    } else {
        split(s, t->left[root], pivot, ret_l, &t->left[root]);
        *ret_r = root;
    }
    renew(s, root);
}

static uint32_t merge(struct sched *s, uint32_t l, uint32_t r)
{
    struct sched_tree *t = &s->tree;
    if (l == SCHED_NIL || r == SCHED_NIL)
        return l == SCHED_NIL ? r : l;
    if (t->prio[l] > t->prio[r]) {
        t->right[l] = merge(s, t->right[l], r);
        renew(s, l);
        return l;
    }
    t->left[r] = merge(s, l, t->left[r]);
    renew(s, r);
    return r;
}

static uint32_t insert(struct sched *s, uint32_t root, uint32_t slot)
{
    struct sched_tree *t = &s->tree;
    if (root == SCHED_NIL || t->prio[slot] > t->prio[root]) {
        split(s, root, slot, &t->left[slot], &t->right[slot]);
        renew(s, slot);
        return slot;
    }
    if (before(s, slot, root))
        t->left[root] = insert(s, t->left[root], slot);
    else
        t->right[root] = insert(s, t->right[root], slot);
    renew(s, root);
    return root;
}

static uint32_t erase(struct sched *s, uint32_t root, uint32_t slot)
{
    struct sched_tree *t = &s->tree;
    if (root == SCHED_NIL)
        return SCHED_NIL;
    if (root == slot)
        return merge(s, t->left[slot], t->right[slot]);
    if (before(s, slot, root))
        t->left[root] = erase(s, t->left[root], slot);
    else
        t->right[root] = erase(s, t->right[root], slot);
    renew(s, root);
    return root;
}

void sched_tree_add(struct sched *s, uint32_t slot)
{
    s->tree.prio[slot] = priority(slot);
    s->tree.root = insert(s, s->tree.root, slot);
}

void sched_tree_del(struct sched *s, uint32_t slot)
{
    s->tree.root = erase(s, s->tree.root, slot);
}

/* ---- search ---- */

static bool may_hold(const struct sched *s, uint32_t root, const struct sched_request *r)
{
    const struct sched_best *b = &s->tree.best[root];
    if (b->cpus < r->need.cpus || b->memory_bytes < r->need.memory_bytes ||
        b->disk_bytes < r->need.disk_bytes)
        return false;
    if ((b->features & r->features) != r->features || !(b->drivers & (1u << r->driver)))
        return false;
    return !r->location_id || (b->places >> ((uint64_t)r->location_id % 64) & 1);
}

/* Is the slot behind the cursor? */
static bool behind(const struct sched *s, uint32_t i, const struct sched_cursor *at)
{
    if (!at->started)
        return true;
    if (s->rank[i] != at->rank)
        return s->rank[i] > at->rank;
    if (s->instances[i] != at->instances)
        return s->instances[i] > at->instances;
    return s->id[i] > at->id;
}

static uint32_t search(const struct sched *s, uint32_t root, const struct sched_request *r,
                       const struct sched_cursor *at)
{
    if (root == SCHED_NIL || !may_hold(s, root, r))
        return SCHED_NIL;
    if (behind(s, root, at)) {
        uint32_t found = search(s, s->tree.left[root], r, at);
        if (found != SCHED_NIL)
            return found;
        struct sched_host h;
        sched_load(s, root, &h);
        if (sched_judge(&h, r) == SCHED_OK)
            return root;
    }
    return search(s, s->tree.right[root], r, at);
}

static uint32_t pinned(const struct sched *s, const struct sched_request *r,
                       const struct sched_cursor *at)
{
    uintptr_t slot = (uintptr_t)bt_map_find_u64(&s->slots, (uint64_t)r->host_id);
    struct sched_host h;
    if (!slot || at->started)
        return SCHED_NIL;
    sched_load(s, (uint32_t)(slot - 1), &h);
    return sched_judge(&h, r) == SCHED_OK ? (uint32_t)(slot - 1) : SCHED_NIL;
}

bool sched_pick(const struct sched *s, const struct sched_request *r, struct sched_cursor *at,
                int64_t *ret_id)
{
    uint32_t slot = r->host_id ? pinned(s, r, at) : search(s, s->tree.root, r, at);
    if (slot == SCHED_NIL)
        return false;
    *at = (struct sched_cursor){true, s->rank[slot], s->instances[slot], s->id[slot]};
    *ret_id = s->id[slot];
    return true;
}
