/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Shared by the files of common/json only. */
#include "common/json/json.h"

#define JSON_INT_MAX INT64_C(9007199254740991) /* 2^53 - 1: what every JSON reader keeps exact */
#define JSON_LABEL_MAX 1024                    /* bytes of one value of a MAP_STR */

/* What is wrong with a text before its fields are looked at. */
struct json_scan {
    char path[sizeof(((struct bt_field_error *)0)->field)];
    bool too_deep;
};

/**
 * Walk the first @len bytes of @text (any bytes) and tell where one is then: path like "a.b[2]",
 * and whether BT_JSON_DEPTH_MAX was passed (the path is then that of the first value too deep).
 */
void json_scan(const char *text, size_t len, struct json_scan *ret);

/**
 * Find the raw value of the top-level member @key of an object: *@ret points into @text. 1 found,
 * 0 no such member, -1 not an object. Nothing else of the text is judged.
 */
int json_scan_member(const char *text, size_t len, const char *key, const char **ret,
                     size_t *ret_len);

/** Address of a field inside its struct. */
static inline void *json_at(const void *obj, const struct bt_field *f)
{
    return (char *)(uintptr_t)obj + f->off;
}

/** Element @i of an array of @size-byte items. */
static inline void *json_item(const struct bt_arr *arr, size_t size, size_t i)
{
    return (char *)arr->items + i * size;
}
