/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/sys/sys_rows.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Files of the agent's own directories (state, run), by absolute paths whose directories only root
 * can write. What a guest may write is only ever removed here (remove_tree, which follows no link),
 * never opened. Any thread; remove_tree and what syncs belong on the disk queue (SYS_Q_DISK).
 */
struct sys;

enum sys_fs_kind { SYS_FS_FILE, SYS_FS_DIR, SYS_FS_LINK, SYS_FS_OTHER };

struct sys_fs_stat {
    enum sys_fs_kind kind;
    int64_t size_bytes, used_bytes; /* apparent, allocated */
    int64_t mtime_ms;
    uid_t uid;
    mode_t mode; /* permission bits */
};

struct sys_fs_space {
    int64_t total_bytes, free_bytes; /* free to root's services: f_bavail */
    int64_t total_inodes, free_inodes;
};

struct sys_fs_owner {
    uid_t uid;
    gid_t gid;
};

struct sys_fs_ops {
    /** mkdir of every missing component with @mode; existing directories are fine. */
    int (*mkdir_p)(struct sys *s, const char *path, mode_t mode, struct bt_err *err);
    /** Owner of a file or directory. Errors: NOT_FOUND. */
    int (*chown)(struct sys *s, const char *path, struct sys_fs_owner owner, struct bt_err *err);
    /** New sparse file of @bytes, mode 0600, synced with its name. Errors: EXISTS, STORAGE_FULL. */
    int (*sparse)(struct sys *s, const char *path, int64_t bytes, struct bt_err *err);
    /** Grow a file to @bytes; one that is larger already is left alone. Errors: NOT_FOUND. */
    int (*grow)(struct sys *s, const char *path, int64_t bytes, struct bt_err *err);
    /** rename(2) within a file system, both directories synced; an existing target file is
     * replaced, an existing directory is not. Errors: NOT_FOUND, EXISTS. */
    int (*rename)(struct sys *s, const char *from, const char *to, struct bt_err *err);
    /** Remove a file; absent is fine. */
    int (*unlink)(struct sys *s, const char *path, struct bt_err *err);
    /** Remove a tree without following links or leaving its mount; absent is fine. Errors: IN_USE
     * (something is mounted in it). */
    int (*remove_tree)(struct sys *s, const char *path, struct bt_err *err);
    /** lstat(2). Errors: NOT_FOUND. */
    int (*stat)(struct sys *s, const char *path, struct sys_fs_stat *ret, struct bt_err *err);
    /** Names in a directory: rows of char *, sorted, without "." and "..". A missing one has none.
     */
    int (*list)(struct sys *s, const char *path, struct sys_rows *ret, struct bt_err *err);
    /** Whole file, at most @max bytes. Errors: NOT_FOUND, TOO_LARGE. */
    int (*read)(struct sys *s, const char *path, size_t max, struct bt_buf *ret,
                struct bt_err *err);
    /** Replace a file atomically (temporary name, fsync, rename, fsync of the directory). */
    int (*write)(struct sys *s, const char *path, const char *text, mode_t mode,
                 struct bt_err *err);
    /** Space of the file system of @path. */
    int (*space)(struct sys *s, const char *path, struct sys_fs_space *ret, struct bt_err *err);
    /**
     * Does any process hold an exclusive flock(2) on @path? A missing file is held by nobody. Takes
     * the lock shared for a moment: whoever takes it exclusively must wait, not give up at once.
     */
    int (*locked)(struct sys *s, const char *path, bool *ret, struct bt_err *err);
};
