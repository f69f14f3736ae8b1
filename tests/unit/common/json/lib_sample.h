/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/json/json.h"

/* A struct with a field of every type, and its table. */
enum color { RED, GREEN, BLUE };

struct item {
    char *name;
    int64_t size;
    int color;
};

struct sample {
    bool flag;
    int64_t count;
    struct bt_opt_int limit;
    struct bt_opt_int tri;
    char *title;
    char *text;
    char *password;
    int color;
    struct bt_ref plan;
    struct item inner;
    struct item *extra;
    struct bt_arr items;
    struct bt_arr keys;
    uint64_t colors;
    struct bt_arr labels;
    char *raw;
    int64_t version;
    int64_t seen_at;
    char *note;
    char *secret_in;
    struct bt_ref host;
};

extern const struct bt_schema item_schema, sample_schema;

/** Parse @json strictly; returns the code. */
int sample_parse(const char *json, unsigned flags, struct sample *s, struct bt_field_errors *errs);

/** Is there an error of @field with @code? */
bool has_error(const struct bt_field_errors *errs, const char *field, const char *code);
