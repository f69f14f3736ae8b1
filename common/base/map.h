/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Hash maps that own their keys and not their values: by string, or by u64. Seeded SipHash is not
 * needed: keys that strangers choose are bounded in number by their owners.
 */
struct bt_map {
    struct bt_map_slot *slots;
    size_t cap;
    size_t len;
    size_t tombs;
};

#define BT_MAP_INIT ((struct bt_map){0})

/** Free keys and slots (not the values). */
void bt_map_fini(struct bt_map *m);

/** Value at @key, NULL when absent. */
void *bt_map_find(const struct bt_map *m, const char *key);

/** Set @key (copied) to @value (not NULL); returns the former value or NULL. */
void *bt_map_set(struct bt_map *m, const char *key, void *value);

/** Remove @key; returns its value or NULL. */
void *bt_map_remove(struct bt_map *m, const char *key);

/** As bt_map_find with a number as key. A map uses either strings or numbers, never both. */
void *bt_map_find_u64(const struct bt_map *m, uint64_t key);

/** As bt_map_set with a number as key. */
void *bt_map_set_u64(struct bt_map *m, uint64_t key, void *value);

/** As bt_map_remove with a number as key. */
void *bt_map_remove_u64(struct bt_map *m, uint64_t key);

/**
 * Walk: start with *@pos = 0; returns the next value or NULL at the end. The current element may be
 * removed meanwhile; nothing may be added.
 */
void *bt_map_next(const struct bt_map *m, size_t *pos);
