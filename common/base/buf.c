/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"

void bt_buf_fini(struct bt_buf *b)
{
    free(b->data);
    *b = BT_BUF(b->max);
}

void bt_buf_reset(struct bt_buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = '\0';
}

char *bt_buf_reserve(struct bt_buf *b, size_t n)
{
    assert(b->max > 0);
    if (b->overflow || n > b->max - b->len) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap *= 2;
        b->data = bt_xrealloc(b->data, cap, 1);
        b->cap = cap;
        b->data[b->len] = '\0';
    }
    return b->data + b->len;
}

void bt_buf_commit(struct bt_buf *b, size_t n)
{
    assert(b->len + n < b->cap);
    b->len += n;
    b->data[b->len] = '\0';
}

bool bt_buf_add(struct bt_buf *b, const void *data, size_t n)
{
    char *at = bt_buf_reserve(b, n);
    if (!at)
        return false;
    if (n)
        memcpy(at, data, n);
    bt_buf_commit(b, n);
    return true;
}

bool bt_buf_adds(struct bt_buf *b, const char *s)
{
    return bt_buf_add(b, s, strlen(s));
}

bool bt_buf_addc(struct bt_buf *b, char c)
{
    return bt_buf_add(b, &c, 1);
}

bool bt_buf_addf(struct bt_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *at = bt_buf_reserve(b, (size_t)n);
    if (!at)
        return false;
    va_start(ap, fmt);
    (void)vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    bt_buf_commit(b, (size_t)n);
    return true;
}

void bt_buf_consume(struct bt_buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}

char *bt_buf_take(struct bt_buf *b)
{
    char *s = b->data ? b->data : bt_xstrndup("", 0);
    *b = BT_BUF(b->max);
    return s;
}
