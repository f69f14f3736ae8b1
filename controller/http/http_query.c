/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/http/http_parse.h"
#include "controller/http/http_request.h"

static const char *const method_names[] = {
    [HTTP_GET] = "GET",       [HTTP_POST] = "POST", [HTTP_PUT] = "PUT",     [HTTP_PATCH] = "PATCH",
    [HTTP_DELETE] = "DELETE", [HTTP_HEAD] = "HEAD", [HTTP_OTHER] = "OTHER",
};

enum http_method http_method_from_str(const char *s)
{
    for (int m = HTTP_GET; m < HTTP_OTHER; m++) {
        if (bt_streq(s, method_names[m]))
            return (enum http_method)m;
    }
    return HTTP_OTHER;
}

const char *http_method_str(enum http_method m)
{
    return method_names[m];
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int http_pct_decode(const char *s, size_t n, bool plus, char *dst)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '+' && plus)
            c = ' ';
        if (s[i] == '%') {
            int hi = n - i > 2 ? hex_digit(s[i + 1]) : -1;
            int lo = hi >= 0 ? hex_digit(s[i + 2]) : -1;
            if (lo < 0 || (hi == 0 && lo == 0))
                return -1;
            c = (char)(hi * 16 + lo);
            i += 2;
        }
        dst[len++] = c;
    }
    dst[len] = '\0';
    return (int)len;
}

/* Decode the part [@from, @to) into @dst; false when it is malformed or does not fit (then cut). */
static bool part_decode(const char *from, const char *to, char *dst, size_t size)
{
    size_t n = (size_t)(to - from);
    _cleanup_free_ char *text = bt_xmalloc(n + 1);
    if (http_pct_decode(from, n, true, text) < 0) {
        dst[0] = '\0';
        return false;
    }
    return bt_strcpy(dst, size, text);
}

bool http_query_next(const struct http_request *req, size_t *pos, char *name, size_t name_size,
                     char *value, size_t value_size)
{
    const char *p = req->query + *pos;
    p += strspn(p, "&");
    if (*p == '\0')
        return false;
    const char *end = p + strcspn(p, "&");
    const char *eq = memchr(p, '=', (size_t)(end - p));
    (void)part_decode(p, eq ? eq : end, name, name_size);
    (void)part_decode(eq ? eq + 1 : end, end, value, value_size);
    *pos = (size_t)(end - req->query);
    return true;
}

bool http_query(const struct http_request *req, const char *key, char *dst, size_t size)
{
    for (const char *p = req->query; *p;) {
        const char *end = p + strcspn(p, "&");
        const char *eq = memchr(p, '=', (size_t)(end - p));
        char name[128];
        if (part_decode(p, eq ? eq : end, name, sizeof(name)) && bt_streq(name, key))
            return part_decode(eq ? eq + 1 : end, end, dst, size);
        p = *end ? end + 1 : end;
    }
    return false;
}
