/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json/json_doc.h"

#include <string.h>

#include "common/json/json_load.h"

/* struct bt_doc is a json_t seen from outside. */
static const json_t *in(const struct bt_doc *d)
{
    return (const json_t *)d;
}

static const struct bt_doc *out_of(const json_t *j)
{
    return (const struct bt_doc *)j;
}

int bt_doc_parse(const char *text, size_t len, struct bt_doc **ret, struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    json_t *j = NULL;
    if (json_load(&(struct json_source){text, len, JSON_DECODE_ANY}, &j, NULL, &why) < 0)
        return bt_fail(err, BT_E_BAD_REQUEST, "%s", why.msg);
    *ret = (struct bt_doc *)j;
    return 0;
}

void bt_doc_free(struct bt_doc *d)
{
    json_decref((json_t *)d);
}

const struct bt_doc *bt_doc_at(const struct bt_doc *d, const char *path)
{
    const json_t *j = in(d);
    while (j && *path) {
        const char *dot = strchrnul(path, '.');
        char key[128];
        size_t n = (size_t)(dot - path);
        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        j = json_object_get(j, key);
        path = *dot ? dot + 1 : dot;
    }
    return out_of(j);
}

size_t bt_doc_len(const struct bt_doc *d)
{
    return d ? json_array_size(in(d)) : 0;
}

const struct bt_doc *bt_doc_item(const struct bt_doc *d, size_t i)
{
    return out_of(json_array_get(in(d), i));
}

const char *bt_doc_str(const struct bt_doc *d)
{
    return d ? json_string_value(in(d)) : NULL;
}

bool bt_doc_int(const struct bt_doc *d, int64_t *ret)
{
    if (!d || !json_is_integer(in(d)))
        return false;
    *ret = json_integer_value(in(d));
    return true;
}

bool bt_doc_true(const struct bt_doc *d)
{
    return d && json_is_true(in(d));
}

bool bt_doc_null(const struct bt_doc *d)
{
    return !d || json_is_null(in(d));
}

static int add(const char *data, size_t n, void *ctx)
{
    return bt_buf_add(ctx, data, n) ? 0 : -1;
}

void bt_doc_dump(const struct bt_doc *d, int indent, struct bt_buf *out)
{
    size_t flags = JSON_ENCODE_ANY | JSON_PRESERVE_ORDER;
    flags |= indent > 0 ? JSON_INDENT((size_t)indent & 31u) : JSON_COMPACT;
    (void)json_dump_callback(in(d), add, out, flags);
}
