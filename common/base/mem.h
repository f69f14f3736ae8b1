/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Allocation that cannot fail (docs/decisions/0002-out-of-memory.md) and cleanup attributes.
 * One owner per pointer; TAKE_PTR and TAKE_FD hand ownership over.
 */

/** malloc, aborting when memory is out. Caller frees. */
void *bt_xmalloc(size_t n) __attribute__((malloc, returns_nonnull));

/** calloc, aborting when memory is out or @n * @size overflows. Caller frees. */
void *bt_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/** realloc to @n * @size bytes, aborting when memory is out or the product overflows. */
void *bt_xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));

/** strdup, aborting when memory is out; NULL stays NULL. */
char *bt_xstrdup(const char *s);

/** Copy of the first @n bytes of @s with a NUL behind them. */
char *bt_xstrndup(const char *s, size_t n) __attribute__((returns_nonnull));

/** asprintf, aborting when memory is out. Caller frees. */
char *bt_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/** Erase @n bytes at @p so that the compiler cannot drop it (secrets). */
void bt_erase(void *p, size_t n);

/** Cleanup of a pointer variable: free what it holds. */
static inline void bt_free_p(void *p)
{
    free(*(void **)p);
}

/** Cleanup of a descriptor variable: close it when it is one. */
static inline void bt_close_p(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(bt_free_p)
#define _cleanup_close_ _cleanup_(bt_close_p)

#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#define BT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BT_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
