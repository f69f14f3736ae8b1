/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/json/json.h"
#include "proto/limits.h"

/* Small JSON columns (arrays, maps, limits) as structs and back. */

/** Array of strings; @text NULL = none. Free @ret with service_json_strings_free. */
int service_json_strings(const char *text, struct bt_arr *ret, struct bt_err *err);

/** As JSON text. Caller frees. */
char *service_json_strings_text(const struct bt_arr *strings);

/** Free an array of strings. */
void service_json_strings_free(struct bt_arr *a);

/** Object of strings (labels). Free @ret with service_json_pairs_free. */
int service_json_pairs(const char *text, struct bt_arr *ret, struct bt_err *err);

/** As JSON text. Caller frees. */
char *service_json_pairs_text(const struct bt_arr *pairs);

/** Free an array of pairs. */
void service_json_pairs_free(struct bt_arr *a);

#define SERVICE_IDS_MAX 64

struct service_ids {
    int64_t ids[SERVICE_IDS_MAX];
    size_t n;
};

/** Array of ids (plans.images, plans.host_groups). INTERNAL when the column does not hold one. */
int service_json_ids(const char *text, struct service_ids *ret, struct bt_err *err);

/** Object of limits; @text NULL = {}. */
int service_json_limits(const char *text, struct limits *ret, struct bt_err *err);

/** As JSON text. Caller frees. */
char *service_json_limits_text(const struct limits *l);
