/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys.h"

/*
 * Unpacked images of this host: STATE/images/SHA256/root, made once for each hash by the two modes
 * of berth-unpack (fetch with the agent's certificate, then unpack in a jail). A tree has its final
 * name only when it is whole. Several instances may wait for one image. Loop thread.
 */
struct image_store;

struct image_config {
    struct sys *sys;
    const char *state_dir;
    const char *helper;   /* berth-unpack, absolute */
    const char *base_url; /* https://controller:8444/agent/v1/blobs */
    const char *cert_file, *key_file, *ca_file;
    int64_t max_bytes, max_files; /* of an unpacked tree; 0 = 32 GiB, 2 million */
};

/** Make it; everything in @cfg is copied. */
struct image_store *image_store_new(const struct image_config *cfg);

/** Free before the kernel tables; what is under way is abandoned (found again by the next ensure),
 * and who waits for it is told CANCELLED. NULL is fine. */
void image_store_free(struct image_store *s);

struct image_op {
    char sha256[65];
    int64_t bytes; /* of the archive, as the controller says */
    void (*done)(struct image_op *op, int rc, const struct bt_err *err);
    void *owner;
    struct bt_list link; /* the store's */
};

/** Have the image unpacked; done follows exactly once, never inside. UNAVAILABLE, CHECKSUM,
 * BAD_IMAGE, STORAGE_FULL. */
void image_ensure_start(struct image_store *s, struct image_op *op);

/** Directory of the unpacked tree ("STATE/images/SHA/root") into @dst. */
void image_root(const struct image_store *s, const char *sha256, char *dst, size_t size);
