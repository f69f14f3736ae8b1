/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define CONTROL "/dev/loop-control"
#define TRIES 200
/* fs/ext4/ext4.h; not in any header for programs. */
#define EXT4_IOC_RESIZE_FS_ _IOW('f', 16, uint64_t)

static int configure(int loop, int image, const char *path)
{
    struct loop_config c = {.fd = (uint32_t)image};
    c.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    (void)bt_strcpy((char *)c.info.lo_file_name, sizeof c.info.lo_file_name, path);
    if (ioctl(loop, LOOP_CONFIGURE, &c) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    c.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    return ioctl(loop, LOOP_CONFIGURE, &c) == 0 ? 0 : -errno;
}

int ct_loop_attach(const char *image, struct ct_loop *ret, struct bt_err *err)
{
    _cleanup_close_ int file = open(image, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_close_ int control = open(CONTROL, O_RDWR | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "no disk image %s", image);
    if (file < 0)
        return bt_fail_errno(err, errno, "open %s", image);
    if (control < 0)
        return bt_fail_errno(err, errno, "open %s", CONTROL);
    /* Another may take the free one between the two calls. */
    for (int tries = 0; tries < TRIES; tries++) {
        int n = ioctl(control, LOOP_CTL_GET_FREE);
        if (n < 0)
            return bt_fail_errno(err, errno, "get a free loop device");
        struct ct_loop l = {0};
        (void)snprintf(l.path, sizeof l.path, "/dev/loop%d", n);
        _cleanup_close_ int fd = open(l.path, O_RDWR | O_CLOEXEC);
        int rc = fd < 0 ? -errno : configure(fd, file, image);
        struct stat st;
        if (rc == 0 && fstat(fd, &st) == 0) {
            l.rdev = st.st_rdev;
            l.fd = TAKE_FD(fd);
            *ret = l;
            return 0;
        }
        if (rc != -EBUSY && rc != -ENXIO)
            return bt_fail_errno(err, -rc, "bind %s to %s", l.path, image);
    }
    return bt_fail(err, BT_E_UNAVAILABLE, "no loop device could be had");
}

int ct_loop_resized(int fd, struct bt_err *err)
{
    return ioctl(fd, LOOP_SET_CAPACITY, 0) < 0 ? bt_fail_errno(err, errno, "resize loop device")
                                               : 0;
}

int ct_loop_grow_ext4(int dirfd, int64_t size_bytes, struct bt_err *err)
{
    struct statfs fs;
    if (fstatfs(dirfd, &fs) < 0)
        return bt_fail_errno(err, errno, "statfs");
    uint64_t blocks = (uint64_t)size_bytes / (uint64_t)fs.f_bsize;
    if (ioctl(dirfd, EXT4_IOC_RESIZE_FS_, &blocks) == 0)
        return 0;
    if (errno == EPERM)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "growing ext4 needs CAP_SYS_RESOURCE");
    return bt_fail_errno(err, errno, "grow ext4 to %lld bytes", (long long)size_bytes);
}
