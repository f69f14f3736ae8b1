/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/api/v1/api_route.h"

/* What a request says beside its path: filters, page, dry run, key, version, wait. */
struct api_args {
    const struct bt_schema *schema; /* of obj: the verb's body, the route's filters, or NULL */
    void *obj;
    struct service_page page;
    bool dry_run;
    int64_t if_match;
    int64_t wait_ms; /* Prefer: wait=N */
};

/**
 * Read query, headers and body of @req. Every bad field is in @errs. INVALID, BAD_REQUEST,
 * UNSUPPORTED_MEDIA. Free with api_args_fini.
 */
int api_args_parse(const struct api_target *t, const struct http_request *req, struct api_args *ret,
                   struct bt_field_errors *errs, struct bt_err *err);

/** Free what api_args_parse made. */
void api_args_fini(struct api_args *a);
