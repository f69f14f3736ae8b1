/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

void *bt_xmalloc(size_t n)
{
    return checked(malloc(n ? n : 1));
}

void *bt_xcalloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1));
}

void *bt_xrealloc(void *p, size_t n, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(n, size, &total))
        abort();
    return checked(realloc(p, total ? total : 1));
}

char *bt_xstrdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *bt_xstrndup(const char *s, size_t n)
{
    char *p = bt_xmalloc(n + 1);
    if (n)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *bt_xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        abort();
    va_end(ap);
    return s;
}

void bt_erase(void *p, size_t n)
{
    explicit_bzero(p, n);
}
