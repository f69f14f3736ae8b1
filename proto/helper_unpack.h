/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/helper_container.h"

/*
 * Frames of `berth-unpack MODE` (common/base/frame.h, the socket is descriptor 3): one request, one
 * reply {"ok": {...}} or {"err": {...}}. Files come as descriptors, never as paths.
 *   unpack  4 = archive (seekable, read), 5 = empty directory that becomes the root tree
 *   fetch   4 = file to append to (read and write), 5 = certificate, 6 = its key, 7 = CA
 */
struct helper_unpack_request {
    int64_t max_bytes; /* of the unpacked tree */
    int64_t max_files;
};

struct helper_unpack_ok {
    int64_t bytes, files, skipped; /* skipped: device nodes and sockets */
};

struct helper_fetch_request {
    char *url;
    char *sha256;  /* of the whole file; checked before the reply */
    int64_t bytes; /* expected size, 0 = unknown */
    int64_t max_bytes;
};

struct helper_fetch_ok {
    int64_t bytes;
};

struct helper_unpack_reply {
    struct helper_unpack_ok *ok;
    struct helper_err *err;
};

struct helper_fetch_reply {
    struct helper_fetch_ok *ok;
    struct helper_err *err;
};

extern const struct bt_schema helper_unpack_request_schema, helper_unpack_reply_schema,
    helper_fetch_request_schema, helper_fetch_reply_schema;
