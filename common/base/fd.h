/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Files by directory descriptors. Paths below a directory that strangers may write go through
 * openat2(2) with RESOLVE_IN_ROOT or RESOLVE_BENEATH; every descriptor is close-on-exec.
 */

/** Open @path inside the tree of @dirfd: absolute links stay inside, magic links refused (openat2).
 */
int bt_open_in_root(int dirfd, const char *path, int flags, mode_t mode, struct bt_err *err);

/** Open @path below @dirfd, refusing "..", absolute paths and every symbolic link (openat2). */
int bt_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct bt_err *err);

/** Read a whole file (at most @max bytes) into @ret (its max is set). NOT_FOUND when absent. */
int bt_read_file(int dirfd, const char *path, size_t max, struct bt_buf *ret, struct bt_err *err);

/** Write all of @n bytes, restarting on EINTR. */
int bt_write_all(int fd, const void *data, size_t n, struct bt_err *err);

/**
 * Replace @dirfd/@path by @data: temporary file, fsync, rename, fsync of the directory.
 * After a crash the old or the new content is there, never a mix.
 */
int bt_write_file_atomic(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
                         struct bt_err *err);

/** Write @text to an existing file in one write(2) (sysfs, procfs, cgroupfs). */
int bt_write_kernel_file(int dirfd, const char *path, const char *text, struct bt_err *err);

/** mkdirat of each component of @path (relative), mode for new ones; existing ones are fine. */
int bt_mkdir_p(int dirfd, const char *path, mode_t mode, struct bt_err *err);

/**
 * Remove @path below @dirfd and all it contains, however deep; absent is fine. Links below @dirfd
 * are never followed and no mount is entered, @path itself included. Errors: IN_USE (a mount point
 * is there; what was gone before it stays gone), INVALID (@path ends in no name), KERNEL.
 */
int bt_remove_tree(int dirfd, const char *path, struct bt_err *err);

/** flock @fd exclusively without waiting: 0 got it, BT_E_LOCKED another process has it. */
int bt_try_lock(int fd, struct bt_err *err);

/** O_PATH | O_DIRECTORY of an absolute path of ours. */
int bt_open_dir(const char *path, struct bt_err *err);
