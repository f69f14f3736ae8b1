/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/storage/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define PATH_MAX_LEN 512

struct storage {
    struct sys *sys;
    char *state_dir, *mkfs;
};

struct storage *storage_new(const struct storage_config *cfg)
{
    struct storage *s = bt_xcalloc(1, sizeof *s);
    s->sys = cfg->sys;
    s->state_dir = bt_xstrdup(cfg->state_dir);
    s->mkfs = bt_xstrdup(cfg->mkfs);
    return s;
}

void storage_free(struct storage *s)
{
    if (!s)
        return;
    free(s->state_dir);
    free(s->mkfs);
    free(s);
}

static void path_in(const struct storage *s, const char *where, const char *uuid, const char *file,
                    char dst[PATH_MAX_LEN])
{
    (void)snprintf(dst, PATH_MAX_LEN, "%s/%s/%s%s%s", s->state_dir, where, uuid, file ? "/" : "",
                   file ? file : "");
}

void storage_upper(const struct storage *s, const char *uuid, char *dst, size_t size)
{
    char path[PATH_MAX_LEN];
    path_in(s, "instances", uuid, "upper.img", path);
    (void)bt_strcpy(dst, size, path);
}

/* 1 = there, 0 = not there; what cannot be told is an error, never "not there": a disk would be
 * made anew over it. */
static int look(const struct storage *s, const char *path, struct sys_fs_stat *ret,
                struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    if (s->sys->fs->stat(s->sys, path, ret, &why) >= 0)
        return 1;
    if (why.code == BT_E_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -(int)why.code;
}

bool storage_has(const struct storage *s, const char *uuid)
{
    struct sys_fs_stat st;
    char path[PATH_MAX_LEN];
    path_in(s, "instances", uuid, "upper.img", path);
    return look(s, path, &st, NULL) != 0;
}

int storage_list(const struct storage *s, struct sys_rows *ret, struct bt_err *err)
{
    static const char *const places[] = {"instances", "trash"};
    for (size_t i = 0; i < BT_ARRAY_LEN(places); i++) {
        _cleanup_free_ char *dir = bt_xasprintf("%s/%s", s->state_dir, places[i]);
        struct sys_rows names = {0};
        int rc = s->sys->fs->list(s->sys, dir, &names, err);
        if (rc < 0) {
            sys_rows_fini_str(ret);
            return rc;
        }
        for (size_t n = 0; n < names.len; n++) {
            const char *name = ((char **)names.items)[n];
            if (bt_uuid_ok(name))
                sys_rows_push_str(ret, name);
        }
        sys_rows_fini_str(&names);
    }
    return 0;
}

/* ---- on the disk queue ---- */

/* What upper.img was made for; -1 = it does not say. */
static int made_seq(const struct storage_op *op, int64_t *ret, struct bt_err *err)
{
    char path[PATH_MAX_LEN];
    struct bt_err why = BT_ERR_INIT;
    _cleanup_buf_ struct bt_buf text = BT_BUF(64);
    struct sys *sys = op->storage->sys;
    path_in(op->storage, "instances", op->uuid, "rebuild", path);
    *ret = -1;
    if (sys->fs->read(sys, path, 32, &text, &why) >= 0) {
        (void)bt_parse_i64(text.data ? text.data : "", 0, INT64_MAX, ret, NULL);
        return 0;
    }
    if (why.code == BT_E_NOT_FOUND)
        return 0;
    *err = why;
    return -(int)why.code;
}

static int write_seq(const struct storage_op *op, struct bt_err *err)
{
    struct sys *sys = op->storage->sys;
    char mark[PATH_MAX_LEN], text[32];
    path_in(op->storage, "instances", op->uuid, "rebuild", mark);
    (void)snprintf(text, sizeof text, "%lld", (long long)op->rebuild_seq);
    return sys->fs->write(sys, mark, text, 0600, err);
}

/* Is the disk that is wanted there? A first one whose mark is missing was cut short right behind
 * its rename: it is given the mark now, so that no rebuild of the same seq takes it for an old one.
 */
static int judge(const struct storage_op *op, struct sys_fs_stat *st, bool *ret_right,
                 struct bt_err *err)
{
    char upper[PATH_MAX_LEN];
    int64_t seq = -1;
    path_in(op->storage, "instances", op->uuid, "upper.img", upper);
    int rc = look(op->storage, upper, st, err);
    *ret_right = false;
    if (rc <= 0)
        return rc;
    rc = made_seq(op, &seq, err);
    *ret_right = op->verb == STORAGE_ENSURE || seq == op->rebuild_seq;
    return rc < 0 || seq >= 0 || op->verb != STORAGE_ENSURE ? rc : write_seq(op, err);
}

/* When it is not, an empty file stands ready for mkfs; what a cut run left of one goes. */
static int prepare(struct storage_op *op, struct bt_err *err)
{
    const struct storage *s = op->storage;
    const struct sys_fs_ops *fs = s->sys->fs;
    struct sys_fs_stat st = {0};
    bool right = false;
    char dir[PATH_MAX_LEN], fresh[PATH_MAX_LEN];
    path_in(s, "instances", op->uuid, NULL, dir);
    path_in(s, "instances", op->uuid, "upper.new", fresh);
    int rc = judge(op, &st, &right, err);
    op->make = !right;
    op->smaller = right && st.size_bytes < op->size_bytes;
    if (rc >= 0 && !right)
        rc = fs->mkdir_p(s->sys, dir, 0700, err);
    if (rc >= 0)
        rc = fs->unlink(s->sys, fresh, err);
    return rc < 0 || right ? rc : fs->sparse(s->sys, fresh, op->size_bytes, err);
}

/* The file system is made: it takes the place of what was there. */
static int install(struct storage_op *op, struct bt_err *err)
{
    const struct storage *s = op->storage;
    char upper[PATH_MAX_LEN], fresh[PATH_MAX_LEN];
    path_in(s, "instances", op->uuid, "upper.img", upper);
    path_in(s, "instances", op->uuid, "upper.new", fresh);
    int rc = s->sys->fs->rename(s->sys, fresh, upper, err);
    return rc < 0 ? rc : write_seq(op, err);
}

static int move(struct storage_op *op, const char *from, const char *to, struct bt_err *err)
{
    const struct storage *s = op->storage;
    const struct sys_fs_ops *fs = s->sys->fs;
    struct sys_fs_stat st;
    char source[PATH_MAX_LEN], target[PATH_MAX_LEN];
    _cleanup_free_ char *parent = bt_xasprintf("%s/%s", s->state_dir, to);
    path_in(s, from, op->uuid, NULL, source);
    path_in(s, to, op->uuid, NULL, target);
    int rc = look(s, source, &st, err);
    if (rc == 0) {
        rc = op->verb == STORAGE_TRASH ? 1 : look(s, target, &st, err);
        return rc != 0 ? (rc < 0 ? rc : 0)
                       : bt_fail(err, BT_E_NOT_FOUND, "no disk of %s", op->uuid);
    }
    if (rc >= 0)
        rc = fs->mkdir_p(s->sys, parent, 0700, err);
    return rc < 0 ? rc : fs->rename(s->sys, source, target, err);
}

static int purge(struct storage_op *op, struct bt_err *err)
{
    static const char *const places[] = {"instances", "trash"};
    for (size_t i = 0; i < BT_ARRAY_LEN(places); i++) {
        char path[PATH_MAX_LEN];
        path_in(op->storage, places[i], op->uuid, NULL, path);
        int rc = op->storage->sys->fs->remove_tree(op->storage->sys, path, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run_first(struct sys_op *disk, struct bt_err *err)
{
    struct storage_op *op = BT_CONTAINER_OF(disk, struct storage_op, disk);
    switch (op->verb) {
    case STORAGE_ENSURE:
    case STORAGE_REBUILD:
        return prepare(op, err);
    case STORAGE_TRASH:
        return move(op, "instances", "trash", err);
    case STORAGE_RESTORE:
        return move(op, "trash", "instances", err);
    case STORAGE_PURGE:
        break;
    }
    return purge(op, err);
}

static int run_install(struct sys_op *disk, struct bt_err *err)
{
    return install(BT_CONTAINER_OF(disk, struct storage_op, disk), err);
}

/* ---- on the loop ---- */

static void on_installed(struct sys_op *disk, int rc, const struct bt_err *err)
{
    struct storage_op *op = BT_CONTAINER_OF(disk, struct storage_op, disk);
    op->done(op, rc, err);
}

static void on_mkfs(struct sys_helper *h, int status, int signum, const struct bt_err *why)
{
    struct storage_op *op = h->owner;
    struct bt_err err = BT_ERR_INIT;
    (void)why;
    if (status != 0 || signum != 0) {
        int rc =
            bt_fail(&err, BT_E_HELPER, "mkfs.ext4 failed (status %d, signal %d)", status, signum);
        op->done(op, rc, &err);
        return;
    }
    op->disk = (struct sys_op){.run = run_install, .done = on_installed};
    sys_op_start(op->storage->sys, SYS_Q_DISK, &op->disk);
}

/* 0.66 MiB real for a root, 3.5 ms: no reserve, lazy tables, inodes as sold. */
static int start_mkfs(struct storage_op *op, struct bt_err *err)
{
    struct sys *sys = op->storage->sys;
    char fresh[PATH_MAX_LEN], inodes[24];
    path_in(op->storage, "instances", op->uuid, "upper.new", fresh);
    (void)snprintf(inodes, sizeof inodes, "%lld", (long long)op->inodes);
    const char *const argv[] = {op->storage->mkfs,
                                "-q",
                                "-F",
                                "-t",
                                "ext4",
                                "-m",
                                "0",
                                "-N",
                                inodes,
                                "-E",
                                "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                                "--",
                                fresh,
                                NULL};
    const struct sys_helper_start how = {.argv = argv};
    op->mkfs = (struct sys_helper){.ended = on_mkfs, .owner = op};
    return sys->helper->start(sys, &op->mkfs, &how, err);
}

static void on_first(struct sys_op *disk, int rc, const struct bt_err *err)
{
    struct storage_op *op = BT_CONTAINER_OF(disk, struct storage_op, disk);
    struct bt_err why = BT_ERR_INIT;
    bool makes = op->verb == STORAGE_ENSURE || op->verb == STORAGE_REBUILD;
    if (rc < 0 || !makes || !op->make) {
        op->done(op, rc, err);
        return;
    }
    rc = start_mkfs(op, &why);
    if (rc < 0)
        op->done(op, rc, &why);
}

void storage_start(struct storage *s, struct storage_op *op)
{
    op->storage = s;
    op->smaller = false;
    op->disk = (struct sys_op){.run = run_first, .done = on_first};
    sys_op_start(s->sys, SYS_Q_DISK, &op->disk);
}
