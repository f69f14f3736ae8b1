/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>

#include "common/json/json.h"

/* The one place where jansson reads and writes. Shared by the files of common/json only. */
struct json_source {
    const char *text;
    size_t len;
    size_t flags; /* of jansson, on top of ours */
};

/**
 * Read a whole text into a tree (the caller json_decref's *@ret). Depth, repeated keys, NUL escapes
 * and integers past 64 bits are INVALID with one field error; what is not JSON is BAD_REQUEST.
 * @errs may be NULL. Aborts when memory is out.
 */
int json_load(const struct json_source *src, json_t **ret, struct bt_field_errors *errs,
              struct bt_err *err);

/** Compact text of any value (@flags: JSON_SORT_KEYS or 0). Never NULL; the caller frees. */
char *json_dump(const json_t *v, size_t flags);
