/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/blob/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define TMP_PREFIX "tmp."

struct blob_store {
    int dir;
};

static void remove_leftovers(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        bt_close_p(&copy);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (bt_starts_with(e->d_name, TMP_PREFIX))
            (void)unlinkat(dir, e->d_name, 0);
    }
    (void)closedir(d);
}

int blob_store_open(const char *state_dir, struct blob_store **ret, struct bt_err *err)
{
    _cleanup_free_ char *path = bt_xasprintf("%s/blobs", state_dir);
    int rc = bt_mkdir_p(AT_FDCWD, path, 0700, err);
    if (rc < 0)
        return rc;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return bt_fail_errno(err, errno, "open %s", path);
    remove_leftovers(dir);
    *ret = bt_xcalloc(1, sizeof **ret);
    (*ret)->dir = dir;
    return 0;
}

void blob_store_close(struct blob_store *s)
{
    if (!s)
        return;
    (void)close(s->dir);
    free(s);
}

int blob_begin(struct blob_store *s, const struct bt_random *random, struct blob_writer *ret,
               struct bt_err *err)
{
    uint64_t id = 0;
    bt_random_fill(random, &id, sizeof id);
    *ret = (struct blob_writer){.store = s};
    (void)snprintf(ret->tmp, sizeof ret->tmp, TMP_PREFIX "%016llx", (unsigned long long)id);
    ret->fd = openat(s->dir, ret->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (ret->fd < 0)
        return bt_fail_errno(err, errno, "create a blob");
    bt_sha256_init(&ret->hash);
    return 0;
}

int blob_write(struct blob_writer *w, const void *data, size_t n, struct bt_err *err)
{
    int rc = bt_write_all(w->fd, data, n, err);
    if (rc < 0)
        return rc;
    bt_sha256_add(&w->hash, data, n);
    w->bytes += (int64_t)n;
    return 0;
}

int blob_commit(struct blob_writer *w, char ret_sha256[65], struct bt_err *err)
{
    unsigned char hash[BT_SHA256_LEN];
    bt_sha256_end(&w->hash, hash);
    char name[65];
    bt_hex(hash, sizeof hash, name);
    if (fsync(w->fd) < 0)
        return bt_fail_errno(err, errno, "sync a blob");
    if (renameat(w->store->dir, w->tmp, w->store->dir, name) < 0 || fsync(w->store->dir) < 0)
        return bt_fail_errno(err, errno, "name a blob");
    (void)close(TAKE_FD(w->fd));
    w->tmp[0] = '\0';
    memcpy(ret_sha256, name, sizeof name);
    return 0;
}

void blob_abort(struct blob_writer *w)
{
    if (w->fd >= 0 && w->store)
        (void)close(TAKE_FD(w->fd));
    if (w->tmp[0])
        (void)unlinkat(w->store->dir, w->tmp, 0);
    w->tmp[0] = '\0';
}

static bool hash_ok(const char *sha256)
{
    unsigned char raw[BT_SHA256_LEN];
    return bt_unhex(sha256, raw, sizeof raw);
}

int blob_open(struct blob_store *s, const char *sha256, int64_t *ret_bytes, struct bt_err *err)
{
    struct stat st;
    if (!hash_ok(sha256))
        return bt_fail(err, BT_E_NOT_FOUND, "no such blob");
    _cleanup_close_ int fd = openat(s->dir, sha256, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? bt_fail(err, BT_E_NOT_FOUND, "no such blob")
                               : bt_fail_errno(err, errno, "open a blob");
    if (fstat(fd, &st) < 0)
        return bt_fail_errno(err, errno, "stat a blob");
    *ret_bytes = st.st_size;
    return TAKE_FD(fd);
}

int blob_remove(struct blob_store *s, const char *sha256, struct bt_err *err)
{
    if (!hash_ok(sha256) || unlinkat(s->dir, sha256, 0) == 0 || errno == ENOENT)
        return 0;
    return bt_fail_errno(err, errno, "remove a blob");
}

const char *blob_sniff(const unsigned char *head, size_t n)
{
    static const struct {
        const char *kind;
        size_t at, len;
        const char *bytes;
    } kinds[] = {{"gzip", 0, 2, "\x1f\x8b"},
                 {"xz", 0, 6,
                  "\xfd"
                  "7zXZ\0"},
                 {"zstd", 0, 4, "\x28\xb5\x2f\xfd"},
                 {"tar", 257, 5, "ustar"},
                 {"qcow2", 0, 4, "QFI\xfb"}};
    for (size_t i = 0; i < BT_ARRAY_LEN(kinds); i++) {
        if (n >= kinds[i].at + kinds[i].len &&
            memcmp(head + kinds[i].at, kinds[i].bytes, kinds[i].len) == 0)
            return kinds[i].kind;
    }
    return NULL;
}
