/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static int fail(struct bt_err *err, const char *what, const char *path)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return bt_fail(err, BT_E_NOT_FOUND, "%s %.200s: no such file", what, path);
    if (errno == EEXIST || errno == ENOTEMPTY)
        return bt_fail(err, BT_E_EXISTS, "%s %.200s: it is there already", what, path);
    if (errno == EBUSY)
        return bt_fail(err, BT_E_IN_USE, "%s %.200s: it is in use", what, path);
    return bt_fail_errno(err, errno, "%s %.200s", what, path);
}

/* Make the names in the directory of @path durable. */
static int sync_dir_of(const char *path, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    assert(slash);
    _cleanup_free_ char *dir = bt_xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return fail(err, "sync", dir);
    return 0;
}

static int fs_mkdir_p(struct sys *s, const char *path, mode_t mode, struct bt_err *err)
{
    (void)s;
    return bt_mkdir_p(AT_FDCWD, path, mode, err);
}

static int fs_chown(struct sys *s, const char *path, struct sys_fs_owner owner, struct bt_err *err)
{
    (void)s;
    if (fchownat(AT_FDCWD, path, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(err, "chown", path);
    return 0;
}

static int fs_sparse(struct sys *s, const char *path, int64_t bytes, struct bt_err *err)
{
    (void)s;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, "create", path);
    int rc = 0;
    if (ftruncate(fd, bytes) < 0 || fsync(fd) < 0)
        rc = fail(err, "size", path);
    if (rc == 0)
        rc = sync_dir_of(path, err);
    if (rc < 0)
        (void)unlink(path);
    return rc;
}

static int fs_grow(struct sys *s, const char *path, int64_t bytes, struct bt_err *err)
{
    struct stat st;
    (void)s;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(err, "open", path);
    if (st.st_size >= bytes)
        return 0;
    return ftruncate(fd, bytes) < 0 || fsync(fd) < 0 ? fail(err, "grow", path) : 0;
}

static int fs_rename(struct sys *s, const char *from, const char *to, struct bt_err *err)
{
    (void)s;
    if (rename(from, to) < 0)
        return fail(err, "rename", errno == EEXIST || errno == ENOTEMPTY ? to : from);
    int rc = sync_dir_of(to, err);
    return rc < 0 ? rc : sync_dir_of(from, err);
}

static int fs_unlink(struct sys *s, const char *path, struct bt_err *err)
{
    (void)s;
    if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
        return fail(err, "unlink", path);
    return 0;
}

static int fs_remove_tree(struct sys *s, const char *path, struct bt_err *err)
{
    (void)s;
    return bt_remove_tree(AT_FDCWD, path, err);
}

static enum sys_fs_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return SYS_FS_FILE;
    if (S_ISDIR(mode))
        return SYS_FS_DIR;
    return S_ISLNK(mode) ? SYS_FS_LINK : SYS_FS_OTHER;
}

static int fs_stat(struct sys *s, const char *path, struct sys_fs_stat *ret, struct bt_err *err)
{
    struct stat st;
    (void)s;
    if (lstat(path, &st) < 0)
        return fail(err, "stat", path);
    *ret = (struct sys_fs_stat){
        .kind = kind_of(st.st_mode),
        .size_bytes = st.st_size,
        .used_bytes = st.st_blocks * 512,
        .mtime_ms = st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .uid = st.st_uid,
        .mode = st.st_mode & 07777,
    };
    return 0;
}

static int fs_list(struct sys *s, const char *path, struct sys_rows *ret, struct bt_err *err)
{
    (void)s;
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT || errno == ENOTDIR ? 0 : fail(err, "list", path);
    struct sys_rows names = {0};
    errno = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            sys_rows_push_str(&names, e->d_name);
        errno = 0;
    }
    int rc = errno ? fail(err, "list", path) : 0;
    (void)closedir(d);
    if (rc < 0) {
        sys_rows_fini_str(&names);
        return rc;
    }
    sys_rows_sort_str(&names);
    *ret = names;
    return 0;
}

static int fs_read(struct sys *s, const char *path, size_t max, struct bt_buf *ret,
                   struct bt_err *err)
{
    (void)s;
    return bt_read_file(AT_FDCWD, path, max, ret, err);
}

static int fs_write(struct sys *s, const char *path, const char *text, mode_t mode,
                    struct bt_err *err)
{
    (void)s;
    return bt_write_file_atomic(AT_FDCWD, path, text, strlen(text), mode, err);
}

static int fs_space(struct sys *s, const char *path, struct sys_fs_space *ret, struct bt_err *err)
{
    struct statvfs v;
    (void)s;
    if (statvfs(path, &v) < 0)
        return fail(err, "space of", path);
    *ret = (struct sys_fs_space){
        .total_bytes = (int64_t)(v.f_blocks * v.f_frsize),
        .free_bytes = (int64_t)(v.f_bavail * v.f_frsize),
        .total_inodes = (int64_t)v.f_files,
        .free_inodes = (int64_t)v.f_favail,
    };
    return 0;
}

/* Taking the lock shared for a moment answers; whoever wants it exclusively tries again. */
static int fs_locked(struct sys *s, const char *path, bool *ret, struct bt_err *err)
{
    (void)s;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        *ret = false;
        return 0;
    }
    if (fd < 0)
        return fail(err, "open", path);
    bool free = flock(fd, LOCK_SH | LOCK_NB) == 0;
    if (!free && errno != EWOULDBLOCK)
        return fail(err, "test lock of", path);
    *ret = !free;
    return 0;
}

const struct sys_fs_ops sys_real_fs_ops = {
    .mkdir_p = fs_mkdir_p,
    .chown = fs_chown,
    .sparse = fs_sparse,
    .grow = fs_grow,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .remove_tree = fs_remove_tree,
    .stat = fs_stat,
    .list = fs_list,
    .read = fs_read,
    .write = fs_write,
    .space = fs_space,
    .locked = fs_locked,
};
