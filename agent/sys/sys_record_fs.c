/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_record_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The fake's files: objects "file /PATH". A directory that was made is an object too; "/" always
 * exists. */
#define KEY_MAX 600

static const char *key_of(const char *path, char dst[KEY_MAX])
{
    (void)snprintf(dst, KEY_MAX, "file %s", path);
    return dst;
}

static struct sys_record_file *file_find(struct sys *s, const char *path)
{
    char key[KEY_MAX];
    return sys_record_find(s, key_of(path, key));
}

static void file_put(struct sys *s, const char *path, const struct sys_fs_stat *st,
                     const char *text)
{
    char key[KEY_MAX];
    size_t n = text ? strlen(text) : 0;
    struct sys_record_file *f = bt_xcalloc(1, sizeof *f + n + 1);
    f->st = *st;
    f->st.mtime_ms = bt_utc_ms(bt_loop_clock(s->loop));
    if (n)
        memcpy(f->text, text, n);
    sys_record_put(s, key_of(path, key), f, sizeof *f + n + 1);
    free(f);
}

static bool has_parent(struct sys *s, const char *path)
{
    char dir[KEY_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    (void)snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    const struct sys_record_file *f = file_find(s, dir);
    return f && f->st.kind == SYS_FS_DIR;
}

static int absent(struct bt_err *err, const char *path)
{
    return bt_fail(err, BT_E_NOT_FOUND, "%.200s: no such file", path);
}

static int rec_mkdir_p(struct sys *s, const char *path, mode_t mode, struct bt_err *err)
{
    char level[KEY_MAX];
    int rc = sys_record_call(s, err, "fs mkdir_p %s %04o", path, (unsigned)mode);
    for (const char *at = path + 1; rc == 0; at++) {
        struct sys_fs_stat st = {.kind = SYS_FS_DIR, .mode = mode};
        if (*at != '/' && *at != '\0')
            continue;
        (void)snprintf(level, sizeof level, "%.*s", (int)(at - path), path);
        const struct sys_record_file *f = file_find(s, level);
        if (f && f->st.kind != SYS_FS_DIR)
            return bt_fail_errno(err, ENOTDIR, "mkdir %s", level);
        if (!f)
            file_put(s, level, &st, NULL);
        if (*at == '\0')
            break;
    }
    return rc;
}

static int rec_chown(struct sys *s, const char *path, struct sys_fs_owner owner, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs chown %s %u:%u", path, (unsigned)owner.uid,
                             (unsigned)owner.gid);
    struct sys_record_file *f = file_find(s, path);
    if (rc == 0 && !f)
        return absent(err, path);
    if (rc == 0)
        f->st.uid = owner.uid;
    return rc;
}

static int rec_sparse(struct sys *s, const char *path, int64_t bytes, struct bt_err *err)
{
    struct sys_fs_stat st = {.kind = SYS_FS_FILE, .size_bytes = bytes, .mode = 0600};
    int rc = sys_record_call(s, err, "fs sparse %s %" PRId64, path, bytes);
    if (rc < 0)
        return rc;
    if (file_find(s, path))
        return bt_fail(err, BT_E_EXISTS, "create %.200s: it is there already", path);
    if (!has_parent(s, path))
        return absent(err, path);
    file_put(s, path, &st, NULL);
    return 0;
}

static int rec_grow(struct sys *s, const char *path, int64_t bytes, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs grow %s %" PRId64, path, bytes);
    struct sys_record_file *f = file_find(s, path);
    if (rc == 0 && !f)
        return absent(err, path);
    if (rc == 0 && f->st.size_bytes < bytes)
        f->st.size_bytes = bytes;
    return rc;
}

/* Give the object @from, and everything below it, the name @to. */
static void move_tree(struct sys *s, const char *from, const char *to)
{
    _cleanup_rows_str_ struct sys_rows keys = {0};
    char prefix[KEY_MAX];
    sys_record_keys_of(s, key_of(from, prefix), &keys);
    SYS_ROWS_FOREACH(char *, it, &keys) {
        const char *rest = *it + strlen(prefix);
        char path[KEY_MAX];
        const struct sys_record_file *f = sys_record_find(s, *it);
        if (*rest != '\0' && *rest != '/')
            continue;
        (void)snprintf(path, sizeof path, "%s%s", to, rest);
        file_put(s, path, &f->st, f->text);
        sys_record_drop(s, *it);
    }
}

static void drop_tree(struct sys *s, const char *path)
{
    char key[KEY_MAX];
    sys_record_drop(s, key_of(path, key));
    (void)snprintf(key, sizeof key, "file %s/", path);
    sys_record_drop_all(s, key);
}

static int rec_rename(struct sys *s, const char *from, const char *to, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs rename %s %s", from, to);
    const struct sys_record_file *f = file_find(s, from);
    const struct sys_record_file *target = file_find(s, to);
    if (rc < 0)
        return rc;
    if (!f || !has_parent(s, to))
        return absent(err, f ? to : from);
    if (target && target->st.kind == SYS_FS_DIR)
        return bt_fail(err, BT_E_EXISTS, "rename %.200s: it is there already", to);
    drop_tree(s, to);
    move_tree(s, from, to);
    return 0;
}

static int rec_unlink(struct sys *s, const char *path, struct bt_err *err)
{
    char key[KEY_MAX];
    int rc = sys_record_call(s, err, "fs unlink %s", path);
    if (rc == 0)
        sys_record_drop(s, key_of(path, key));
    return rc;
}

static int rec_remove_tree(struct sys *s, const char *path, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs remove_tree %s", path);
    if (rc == 0)
        drop_tree(s, path);
    return rc;
}

static int rec_stat(struct sys *s, const char *path, struct sys_fs_stat *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs stat %s", path);
    const struct sys_record_file *f = file_find(s, path);
    if (rc == 0 && !f)
        return absent(err, path);
    if (rc == 0)
        *ret = f->st;
    return rc;
}

static int rec_list(struct sys *s, const char *path, struct sys_rows *ret, struct bt_err *err)
{
    _cleanup_rows_str_ struct sys_rows keys = {0};
    char prefix[KEY_MAX];
    int rc = sys_record_call(s, err, "fs list %s", path);
    if (rc < 0)
        return rc;
    (void)snprintf(prefix, sizeof prefix, "file %s/", strcmp(path, "/") == 0 ? "" : path);
    sys_record_keys_of(s, prefix, &keys);
    SYS_ROWS_FOREACH(char *, it, &keys) {
        const char *name = *it + strlen(prefix);
        if (!strchr(name, '/'))
            sys_rows_push_str(ret, name);
    }
    return 0;
}

static int rec_read(struct sys *s, const char *path, size_t max, struct bt_buf *ret,
                    struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs read %s", path);
    const struct sys_record_file *f = file_find(s, path);
    if (rc < 0)
        return rc;
    if (!f || f->st.kind != SYS_FS_FILE)
        return absent(err, path);
    if (strlen(f->text) > max)
        return bt_fail(err, BT_E_TOO_LARGE, "file is larger than %zu bytes", max);
    *ret = BT_BUF(max + 1);
    (void)bt_buf_adds(ret, f->text);
    return 0;
}

static int rec_write(struct sys *s, const char *path, const char *text, mode_t mode,
                     struct bt_err *err)
{
    struct sys_fs_stat st = {
        .kind = SYS_FS_FILE, .size_bytes = (int64_t)strlen(text), .mode = mode};
    int rc =
        sys_record_call(s, err, "fs write %s %04o %zu bytes", path, (unsigned)mode, strlen(text));
    if (rc < 0)
        return rc;
    if (!has_parent(s, path))
        return absent(err, path);
    file_put(s, path, &st, text);
    return 0;
}

static int rec_space(struct sys *s, const char *path, struct sys_fs_space *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs space %s", path);
    if (rc == 0)
        *ret = sys_record_of(s)->space;
    return rc;
}

static int rec_locked(struct sys *s, const char *path, bool *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "fs locked %s", path);
    const struct sys_record_file *f = file_find(s, path);
    if (rc == 0)
        *ret = f && f->locked;
    return rc;
}

const struct sys_fs_ops sys_record_fs_ops = {
    .mkdir_p = rec_mkdir_p,
    .chown = rec_chown,
    .sparse = rec_sparse,
    .grow = rec_grow,
    .rename = rec_rename,
    .unlink = rec_unlink,
    .remove_tree = rec_remove_tree,
    .stat = rec_stat,
    .list = rec_list,
    .read = rec_read,
    .write = rec_write,
    .space = rec_space,
    .locked = rec_locked,
};

void sys_record_lock(struct sys *s, const char *path, bool held)
{
    struct sys_fs_stat st = {.kind = SYS_FS_FILE, .mode = 0600};
    if (!file_find(s, path))
        file_put(s, path, &st, NULL);
    file_find(s, path)->locked = held;
}
