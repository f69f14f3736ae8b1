/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/common/json/lib_sample.h"

#include <stddef.h>
#include <string.h>

static const char *const color_names[] = {"red", "green", "blue", NULL};

#define ROW(st, k, t, ...)                                                                         \
    {                                                                                              \
        .key = #k, .type = t, .off = offsetof(struct st, k), __VA_ARGS__                           \
    }

static const struct bt_field item_fields[] = {
    ROW(item, name, BT_F_STR, .max = 63, .pattern = "name", .flags = BT_REQUIRED),
    ROW(item, size, BT_F_INT, .min = 1, .max = 10, .flags = BT_OMIT_ZERO),
    ROW(item, color, BT_F_ENUM, .names = color_names),
    {.key = NULL},
};

const struct bt_schema item_schema = {
    .name = "Item", .fields = item_fields, .size = sizeof(struct item)};

static const struct bt_field sample_fields[] = {
    ROW(sample, flag, BT_F_BOOL),
    ROW(sample, count, BT_F_INT, .min = -5, .max = 5),
    ROW(sample, limit, BT_F_OPT_INT, .min = 1, .max = 100),
    ROW(sample, tri, BT_F_OPT_BOOL),
    ROW(sample, title, BT_F_STR, .min = 2, .max = 8, .flags = BT_REQUIRED),
    ROW(sample, text, BT_F_STR, .max = 100, .flags = BT_MULTILINE | BT_NULLABLE),
    ROW(sample, password, BT_F_STR, .max = 100, .flags = BT_SECRET),
    ROW(sample, color, BT_F_ENUM, .names = color_names),
    ROW(sample, plan, BT_F_REF, .max = 255, .flags = BT_NULLABLE),
    ROW(sample, inner, BT_F_OBJ, .sub = &item_schema),
    ROW(sample, extra, BT_F_OBJ_PTR, .sub = &item_schema, .flags = BT_NULLABLE),
    ROW(sample, items, BT_F_ARR_OBJ, .sub = &item_schema, .max = 3),
    ROW(sample, keys, BT_F_ARR_STR, .max = 3, .pattern = "ip"),
    ROW(sample, colors, BT_F_ARR_ENUM, .names = color_names),
    ROW(sample, labels, BT_F_MAP_STR, .max = 3),
    ROW(sample, raw, BT_F_RAW, .max = 64),
    ROW(sample, version, BT_F_INT, .min = 0, .max = 1000, .flags = BT_READONLY),
    ROW(sample, seen_at, BT_F_INT, .flags = BT_OMIT_ZERO | BT_NULLABLE),
    ROW(sample, note, BT_F_STR, .max = 0),
    ROW(sample, secret_in, BT_F_STR, .max = 10, .flags = BT_WRITE_ONLY),
    ROW(sample, host, BT_F_REF, .max = 255, .flags = BT_WRITE_ONLY),
    {.key = NULL},
};

const struct bt_schema sample_schema = {
    .name = "Sample", .fields = sample_fields, .size = sizeof(struct sample)};

int sample_parse(const char *json, unsigned flags, struct sample *s, struct bt_field_errors *errs)
{
    struct bt_err err = BT_ERR_INIT;
    int rc = bt_schema_parse(&sample_schema, json, strlen(json), flags, s, errs, &err);
    return rc;
}

bool has_error(const struct bt_field_errors *errs, const char *field, const char *code)
{
    for (size_t i = 0; i < errs->n; i++) {
        if (strcmp(errs->list[i].field, field) == 0 && strcmp(errs->list[i].code, code) == 0)
            return true;
    }
    return false;
}
