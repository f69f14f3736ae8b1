/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grows the disk of an instance: the image, the loop device on it, the ext4 on that. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_loop.h"
#include "runtime/container/ct_mount.h"
#include "runtime/container/ct_proc.h"
#include "runtime/container/ct_stat.h"

static int grow_file(const char *path, int64_t size_bytes, struct bt_err *err)
{
    struct stat st;
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "no disk image %s", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return bt_fail_errno(err, errno, "open %s", path);
    if (size_bytes < st.st_size)
        return bt_fail(err, BT_E_UNSUPPORTED_BY_BACKEND, "a loop disk cannot shrink");
    if (size_bytes > st.st_size && ftruncate(fd, size_bytes) < 0)
        return bt_fail_errno(err, errno, "grow %s", path);
    return 0;
}

/* The loop device under the mounted disk, if it really lies on @path. */
static int open_loop_of(int upper, const char *path, struct bt_err *err)
{
    struct stat st;
    struct stat image;
    struct loop_info64 info;
    char name[32];
    if (fstat(upper, &st) < 0 || stat(path, &image) < 0)
        return bt_fail_errno(err, errno, "stat of the disk");
    (void)snprintf(name, sizeof name, "/dev/loop%u", minor(st.st_dev));
    _cleanup_close_ int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open %s", name);
    if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
        return bt_fail_errno(err, errno, "status of %s", name);
    if (info.lo_inode != image.st_ino)
        return bt_fail(err, BT_E_INVALID, "the instance's disk is not on %s", path);
    return TAKE_FD(fd);
}

static int grow_online(const struct ct *c, const struct ct_life *l, struct bt_err *err)
{
    const struct helper_container_grow *g = c->req.grow;
    _cleanup_close_ int upper = ct_open_in_monitor(c, l->place.monitor, "upper");
    if (upper < 0)
        return bt_fail_errno(err, errno, "open the mounted disk");
    _cleanup_close_ int loop = open_loop_of(upper, g->path, err);
    if (loop < 0)
        return loop;
    int rc = grow_file(g->path, g->size_bytes, err);
    if (rc == 0)
        rc = ct_loop_resized(loop, err);
    return rc < 0 ? rc : ct_loop_grow_ext4(upper, g->size_bytes, err);
}

/* Mounted nowhere: a descriptor of the mount is enough. */
static int grow_offline(const struct ct *c, struct bt_err *err)
{
    const struct helper_container_grow *g = c->req.grow;
    struct ct_loop loop;
    int rc = grow_file(g->path, g->size_bytes, err);
    if (rc == 0)
        rc = ct_loop_attach(g->path, &loop, err);
    if (rc < 0)
        return rc;
    _cleanup_close_ int mnt = ct_mount_ext4(loop.path, err);
    (void)close(loop.fd);
    _cleanup_close_ int dir = mnt < 0 ? -1 : openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mnt >= 0 && dir < 0)
        return bt_fail_errno(err, errno, "open the disk");
    return mnt < 0 ? mnt : ct_loop_grow_ext4(dir, g->size_bytes, err);
}

int ct_grow(struct ct *c, struct bt_err *err)
{
    struct ct_life life = {0};
    c->step = "grow";
    if (!c->req.grow)
        return bt_fail(err, BT_E_INVALID, "grow: required");
    struct bt_err absent = BT_ERR_INIT;
    if (ct_open_dir(c, false, &absent) == 0)
        ct_life_read(c->dir, &life);
    else if (absent.code != BT_E_NOT_FOUND)
        return bt_fail(err, absent.code, "%s", absent.msg);
    bool online = life.init_lives && life.lock_held;
    int rc = 0;
    if (life.init_lives && !online)
        rc = bt_fail(err, BT_E_UNAVAILABLE, "the instance's monitor is lost");
    else if (life.lock_held && !online)
        rc = bt_fail(err, BT_E_LOCKED, "the instance is starting or ending");
    else
        rc = online ? grow_online(c, &life, err) : grow_offline(c, err);
    ct_life_fini(&life);
    if (rc < 0)
        return rc;
    struct helper_container_grown ok = {.size_bytes = c->req.grow->size_bytes, .online = online};
    ct_reply_ok(c, &helper_container_grown_schema, &ok, NULL, 0);
    return 0;
}
