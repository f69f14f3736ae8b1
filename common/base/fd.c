/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"

static int open_how(int dirfd, const char *path, struct open_how *how, struct bt_err *err)
{
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dirfd, path, how, sizeof *how);
        if (fd >= 0)
            return (int)fd;
        /* EAGAIN: a rename raced with the walk (openat2(2)). */
        if (errno == EINTR || (errno == EAGAIN && tries < 100))
            continue;
        if (errno == ENOENT)
            return bt_fail(err, BT_E_NOT_FOUND, "open %.200s: no such file", path);
        return bt_fail_errno(err, errno, "open %.200s", path);
    }
}

int bt_open_in_root(int dirfd, const char *path, int flags, mode_t mode, struct bt_err *err)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return open_how(dirfd, path, &how, err);
}

int bt_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct bt_err *err)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return open_how(dirfd, path, &how, err);
}

int bt_open_dir(const char *path, struct bt_err *err)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "no directory %.200s", path);
    return fd < 0 ? bt_fail_errno(err, errno, "open %.200s", path) : fd;
}

static int read_all(int fd, size_t max, struct bt_buf *b, struct bt_err *err)
{
    for (;;) {
        size_t room = max - b->len < 65536 ? max - b->len + 1 : 65536;
        char *at = bt_buf_reserve(b, room);
        ssize_t n = at ? read(fd, at, room) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bt_fail_errno(err, errno, "read");
        if (n == 0)
            return 0;
        bt_buf_commit(b, (size_t)n);
        if (b->len > max)
            return bt_fail(err, BT_E_TOO_LARGE, "file is larger than %zu bytes", max);
    }
}

int bt_read_file(int dirfd, const char *path, size_t max, struct bt_buf *ret, struct bt_err *err)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return bt_fail(err, BT_E_NOT_FOUND, "no file %.200s", path);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open %.200s", path);
    struct bt_buf b = BT_BUF(max + 1);
    int rc = read_all(fd, max, &b, err);
    if (rc < 0) {
        bt_buf_fini(&b);
        (void)bt_wrap(err, "%.200s", path);
        return rc;
    }
    if (!b.data)
        (void)bt_buf_adds(&b, "");
    *ret = b;
    return 0;
}

int bt_write_all(int fd, const void *data, size_t n, struct bt_err *err)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return bt_fail_errno(err, errno, "write");
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int write_synced(int fd, const void *data, size_t n, struct bt_err *err)
{
    int rc = bt_write_all(fd, data, n, err);
    if (rc < 0)
        return rc;
    return fsync(fd) < 0 ? bt_fail_errno(err, errno, "fsync") : 0;
}

static int sync_parent(int dirfd, const char *path, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = !slash          ? bt_xstrdup(".")
                                  : slash == path ? bt_xstrdup("/")
                                                  : bt_xstrndup(path, (size_t)(slash - path));
    _cleanup_close_ int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return bt_fail_errno(err, errno, "sync directory of %.200s", path);
    return 0;
}

int bt_write_file_atomic(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
                         struct bt_err *err)
{
    _cleanup_free_ char *tmp = bt_xasprintf("%s.tmp%d", path, (int)getpid());
    /* One that a crash left may have another mode. */
    (void)unlinkat(dirfd, tmp, 0);
    _cleanup_close_ int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return bt_fail_errno(err, errno, "create %.200s", tmp);
    int rc = write_synced(fd, data, n, err);
    if (rc >= 0 && renameat(dirfd, tmp, dirfd, path) < 0)
        rc = bt_fail_errno(err, errno, "rename to %.200s", path);
    if (rc < 0) {
        (void)unlinkat(dirfd, tmp, 0);
        return rc;
    }
    return sync_parent(dirfd, path, err);
}

int bt_write_kernel_file(int dirfd, const char *path, const char *text, struct bt_err *err)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "no file %.200s", path);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open %.200s", path);
    ssize_t n = 0;
    do
        n = write(fd, text, strlen(text));
    while (n < 0 && errno == EINTR);
    return n < 0 ? bt_fail_errno(err, errno, "write \"%.60s\" to %.200s", text, path) : 0;
}

static int make_dir(int dirfd, const char *path, mode_t mode, struct bt_err *err)
{
    struct stat st;
    if (mkdirat(dirfd, path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return bt_fail_errno(err, errno, "mkdir %.200s", path);
    if (fstatat(dirfd, path, &st, 0) < 0 || !S_ISDIR(st.st_mode))
        return bt_fail_errno(err, ENOTDIR, "mkdir %.200s", path);
    return 0;
}

int bt_mkdir_p(int dirfd, const char *path, mode_t mode, struct bt_err *err)
{
    _cleanup_free_ char *copy = bt_xstrdup(path);
    for (char *p = copy + (*copy == '/');; p++) {
        if (*p && *p != '/')
            continue;
        char c = *p;
        *p = '\0';
        int rc = *copy ? make_dir(dirfd, copy, mode, err) : 0;
        if (rc < 0)
            return rc;
        *p = c;
        if (!c)
            return 0;
    }
}

int bt_try_lock(int fd, struct bt_err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return bt_fail(err, BT_E_LOCKED, "another process holds the lock");
    return bt_fail_errno(err, errno, "flock");
}
