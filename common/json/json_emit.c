/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json/json_priv.h"

#define EMIT_STR_MAX (16u << 20)

static void emit_int(struct bt_buf *out, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)v);
    (void)bt_buf_add(out, text, (size_t)n);
}

static void emit_bool(struct bt_buf *out, bool v)
{
    (void)bt_buf_adds(out, v ? "true" : "false");
}

static void emit_ref(struct bt_buf *out, const struct bt_ref *r)
{
    if (r->id == 0) {
        (void)bt_json_quote(r->name, out);
        return;
    }
    if (!r->name) {
        emit_int(out, r->id);
        return;
    }
    (void)bt_buf_addf(out, "{\"id\":%lld,\"name\":", (long long)r->id);
    (void)bt_json_quote(r->name, out);
    (void)bt_buf_addc(out, '}');
}

static void emit_strs(struct bt_buf *out, const struct bt_arr *arr)
{
    (void)bt_buf_addc(out, '[');
    for (size_t i = 0; i < arr->len; i++) {
        if (i)
            (void)bt_buf_addc(out, ',');
        (void)bt_json_quote(((char **)arr->items)[i], out);
    }
    (void)bt_buf_addc(out, ']');
}

static void emit_set(struct bt_buf *out, uint64_t set, const char *const *names)
{
    bool more = false;
    (void)bt_buf_addc(out, '[');
    for (size_t i = 0; i < 64 && names[i]; i++) {
        if (!(set & UINT64_C(1) << i))
            continue;
        if (more)
            (void)bt_buf_addc(out, ',');
        more = true;
        (void)bt_json_quote(names[i], out);
    }
    (void)bt_buf_addc(out, ']');
}

static void emit_pairs(struct bt_buf *out, const struct bt_arr *arr)
{
    (void)bt_buf_addc(out, '{');
    for (size_t i = 0; i < arr->len; i++) {
        const struct bt_pair *p = json_item(arr, sizeof *p, i);
        if (i)
            (void)bt_buf_addc(out, ',');
        (void)bt_json_quote(p->key, out);
        (void)bt_buf_addc(out, ':');
        (void)bt_json_quote(p->value, out);
    }
    (void)bt_buf_addc(out, '}');
}

static size_t count_names(const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    return n;
}

/* Has the field nothing to say? ("absent" in the words of json.h) */
static bool is_absent(const struct bt_field *f, const void *p)
{
    bool omit = (f->flags & BT_OMIT_ZERO) != 0;
    const struct bt_ref *r = p;
    switch (f->type) {
    case BT_F_BOOL:
        return omit && !*(const bool *)p;
    case BT_F_INT:
        return omit && *(const int64_t *)p == 0;
    case BT_F_OPT_INT:
    case BT_F_OPT_BOOL:
        return ((const struct bt_opt_int *)p)->is == BT_ABSENT;
    case BT_F_STR:
    case BT_F_RAW:
    case BT_F_OBJ_PTR:
        return *(void *const *)p == NULL;
    case BT_F_ENUM:
        return *(const int *)p < 0 || (size_t) * (const int *)p >= count_names(f->names);
    case BT_F_REF:
        return r->id == 0 && !r->name;
    case BT_F_OBJ:
    case BT_F_ARR_OBJ:
    case BT_F_ARR_STR:
    case BT_F_ARR_ENUM:
    case BT_F_MAP_STR:
        break;
    }
    return false;
}

static void emit_opt(struct bt_buf *out, const struct bt_field *f, const struct bt_opt_int *o)
{
    if (o->is == BT_NULL)
        (void)bt_buf_adds(out, "null");
    else if (f->type == BT_F_OPT_BOOL)
        emit_bool(out, o->v != 0);
    else if (f->names && (size_t)o->v < count_names(f->names))
        (void)bt_json_quote(f->names[o->v], out);
    else
        emit_int(out, o->v);
}

static void emit_value(struct bt_buf *out, const struct bt_field *f, const void *p)
{
    switch (f->type) {
    case BT_F_BOOL:
        emit_bool(out, *(const bool *)p);
        break;
    case BT_F_INT:
        emit_int(out, *(const int64_t *)p);
        break;
    case BT_F_OPT_INT:
    case BT_F_OPT_BOOL:
        emit_opt(out, f, p);
        break;
    case BT_F_STR:
        (void)bt_json_quote(*(char *const *)p, out);
        break;
    case BT_F_ENUM:
        (void)bt_json_quote(f->names[*(const int *)p], out);
        break;
    case BT_F_REF:
        emit_ref(out, p);
        break;
    case BT_F_OBJ:
        (void)bt_schema_emit(f->sub, p, out);
        break;
    case BT_F_OBJ_PTR:
        (void)bt_schema_emit(f->sub, *(void *const *)p, out);
        break;
    case BT_F_ARR_OBJ:
        (void)bt_schema_emit_array(f->sub, p, out);
        break;
    case BT_F_ARR_STR:
        emit_strs(out, p);
        break;
    case BT_F_ARR_ENUM:
        emit_set(out, *(const uint64_t *)p, f->names);
        break;
    case BT_F_MAP_STR:
        emit_pairs(out, p);
        break;
    case BT_F_RAW:
        (void)bt_buf_adds(out, *(char *const *)p);
        break;
    }
}

bool bt_schema_emit(const struct bt_schema *s, const void *obj, struct bt_buf *out)
{
    bool more = false;
    (void)bt_buf_addc(out, '{');
    for (const struct bt_field *f = s->fields; f->key && !out->overflow; f++) {
        const void *p = json_at(obj, f);
        bool absent = is_absent(f, p);
        /* A reference that is set does go out: requests of the CLI are made of them. */
        if ((absent && !(f->flags & BT_NULLABLE)) ||
            ((f->flags & BT_WRITE_ONLY) && (absent || f->type != BT_F_REF)))
            continue;
        if (more)
            (void)bt_buf_addc(out, ',');
        more = true;
        (void)bt_json_quote(f->key, out);
        (void)bt_buf_addc(out, ':');
        if (absent)
            (void)bt_buf_adds(out, "null");
        else
            emit_value(out, f, p);
    }
    (void)bt_buf_addc(out, '}');
    return !out->overflow;
}

bool bt_schema_emit_array(const struct bt_schema *s, const struct bt_arr *arr, struct bt_buf *out)
{
    (void)bt_buf_addc(out, '[');
    for (size_t i = 0; i < arr->len && !out->overflow; i++) {
        if (i)
            (void)bt_buf_addc(out, ',');
        (void)bt_schema_emit(s, json_item(arr, s->size, i), out);
    }
    (void)bt_buf_addc(out, ']');
    return !out->overflow;
}

char *bt_schema_emit_str(const struct bt_schema *s, const void *obj)
{
    struct bt_buf b = BT_BUF(EMIT_STR_MAX);
    if (!bt_schema_emit(s, obj, &b))
        abort();
    return bt_buf_take(&b);
}
