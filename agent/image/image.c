/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "proto/helper_unpack.h"

#define MAX_BYTES (32ll << 30)
#define MAX_FILES 2000000

struct image_store {
    struct image_config cfg;
    char *state_dir, *helper, *base_url, *cert_file, *key_file, *ca_file;
    struct bt_map jobs; /* by sha256: what is being made */
};

/* One image on its way: look, fetch, clean, unpack, name; after a failed unpack: drop. */
struct making {
    struct image_store *store; /* NULL: the store is gone, the disk queue still has this */
    char *dir;                 /* STATE/images; the queue's threads have only this */
    char sha256[65];
    int64_t bytes;
    struct bt_list waiters;
    struct sys_op disk;
    struct sys_helper helper;
    bool replied, failed, there, helping;
    struct bt_err err;
    void (*next)(struct making *m);
};

static char *path_of(const struct making *m, const char *suffix)
{
    return bt_xasprintf("%s/%s%s", m->dir, m->sha256, suffix);
}

static void making_free(struct making *m)
{
    free(m->dir);
    free(m);
}

void image_root(const struct image_store *s, const char *sha256, char *dst, size_t size)
{
    (void)snprintf(dst, size, "%s/images/%s/root", s->state_dir, sha256);
}

static void finish(struct making *m, int rc)
{
    (void)bt_map_remove(&m->store->jobs, m->sha256);
    for (struct bt_list *l; (l = bt_list_pop(&m->waiters));) {
        struct image_op *op = BT_CONTAINER_OF(l, struct image_op, link);
        op->done(op, rc, &m->err);
    }
    making_free(m);
}

static void on_disk(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct making *m = BT_CONTAINER_OF(op, struct making, disk);
    if (!m->store) {
        making_free(m);
        return;
    }
    if (rc < 0) {
        m->err = *err;
        finish(m, rc);
        return;
    }
    m->next(m);
}

static void disk_step(struct making *m, int (*run)(struct sys_op *op, struct bt_err *err),
                      void (*next)(struct making *m))
{
    m->next = next;
    m->disk = (struct sys_op){.run = run, .done = on_disk};
    sys_op_start(m->store->cfg.sys, SYS_Q_DISK, &m->disk);
}

/* ---- helper processes ---- */

static void unpacked(struct making *m);
static void drop(struct making *m);

static void on_frame(struct sys_helper *h, const char *json, size_t len)
{
    struct making *m = h->owner;
    struct helper_fetch_reply r;
    if (m->replied)
        return;
    m->replied = true;
    /* Both replies have the same form but for the figures in ok. */
    if (bt_schema_parse(&helper_fetch_reply_schema, json, len, BT_LENIENT, &r, NULL, &m->err) < 0) {
        m->failed = true;
        return;
    }
    m->failed = r.ok == NULL;
    if (m->failed)
        (void)bt_fail(&m->err, bt_code_from_str(r.err ? r.err->code : NULL), "image: %s",
                      r.err && r.err->message ? r.err->message : "no answer");
    bt_schema_free(&helper_fetch_reply_schema, &r);
}

static void on_ended(struct sys_helper *h, int status, int signum, const struct bt_err *err)
{
    struct making *m = h->owner;
    m->helping = false;
    if (!m->replied) {
        m->failed = true;
        (void)bt_fail(&m->err, BT_E_HELPER, "berth-unpack ended (status %d, signal %d)%s%s", status,
                      signum, err && err->code ? ": " : "", err && err->code ? err->msg : "");
    }
    if (!m->failed)
        m->next(m);
    else if (m->next == unpacked)
        drop(m);
    else
        finish(m, -(int)m->err.code);
}

struct run_helper {
    const char *mode;
    const int *fds;
    size_t n_fds;
    const struct bt_schema *schema;
    const void *request;
};

static int start_helper(struct making *m, const struct run_helper *r, struct bt_err *err)
{
    struct sys *sys = m->store->cfg.sys;
    const char *const argv[] = {m->store->helper, r->mode, NULL};
    const struct sys_helper_start how = {.argv = argv, .fds = r->fds, .n_fds = r->n_fds};
    m->helper = (struct sys_helper){.frame = on_frame, .ended = on_ended, .owner = m};
    m->replied = false;
    m->failed = false;
    int rc = sys->helper->start(sys, &m->helper, &how, err);
    if (rc < 0)
        return rc;
    m->helping = true;
    _cleanup_free_ char *text = bt_schema_emit_str(r->schema, r->request);
    const struct sys_helper_frame frame = {.json = text, .len = strlen(text)};
    /* A helper that does not get its request would wait for ever: on_ended answers for it. */
    if (sys->helper->send(sys, &m->helper, &frame, NULL) < 0)
        sys->helper->kill(sys, &m->helper, SIGKILL);
    return 0;
}

/* ---- steps, last first ---- */

static void named(struct making *m)
{
    finish(m, 0);
}

/* A tree that did not come out whole is of no use, an archive that can never unpack neither. */
static int run_drop(struct sys_op *op, struct bt_err *err)
{
    struct making *m = BT_CONTAINER_OF(op, struct making, disk);
    const struct sys_fs_ops *fs = op->sys->fs;
    _cleanup_free_ char *tmp = path_of(m, ".tmp");
    _cleanup_free_ char *archive = path_of(m, ".archive");
    (void)err; /* what stays now goes with the next try */
    (void)fs->remove_tree(op->sys, tmp, NULL);
    if (m->err.code == BT_E_BAD_IMAGE || m->err.code == BT_E_TOO_LARGE)
        (void)fs->unlink(op->sys, archive, NULL);
    return 0;
}

static void dropped(struct making *m)
{
    finish(m, -(int)m->err.code);
}

static void drop(struct making *m)
{
    disk_step(m, run_drop, dropped);
}

static int run_name(struct sys_op *op, struct bt_err *err)
{
    struct making *m = BT_CONTAINER_OF(op, struct making, disk);
    const struct sys_fs_ops *fs = op->sys->fs;
    _cleanup_free_ char *tmp = path_of(m, ".tmp");
    _cleanup_free_ char *final = path_of(m, "");
    _cleanup_free_ char *archive = path_of(m, ".archive");
    int rc = fs->rename(op->sys, tmp, final, err);
    if (rc >= 0)
        (void)fs->unlink(op->sys, archive, NULL); /* else the next look removes it */
    return rc;
}

static void unpacked(struct making *m)
{
    disk_step(m, run_name, named);
}

static int open_both(const struct making *m, int fds[2], struct bt_err *err)
{
    _cleanup_free_ char *archive = path_of(m, ".archive");
    _cleanup_free_ char *tree = path_of(m, ".tmp/root");
    fds[0] = open(archive, O_RDONLY | O_CLOEXEC);
    if (fds[0] < 0)
        return bt_fail_errno(err, errno, "open the archive");
    fds[1] = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fds[1] < 0 ? bt_fail_errno(err, errno, "open the target") : 0;
}

static void cleaned(struct making *m)
{
    int fds[2] = {-1, -1};
    const struct image_config *cfg = &m->store->cfg;
    struct helper_unpack_request request = {
        .max_bytes = cfg->max_bytes ? cfg->max_bytes : MAX_BYTES,
        .max_files = cfg->max_files ? cfg->max_files : MAX_FILES};
    const struct run_helper r = {"unpack", fds, 2, &helper_unpack_request_schema, &request};
    m->next = unpacked;
    int rc = open_both(m, fds, &m->err);
    if (rc >= 0)
        rc = start_helper(m, &r, &m->err);
    bt_close_p(&fds[0]);
    bt_close_p(&fds[1]);
    if (rc < 0)
        finish(m, rc);
}

/* What a killed unpack left goes, and a directory without a tree; an empty one stands ready. */
static int run_clean(struct sys_op *op, struct bt_err *err)
{
    struct making *m = BT_CONTAINER_OF(op, struct making, disk);
    const struct sys_fs_ops *fs = op->sys->fs;
    _cleanup_free_ char *final = path_of(m, "");
    _cleanup_free_ char *tmp = path_of(m, ".tmp");
    _cleanup_free_ char *tree = path_of(m, ".tmp/root");
    int rc = fs->remove_tree(op->sys, final, err);
    if (rc >= 0)
        rc = fs->remove_tree(op->sys, tmp, err);
    return rc < 0 ? rc : fs->mkdir_p(op->sys, tree, 0755, err);
}

static void fetched(struct making *m)
{
    disk_step(m, run_clean, cleaned);
}

static int open_fetch(const struct making *m, int fds[4], struct bt_err *err)
{
    const char *const files[] = {m->store->cert_file, m->store->key_file, m->store->ca_file};
    _cleanup_free_ char *archive = path_of(m, ".archive");
    fds[0] = open(archive, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fds[0] < 0)
        return bt_fail_errno(err, errno, "create the archive");
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++) {
        fds[i + 1] = open(files[i], O_RDONLY | O_CLOEXEC);
        if (fds[i + 1] < 0)
            return bt_fail_errno(err, errno, "open %s", files[i]);
    }
    return 0;
}

static void fetch(struct making *m)
{
    int fds[4] = {-1, -1, -1, -1};
    const struct image_config *cfg = &m->store->cfg;
    _cleanup_free_ char *url = bt_xasprintf("%s/%s", m->store->base_url, m->sha256);
    struct helper_fetch_request request = {.url = url,
                                           .sha256 = m->sha256,
                                           .bytes = m->bytes,
                                           .max_bytes =
                                               cfg->max_bytes ? cfg->max_bytes : MAX_BYTES};
    const struct run_helper r = {"fetch", fds, 4, &helper_fetch_request_schema, &request};
    m->next = fetched;
    int rc = open_fetch(m, fds, &m->err);
    if (rc >= 0)
        rc = start_helper(m, &r, &m->err);
    for (size_t i = 0; i < BT_ARRAY_LEN(fds); i++)
        bt_close_p(&fds[i]);
    if (rc < 0)
        finish(m, rc);
}

static int run_look(struct sys_op *op, struct bt_err *err)
{
    struct making *m = BT_CONTAINER_OF(op, struct making, disk);
    const struct sys_fs_ops *fs = op->sys->fs;
    struct sys_fs_stat st;
    struct bt_err why = BT_ERR_INIT;
    _cleanup_free_ char *root = path_of(m, "/root");
    _cleanup_free_ char *archive = path_of(m, ".archive");
    m->there = fs->stat(op->sys, root, &st, &why) >= 0;
    if (m->there) {
        (void)fs->unlink(op->sys, archive, NULL); /* of a run that was cut behind its last step */
        return 0;
    }
    if (why.code == BT_E_NOT_FOUND)
        return fs->mkdir_p(op->sys, m->dir, 0700, err);
    *err = why; /* perhaps it is there, and in use */
    return -(int)why.code;
}

static void looked(struct making *m)
{
    if (m->there)
        finish(m, 0);
    else
        fetch(m);
}

void image_ensure_start(struct image_store *s, struct image_op *op)
{
    struct making *m = bt_map_find(&s->jobs, op->sha256);
    bt_list_init(&op->link);
    if (m) {
        bt_list_push(&m->waiters, &op->link);
        return;
    }
    m = bt_xcalloc(1, sizeof *m);
    m->store = s;
    m->dir = bt_xasprintf("%s/images", s->state_dir);
    m->bytes = op->bytes;
    (void)bt_strcpy(m->sha256, sizeof m->sha256, op->sha256);
    bt_list_init(&m->waiters);
    bt_list_push(&m->waiters, &op->link);
    (void)bt_map_set(&s->jobs, m->sha256, m);
    disk_step(m, run_look, looked);
}

struct image_store *image_store_new(const struct image_config *cfg)
{
    struct image_store *s = bt_xcalloc(1, sizeof *s);
    s->cfg = *cfg;
    s->state_dir = bt_xstrdup(cfg->state_dir);
    s->helper = bt_xstrdup(cfg->helper);
    s->base_url = bt_xstrdup(cfg->base_url);
    s->cert_file = bt_xstrdup(cfg->cert_file);
    s->key_file = bt_xstrdup(cfg->key_file);
    s->ca_file = bt_xstrdup(cfg->ca_file);
    return s;
}

/* Its waiters hear that the agent ends; the disk queue may still hold it, and frees it then. */
static void abandon(struct making *m)
{
    struct sys *sys = m->store->cfg.sys;
    struct bt_err err = BT_ERR_INIT;
    int rc = bt_fail(&err, BT_E_CANCELLED, "the agent ends");
    for (struct bt_list *l; (l = bt_list_pop(&m->waiters));) {
        struct image_op *op = BT_CONTAINER_OF(l, struct image_op, link);
        op->done(op, rc, &err);
    }
    m->store = NULL;
    if (!m->helping)
        return;
    sys->helper->abandon(sys, &m->helper);
    making_free(m);
}

void image_store_free(struct image_store *s)
{
    if (!s)
        return;
    size_t pos = 0;
    for (struct making *m; (m = bt_map_next(&s->jobs, &pos));)
        abandon(m);
    bt_map_fini(&s->jobs);
    free(s->state_dir);
    free(s->helper);
    free(s->base_url);
    free(s->cert_file);
    free(s->key_file);
    free(s->ca_file);
    free(s);
}
