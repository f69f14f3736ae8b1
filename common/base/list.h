/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Intrusive circular list: the head is a node of its own; an element off every list points to
 * itself. */
struct bt_list {
    struct bt_list *next;
    struct bt_list *prev;
};

#define BT_LIST_INIT(name)                                                                         \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

/** Make @l empty (head) or unlinked (element). */
static inline void bt_list_init(struct bt_list *l)
{
    l->next = l;
    l->prev = l;
}

/** Does the head @l have no element (or: is the element unlinked)? */
static inline bool bt_list_empty(const struct bt_list *l)
{
    return l->next == l;
}

/** Put @e before @l: as the last element when @l is the head. @e must be unlinked. */
static inline void bt_list_push(struct bt_list *l, struct bt_list *e)
{
    e->prev = l->prev;
    e->next = l;
    l->prev->next = e;
    l->prev = e;
}

/** Take @e off its list; it may be unlinked already. */
static inline void bt_list_remove(struct bt_list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    bt_list_init(e);
}

/** Take and return the first element of head @l, NULL when empty. */
static inline struct bt_list *bt_list_pop(struct bt_list *l)
{
    struct bt_list *e = l->next;
    if (e == l)
        return NULL;
    bt_list_remove(e);
    return e;
}

#define BT_LIST_FOREACH(it, head)                                                                  \
    for (struct bt_list *it = (head)->next, *it##_next = it->next; it != (head);                   \
         it = it##_next, it##_next = it->next)
