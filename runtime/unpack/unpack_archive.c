/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/unpack/unpack.h"

#define BLOCK 65536
#define RATIO_MAX 200 /* unpacked to packed; a rootfs stays under 10 */
#define RATIO_FREE (64ll << 20)
#define XATTRS_MAX 32
#define XATTR_MAX 65536 /* XATTR_SIZE_MAX of linux/limits.h */

struct job {
    struct archive *in, *out;
    const struct helper_unpack_request *limits;
    struct helper_unpack_ok done;
    int64_t packed;
};

int unpack_path_ok(const char *path, struct bt_err *err)
{
    size_t len = strnlen(path, UNPACK_PATH_MAX);
    if (len == 0 || len == UNPACK_PATH_MAX)
        return bt_fail(err, BT_E_BAD_IMAGE, "a path is empty or too long");
    if (path[0] == '/')
        return bt_fail(err, BT_E_BAD_IMAGE, "an absolute path: %.80s", path);
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n > UNPACK_COMPONENT_MAX)
            return bt_fail(err, BT_E_BAD_IMAGE, "a name is longer than %d bytes",
                           UNPACK_COMPONENT_MAX);
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return bt_fail(err, BT_E_BAD_IMAGE, "a path with \"..\": %.80s", path);
        p += n;
        p += strspn(p, "/");
    }
    return 0;
}

static int archive_failed(struct archive *a, const char *what, struct bt_err *err)
{
    int errnum = archive_errno(a);
    const char *text = archive_error_string(a);
    if (errnum == ENOSPC || errnum == EDQUOT)
        return bt_fail(err, BT_E_STORAGE_FULL, "%s: no space left", what);
    if (errnum == EFBIG)
        return bt_fail(err, BT_E_TOO_LARGE, "%s: one file is too large", what);
    return bt_fail(err, BT_E_BAD_IMAGE, "%s: %.200s", what, text ? text : "unknown error");
}

static int over(const struct job *j, struct bt_err *err)
{
    if (j->done.bytes > j->limits->max_bytes)
        return bt_fail(err, BT_E_TOO_LARGE, "more than %lld bytes",
                       (long long)j->limits->max_bytes);
    if (j->done.files > j->limits->max_files)
        return bt_fail(err, BT_E_TOO_LARGE, "more than %lld files",
                       (long long)j->limits->max_files);
    if (j->done.bytes > RATIO_FREE && j->done.bytes / RATIO_MAX > j->packed)
        return bt_fail(err, BT_E_BAD_IMAGE, "it unpacks to more than %d times its size", RATIO_MAX);
    return 0;
}

static int copy_data(struct job *j, struct bt_err *err)
{
    for (;;) {
        const void *block = NULL;
        size_t n = 0;
        la_int64_t at = 0;
        int rc = archive_read_data_block(j->in, &block, &n, &at);
        if (rc == ARCHIVE_EOF)
            return 0;
        if (rc < ARCHIVE_WARN)
            return archive_failed(j->in, "read", err);
        j->done.bytes += (int64_t)n;
        if (over(j, err) < 0)
            return -(int)err->code;
        if (archive_write_data_block(j->out, block, n, at) != ARCHIVE_OK)
            return archive_failed(j->out, "write", err);
    }
}

/* struct vfs_cap_data of revision 2 and 3 (linux/capability.h): the revisions that a file can have.
 */
static bool capability_ok(const unsigned char *value, size_t n)
{
    return n >= 4 && ((value[3] == 2 && n == 20) || (value[3] == 3 && n == 24));
}

/* trusted.*, system.* and other security.* steer the host: they never come from outside. */
static bool xattr_ok(const char *name, const void *value, size_t n)
{
    if (strcmp(name, "security.capability") == 0)
        return value && capability_ok(value, n);
    return bt_starts_with(name, "user.") && n <= XATTR_MAX;
}

struct xattr {
    char *name;
    void *value;
    size_t n;
};

static void clean_xattrs(struct archive_entry *e)
{
    const char *name = NULL;
    const void *value = NULL;
    size_t n = 0;
    struct xattr keep[XATTRS_MAX];
    size_t kept = 0;
    (void)archive_entry_xattr_reset(e);
    while (kept < XATTRS_MAX && archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK) {
        if (!name || !xattr_ok(name, value, n))
            continue;
        struct xattr x = {bt_xstrdup(name), bt_xmalloc(n + 1), n};
        if (n > 0)
            memcpy(x.value, value, n);
        keep[kept++] = x;
    }
    archive_entry_xattr_clear(e);
    for (size_t i = 0; i < kept; i++) {
        archive_entry_xattr_add_entry(e, keep[i].name, keep[i].value, keep[i].n);
        free(keep[i].name);
        free(keep[i].value);
    }
}

static bool skipped_type(struct archive_entry *e)
{
    mode_t type = archive_entry_filetype(e);
    return type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK;
}

/*
 * The tree is empty at first, so whatever lies at an entry's path came from an earlier entry. Only
 * a directory may come twice: all else would let a later entry change what was checked before.
 */
static int check_new(const char *path, mode_t type, struct bt_err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return 0; /* what else is wrong with it shows when it is made */
    if (S_ISDIR(st.st_mode) && type == AE_IFDIR)
        return 0;
    return bt_fail(err, BT_E_BAD_IMAGE, "it comes twice: %.80s", path);
}

static int check_entry(struct archive_entry *e, struct bt_err *err)
{
    const char *path = archive_entry_pathname(e);
    const char *link = archive_entry_hardlink(e);
    if (!path)
        return bt_fail(err, BT_E_BAD_IMAGE, "a path cannot be read");
    int rc = unpack_path_ok(path, err);
    if (rc >= 0 && link)
        rc = unpack_path_ok(link, err);
    if (rc >= 0 && archive_entry_size(e) < 0)
        rc = bt_fail(err, BT_E_BAD_IMAGE, "a negative size");
    return rc < 0 ? rc : check_new(path, archive_entry_filetype(e), err);
}

/* libarchive passes over a hard link to itself without a word. */
static int check_made(struct archive_entry *e, struct bt_err *err)
{
    struct stat st;
    if (archive_entry_hardlink(e) && lstat(archive_entry_pathname(e), &st) < 0)
        return bt_fail(err, BT_E_BAD_IMAGE, "a hard link to what is not there: %.80s",
                       archive_entry_hardlink(e));
    return 0;
}

static int one_entry(struct job *j, struct archive_entry *e, struct bt_err *err)
{
    int rc = check_entry(e, err);
    if (rc < 0)
        return rc;
    j->done.files++;
    if (skipped_type(e)) {
        j->done.skipped++;
        return over(j, err);
    }
    clean_xattrs(e);
    archive_entry_acl_clear(e);
    archive_entry_set_uname(e, NULL);
    archive_entry_set_gname(e, NULL);
    /* Of what it writes even a warning counts: an owner or a capability that was not set. */
    if (archive_write_header(j->out, e) != ARCHIVE_OK)
        return archive_failed(j->out, "create", err);
    if (archive_entry_size(e) > 0 && !archive_entry_hardlink(e))
        rc = copy_data(j, err);
    if (rc >= 0 && archive_write_finish_entry(j->out) != ARCHIVE_OK)
        rc = archive_failed(j->out, "finish", err);
    if (rc >= 0)
        rc = check_made(e, err);
    return rc < 0 ? rc : over(j, err);
}

static int all_entries(struct job *j, struct bt_err *err)
{
    for (;;) {
        struct archive_entry *e = NULL;
        int rc = archive_read_next_header(j->in, &e);
        if (rc == ARCHIVE_EOF)
            break;
        if (rc < ARCHIVE_WARN)
            return archive_failed(j->in, "read", err);
        rc = one_entry(j, e, err);
        if (rc < 0)
            return bt_wrap(err, "entry %lld", (long long)j->done.files);
    }
    if (j->done.files == 0)
        return bt_fail(err, BT_E_BAD_IMAGE, "the archive is empty");
    if (archive_write_close(j->out) != ARCHIVE_OK)
        return archive_failed(j->out, "close", err);
    return 0;
}

static struct archive *reader(void)
{
    struct archive *a = archive_read_new();
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_format_tar(a);
    return a;
}

static struct archive *writer(void)
{
    struct archive *a = archive_write_disk_new();
    archive_write_disk_set_options(
        a, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
               ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
               ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
    return a;
}

int unpack_archive(int fd, const struct helper_unpack_request *limits, struct helper_unpack_ok *ret,
                   struct bt_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return bt_fail_errno(err, errno, "archive");
    struct job j = {.in = reader(), .out = writer(), .limits = limits, .packed = st.st_size};
    int rc = archive_read_open_fd(j.in, fd, BLOCK) < ARCHIVE_WARN
                 ? archive_failed(j.in, "open", err)
                 : all_entries(&j, err);
    archive_read_free(j.in);
    archive_write_free(j.out);
    if (rc >= 0)
        *ret = j.done;
    return rc;
}
