/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/json/json_load.h"
#include "common/json/json_priv.h"

/* Letter of the short escape of a byte, 0 when it has none (RFC 8259 section 7). */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* Append the one character at @s that cannot stand as it is; returns its length in bytes. */
static size_t quote_special(const char *s, size_t n, struct bt_buf *out)
{
    char escape = short_escape(*s);
    if (escape) {
        const char pair[2] = {'\\', escape};
        (void)bt_buf_add(out, pair, 2);
        return 1;
    }
    if ((unsigned char)*s < 0x20 || *s == 0x7f) {
        (void)bt_buf_addf(out, "\\u%04x", (unsigned)(unsigned char)*s);
        return 1;
    }
    size_t len = bt_utf8_seq(s, n);
    if (len > 0)
        (void)bt_buf_add(out, s, len);
    else
        (void)bt_buf_adds(out, "\xef\xbf\xbd");
    return len > 0 ? len : 1;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

bool bt_json_quote(const char *s, struct bt_buf *out)
{
    size_t n = strlen(s);
    (void)bt_buf_addc(out, '"');
    for (size_t i = 0; i < n && !out->overflow;) {
        size_t run = i;
        while (run < n && is_plain(s[run]))
            run++;
        (void)bt_buf_add(out, s + i, run - i);
        i = run < n ? run + quote_special(s + run, n - run, out) : n;
    }
    (void)bt_buf_addc(out, '"');
    return !out->overflow;
}

static int peek_copy(const json_t *v, const char *key, char *dst, size_t size, struct bt_err *err)
{
    char number[24];
    if (json_is_null(v))
        return bt_fail(err, BT_E_NOT_FOUND, "no member \"%s\"", key);
    if (!json_is_string(v) && !json_is_integer(v))
        return bt_fail(err, BT_E_INVALID, "member \"%s\" is neither a string nor an integer", key);
    (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    const char *text = json_is_string(v) ? json_string_value(v) : number;
    if (strlen(text) >= size)
        return bt_fail(err, BT_E_INVALID, "member \"%s\" is too long", key);
    (void)bt_strcpy(dst, size, text);
    return 0;
}

int bt_json_peek_str(const char *text, size_t len, const char *key, char *dst, size_t size,
                     struct bt_err *err)
{
    const char *raw = NULL;
    size_t raw_len = 0;
    int found = json_scan_member(text, len, key, &raw, &raw_len);
    if (found < 0)
        return bt_fail(err, BT_E_BAD_REQUEST, "not a JSON object");
    if (found == 0)
        return bt_fail(err, BT_E_NOT_FOUND, "no member \"%s\"", key);
    /* Objects and arrays are refused unread: only their first byte matters. */
    if (raw_len > 0 && (*raw == '{' || *raw == '['))
        return bt_fail(err, BT_E_INVALID, "member \"%s\" is neither a string nor an integer", key);
    json_t *v = NULL;
    int rc = json_load(&(struct json_source){raw, raw_len, JSON_DECODE_ANY}, &v, NULL, err);
    if (rc < 0)
        return rc;
    rc = peek_copy(v, key, dst, size, err);
    json_decref(v);
    return rc;
}

int bt_json_canonical(const char *text, size_t len, char **ret, struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    json_t *v = NULL;
    if (json_load(&(struct json_source){text, len, JSON_DECODE_ANY}, &v, NULL, &why) < 0)
        return bt_fail(err, BT_E_BAD_REQUEST, "%s", why.msg);
    *ret = json_dump(v, JSON_SORT_KEYS);
    json_decref(v);
    return 0;
}
