/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/map.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"

/* Open addressing, linear probing. key NULL + value NULL: free; key NULL + value TOMB: removed. */
struct bt_map_slot {
    char *key;
    void *value;
};

static const char tomb;
#define TOMB ((void *)(uintptr_t)&tomb)

static uint64_t hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h ^ h >> 32;
}

static struct bt_map_slot *lookup(const struct bt_map *m, const char *key)
{
    if (m->cap == 0)
        return NULL;
    for (size_t i = hash(key) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct bt_map_slot *s = &m->slots[i];
        if (!s->key && !s->value)
            return NULL;
        if (s->key && strcmp(s->key, key) == 0)
            return s;
    }
}

static void insert_new(struct bt_map *m, char *key, void *value)
{
    size_t i = hash(key) & (m->cap - 1);
    while (m->slots[i].key)
        i = (i + 1) & (m->cap - 1);
    m->tombs -= m->slots[i].value == TOMB;
    m->slots[i] = (struct bt_map_slot){key, value};
    m->len++;
}

static void grow(struct bt_map *m)
{
    if (m->cap && (m->len + m->tombs + 1) * 4 <= m->cap * 3)
        return;
    struct bt_map_slot *old = m->slots;
    size_t cap = m->cap;
    m->cap = 16;
    while (m->cap < (m->len + 1) * 2)
        m->cap *= 2;
    m->slots = bt_xcalloc(m->cap, sizeof *m->slots);
    m->len = 0;
    m->tombs = 0;
    for (size_t i = 0; i < cap; i++) {
        if (old[i].key)
            insert_new(m, old[i].key, old[i].value);
    }
    free(old);
}

void bt_map_fini(struct bt_map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        free(m->slots[i].key);
    free(m->slots);
    *m = BT_MAP_INIT;
}

void *bt_map_find(const struct bt_map *m, const char *key)
{
    struct bt_map_slot *s = lookup(m, key);
    return s ? s->value : NULL;
}

void *bt_map_set(struct bt_map *m, const char *key, void *value)
{
    assert(value);
    struct bt_map_slot *s = lookup(m, key);
    if (s) {
        void *old = s->value;
        s->value = value;
        return old;
    }
    grow(m);
    insert_new(m, bt_xstrdup(key), value);
    return NULL;
}

void *bt_map_remove(struct bt_map *m, const char *key)
{
    struct bt_map_slot *s = lookup(m, key);
    if (!s)
        return NULL;
    void *value = s->value;
    free(s->key);
    *s = (struct bt_map_slot){NULL, TOMB};
    m->len--;
    m->tombs++;
    return value;
}

static const char *u64_key(uint64_t key, char text[24])
{
    (void)snprintf(text, 24, "%llu", (unsigned long long)key);
    return text;
}

void *bt_map_find_u64(const struct bt_map *m, uint64_t key)
{
    char text[24];
    return bt_map_find(m, u64_key(key, text));
}

void *bt_map_set_u64(struct bt_map *m, uint64_t key, void *value)
{
    char text[24];
    return bt_map_set(m, u64_key(key, text), value);
}

void *bt_map_remove_u64(struct bt_map *m, uint64_t key)
{
    char text[24];
    return bt_map_remove(m, u64_key(key, text));
}

void *bt_map_next(const struct bt_map *m, size_t *pos)
{
    while (*pos < m->cap) {
        struct bt_map_slot *s = &m->slots[(*pos)++];
        if (s->key)
            return s->value;
    }
    return NULL;
}
