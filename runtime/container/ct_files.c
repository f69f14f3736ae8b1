/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/crypto/ssh_key.h"

#define SEED_FILE "seed"
#define SEED_MAX 256
#define SHADOW "/etc/shadow"
#define SHADOW_MAX (1u << 20)
#define TMP_NAME ".berth-new"
#define DEFAULT_FILE_MODE 0644
#define DEFAULT_DIR_MODE 0755

/* Owner and bits of a new file; ids are the guest's. */
struct owner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* O_PATH of the directory @path (relative to the guest's root), made where it is missing. */
static int open_parents(const struct ct_files *f, const char *path, mode_t mode, struct bt_err *err)
{
    _cleanup_free_ char *at = bt_xstrdup(path);
    _cleanup_close_ int dir = bt_open_in_root(f->root, ".", O_PATH | O_DIRECTORY, 0, err);
    for (char *s = at; dir >= 0 && *s;) {
        char *name = s + strspn(s, "/");
        char *end = name + strcspn(name, "/");
        char c = *end;
        *end = '\0';
        int fd = bt_open_in_root(f->root, at, O_PATH | O_DIRECTORY, 0, err);
        if (fd == -BT_E_NOT_FOUND) {
            if (mkdirat(dir, name, mode) < 0 ||
                fchownat(dir, name, (uid_t)f->id_base, (gid_t)f->id_base, AT_SYMLINK_NOFOLLOW) < 0)
                return bt_fail_errno(err, errno, "mkdir /%s in the guest", at);
            fd = bt_open_in_root(f->root, at, O_PATH | O_DIRECTORY, 0, err);
        }
        if (fd < 0)
            return fd;
        (void)close(dir);
        dir = fd;
        *end = c;
        s = end;
    }
    return dir < 0 ? dir : TAKE_FD(dir);
}

/* Split "/etc/hostname" into an open parent and "hostname". */
static int open_parent_of(const struct ct_files *f, const char *path, mode_t dir_mode,
                          const char **ret_name, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || !slash[1] || bt_streq(slash, "/..") || bt_streq(slash, "/."))
        return bt_fail(err, BT_E_INVALID, "guest file path \"%s\"", path);
    _cleanup_free_ char *parent = bt_xstrndup(path, (size_t)(slash - path));
    const char *relative = parent + strspn(parent, "/");
    int fd = open_parents(f, relative, dir_mode, err);
    if (fd >= 0)
        *ret_name = slash + 1;
    return fd;
}

static int replace_file(int dir, const char *name, const char *content, const struct owner *o,
                        struct bt_err *err)
{
    (void)unlinkat(dir, TMP_NAME, 0);
    _cleanup_close_ int fd =
        openat(dir, TMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return bt_fail_errno(err, errno, "create %s", name);
    int rc = bt_write_all(fd, content, strlen(content), err);
    if (rc == 0 && (fchown(fd, o->uid, o->gid) < 0 || fchmod(fd, o->mode) < 0))
        rc = bt_fail_errno(err, errno, "own %s", name);
    if (rc == 0 && renameat(dir, TMP_NAME, dir, name) < 0)
        rc = bt_fail_errno(err, errno, "replace %s", name);
    if (rc < 0)
        (void)unlinkat(dir, TMP_NAME, 0);
    return rc;
}

static mode_t or_default(int64_t mode, mode_t fallback)
{
    return mode ? (mode_t)mode : fallback;
}

static int op_write(const struct ct_files *f, const struct helper_file *file, struct bt_err *err)
{
    const char *name = NULL;
    struct owner o = {(uid_t)f->id_base, (gid_t)f->id_base,
                      or_default(file->mode, DEFAULT_FILE_MODE)};
    _cleanup_close_ int dir =
        open_parent_of(f, file->path, or_default(file->dir_mode, DEFAULT_DIR_MODE), &name, err);
    if (dir < 0)
        return dir;
    return replace_file(dir, name, file->content ? file->content : "", &o, err);
}

static int op_remove(const struct ct_files *f, const struct helper_file *file, struct bt_err *err)
{
    const char *slash = strrchr(file->path, '/');
    if (!slash || !slash[1])
        return bt_fail(err, BT_E_INVALID, "guest file path \"%s\"", file->path);
    _cleanup_free_ char *parent = bt_xstrndup(file->path, (size_t)(slash - file->path));
    _cleanup_close_ int dir =
        bt_open_in_root(f->root, *parent ? parent : ".", O_PATH | O_DIRECTORY, 0, err);
    if (dir == -BT_E_NOT_FOUND)
        return 0;
    if (dir < 0)
        return dir;
    if (unlinkat(dir, slash + 1, 0) < 0 && errno != ENOENT)
        return bt_fail_errno(err, errno, "remove %s", file->path);
    return 0;
}

/* The text of a shadow(5) file with root's hash replaced, or a line for root added in front. */
static char *shadow_with(const char *old, const char *hash)
{
    struct bt_buf b = BT_BUF(SHADOW_MAX + 1024);
    bool done = false;
    for (const char *s = old; *s;) {
        size_t n = strcspn(s, "\n");
        const char *rest = n > 5 && bt_starts_with(s, "root:") ? memchr(s + 5, ':', n - 5) : NULL;
        if (rest && !done) {
            (void)bt_buf_addf(&b, "root:%s%.*s\n", hash, (int)(n - (size_t)(rest - s)), rest);
            done = true;
        } else {
            (void)bt_buf_addf(&b, "%.*s\n", (int)n, s);
        }
        s += n + (s[n] == '\n');
    }
    if (!done) {
        _cleanup_free_ char *others = bt_buf_take(&b);
        b = BT_BUF(SHADOW_MAX + 1024);
        (void)bt_buf_addf(&b, "root:%s:19700:0:99999:7:::\n%s", hash, others);
    }
    return bt_buf_take(&b);
}

/* Only a regular file is read: a fifo would block, a device would do worse. */
static int read_shadow(int dir, const char *name, struct bt_buf *ret, struct owner *o,
                       struct bt_err *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : bt_fail_errno(err, errno, "stat of %s", name);
    if (!S_ISREG(st.st_mode))
        return bt_fail(err, BT_E_BAD_STATE, "%s is no regular file", SHADOW);
    int rc = bt_read_file(dir, name, SHADOW_MAX, ret, err);
    if (rc == 0)
        *o = (struct owner){st.st_uid, st.st_gid, st.st_mode & 07777};
    return rc;
}

static int op_shadow_root(const struct ct_files *f, const struct helper_file *file,
                          struct bt_err *err)
{
    const char *name = NULL;
    const char *hash = file->content ? file->content : "*";
    struct owner o = {(uid_t)f->id_base, (gid_t)f->id_base, 0600};
    _cleanup_buf_ struct bt_buf old = BT_BUF(SHADOW_MAX);
    if (strpbrk(hash, ":\n"))
        return bt_fail(err, BT_E_INVALID, "password hash");
    _cleanup_close_ int dir = open_parent_of(f, SHADOW, DEFAULT_DIR_MODE, &name, err);
    if (dir < 0)
        return dir;
    int rc = read_shadow(dir, name, &old, &o, err);
    if (rc < 0)
        return rc;
    _cleanup_free_ char *text = shadow_with(old.data ? old.data : "", hash);
    rc = replace_file(dir, name, text, &o, err);
    bt_erase(text, strlen(text));
    return rc;
}

typedef int (*file_op_fn)(const struct ct_files *f, const struct helper_file *file,
                          struct bt_err *err);

static const file_op_fn file_ops[] = {
    [HELPER_FILE_WRITE] = op_write,
    [HELPER_FILE_SHADOW_ROOT] = op_shadow_root,
    [HELPER_FILE_REMOVE] = op_remove,
};

/* Host keys of the image would be known to everybody who has the image. */
static int remove_host_keys(const struct ct_files *f, struct bt_err *err)
{
    int fd = bt_open_in_root(f->root, "/etc/ssh", O_RDONLY | O_DIRECTORY, 0, err);
    if (fd == -BT_E_NOT_FOUND)
        return 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return fd < 0 ? fd : bt_fail_errno(err, errno, "read /etc/ssh");
    int rc = 0;
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        if (bt_starts_with(e->d_name, "ssh_host_") && unlinkat(dirfd(d), e->d_name, 0) < 0)
            rc = bt_fail_errno(err, errno, "remove %s", e->d_name);
    }
    (void)closedir(d);
    return rc;
}

/* Fresh ones; RSA is left to the guest (0.2 to 0.8 s). An image without sshd has no /etc/ssh. */
static int make_host_keys(const struct ct_files *f, const char *hostname, struct bt_err *err)
{
    static const struct {
        enum bt_ssh_type type;
        const char *name, *pub;
    } kinds[] = {{BT_SSH_ED25519, "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"},
                 {BT_SSH_ECDSA, "ssh_host_ecdsa_key", "ssh_host_ecdsa_key.pub"}};
    const struct owner secret = {(uid_t)f->id_base, (gid_t)f->id_base, 0600};
    const struct owner open = {(uid_t)f->id_base, (gid_t)f->id_base, 0644};
    _cleanup_close_ int dir = bt_open_in_root(f->root, "/etc/ssh", O_RDONLY | O_DIRECTORY, 0, err);
    if (dir == -BT_E_NOT_FOUND)
        return 0;
    int rc = dir < 0 ? dir : bt_crypto_init(err);
    for (size_t i = 0; rc >= 0 && i < BT_ARRAY_LEN(kinds); i++) {
        struct bt_ssh_key k = {0};
        _cleanup_free_ char *comment = bt_xasprintf("root@%s", hostname ? hostname : "guest");
        rc = bt_ssh_key_new(kinds[i].type, comment, &k, err);
        if (rc >= 0)
            rc = replace_file(dir, kinds[i].name, k.private_pem, &secret, err);
        if (rc >= 0)
            rc = replace_file(dir, kinds[i].pub, k.public_line, &open, err);
        bt_ssh_key_fini(&k);
    }
    return rc;
}

static int fresh_host_keys(const struct ct_files *f, const char *hostname, struct bt_err *err)
{
    int rc = remove_host_keys(f, err);
    return rc < 0 ? rc : make_host_keys(f, hostname, err);
}

/* The image's fault, unless it is ours. */
static int blame_image(struct bt_err *err)
{
    if (err &&
        (err->code == BT_E_KERNEL || err->code == BT_E_NOT_FOUND || err->code == BT_E_BAD_STATE))
        err->code = BT_E_BAD_IMAGE;
    return err ? -(int)err->code : -BT_E_BAD_IMAGE;
}

int ct_files_apply(const struct ct_files *f, const struct helper_container_spec *spec,
                   struct bt_err *err)
{
    struct bt_err e = BT_ERR_INIT;
    if (f->seeded && spec->ssh_host_keys && fresh_host_keys(f, spec->hostname, &e) < 0) {
        *err = e;
        return blame_image(err);
    }
    for (size_t i = 0; i < spec->files.len; i++) {
        const struct helper_file *file = &((struct helper_file *)spec->files.items)[i];
        if (!f->seeded && !file->every_boot)
            continue;
        int rc = file_ops[file->op](f, file, &e);
        if (rc == 0 || (!f->seeded && rc != -BT_E_STORAGE_FULL && rc != -BT_E_INVALID))
            continue;
        /* A full disk must not keep its owner from starting it to make room. */
        if (!f->seeded && rc == -BT_E_STORAGE_FULL)
            continue;
        *err = e;
        return f->seeded ? blame_image(err) : rc;
    }
    return 0;
}

bool ct_files_seed_is_new(int upper, const char *seed_id)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(SEED_MAX);
    return bt_read_file(upper, SEED_FILE, SEED_MAX, &b, NULL) < 0 || !bt_streq(b.data, seed_id);
}

int ct_files_mark(int upper, const char *seed_id, struct bt_err *err)
{
    struct owner o = {0, 0, 0600};
    return replace_file(upper, SEED_FILE, seed_id, &o, err);
}

int ct_files_check_points(const struct ct_files *f, struct bt_err *err)
{
    static const char *const points[] = {"dev", "proc", "sys", "run"};
    for (size_t i = 0; i < BT_ARRAY_LEN(points); i++) {
        struct stat st;
        if (fstatat(f->root, points[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno != ENOENT || mkdirat(f->root, points[i], 0755) < 0 ||
                fchownat(f->root, points[i], (uid_t)f->id_base, (gid_t)f->id_base,
                         AT_SYMLINK_NOFOLLOW) < 0)
                return bt_fail_errno(err, errno, "/%s of the guest", points[i]);
            continue;
        }
        if (!S_ISDIR(st.st_mode))
            return bt_fail(err, BT_E_BAD_STATE, "/%s of the guest is no directory", points[i]);
    }
    return 0;
}
