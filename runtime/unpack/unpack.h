/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"
#include "proto/helper_unpack.h"

#define UNPACK_PATH_MAX 4096
#define UNPACK_COMPONENT_MAX 255

/**
 * Close the process in, for good: nothing open behind @dirfd, empty network namespace, root
 * directory = @dirfd's tree, no new privileges, rlimits, of the capabilities only those that
 * owners, modes and file capabilities of an unpacked tree need, and of the system calls only those
 * that reading an archive and making files takes (the others answer EPERM). Errors: KERNEL.
 */
int unpack_jail(int dirfd, struct bt_err *err);

/** The last part of unpack_jail: the seccomp filter (unpack_seccomp.c). */
int unpack_seccomp(struct bt_err *err);

/**
 * Unpack the archive @fd (tar; plain, gzip, xz or zstd, found out by its bytes) into the present
 * directory, which is empty and, in the helper, the root of the jail. On-disk ids are kept, of the
 * extended attributes user.* and security.capability. Device nodes and sockets are skipped;
 * absolute paths, "..", what comes twice (but directories), files through links and everything past
 * the limits refuse the whole archive. Errors: BAD_IMAGE, TOO_LARGE, STORAGE_FULL, IO.
 */
int unpack_archive(int fd, const struct helper_unpack_request *limits, struct helper_unpack_ok *ret,
                   struct bt_err *err);

/** May an entry have this path? For tests and the fuzzer. */
int unpack_path_ok(const char *path, struct bt_err *err);
