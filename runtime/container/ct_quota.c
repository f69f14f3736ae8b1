/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/container/ct_loop.h"
#include "runtime/container/ct_mount.h"

#define CHUNK 65536
#define LIMIT_BYTES (1 << 20)
#define WRITE_BYTES (16 << 20)
#define BASIC_BLOCK 512
/* Above any project id that a store of ours is given. */
#define PROBE_PROJECT 4294000000u
#define PROBE_UID 65534
#define IMAGE_BYTES (8 << 20)
#define MKFS "/sbin/mkfs.ext4"

/* 0 when a write was refused with @errnum before WRITE_BYTES. */
static int fill(int dir, const char *name, int errnum)
{
    static const char zeros[CHUNK];
    _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == errnum ? 0 : -1;
    for (size_t n = 0; n < WRITE_BYTES; n += CHUNK) {
        if (write(fd, zeros, CHUNK) < 0)
            return errno == errnum ? 0 : -1;
    }
    return fsync(fd) < 0 && errno == errnum ? 0 : -1;
}

/* By somebody without privilege: the kernel lets CAP_SYS_RESOURCE past ext4's quotas. */
static int fill_as_nobody(int dir, const char *name, int errnum)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setresgid(PROBE_UID, PROBE_UID, PROBE_UID) < 0 ||
            setresuid(PROBE_UID, PROBE_UID, PROBE_UID) < 0)
            _exit(2);
        _exit(fill(dir, name, errnum) == 0 ? 0 : 1);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && status == 0 ? 0 : -1;
}

static int set_project(int fd, uint32_t project, struct bt_err *err)
{
    struct fsxattr x;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
        return bt_fail_errno(err, errno, "read project id");
    x.fsx_projid = project;
    x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0)
        return bt_fail_errno(err, errno, "set project id");
    return 0;
}

/* The generic layer takes the XFS calls for ext4 too (fs/quota/quota.c). */
static int set_limit(int fd, uint32_t project, uint64_t bytes, struct bt_err *err)
{
    struct fs_disk_quota q = {.d_version = FS_DQUOT_VERSION,
                              .d_flags = FS_PROJ_QUOTA,
                              .d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT,
                              .d_id = project,
                              .d_blk_hardlimit = bytes / BASIC_BLOCK,
                              .d_blk_softlimit = bytes / BASIC_BLOCK};
    if (syscall(SYS_quotactl_fd, fd, QCMD(Q_XSETQLIM, PRJQUOTA), project, &q) == 0)
        return 0;
    if (errno == ESRCH || errno == ENOSYS || errno == EINVAL)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "mounted without project quota");
    return bt_fail_errno(err, errno, "set a project quota");
}

static int try_limited_dir(int dir, const char *name, struct bt_err *err)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchown(fd, PROBE_UID, PROBE_UID) < 0)
        return bt_fail_errno(err, errno, "open the probe's directory");
    int rc = set_project(fd, PROBE_PROJECT, err);
    if (rc == 0)
        rc = set_limit(fd, PROBE_PROJECT, LIMIT_BYTES, err);
    if (rc < 0)
        return rc;
    if (fill_as_nobody(fd, "fill", EDQUOT) < 0 && fill_as_nobody(fd, "fill2", ENOSPC) < 0)
        rc = bt_fail(err, BT_E_MISSING_CAPABILITY, "a write past the project quota went through");
    (void)unlinkat(fd, "fill", 0);
    (void)unlinkat(fd, "fill2", 0);
    (void)set_limit(fd, PROBE_PROJECT, 0, NULL);
    return rc;
}

static int try_project(const char *path, long magic, const char *fs_name, struct bt_err *err)
{
    struct statfs fs;
    char name[64];
    _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fstatfs(dir, &fs) < 0)
        return bt_fail_errno(err, errno, "open %s", path);
    if (fs.f_type != magic)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "the store is not on %s", fs_name);
    (void)snprintf(name, sizeof name, ".probe-%d", (int)getpid());
    if (mkdirat(dir, name, 0700) < 0)
        return bt_fail_errno(err, errno, "mkdir %s", name);
    int rc = try_limited_dir(dir, name, err);
    (void)unlinkat(dir, name, AT_REMOVEDIR);
    return rc;
}

int ct_quota_try_xfs(const char *dir, bool *ret_grows, struct bt_err *err)
{
    (void)ret_grows;
    return try_project(dir, XFS_SUPER_MAGIC, "XFS", err);
}

int ct_quota_try_ext4(const char *dir, bool *ret_grows, struct bt_err *err)
{
    (void)ret_grows;
    return try_project(dir, EXT4_SUPER_MAGIC, "ext4", err);
}

static int run_mkfs(const char *image, struct bt_err *err)
{
    static char *const env[] = {NULL};
    char program[] = MKFS;
    char quiet[] = "-qF";
    char end[] = "--";
    _cleanup_free_ char *name = bt_xstrdup(image);
    char *const argv[] = {program, quiet, end, name, NULL};
    pid_t pid;
    int status = 0;
    int rc = posix_spawn(&pid, MKFS, NULL, NULL, argv, env);
    if (rc != 0)
        return bt_fail_errno(err, rc, "run %s", MKFS);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 ? 0 : bt_fail(err, BT_E_HELPER, "%s failed", MKFS);
}

static int try_mounted(const char *device, bool *ret_grows, struct bt_err *err)
{
    _cleanup_close_ int mnt = ct_mount_ext4(device, err);
    if (mnt < 0)
        return mnt;
    _cleanup_close_ int root = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return bt_fail_errno(err, errno, "open the probe's disk");
    if (fill(root, "fill", ENOSPC) < 0)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "a write past the image's size went through");
    *ret_grows = ct_loop_grow_ext4(root, 2 * (int64_t)IMAGE_BYTES, NULL) == 0;
    return 0;
}

static int try_image(const char *image, bool *ret_grows, struct bt_err *err)
{
    struct ct_loop loop;
    int rc = run_mkfs(image, err);
    if (rc == 0 && truncate(image, 2 * IMAGE_BYTES) < 0)
        rc = bt_fail_errno(err, errno, "grow the probe's image");
    if (rc == 0)
        rc = ct_loop_attach(image, &loop, err);
    if (rc < 0)
        return rc;
    rc = try_mounted(loop.path, ret_grows, err);
    (void)close(loop.fd);
    return rc;
}

int ct_quota_try_loop(const char *dir, bool *ret_grows, struct bt_err *err)
{
    _cleanup_free_ char *image = bt_xasprintf("%s/.probe-%d", dir, (int)getpid());
    _cleanup_close_ int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, IMAGE_BYTES) < 0)
        return bt_fail_errno(err, errno, "create %s", image);
    int rc = try_image(image, ret_grows, err);
    (void)unlink(image);
    return rc;
}
