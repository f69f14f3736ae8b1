/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/json/json_priv.h"

/*
 * A reader that knows only strings, brackets and commas. It bounds the depth before a recursive
 * parser sees the text, and turns a byte offset into a path. Text that is not JSON gives some path
 * and never a fault: whether it is JSON is the parser's to say.
 */
struct level {
    bool array;
    bool want_key;
    size_t index;
    const char *key; /* raw, between its quotes; NULL = none yet */
    size_t key_len;
};

struct reader {
    struct level levels[BT_JSON_DEPTH_MAX];
    size_t depth;
    bool too_deep;
};

/* Offset behind the string that begins at @at (its opening quote), @len when it does not end. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
    for (size_t i = at + 1; i < len; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '"')
            return i + 1;
    }
    return len;
}

static void open_level(struct reader *r, bool array)
{
    if (r->depth == BT_JSON_DEPTH_MAX) {
        r->too_deep = true;
        return;
    }
    r->levels[r->depth++] = (struct level){.array = array, .want_key = !array};
}

static void on_comma(struct level *l)
{
    if (l->array)
        l->index++;
    else
        l->want_key = true;
}

static void on_char(struct reader *r, char c)
{
    if (c == '{' || c == '[')
        open_level(r, c == '[');
    else if (r->depth == 0)
        return;
    else if (c == '}' || c == ']')
        r->depth--;
    else if (c == ',')
        on_comma(&r->levels[r->depth - 1]);
    else if (c == ':')
        r->levels[r->depth - 1].want_key = false;
}

static void on_string(struct reader *r, const char *raw, size_t len)
{
    if (r->depth == 0 || !r->levels[r->depth - 1].want_key)
        return;
    r->levels[r->depth - 1].key = raw;
    r->levels[r->depth - 1].key_len = len;
}

static void print_key(struct bt_buf *b, const struct level *l)
{
    for (size_t i = 0; i < l->key_len; i++)
        (void)bt_buf_addc(b, l->key[i] > 0x20 && l->key[i] < 0x7f ? l->key[i] : '?');
}

static void print_path(const struct reader *r, char *dst, size_t size)
{
    struct bt_buf b = BT_BUF(size - 1);
    for (size_t i = 0; i < r->depth; i++) {
        const struct level *l = &r->levels[i];
        if (l->array)
            (void)bt_buf_addf(&b, "[%zu]", l->index);
        else if (l->key && (b.len == 0 || bt_buf_addc(&b, '.')))
            print_key(&b, l);
    }
    (void)snprintf(dst, size, "%s", b.data ? b.data : "");
    bt_buf_fini(&b);
}

void json_scan(const char *text, size_t len, struct json_scan *ret)
{
    struct reader r = {.depth = 0};
    for (size_t i = 0; i < len && !r.too_deep;) {
        if (text[i] != '"') {
            on_char(&r, text[i++]);
            continue;
        }
        size_t end = skip_string(text, len, i);
        on_string(&r, text + i + 1, end - i - (end - i > 1 ? 2 : 1));
        i = end;
    }
    print_path(&r, ret->path, sizeof ret->path);
    ret->too_deep = r.too_deep;
}

static size_t skip_space(const char *text, size_t len, size_t at)
{
    while (at < len && text[at] && strchr(" \t\r\n", text[at]))
        at++;
    return at;
}

/* Offset behind the value at @at: at the comma or bracket that ends it on its own level. */
static size_t skip_value(const char *text, size_t len, size_t at)
{
    size_t depth = 0;
    while (at < len) {
        char c = text[at];
        if (c == '"') {
            at = skip_string(text, len, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return at;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return len;
}

int json_scan_member(const char *text, size_t len, const char *key, const char **ret,
                     size_t *ret_len)
{
    size_t at = skip_space(text, len, 0);
    if (at >= len || text[at] != '{')
        return -1;
    for (at = skip_space(text, len, at + 1); at < len && text[at] == '"';) {
        size_t end = skip_string(text, len, at);
        bool found = end - at == strlen(key) + 2 && memcmp(text + at + 1, key, end - at - 2) == 0;
        at = skip_space(text, len, end);
        if (at >= len || text[at] != ':')
            return 0;
        at = skip_space(text, len, at + 1);
        end = skip_value(text, len, at);
        if (found) {
            *ret = text + at;
            *ret_len = end - at;
            return 1;
        }
        at = end < len && text[end] == ',' ? skip_space(text, len, end + 1) : len;
    }
    return 0;
}
