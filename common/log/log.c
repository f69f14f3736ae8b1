/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define TEXT_MAX 2048
#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static _Atomic int lowest = BT_INFO;

void bt_log_level_set(enum bt_level level)
{
    atomic_store_explicit(&lowest, (int)level, memory_order_relaxed);
}

int bt_log_level_from_str(const char *s)
{
    for (size_t i = 0; s && i < BT_ARRAY_LEN(level_names); i++) {
        if (strcmp(level_names[i], s) == 0)
            return (int)i;
    }
    return -1;
}

/*
 * Print the character at @s (at most @n bytes) into @dst so that a terminal and a line reader take
 * no harm: control characters and bytes that are not UTF-8 as \xNN. Returns how many bytes were
 * read.
 */
static size_t show_char(const char *s, size_t n, bool in_quotes, char dst[20])
{
    size_t len = bt_utf8_seq(s, n);
    bool escape_quote = in_quotes && (*s == '"' || *s == '\\');
    if (len > 0 && bt_utf8_clean(s, len, NULL)) {
        (void)snprintf(dst, 20, "%s%.*s", escape_quote ? "\\" : "", (int)len, s);
        return len;
    }
    if (*s == '\n')
        (void)snprintf(dst, 20, "\\n");
    else
        (void)snprintf(dst, 20, "\\x%02x", (unsigned)(unsigned char)*s);
    return 1;
}

/* Fill @dst from @s, ending in "..." when it does not fit; returns the length. @size >= 8. */
static size_t show(const char *s, bool in_quotes, char *dst, size_t size)
{
    size_t n = strlen(s);
    size_t out = 0;
    size_t safe = 0; /* where "..." still fits */
    char one[20];
    for (size_t i = 0; i < n;) {
        i += show_char(s + i, n - i, in_quotes, one);
        size_t len = strlen(one);
        if (out + len >= size) {
            memcpy(dst + safe, "...", 4);
            return safe + 3;
        }
        memcpy(dst + out, one, len);
        out += len;
        if (out + 4 <= size)
            safe = out;
    }
    dst[out] = '\0';
    return out;
}

const char *bt_logq(const char *s, char *dst, unsigned size)
{
    if (size < 12) {
        (void)bt_strcpy(dst, size, "?");
        return dst;
    }
    if (!s) {
        (void)bt_strcpy(dst, size, "null");
        return dst;
    }
    dst[0] = '"';
    size_t n = 1 + show(s, true, dst + 1, size - 2);
    dst[n] = '"';
    dst[n + 1] = '\0';
    return dst;
}

static size_t print_head(char *dst, size_t size, enum bt_level level, const char *part)
{
    struct timespec now;
    struct tm tm;
    char at[24];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(dst, size, "time=%s.%03ldZ level=%s part=%.32s ", at, now.tv_nsec / 1000000,
                     level_names[level], part);
    return (size_t)n;
}

void bt_log(enum bt_level level, const char *part, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
        return;
    char text[TEXT_MAX];
    char line[LINE_MAX_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int want = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (want >= (int)sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    size_t n = print_head(line, sizeof line, level, part);
    n += show(text, false, line + n, sizeof line - n - 1);
    line[n++] = '\n';
    /* Nobody is left to tell when standard error fails. */
    while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
        ;
}
