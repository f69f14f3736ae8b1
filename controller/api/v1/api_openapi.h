/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/buf.h"
#include "common/json/json.h"

/** Append the OpenAPI 3.1 document of the route tables and field tables. */
void api_openapi_write(struct bt_buf *out);

/** Append TypeScript types of the same tables (web/src/gen). */
void api_typescript_write(struct bt_buf *out);

#define API_SCHEMAS_MAX 128

/* Every schema that a route mentions, each once, in order of first use. */
struct api_schemas {
    const struct bt_schema *list[API_SCHEMAS_MAX];
    size_t n;
};

/** Collect them, those of answers too (Problem first). */
void api_schemas_collect(struct api_schemas *ret);
