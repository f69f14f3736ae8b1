/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json/json_load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/json/json_priv.h"

/* What jansson says about a text that is JSON in shape and still not taken. */
static const struct {
    enum json_error_code jansson;
    const char *code;
    const char *message;
} field_causes[] = {
    {json_error_duplicate_key, "duplicate", "the key stands here twice"},
    {json_error_numeric_overflow, "range", "the number is too large"},
    {json_error_null_character, "pattern", "\\u0000 is not accepted"},
    {json_error_null_byte_in_key, "pattern", "\\u0000 is not accepted"},
    {json_error_stack_overflow, "depth", "nested too deep"},
};

void bt_field_error_add(struct bt_field_errors *errs, const char *field, const char *code,
                        const char *fmt, ...)
{
    if (errs->n == BT_FIELD_ERRORS_MAX)
        return;
    struct bt_field_error *e = &errs->list[errs->n++];
    (void)bt_strcpy(e->field, sizeof e->field, field);
    (void)bt_strcpy(e->code, sizeof e->code, code);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
}

static int refuse_field(const struct json_scan *at, const char *code, const char *message,
                        struct bt_field_errors *errs, struct bt_err *err)
{
    const char *path = at->path[0] ? at->path : "body";
    if (errs)
        bt_field_error_add(errs, at->path, code, "%s", message);
    return bt_fail(err, BT_E_INVALID, "%s: %s", path, message);
}

static int refuse(const struct json_source *src, const json_error_t *e,
                  struct bt_field_errors *errs, struct bt_err *err)
{
    enum json_error_code code = json_error_code(e);
    if (code == json_error_out_of_memory)
        abort();
    size_t at = e->position < 0 ? 0 : (size_t)e->position;
    struct json_scan where;
    json_scan(src->text, at < src->len ? at : src->len, &where);
    for (size_t i = 0; i < BT_ARRAY_LEN(field_causes); i++) {
        if (field_causes[i].jansson == code)
            return refuse_field(&where, field_causes[i].code, field_causes[i].message, errs, err);
    }
    /* The parser's own text quotes the input: line and column say enough. */
    return bt_fail(err, BT_E_BAD_REQUEST, "not JSON at line %d column %d", e->line, e->column);
}

int json_load(const struct json_source *src, json_t **ret, struct bt_field_errors *errs,
              struct bt_err *err)
{
    struct json_scan scan;
    json_scan(src->text, src->len, &scan);
    if (scan.too_deep)
        return refuse_field(&scan, "depth", "nested too deep", errs, err);
    json_error_t e;
    json_t *v = json_loadb(src->text, src->len, src->flags | JSON_REJECT_DUPLICATES, &e);
    if (!v)
        return refuse(src, &e, errs, err);
    *ret = v;
    return 0;
}

char *json_dump(const json_t *v, size_t flags)
{
    char *text = json_dumps(v, flags | JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        abort();
    return text;
}
