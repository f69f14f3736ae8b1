/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making, entering, emptying and removing groups, the same in every generation. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_cgroup.h"
#include "runtime/container/ct_proc.h"

#define PROCS_MAX (4u << 20)
#define REMOVE_TRIES 100
#define FREEZE_TRIES 500

static bool hier_has(const struct ct_cg_hier *h, const char *controller)
{
    char key[64];
    (void)snprintf(key, sizeof key, ",%s,", controller);
    return strstr(h->controllers, key) != NULL;
}

/* A v1 cpuset takes no task before it has cpus and memory nodes (cpusets(7)). */
static void inherit_cpuset(const char *parent, const char *dir)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++) {
        _cleanup_free_ char *from = bt_xasprintf("%s/%s", parent, files[i]);
        _cleanup_free_ char *to = bt_xasprintf("%s/%s", dir, files[i]);
        _cleanup_buf_ struct bt_buf have = BT_BUF(4096);
        _cleanup_buf_ struct bt_buf give = BT_BUF(4096);
        if (bt_read_file(AT_FDCWD, to, 4096, &have, NULL) < 0 || have.len > 1 ||
            bt_read_file(AT_FDCWD, from, 4096, &give, NULL) < 0)
            continue;
        (void)bt_write_kernel_file(AT_FDCWD, to, give.data, NULL);
    }
}

/* One by one: a controller that is not there must not keep the others away. */
static void give_controllers(const char *dir)
{
    static const char *const names[] = {"+cpuset", "+cpu", "+io", "+memory", "+pids"};
    _cleanup_free_ char *file = bt_xasprintf("%s/cgroup.subtree_control", dir);
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++)
        (void)bt_write_kernel_file(AT_FDCWD, file, names[i], NULL);
}

static int make_one(const struct ct_cg_hier *h, const char *parent, const char *dir,
                    struct bt_err *err)
{
    if (h->v2)
        give_controllers(parent);
    if (mkdir(dir, 0755) < 0) {
        if (errno != EEXIST)
            return bt_fail_errno(err, errno, "mkdir %s", dir);
        return 0;
    }
    if (hier_has(h, "cpuset"))
        inherit_cpuset(parent, dir);
    return 0;
}

static int make_in(const struct ct_cg_hier *h, const char *path, bool inner, struct bt_err *err)
{
    _cleanup_free_ char *dir = bt_xasprintf("%s%s", h->mount, path);
    _cleanup_free_ char *parent = bt_xstrdup(h->mount);
    if (access(dir, F_OK) == 0 && !inner)
        return 0;
    for (char *at = dir + strlen(h->mount); *at;) {
        size_t n = 1 + strcspn(at + 1, "/");
        char c = at[n];
        at[n] = '\0';
        int rc = make_one(h, parent, dir, err);
        if (rc < 0)
            return rc;
        free(parent);
        parent = bt_xstrdup(dir);
        at[n] = c;
        at += n;
    }
    if (h->v2 && inner)
        give_controllers(dir);
    return 0;
}

int ct_cg_make(const struct ct_cg *cg, const char *path, bool inner, struct bt_err *err)
{
    for (size_t i = 0; i < cg->n; i++) {
        int rc = make_in(&cg->hier[i], path, inner, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int ct_cg_enter(const struct ct_cg *cg, const char *path, pid_t pid, struct bt_err *err)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    for (size_t i = 0; i < cg->n; i++) {
        _cleanup_free_ char *file = bt_xasprintf("%s%s/cgroup.procs", cg->hier[i].mount, path);
        _cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            return bt_fail_errno(err, errno, "open %s", file);
        if (write(fd, text, strlen(text)) < 0 && errno != ESRCH)
            return bt_fail_errno(err, errno, "enter %s", file);
    }
    return 0;
}

bool ct_cg_exists(const struct ct_cg *cg, const char *path)
{
    for (size_t i = 0; i < cg->n; i++) {
        _cleanup_free_ char *dir = bt_xasprintf("%s%s", cg->hier[i].mount, path);
        if (access(dir, F_OK) == 0)
            return true;
    }
    return false;
}

/* Call @fn for every group of the tree at @dir, children first. */
static void walk(const char *dir, void (*fn)(const char *dir, void *ctx), void *ctx)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        _cleanup_free_ char *sub = bt_xasprintf("%s/%s", dir, e->d_name);
        walk(sub, fn, ctx);
    }
    (void)closedir(d);
    fn(dir, ctx);
}

static void kill_members(const char *dir, void *ctx)
{
    size_t *count = ctx;
    _cleanup_free_ char *file = bt_xasprintf("%s/cgroup.procs", dir);
    _cleanup_buf_ struct bt_buf b = BT_BUF(PROCS_MAX);
    if (bt_read_file(AT_FDCWD, file, PROCS_MAX, &b, NULL) < 0)
        return;
    for (const char *s = b.data; *s;) {
        size_t n = strcspn(s, "\n");
        _cleanup_free_ char *text = bt_xstrndup(s, n);
        int64_t pid;
        /* 0 = a process that our pid namespace does not see. */
        if (bt_parse_i64(text, 1, INT32_MAX, &pid, NULL) == 0 && pid != getpid()) {
            (void)kill((pid_t)pid, SIGKILL);
            (*count)++;
        }
        s += n + (s[n] == '\n');
    }
}

/* The v2 tree kills in one step, forks included (cgroup-v2, cgroup.kill). */
static size_t kill_once(const struct ct_cg *cg, const char *path)
{
    size_t count = 0;
    for (size_t i = 0; i < cg->n; i++) {
        _cleanup_free_ char *dir = bt_xasprintf("%s%s", cg->hier[i].mount, path);
        _cleanup_free_ char *all = bt_xasprintf("%s/cgroup.kill", dir);
        if (cg->hier[i].v2)
            (void)bt_write_kernel_file(AT_FDCWD, all, "1", NULL);
        walk(dir, kill_members, &count);
    }
    return count;
}

static void thaw_v1(const char *dir, void *ctx)
{
    (void)ctx;
    _cleanup_free_ char *file = bt_xasprintf("%s/freezer.state", dir);
    (void)bt_write_kernel_file(AT_FDCWD, file, "THAWED", NULL);
}

/* A frozen v1 group does not die of SIGKILL (cgroup-v1/freezer-subsystem). */
static void thaw_all(const struct ct_cg *cg, const char *path)
{
    const struct ct_cg_hier *h = cg->kind == CT_CG_V2 ? NULL : ct_cg_find(cg, "freezer");
    if (!h)
        return;
    _cleanup_free_ char *dir = bt_xasprintf("%s%s", h->mount, path);
    walk(dir, thaw_v1, NULL);
}

int ct_cg_kill(const struct ct_cg *cg, const char *path, int64_t timeout_ms, struct bt_err *err)
{
    int64_t end = ct_mono_ms() + timeout_ms;
    for (;;) {
        thaw_all(cg, path);
        if (kill_once(cg, path) == 0)
            return 0;
        if (ct_mono_ms() >= end)
            return bt_fail(err, BT_E_TIMEOUT, "processes in %s do not die", path);
        ct_sleep_ms(2);
    }
}

static void remove_dir(const char *dir, void *ctx)
{
    bool *left = ctx;
    if (rmdir(dir) < 0 && errno != ENOENT)
        *left = true;
}

int ct_cg_remove(const struct ct_cg *cg, const char *path, struct bt_err *err)
{
    for (int tries = 0; tries < REMOVE_TRIES; tries++) {
        bool left = false;
        for (size_t i = 0; i < cg->n; i++) {
            _cleanup_free_ char *dir = bt_xasprintf("%s%s", cg->hier[i].mount, path);
            walk(dir, remove_dir, &left);
        }
        if (!left)
            return 0;
        ct_sleep_ms(tries < 10 ? 1 : 10);
    }
    return bt_fail(err, BT_E_IN_USE, "control group %s cannot be removed", path);
}

/* The v2 tree freezes even where its controllers are bound to v1. */
static const struct ct_cg_hier *v2_tree(const struct ct_cg *cg)
{
    for (size_t i = 0; i < cg->n; i++) {
        if (cg->hier[i].v2)
            return &cg->hier[i];
    }
    return NULL;
}

bool ct_cg_frozen(const struct ct_cg *cg, const char *path)
{
    char text[512];
    if (v2_tree(cg))
        return ct_cg_get(cg, "", path, "cgroup.events", text, sizeof text) &&
               ct_cg_keyed(text, "frozen", 0) == 1;
    return ct_cg_get(cg, "freezer", path, "freezer.state", text, sizeof text) &&
           !bt_streq(text, "THAWED");
}

int ct_cg_freeze(const struct ct_cg *cg, const char *path, bool on, struct bt_err *err)
{
    char text[512];
    int rc = v2_tree(cg)
                 ? ct_cg_set(cg, "", path, "cgroup.freeze", on ? "1" : "0", err)
                 : ct_cg_set(cg, "freezer", path, "freezer.state", on ? "FROZEN" : "THAWED", err);
    if (rc < 0)
        return bt_wrap(err, "freeze");
    for (int tries = 0; tries < FREEZE_TRIES; tries++) {
        bool is = ct_cg_frozen(cg, path);
        /* v1 says FREEZING before FROZEN. */
        if (is == on && (!on || v2_tree(cg) ||
                         (ct_cg_get(cg, "freezer", path, "freezer.state", text, sizeof text) &&
                          bt_streq(text, "FROZEN"))))
            return 0;
        ct_sleep_ms(2);
    }
    return bt_fail(err, BT_E_TIMEOUT, "%s does not %s", path, on ? "freeze" : "thaw");
}
