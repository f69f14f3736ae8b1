/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

/* A growing array of plain rows (structs without owned pointers, or char *): what lists return. */
struct sys_rows {
    void *items;
    size_t len;
    size_t cap;
};

#define SYS_ROWS_FOREACH(type, it, rows)                                                           \
    for (__typeof__(type) *it = (rows)->items, *it##_end = it ? it + (rows)->len : NULL;           \
         it != it##_end; it++)

/** Append a zeroed row of @size bytes and return it; valid until the next push. */
void *sys_rows_push(struct sys_rows *r, size_t size);

/** Free the rows; empty and usable again. Rows of char * are freed by sys_rows_fini_str. */
void sys_rows_fini(struct sys_rows *r);

/** Append a copy of @s to rows of char *. */
void sys_rows_push_str(struct sys_rows *r, const char *s);

/** Free rows of char * with their strings. */
void sys_rows_fini_str(struct sys_rows *r);

/** Sort rows of char * and drop repeats. */
void sys_rows_sort_str(struct sys_rows *r);

#define _cleanup_rows_ __attribute__((cleanup(sys_rows_fini)))
#define _cleanup_rows_str_ __attribute__((cleanup(sys_rows_fini_str)))
