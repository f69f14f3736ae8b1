/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_cgroup_real.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * Control groups: the tree. A group is made, removed, emptied and listed in every hierarchy, since
 * an engine that was killed half way may have left it in any of them. Limits: sys_cgroup_limit.c.
 */
#define ROOT "/sys/fs/cgroup"
#define KILL_ROUNDS 10
#define FREEZE_WAIT_MS 1000

/* ---- what is mounted ---- */

static bool is_fs(int fd, long magic)
{
    struct statfs f;
    return fstatfs(fd, &f) == 0 && (long)f.f_type == magic;
}

static void add_hier(struct sys_cgroup_tree *t, int fd, bool v2, const char *controllers)
{
    struct sys_cgroup_hier *h = &t->hiers[t->n];
    if (t->n == SYS_CGROUP_TREES_MAX) {
        (void)close(fd);
        return;
    }
    h->fd = fd;
    h->v2 = v2;
    (void)snprintf(h->controllers, sizeof h->controllers, " %s ", controllers);
    for (char *c = h->controllers; *c; c++)
        *c = *c == ',' || *c == '\n' ? ' ' : *c;
    t->n++;
}

static void add_v2(struct sys_cgroup_tree *t, int fd)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    bool known = bt_read_file(fd, "cgroup.controllers", 1024, &b, NULL) == 0;
    add_hier(t, fd, true, known ? b.data : "");
}

/* A directory of the v1 layout is named after its controllers; links are second names. */
static void add_entry(struct sys_cgroup_tree *t, int root, const char *name)
{
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (is_fs(fd, CGROUP2_SUPER_MAGIC))
        add_v2(t, fd);
    else if (is_fs(fd, CGROUP_SUPER_MAGIC))
        add_hier(t, fd, false, name);
    else
        (void)close(fd);
}

static void add_all(struct sys_cgroup_tree *t, int root)
{
    int copy = fcntl(root, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d)
        return;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.')
            add_entry(t, root, e->d_name);
    }
    (void)closedir(d);
}

static enum sys_cgroup_mode mode_of(const struct sys_cgroup_tree *t)
{
    bool v1 = false;
    bool v2 = false;
    for (size_t i = 0; i < t->n; i++) {
        v1 = v1 || !t->hiers[i].v2;
        v2 = v2 || t->hiers[i].v2;
    }
    if (!v1)
        return SYS_CGROUP_V2;
    return v2 ? SYS_CGROUP_HYBRID : SYS_CGROUP_V1;
}

struct sys_cgroup_tree *sys_cgroup_tree_new(const char *parent, struct bt_err *err)
{
    _cleanup_close_ int root = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct sys_cgroup_tree *t = bt_xcalloc(1, sizeof *t);
    while (*parent == '/')
        parent++;
    (void)bt_strcpy(t->parent, sizeof t->parent, parent);
    if (root >= 0 && is_fs(root, CGROUP2_SUPER_MAGIC))
        add_v2(t, TAKE_FD(root));
    else if (root >= 0)
        add_all(t, root);
    if (t->n == 0 || strstr(t->parent, "..") || t->parent[0] == '\0') {
        sys_cgroup_tree_free(t);
        (void)bt_fail(err, BT_E_MISSING_CAPABILITY, "no control groups at %s for \"%s\"", ROOT,
                      parent);
        return NULL;
    }
    t->mode = mode_of(t);
    return t;
}

void sys_cgroup_tree_free(struct sys_cgroup_tree *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        (void)close(t->hiers[i].fd);
    free(t);
}

const struct sys_cgroup_hier *sys_cgroup_find(const struct sys_cgroup_tree *t,
                                              const char *controller)
{
    char word[64];
    const struct sys_cgroup_hier *found = NULL;
    (void)snprintf(word, sizeof word, " %s ", controller);
    for (size_t i = 0; i < t->n; i++) {
        const struct sys_cgroup_hier *h = &t->hiers[i];
        if (strstr(h->controllers, word) && (!found || found->v2))
            found = h;
    }
    return found;
}

const struct sys_cgroup_hier *sys_cgroup_unified(const struct sys_cgroup_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->hiers[i].v2)
            return &t->hiers[i];
    }
    return NULL;
}

int sys_cgroup_path(const struct sys_cgroup_tree *t, const char *group, const char *file,
                    char dst[SYS_CGROUP_PATH_MAX], struct bt_err *err)
{
    bool bad = group[0] == '/' || group[0] == '\0' || strstr(group, "..") != NULL;
    int n = snprintf(dst, SYS_CGROUP_PATH_MAX, "%s/%s%s%s", t->parent, group, file ? "/" : "",
                     file ? file : "");
    if (bad || n >= SYS_CGROUP_PATH_MAX)
        return bt_fail(err, BT_E_INVALID, "not a control group: %.100s", group);
    return 0;
}

/* ---- making ---- */

/* A v1 cpuset takes no process until it has cores and memory nodes: as its parent. */
static void inherit_cpuset(const struct sys_cgroup_hier *h, const char *path)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    const char *slash = strrchr(path, '/');
    int above = slash ? (int)(slash - path) : 0;
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++) {
        char from[SYS_CGROUP_PATH_MAX];
        char to[SYS_CGROUP_PATH_MAX];
        _cleanup_buf_ struct bt_buf now = BT_BUF(0);
        _cleanup_buf_ struct bt_buf up = BT_BUF(0);
        (void)snprintf(to, sizeof to, "%.400s/%s", path, files[i]);
        (void)snprintf(from, sizeof from, "%.*s%s%s", above, path, above ? "/" : "", files[i]);
        if (bt_read_file(h->fd, to, 4096, &now, NULL) < 0 || strcspn(now.data, "\n") > 0 ||
            bt_read_file(h->fd, from, 4096, &up, NULL) < 0)
            continue;
        (void)bt_write_kernel_file(h->fd, to, up.data, NULL);
    }
}

/* v2: a group's controllers are those that its parent hands down. What cannot be handed down shows
 * as a missing capability when the limit is set. */
static void hand_down(const struct sys_cgroup_hier *h, const char *path)
{
    char file[SYS_CGROUP_PATH_MAX];
    char words[sizeof h->controllers];
    char *save = NULL;
    const char *slash = strrchr(path, '/');
    int above = slash ? (int)(slash - path) : 0;
    (void)snprintf(file, sizeof file, "%.*s%scgroup.subtree_control", above, path,
                   above ? "/" : "");
    (void)bt_strcpy(words, sizeof words, h->controllers);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char on[48];
        (void)snprintf(on, sizeof on, "+%.40s", w);
        (void)bt_write_kernel_file(h->fd, file, on, NULL);
    }
}

/* Controllers are handed down to an instance's group and not further: a group that hands them on
 * may have no processes of its own (cgroup-v2.rst, "No Internal Process Constraint"). */
static int make_level(const struct sys_cgroup_tree *t, const struct sys_cgroup_hier *h,
                      const char *path, struct bt_err *err)
{
    size_t n = strlen(t->parent);
    if (h->v2 && (strlen(path) <= n || !strchr(path + n + 1, '/')))
        hand_down(h, path);
    if (mkdirat(h->fd, path, 0755) < 0 && errno != EEXIST)
        return bt_fail_errno(err, errno, "make control group %.200s", path);
    if (!h->v2 && strstr(h->controllers, " cpuset "))
        inherit_cpuset(h, path);
    return 0;
}

static int make_in(const struct sys_cgroup_tree *t, const struct sys_cgroup_hier *h,
                   const char *path, struct bt_err *err)
{
    char level[SYS_CGROUP_PATH_MAX];
    for (const char *at = path;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        (void)snprintf(level, sizeof level, "%.*s", (int)(at - path), path);
        int rc = make_level(t, h, level, err);
        if (rc < 0 || *at == '\0')
            return rc;
    }
}

static int cgroup_create(struct sys *s, const char *group, struct bt_err *err)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    char path[SYS_CGROUP_PATH_MAX];
    int rc = sys_cgroup_path(t, group, NULL, path, err);
    for (size_t i = 0; rc == 0 && i < t->n; i++)
        rc = make_in(t, &t->hiers[i], path, err);
    return rc;
}

/* ---- walking ---- */

struct walk {
    int fd;
    bool remove;
    bool busy;             /* remove: somebody lives there */
    struct sys_rows *pids; /* unless remove */
};

static void read_pids(int fd, const char *path, struct sys_rows *ret)
{
    char file[SYS_CGROUP_PATH_MAX];
    struct bt_buf b = BT_BUF(0);
    (void)snprintf(file, sizeof file, "%.480s/cgroup.procs", path);
    if (bt_read_file(fd, file, 1 << 20, &b, NULL) < 0)
        return;
    char *save = NULL;
    for (char *line = strtok_r(b.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        int64_t pid = 0;
        if (bt_parse_i64(line, 1, INT32_MAX, &pid, NULL) == 0)
            *(pid_t *)sys_rows_push(ret, sizeof(pid_t)) = (pid_t)pid;
    }
    bt_buf_fini(&b);
}

static void list_dirs(int fd, const char *path, struct sys_rows *ret)
{
    int dir = openat(fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = dir < 0 ? NULL : fdopendir(dir);
    if (!d)
        return;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            sys_rows_push_str(ret, e->d_name);
    }
    (void)closedir(d);
}

/* Children before parents. Paths past the limit cannot exist: guests see their own part only, and
 * what they nest deeper than this is found by the next walk after a removal fails with IN_USE. */
static void walk_down(struct walk *w, const char *path)
{
    _cleanup_rows_str_ struct sys_rows dirs = {0};
    list_dirs(w->fd, path, &dirs);
    SYS_ROWS_FOREACH(char *, it, &dirs) {
        char sub[SYS_CGROUP_PATH_MAX * 4];
        if (snprintf(sub, sizeof sub, "%s/%s", path, *it) < (int)sizeof sub)
            walk_down(w, sub);
    }
    if (!w->remove)
        read_pids(w->fd, path, w->pids);
    else if (unlinkat(w->fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        w->busy = true;
}

/* Set @file in all groups below @path; those that refuse keep what they have. */
void sys_cgroup_write_below(const struct sys_cgroup_hier *h, const char *path,
                            const char *const file_and_text[2], bool deepest_first)
{
    _cleanup_rows_str_ struct sys_rows dirs = {0};
    list_dirs(h->fd, path, &dirs);
    SYS_ROWS_FOREACH(char *, it, &dirs) {
        char sub[SYS_CGROUP_PATH_MAX * 4];
        char file[SYS_CGROUP_PATH_MAX * 4 + 64];
        if (snprintf(sub, sizeof sub, "%s/%s", path, *it) >= (int)sizeof sub)
            continue;
        (void)snprintf(file, sizeof file, "%s/%s", sub, file_and_text[0]);
        if (deepest_first)
            sys_cgroup_write_below(h, sub, file_and_text, true);
        (void)bt_write_kernel_file(h->fd, file, file_and_text[1], NULL);
        if (!deepest_first)
            sys_cgroup_write_below(h, sub, file_and_text, false);
    }
}

static int cgroup_remove(struct sys *s, const char *group, struct bt_err *err)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    char path[SYS_CGROUP_PATH_MAX];
    bool busy = false;
    int rc = sys_cgroup_path(t, group, NULL, path, err);
    for (size_t i = 0; rc == 0 && i < t->n; i++) {
        struct walk w = {.fd = t->hiers[i].fd, .remove = true};
        walk_down(&w, path);
        busy = busy || w.busy;
    }
    return rc == 0 && busy ? bt_fail(err, BT_E_IN_USE, "control group %s has processes", group)
                           : rc;
}

static bool cgroup_exists(struct sys *s, const char *group)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    char path[SYS_CGROUP_PATH_MAX];
    if (sys_cgroup_path(t, group, NULL, path, NULL) < 0)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        if (faccessat(t->hiers[i].fd, path, F_OK, 0) == 0)
            return true;
    }
    return false;
}

static int cmp_pid(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a;
    pid_t y = *(const pid_t *)b;
    return (x > y) - (x < y);
}

static int cgroup_pids(struct sys *s, const char *group, struct sys_rows *ret, struct bt_err *err)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    char path[SYS_CGROUP_PATH_MAX];
    _cleanup_rows_ struct sys_rows all = {0};
    int rc = sys_cgroup_path(t, group, NULL, path, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < t->n; i++) {
        struct walk w = {.fd = t->hiers[i].fd, .pids = &all};
        walk_down(&w, path);
    }
    if (all.len > 1)
        qsort(all.items, all.len, sizeof(pid_t), cmp_pid);
    pid_t last = 0;
    SYS_ROWS_FOREACH(pid_t, it, &all) {
        if (*it != last)
            *(pid_t *)sys_rows_push(ret, sizeof(pid_t)) = *it;
        last = *it;
    }
    return 0;
}

static int cgroup_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    (void)err;
    for (size_t i = 0; i < t->n; i++)
        list_dirs(t->hiers[i].fd, t->parent, ret);
    sys_rows_sort_str(ret);
    return 0;
}

/* ---- kill, freeze ---- */

/* A file of the group in one hierarchy; false when the group or the file is not there. */
static bool write_in(struct sys *s, const struct sys_cgroup_hier *h, const char *group,
                     const char *const file_and_text[2])
{
    char path[SYS_CGROUP_PATH_MAX];
    return h &&
           sys_cgroup_path(sys_real_of(s)->cgroups, group, file_and_text[0], path, NULL) == 0 &&
           bt_write_kernel_file(h->fd, path, file_and_text[1], NULL) == 0;
}

/* SIGKILL through pidfds of those that are members before and after the descriptor was made. */
static int kill_members(struct sys *s, const char *group, size_t *ret_n, struct bt_err *err)
{
    _cleanup_rows_ struct sys_rows before = {0};
    _cleanup_rows_ struct sys_rows after = {0};
    int rc = cgroup_pids(s, group, &before, err);
    if (rc < 0)
        return rc;
    _cleanup_free_ int *fds = bt_xcalloc(before.len + 1, sizeof *fds);
    const pid_t *pids = before.items;
    for (size_t i = 0; i < before.len; i++)
        fds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
    rc = cgroup_pids(s, group, &after, err);
    for (size_t i = 0; i < before.len; i++) {
        if (fds[i] < 0)
            continue;
        if (rc == 0 && after.len > 0 &&
            bsearch(&pids[i], after.items, after.len, sizeof(pid_t), cmp_pid))
            (void)syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0);
        (void)close(fds[i]);
    }
    *ret_n = before.len;
    return rc;
}

static int cgroup_kill(struct sys *s, const char *group, struct bt_err *err)
{
    static const char *const kill_all[2] = {"cgroup.kill", "1"};
    static const char *const thaw[2] = {"freezer.state", "THAWED"};
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    size_t last = 0;
    int rc = 0;
    (void)write_in(s, sys_cgroup_unified(t), group, kill_all);
    /* v1, and what is not in the v2 tree: until no new ones are born. */
    for (int round = 0; rc == 0 && round < KILL_ROUNDS; round++) {
        size_t n = 0;
        rc = kill_members(s, group, &n, err);
        /* A frozen process of v1 dies when it thaws. */
        (void)write_in(s, sys_cgroup_find(t, "freezer"), group, thaw);
        if (n == 0 || n == last)
            break;
        last = n;
    }
    return rc;
}

static bool reads(const struct sys_cgroup_hier *h, const char *path, const char *wanted)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    return bt_read_file(h->fd, path, 4096, &b, NULL) == 0 && strstr(b.data, wanted) != NULL;
}

static int wait_reads(const struct sys_cgroup_hier *h, const char *path, const char *wanted,
                      struct bt_err *err)
{
    struct timespec ms = {.tv_nsec = 1000000};
    for (int i = 0; i < FREEZE_WAIT_MS; i++) {
        if (reads(h, path, wanted))
            return 0;
        (void)nanosleep(&ms, NULL);
    }
    return bt_fail(err, BT_E_TIMEOUT, "%s does not become \"%s\"", path, wanted);
}

/* The v1 freezer where there is one (its members are certain), else the v2 tree. */
static int cgroup_freeze(struct sys *s, const char *group, bool on, struct bt_err *err)
{
    const struct sys_cgroup_tree *t = sys_real_of(s)->cgroups;
    const struct sys_cgroup_hier *v1 = sys_cgroup_find(t, "freezer");
    const struct sys_cgroup_hier *h = v1 ? v1 : sys_cgroup_unified(t);
    const char *file = v1 ? "freezer.state" : "cgroup.freeze";
    const char *text = v1 ? (on ? "FROZEN" : "THAWED") : (on ? "1" : "0");
    char path[SYS_CGROUP_PATH_MAX];
    if (!h)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "no freezer");
    int rc = sys_cgroup_path(t, group, file, path, err);
    if (rc == 0)
        rc = bt_write_kernel_file(h->fd, path, text, err);
    if (rc < 0)
        return rc;
    if (v1)
        return wait_reads(h, path, text, err);
    rc = sys_cgroup_path(t, group, "cgroup.events", path, err);
    return rc < 0 ? rc : wait_reads(h, path, on ? "frozen 1" : "frozen 0", err);
}

static enum sys_cgroup_mode cgroup_mode(struct sys *s)
{
    return sys_real_of(s)->cgroups->mode;
}

const struct sys_cgroup_ops sys_real_cgroup_ops = {
    .mode = cgroup_mode,
    .create = cgroup_create,
    .remove = cgroup_remove,
    .exists = cgroup_exists,
    .kill = cgroup_kill,
    .freeze = cgroup_freeze,
    .pids = cgroup_pids,
    .set = sys_real_cgroup_set,
    .get = sys_real_cgroup_get,
    .set_io = sys_real_cgroup_set_io,
    .get_io = sys_real_cgroup_get_io,
    .set_cpus = sys_real_cgroup_set_cpus,
    .get_cpus = sys_real_cgroup_get_cpus,
    .list = cgroup_list,
};
