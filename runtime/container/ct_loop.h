/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

struct ct_loop {
    int fd;
    char path[32]; /* "/dev/loop7" */
    dev_t rdev;
};

/**
 * Bind a free loop device to @image: it frees itself with its last user (autoclear), reads and
 * writes past the page cache where the file system of the image allows that (loop(4)).
 */
int ct_loop_attach(const char *image, struct ct_loop *ret, struct bt_err *err);

/** Tell the device of @fd that its file has grown. */
int ct_loop_resized(int fd, struct bt_err *err);

/** Grow the mounted ext4 of @dirfd to @size_bytes (whole blocks; the size it has is no error).
 * MISSING_CAPABILITY: the kernel wants CAP_SYS_RESOURCE for it. */
int ct_loop_grow_ext4(int dirfd, int64_t size_bytes, struct bt_err *err);
