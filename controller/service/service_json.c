/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_json.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "proto/field.h"

struct strings_text {
    struct bt_arr v;
};

#define FT strings_text
static const struct bt_field strings_schema_fields[] = {F_ASTR(v, 4096, "", 0, NULL), F_END};
static F_SCHEMA(strings_schema, "StringsText", NULL);
static const struct bt_field pairs_schema_fields[] = {F_MAP(v, 4096, 0, NULL), F_END};
static F_SCHEMA(pairs_schema, "PairsText", NULL);
#undef FT

/* Field tables read objects: an array or a map travels as the member of one. */
static int parse_member(const struct bt_schema *s, const char *text, const char *none,
                        struct bt_arr *ret, struct bt_err *err)
{
    struct strings_text t;
    _cleanup_free_ char *wrapped = bt_xasprintf("{\"v\":%s}", text && *text ? text : none);
    int rc = bt_schema_parse(s, wrapped, strlen(wrapped), BT_LENIENT, &t, NULL, err);
    if (rc >= 0)
        *ret = t.v;
    return rc;
}

static char *emit_member(const struct bt_schema *s, const struct bt_arr *a)
{
    struct strings_text t = {.v = *a};
    _cleanup_free_ char *wrapped = bt_schema_emit_str(s, &t);
    size_t n = strlen(wrapped);
    return bt_xstrndup(wrapped + 5, n - 6); /* {"v": ... } */
}

static void free_member(const struct bt_schema *s, struct bt_arr *a)
{
    struct strings_text t = {.v = *a};
    bt_schema_free(s, &t);
    *a = (struct bt_arr){0};
}

int service_json_strings(const char *text, struct bt_arr *ret, struct bt_err *err)
{
    return parse_member(&strings_schema, text, "[]", ret, err);
}

char *service_json_strings_text(const struct bt_arr *strings)
{
    return emit_member(&strings_schema, strings);
}

void service_json_strings_free(struct bt_arr *a)
{
    free_member(&strings_schema, a);
}

int service_json_pairs(const char *text, struct bt_arr *ret, struct bt_err *err)
{
    return parse_member(&pairs_schema, text, "{}", ret, err);
}

char *service_json_pairs_text(const struct bt_arr *pairs)
{
    return emit_member(&pairs_schema, pairs);
}

void service_json_pairs_free(struct bt_arr *a)
{
    free_member(&pairs_schema, a);
}

static int not_ids(const char *text, struct bt_err *err)
{
    return bt_fail(err, BT_E_INTERNAL, "a column of ids holds %.60s", text);
}

int service_json_ids(const char *text, struct service_ids *ret, struct bt_err *err)
{
    const char *at = text ? text : "[]";
    struct service_ids ids = {.n = 0};
    if (*at++ != '[')
        return not_ids(text, err);
    while (*at && *at != ']') {
        int64_t v = 0;
        size_t digits = strspn(at, "0123456789");
        if (digits == 0 || digits > 18 || ids.n == SERVICE_IDS_MAX)
            return not_ids(text, err);
        for (size_t i = 0; i < digits; i++)
            v = v * 10 + (at[i] - '0');
        ids.ids[ids.n++] = v;
        at += digits;
        at += strspn(at, ", ");
    }
    *ret = ids;
    return 0;
}

int service_json_limits(const char *text, struct limits *ret, struct bt_err *err)
{
    const char *at = text && *text ? text : "{}";
    return bt_schema_parse(&limits_schema, at, strlen(at), BT_LENIENT, ret, NULL, err);
}

char *service_json_limits_text(const struct limits *l)
{
    return bt_schema_emit_str(&limits_schema, l);
}
