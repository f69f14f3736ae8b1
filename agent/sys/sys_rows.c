/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void *sys_rows_push(struct sys_rows *r, size_t size)
{
    if (r->len == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->items = bt_xrealloc(r->items, r->cap, size);
    }
    char *row = (char *)r->items + r->len++ * size;
    memset(row, 0, size);
    return row;
}

void sys_rows_fini(struct sys_rows *r)
{
    free(r->items);
    *r = (struct sys_rows){0};
}

void sys_rows_push_str(struct sys_rows *r, const char *s)
{
    char **row = sys_rows_push(r, sizeof *row);
    *row = bt_xstrdup(s);
}

void sys_rows_fini_str(struct sys_rows *r)
{
    SYS_ROWS_FOREACH(char *, it, r)
        free(*it);
    sys_rows_fini(r);
}

static int cmp_str(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void sys_rows_sort_str(struct sys_rows *r)
{
    char **rows = r->items;
    if (r->len < 2)
        return;
    qsort(rows, r->len, sizeof *rows, cmp_str);
    size_t kept = 1;
    for (size_t i = 1; i < r->len; i++) {
        if (strcmp(rows[i], rows[kept - 1]) == 0)
            free(rows[i]);
        else
            rows[kept++] = rows[i];
    }
    r->len = kept;
}
