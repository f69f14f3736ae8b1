/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_image.h"
#include "proto/api_fleet.h"
#include "proto/api_task.h"

/* Images: a row first (importing), then its content, then ready. Versions share a name; a name
 * means the newest ready one (docs/decisions/0050-images.md). */
extern const struct service_verb service_image_list, service_image_get, service_image_create,
    service_image_delete;

/* What the upload path has received; args of service_image_content. */
struct service_image_blob {
    char sha256[65];
    int64_t bytes;
    const char *sniffed; /* blob_sniff of its head, NULL = unknown */
};

/* {task, image}: answer of an upload. */
struct service_image_task {
    struct api_task task;
    struct api_image image;
};

extern const struct bt_schema service_image_task_schema;

/* PUT /images/{id}/content, when every byte is in the store: 202 {task, image}. */
extern const struct service_verb service_image_content;

/** What the API shows of a row. Free @ret with bt_schema_free(&api_image_schema). */
int service_image_view(struct db_tx *tx, const struct repo_image_row *row, struct api_image *ret,
                       struct bt_err *err);
