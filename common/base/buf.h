/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Growing byte buffer with a mandatory maximum. Past the maximum nothing more is added and
 * `overflow` stays true: callers check once at the end. data is NUL-terminated whenever non-NULL.
 */
struct bt_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes, without the NUL */
    bool overflow;
};

#define BT_BUF(max_bytes) ((struct bt_buf){.max = (max_bytes)})
#define _cleanup_buf_ __attribute__((cleanup(bt_buf_fini)))

/** Free the bytes; the buffer is empty and usable again with the same maximum. */
void bt_buf_fini(struct bt_buf *b);

/** Length 0, memory kept, overflow forgotten. */
void bt_buf_reset(struct bt_buf *b);

/** Append @n bytes; all or nothing. False (and overflow) when the maximum would be passed. */
bool bt_buf_add(struct bt_buf *b, const void *data, size_t n);

/** Append a NUL-terminated string. */
bool bt_buf_adds(struct bt_buf *b, const char *s);

/** Append one byte. */
bool bt_buf_addc(struct bt_buf *b, char c);

/** Append formatted text. */
bool bt_buf_addf(struct bt_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Room for @n more bytes at the end (call bt_buf_commit after writing), NULL past the maximum. */
char *bt_buf_reserve(struct bt_buf *b, size_t n);

/** Count @n bytes written into reserved room. */
void bt_buf_commit(struct bt_buf *b, size_t n);

/** Drop the first @n bytes (n <= len). */
void bt_buf_consume(struct bt_buf *b, size_t n);

/** Hand the string over to the caller (never NULL; free it); the buffer is empty afterwards. */
char *bt_buf_take(struct bt_buf *b);
