/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json_priv.h"

static void free_str(char *s, unsigned flags)
{
    if (s && (flags & BT_SECRET))
        bt_erase(s, strlen(s));
    free(s);
}

static void free_strs(const struct bt_arr *arr, unsigned flags)
{
    for (size_t i = 0; i < arr->len; i++)
        free_str(((char **)arr->items)[i], flags);
    free(arr->items);
}

static void free_pairs(const struct bt_arr *arr, unsigned flags)
{
    for (size_t i = 0; i < arr->len; i++) {
        struct bt_pair *p = json_item(arr, sizeof *p, i);
        free(p->key);
        free_str(p->value, flags);
    }
    free(arr->items);
}

static void free_ptr(const struct bt_schema *sub, void *p)
{
    if (p)
        bt_schema_free(sub, p);
    free(p);
}

static void free_field(const struct bt_field *f, void *p)
{
    switch (f->type) {
    case BT_F_STR:
    case BT_F_RAW:
        free_str(*(char **)p, f->flags);
        break;
    case BT_F_REF:
        free(((struct bt_ref *)p)->name);
        break;
    case BT_F_OBJ:
        bt_schema_free(f->sub, p);
        break;
    case BT_F_OBJ_PTR:
        free_ptr(f->sub, *(void **)p);
        break;
    case BT_F_ARR_OBJ:
        bt_schema_free_array(f->sub, p);
        break;
    case BT_F_ARR_STR:
        free_strs(p, f->flags);
        break;
    case BT_F_MAP_STR:
        free_pairs(p, f->flags);
        break;
    case BT_F_BOOL:
    case BT_F_INT:
    case BT_F_OPT_INT:
    case BT_F_OPT_BOOL:
    case BT_F_ENUM:
    case BT_F_ARR_ENUM:
        break;
    }
}

void bt_schema_free(const struct bt_schema *s, void *obj)
{
    for (const struct bt_field *f = s->fields; f->key; f++)
        free_field(f, json_at(obj, f));
    memset(obj, 0, s->size);
}

void bt_schema_free_array(const struct bt_schema *s, struct bt_arr *arr)
{
    for (size_t i = 0; i < arr->len; i++)
        bt_schema_free(s, json_item(arr, s->size, i));
    free(arr->items);
    *arr = (struct bt_arr){0};
}

void *bt_arr_push(struct bt_arr *arr, size_t item_size)
{
    /* Room doubles: it is full whenever the length is a power of two. */
    if ((arr->len & (arr->len - 1)) == 0)
        arr->items = bt_xrealloc(arr->items, arr->len ? 2 * arr->len : 1, item_size);
    void *p = json_item(arr, item_size, arr->len++);
    memset(p, 0, item_size);
    return p;
}

void bt_arr_push_str(struct bt_arr *arr, const char *str)
{
    *(char **)bt_arr_push(arr, sizeof(char *)) = bt_xstrdup(str);
}

static void copy_strs(const struct bt_arr *src, struct bt_arr *dst)
{
    for (size_t i = 0; i < src->len; i++)
        bt_arr_push_str(dst, ((char **)src->items)[i]);
}

static void copy_pairs(const struct bt_arr *src, struct bt_arr *dst)
{
    for (size_t i = 0; i < src->len; i++) {
        const struct bt_pair *p = json_item(src, sizeof *p, i);
        struct bt_pair *q = bt_arr_push(dst, sizeof *q);
        *q = (struct bt_pair){bt_xstrdup(p->key), bt_xstrdup(p->value)};
    }
}

static void copy_objs(const struct bt_schema *sub, const struct bt_arr *src, struct bt_arr *dst)
{
    for (size_t i = 0; i < src->len; i++)
        bt_schema_copy(sub, json_item(src, sub->size, i), bt_arr_push(dst, sub->size));
}

static void copy_ptr(const struct bt_schema *sub, void *const *src, void **dst)
{
    if (!*src)
        return;
    *dst = bt_xcalloc(1, sub->size);
    bt_schema_copy(sub, *src, *dst);
}

static size_t scalar_size(enum bt_ftype type)
{
    switch (type) {
    case BT_F_BOOL:
        return sizeof(bool);
    case BT_F_INT:
        return sizeof(int64_t);
    case BT_F_OPT_INT:
    case BT_F_OPT_BOOL:
        return sizeof(struct bt_opt_int);
    case BT_F_ENUM:
        return sizeof(int);
    case BT_F_ARR_ENUM:
        return sizeof(uint64_t);
    case BT_F_STR:
    case BT_F_RAW:
    case BT_F_REF:
    case BT_F_OBJ:
    case BT_F_OBJ_PTR:
    case BT_F_ARR_OBJ:
    case BT_F_ARR_STR:
    case BT_F_MAP_STR:
        break;
    }
    return 0;
}

static void copy_field(const struct bt_field *f, const void *p, void *q)
{
    switch (f->type) {
    case BT_F_STR:
    case BT_F_RAW:
        *(char **)q = bt_xstrdup(*(char *const *)p);
        break;
    case BT_F_REF:
        *(struct bt_ref *)q = (struct bt_ref){((const struct bt_ref *)p)->id,
                                              bt_xstrdup(((const struct bt_ref *)p)->name)};
        break;
    case BT_F_OBJ:
        bt_schema_copy(f->sub, p, q);
        break;
    case BT_F_OBJ_PTR:
        copy_ptr(f->sub, p, q);
        break;
    case BT_F_ARR_OBJ:
        copy_objs(f->sub, p, q);
        break;
    case BT_F_ARR_STR:
        copy_strs(p, q);
        break;
    case BT_F_MAP_STR:
        copy_pairs(p, q);
        break;
    case BT_F_BOOL:
    case BT_F_INT:
    case BT_F_OPT_INT:
    case BT_F_OPT_BOOL:
    case BT_F_ENUM:
    case BT_F_ARR_ENUM:
        memcpy(q, p, scalar_size(f->type));
        break;
    }
}

void bt_schema_copy(const struct bt_schema *s, const void *src, void *dst)
{
    assert(src != dst);
    memset(dst, 0, s->size);
    for (const struct bt_field *f = s->fields; f->key; f++)
        copy_field(f, json_at(src, f), json_at(dst, f));
}
