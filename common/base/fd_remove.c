/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"

/*
 * A tree that a tenant made may be deeper than descriptors or the stack allow. So it is flattened:
 * what a subdirectory holds is unlinked, and its own subdirectories are moved up beside it until
 * the top has only files left. Two directories are open at a time, whatever the depth. No step
 * enters a mount (RESOLVE_NO_XDEV sees bind mounts too) and a mount point cannot be moved (EBUSY).
 */
struct pass {
    int top;       /* directory that is emptied */
    uint64_t next; /* number of the next directory that is moved up */
    bool found;    /* this pass met a subdirectory: another one is needed */
};

static int fail(struct bt_err *err, int errnum, const char *what, const char *name)
{
    if (errnum == EXDEV || errnum == EBUSY)
        return bt_fail(err, BT_E_IN_USE, "%.200s is a mount point", name);
    return bt_fail_errno(err, errnum, "%s %.200s", what, name);
}

/* Open the subdirectory @name of @dirfd, neither through a link nor into a mount. */
static int open_sub(int dirfd, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
    long fd = 0;
    do
        fd = syscall(SYS_openat2, dirfd, name, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return (int)fd;
}

/* Call @each for every entry of @fd but "." and "..". */
static int walk(int fd, int (*each)(struct pass *p, int fd, const char *name, struct bt_err *err),
                struct pass *p, struct bt_err *err)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (!d) {
        int saved = errno;
        bt_close_p(&own);
        return bt_fail_errno(err, saved, "list directory");
    }
    int rc = 0;
    for (struct dirent *e = readdir(d); e && rc >= 0; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = each(p, fd, e->d_name, err);
    }
    (void)closedir(d);
    return rc;
}

/* 1 when @name was no directory and is gone (or was), 0 when it is one. */
static int unlink_file(int dirfd, const char *name, struct bt_err *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 1;
    return errno == EISDIR ? 0 : fail(err, errno, "unlink", name);
}

static int move_up(struct pass *p, int fd, const char *name, struct bt_err *err)
{
    int rc = unlink_file(fd, name, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno != ENOTEMPTY)
        return fail(err, errno, "rmdir", name);
    for (;;) {
        char up[32];
        (void)snprintf(up, sizeof up, ".removed-%llu", (unsigned long long)p->next++);
        if (renameat2(fd, name, p->top, up, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            return fail(err, errno, "move", name);
    }
}

static int empty_sub(struct pass *p, int fd, const char *name, struct bt_err *err)
{
    int rc = unlink_file(fd, name, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    p->found = true;
    _cleanup_close_ int sub = open_sub(fd, name);
    if (sub < 0)
        return fail(err, errno, "open", name);
    rc = walk(sub, move_up, p, err);
    if (rc < 0)
        return rc;
    if (unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
        return fail(err, errno, "rmdir", name);
    return 0;
}

static int empty_top(int top, struct bt_err *err)
{
    struct pass p = {.top = top};
    do {
        p.found = false;
        int rc = walk(top, empty_sub, &p, err);
        if (rc < 0)
            return rc;
    } while (p.found);
    return 0;
}

static int open_dir(int dirfd, const char *path, struct bt_err *err)
{
    int fd = openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "no directory %.200s", path);
    return fd < 0 ? bt_fail_errno(err, errno, "open %.200s", path) : fd;
}

/* Directory that holds the last component of @path, which begins at *@ret_name. */
static int open_parent(int dirfd, const char *path, const char **ret_name, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return bt_fail(err, BT_E_INVALID, "\"%.200s\" names no entry", path);
    *ret_name = name;
    if (!slash)
        return open_dir(dirfd, ".", err);
    _cleanup_free_ char *parent = bt_xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    return dirfd == AT_FDCWD ? open_dir(dirfd, parent, err)
                             : bt_open_beneath(dirfd, parent, O_PATH | O_DIRECTORY, 0, err);
}

int bt_remove_tree(int dirfd, const char *path, struct bt_err *err)
{
    const char *name = NULL;
    struct bt_err why = BT_ERR_INIT;
    _cleanup_close_ int parent = open_parent(dirfd, path, &name, &why);
    if (parent < 0)
        return why.code == BT_E_NOT_FOUND ? 0 : bt_fail(err, why.code, "%s", why.msg);
    int rc = unlink_file(parent, name, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    _cleanup_close_ int top = open_sub(parent, name);
    if (top < 0)
        return errno == ENOENT ? 0 : fail(err, errno, "open", name);
    rc = empty_top(top, err);
    if (rc < 0)
        return rc;
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail(err, errno, "rmdir", name);
    return 0;
}
