/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_idmap.h"
#include "runtime/container/ct_loop.h"
#include "runtime/container/ct_profile.h"

/* What the file system has to say about a refusal, fsopen(2). */
static int fs_failed(int fs, int errnum, const char *what, struct bt_err *err)
{
    char text[256];
    ssize_t n = read(fs, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return bt_fail_errno(err, errnum, "%s%s%s", what, n > 0 ? ": " : "", text);
}

static int place_mount(int mnt, int dir, const char *name, struct bt_err *err)
{
    if (move_mount(mnt, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return bt_fail_errno(err, errno, "mount on %s", name);
    return 0;
}

/*
 * A proc that is covered anywhere is not "fully visible", and then no user namespace below ours may
 * mount one (fs/namespace.c, mount_too_revealing): so a second, uncovered one stands in plain/.
 */
static int cover_init_cgroup(int dir, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf have = BT_BUF(65536);
    _cleanup_buf_ struct bt_buf want = BT_BUF(65536);
    int rc = bt_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, &have, err);
    if (rc < 0)
        return rc;
    for (const char *s = have.data; *s; s += strcspn(s, "\n"), s += *s == '\n') {
        const char *colon = memchr(s, ':', strcspn(s, "\n"));
        colon = colon ? memchr(colon + 1, ':', strcspn(colon + 1, "\n")) : NULL;
        if (colon)
            (void)bt_buf_addf(&want, "%.*s:/\n", (int)(colon - s), s);
    }
    rc = bt_write_file_atomic(dir, "init.cgroup", want.data, want.len, 0444, err);
    if (rc < 0)
        return rc;
    if (mount("/proc", "plain", NULL, MS_BIND, NULL) < 0 ||
        mount("init.cgroup", "/proc/1/cgroup", NULL, MS_BIND, NULL) < 0)
        return bt_fail_errno(err, errno, "cover /proc/1/cgroup");
    return 0;
}

int ct_mount_private(int *dir, struct bt_err *err)
{
    static const char *const points[] = {"lower", "upper", "root", "plain", "stage"};
    if (fchdir(*dir) < 0)
        return bt_fail_errno(err, errno, "chdir to the run directory");
    if (unshare(CLONE_NEWNS) < 0)
        return bt_fail_errno(err, errno, "unshare the mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return bt_fail_errno(err, errno, "make / a slave");
    /* The working directory came along, descriptors still mean the host's mounts. */
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open the run directory");
    (void)close(*dir);
    *dir = fd;
    for (size_t i = 0; i < BT_ARRAY_LEN(points); i++) {
        int rc = bt_mkdir_p(fd, points[i], 0711, err);
        if (rc < 0)
            return rc;
    }
    return cover_init_cgroup(fd, err);
}

int ct_mount_ext4(const char *device, struct bt_err *err)
{
    _cleanup_close_ int fs = fsopen("ext4", FSOPEN_CLOEXEC);
    if (fs < 0)
        return bt_fail_errno(err, errno, "fsopen ext4");
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "errors", "remount-ro", 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return fs_failed(fs, errno, "mount the instance's disk", err);
    int mnt =
        fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
    return mnt < 0 ? fs_failed(fs, errno, "mount the instance's disk", err) : mnt;
}

/* The file first, then the device on it: a size that was asked for while it was down. */
static int grow_image(const char *path, int64_t size_bytes, struct bt_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return bt_fail_errno(err, errno, "disk image %s", path);
    if (st.st_size < size_bytes && truncate(path, size_bytes) < 0)
        return bt_fail_errno(err, errno, "grow %s", path);
    return 0;
}

static int mount_upper_loop(int dir, const struct helper_upper_spec *u, struct ct_root *r,
                            struct bt_err *err)
{
    struct ct_loop loop;
    int rc = u->size_bytes ? grow_image(u->path, u->size_bytes, err) : 0;
    if (rc == 0)
        rc = ct_loop_attach(u->path, &loop, err);
    if (rc < 0)
        return rc;
    _cleanup_close_ int mnt = ct_mount_ext4(loop.path, err);
    (void)close(loop.fd);
    if (mnt < 0)
        return mnt;
    r->disk = (struct ct_cg_disk){major(loop.rdev), minor(loop.rdev)};
    return place_mount(mnt, dir, "upper", err);
}

static int mount_upper_dir(int dir, const struct helper_upper_spec *u, struct bt_err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME,
                              .attr_clr = MOUNT_ATTR__ATIME};
    _cleanup_close_ int mnt = open_tree(AT_FDCWD, u->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mnt < 0)
        return bt_fail_errno(err, errno, "open %s", u->path);
    if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bt_fail_errno(err, errno, "set flags of %s", u->path);
    return place_mount(mnt, dir, "upper", err);
}

/* The guest's root as the image has it, owned by the instance's own root. */
static int prepare_upper(int upper, int lower, int64_t base, struct bt_err *err)
{
    struct stat st;
    struct stat image;
    int rc = bt_mkdir_p(upper, "work", 0700, err);
    if (rc < 0)
        return rc;
    if (fstatat(upper, "root", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == (uid_t)base)
        return 0;
    rc = bt_mkdir_p(upper, "root", 0755, err);
    if (rc < 0)
        return rc;
    if (fstat(lower, &image) < 0 || fchmodat(upper, "root", image.st_mode & 07777, 0) < 0 ||
        fchownat(upper, "root", (uid_t)base, (gid_t)base, AT_SYMLINK_NOFOLLOW) < 0)
        return bt_fail_errno(err, errno, "prepare the instance's disk");
    return 0;
}

static int mount_upper(int dir, const struct helper_container_spec *spec, struct ct_root *r,
                       struct bt_err *err)
{
    const struct helper_upper_spec *u = &spec->upper;
    int rc = u->backend == HELPER_UPPER_LOOP ? mount_upper_loop(dir, u, r, err)
                                             : mount_upper_dir(dir, u, err);
    if (rc < 0)
        return rc;
    r->upper = bt_open_beneath(dir, "upper", O_RDONLY | O_DIRECTORY, 0, err);
    if (r->upper < 0)
        return r->upper;
    /* Where it cannot grow it still starts; what is read back says how large it is. */
    if (u->backend == HELPER_UPPER_LOOP && u->size_bytes)
        (void)ct_loop_grow_ext4(r->upper, u->size_bytes, NULL);
    if (u->backend != HELPER_UPPER_LOOP)
        r->disk = ct_mount_disk_of(r->upper);
    return 0;
}

static int mount_lower(int dir, const struct helper_container_spec *spec, struct bt_err *err)
{
    _cleanup_close_ int userns = ct_idmap_userns(spec->id_base, spec->id_count, err);
    if (userns < 0)
        return userns;
    _cleanup_close_ int mnt = open_tree(AT_FDCWD, spec->lower, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mnt < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_BAD_IMAGE, "no image directory %s", spec->lower);
    if (mnt < 0)
        return bt_fail_errno(err, errno, "open %s", spec->lower);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV |
                                          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME,
                              .attr_clr = MOUNT_ATTR__ATIME,
                              .userns_fd = (unsigned)userns};
    if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bt_fail_errno(err, errno, "map the ids of %s", spec->lower);
    return place_mount(mnt, dir, "lower", err);
}

struct option {
    const char *key, *value;
};

/* Relative names: the working directory is @dir, so no path needs quoting. */
static int mount_overlay(int dir, struct bt_err *err)
{
    static const struct option options[] = {
        {"source", "berth"},       {"lowerdir", "lower"},  {"upperdir", "upper/root"},
        {"workdir", "upper/work"}, {"redirect_dir", "on"}, {"metacopy", "off"},
    };
    _cleanup_close_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return bt_fail_errno(err, errno, "fsopen overlay");
    for (size_t i = 0; i < BT_ARRAY_LEN(options); i++) {
        if (fsconfig(fs, FSCONFIG_SET_STRING, options[i].key, options[i].value, 0) < 0)
            return fs_failed(fs, errno, options[i].key, err);
    }
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return fs_failed(fs, errno, "mount the overlay", err);
    /* Not nosuid: sudo and su must work inside. */
    _cleanup_close_ int mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
    if (mnt < 0)
        return fs_failed(fs, errno, "mount the overlay", err);
    return place_mount(mnt, dir, "root", err);
}

/* An overlay whose upper cannot be written is mounted read-only without a word. */
static int open_root(int dir, struct ct_root *r, struct bt_err *err)
{
    struct statvfs st;
    r->fd = bt_open_beneath(dir, "root", O_RDONLY | O_DIRECTORY, 0, err);
    if (r->fd < 0)
        return r->fd;
    if (fstatvfs(r->fd, &st) < 0)
        return bt_fail_errno(err, errno, "statvfs of the root");
    if (st.f_flag & ST_RDONLY)
        return bt_fail(err, BT_E_IO, "the instance's disk is read-only");
    return 0;
}

int ct_mount_root(int dir, const struct helper_container_spec *spec, struct ct_root *ret,
                  struct bt_err *err)
{
    struct ct_root r = CT_ROOT_INIT;
    int rc = mount_lower(dir, spec, err);
    if (rc == 0)
        rc = mount_upper(dir, spec, &r, err);
    if (rc == 0) {
        _cleanup_close_ int lower = bt_open_beneath(dir, "lower", O_RDONLY | O_DIRECTORY, 0, err);
        rc = lower < 0 ? lower : prepare_upper(r.upper, lower, spec->id_base, err);
    }
    if (rc == 0)
        rc = mount_overlay(dir, err);
    if (rc == 0)
        rc = open_root(dir, &r, err);
    if (rc < 0)
        ct_root_fini(&r);
    else
        *ret = r;
    return rc;
}

static bool is_closed(const struct ct_node *n)
{
    struct stat st;
    char path[64];
    (void)snprintf(path, sizeof path, "/dev/%s", n->path);
    return stat(path, &st) == 0 && (st.st_mode & 0006) != 0006;
}

static int make_nodes(uint64_t features, int64_t base, struct bt_err *err)
{
    _cleanup_close_ int dir = open("dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return bt_fail_errno(err, errno, "open dev");
    for (size_t i = 0; i < CT_NODES; i++) {
        const struct ct_node *n = &ct_nodes[i];
        if (!ct_has(features, n->feature))
            continue;
        if (mknodat(dir, n->name, S_IFCHR | 0600, makedev(n->major, n->minor)) < 0 ||
            fchownat(dir, n->name, (uid_t)base, (gid_t)base, AT_SYMLINK_NOFOLLOW) < 0 ||
            fchmodat(dir, n->name, 0666, 0) < 0)
            return bt_fail_errno(err, errno, "make node %s", n->name);
    }
    return 0;
}

int ct_mount_nodes(int dir, uint64_t features, int64_t base, bool *ret, struct bt_err *err)
{
    bool closed = false;
    for (size_t i = 0; i < CT_NODES; i++)
        closed = closed || (ct_has(features, ct_nodes[i].feature) && is_closed(&ct_nodes[i]));
    *ret = false;
    if (!closed)
        return 0;
    int rc = bt_mkdir_p(dir, "dev", 0711, err);
    if (rc < 0)
        return rc;
    if (mount("berth", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4k,nr_inodes=8,mode=0711") < 0)
        return bt_fail_errno(err, errno, "mount dev");
    rc = make_nodes(features, base, err);
    *ret = rc == 0;
    return rc;
}

void ct_mount_drop(int dir)
{
    static const char *const points[] = {"stage", "root", "upper", "lower", "plain", "dev"};
    if (fchdir(dir) < 0)
        return;
    (void)umount2("/proc/1/cgroup", MNT_DETACH);
    for (size_t i = 0; i < BT_ARRAY_LEN(points); i++) {
        if (umount2(points[i], UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
            (void)umount2(points[i], MNT_DETACH | UMOUNT_NOFOLLOW);
        (void)unlinkat(dir, points[i], AT_REMOVEDIR);
    }
    (void)unlinkat(dir, "init.cgroup", 0);
}

void ct_root_fini(struct ct_root *r)
{
    bt_close_p(&r->fd);
    bt_close_p(&r->upper);
    r->fd = r->upper = -1;
}

struct ct_cg_disk ct_mount_disk_of(int fd)
{
    struct stat st;
    char path[128];
    _cleanup_buf_ struct bt_buf b = BT_BUF(64);
    if (fstat(fd, &st) < 0 || major(st.st_dev) == 0)
        return (struct ct_cg_disk){0};
    struct ct_cg_disk d = {major(st.st_dev), minor(st.st_dev)};
    /* Of a partition the directory above is the disk (sysfs(5)). */
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/partition", d.major, d.minor);
    if (access(path, F_OK) < 0)
        return d;
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/../dev", d.major, d.minor);
    if (bt_read_file(AT_FDCWD, path, 64, &b, NULL) < 0)
        return (struct ct_cg_disk){0};
    int64_t maj = 0;
    int64_t min = 0;
    char *colon = strchr(b.data, ':');
    if (!colon)
        return (struct ct_cg_disk){0};
    *colon = '\0';
    colon[1 + strcspn(colon + 1, "\n")] = '\0';
    if (bt_parse_i64(b.data, 0, UINT32_MAX, &maj, NULL) < 0 ||
        bt_parse_i64(colon + 1, 0, UINT32_MAX, &min, NULL) < 0)
        return (struct ct_cg_disk){0};
    return (struct ct_cg_disk){(unsigned)maj, (unsigned)min};
}
