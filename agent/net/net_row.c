/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/net/net_priv.h"

static const char *row_at(const struct sys_rows *rows, size_t i, size_t size)
{
    return (const char *)rows->items + i * size;
}

bool net_rows_has(const struct sys_rows *rows, const void *row, size_t size)
{
    for (size_t i = 0; i < rows->len; i++) {
        if (memcmp(row_at(rows, i, size), row, size) == 0)
            return true;
    }
    return false;
}

void net_rows_add(struct sys_rows *rows, const void *row, size_t size)
{
    if (!net_rows_has(rows, row, size))
        memcpy(sys_rows_push(rows, size), row, size);
}

void net_rows_join(struct sys_rows *rows, const struct sys_rows *from, size_t size)
{
    for (size_t i = 0; i < from->len; i++)
        net_rows_add(rows, row_at(from, i, size), size);
}

void net_rows_minus(const struct sys_rows *a, const struct sys_rows *b, size_t size,
                    struct sys_rows *ret)
{
    for (size_t i = 0; i < a->len; i++) {
        if (!net_rows_has(b, row_at(a, i, size), size))
            memcpy(sys_rows_push(ret, size), row_at(a, i, size), size);
    }
}

void net_rows_copy(const struct sys_rows *from, size_t size, struct sys_rows *ret)
{
    sys_rows_fini(ret);
    for (size_t i = 0; i < from->len; i++)
        memcpy(sys_rows_push(ret, size), row_at(from, i, size), size);
}
