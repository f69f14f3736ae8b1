/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/world.h"
#include "common/crypto/crypto.h"

/*
 * Blob store: STATE/blobs/SHA256, whole files only. Writers append to a temporary file and hash as
 * they go; the file gets its name when it is complete and synced. Loop thread for writing in
 * chunks (page cache), any thread for opening.
 */
struct blob_store;

/** Open STATE_DIR/blobs (made when absent) and remove temporary files of a former life. */
int blob_store_open(const char *state_dir, struct blob_store **ret, struct bt_err *err);

/** Close. NULL is fine. */
void blob_store_close(struct blob_store *s);

struct blob_writer {
    struct blob_store *store;
    int fd;
    int64_t bytes;
    char tmp[64];
    struct bt_sha256_ctx hash;
};

/** Begin a blob. */
int blob_begin(struct blob_store *s, const struct bt_random *random, struct blob_writer *ret,
               struct bt_err *err);

/** Append bytes. STORAGE_FULL, IO. */
int blob_write(struct blob_writer *w, const void *data, size_t n, struct bt_err *err);

/** Sync, name by hash (a known one is kept as it is), *@ret_sha256 = hex. @w is done. */
int blob_commit(struct blob_writer *w, char ret_sha256[65], struct bt_err *err);

/** Drop an unfinished blob; fine after commit. */
void blob_abort(struct blob_writer *w);

/** Open a blob for reading; its size in *@ret_bytes. NOT_FOUND. */
int blob_open(struct blob_store *s, const char *sha256, int64_t *ret_bytes, struct bt_err *err);

/** Remove a blob; fine when it is not there. */
int blob_remove(struct blob_store *s, const char *sha256, struct bt_err *err);

/** What kind of file begins with these bytes: "tar", "gzip", "xz", "zstd", "qcow2"; NULL = unknown.
 */
const char *blob_sniff(const unsigned char *head, size_t n);
