/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define MOUNTINFO_MAX (8u << 20)

/* The next word of *@at, NUL-terminated in place; NULL at the end. */
static char *word(char **at)
{
    char *s = *at;
    s += strspn(s, " ");
    if (!*s)
        return NULL;
    size_t n = strcspn(s, " ");
    *at = s + n + (s[n] != '\0');
    s[n] = '\0';
    return s;
}

static bool is_known(const struct ct_cg *cg, const char *controllers)
{
    for (size_t i = 0; i < cg->n; i++) {
        if (bt_streq(cg->hier[i].controllers, controllers))
            return true;
    }
    return false;
}

/* "rw,cpu,cpuacct" -> ",cpu,cpuacct,"; ",," for the v2 tree. */
static char *controllers_of(const char *options)
{
    static const char *const no[] = {
        "rw", "ro", "none", "xattr", "clone_children", "cpuset_v2_mode", NULL};
    struct bt_buf b = BT_BUF(512);
    (void)bt_buf_adds(&b, ",");
    for (const char *s = options; *s;) {
        size_t n = strcspn(s, ",");
        _cleanup_free_ char *one = bt_xstrndup(s, n);
        bool skip = bt_starts_with(one, "release_agent=");
        for (size_t i = 0; no[i]; i++)
            skip = skip || bt_streq(one, no[i]);
        if (!skip)
            (void)bt_buf_addf(&b, "%s,", one);
        s += n + (s[n] == ',');
    }
    return bt_buf_take(&b);
}

static void add_hier(struct ct_cg *cg, const char *mount, const char *type, const char *options)
{
    bool v2 = bt_streq(type, "cgroup2");
    if ((!v2 && !bt_streq(type, "cgroup")) || cg->n == CT_CG_HIERS)
        return;
    _cleanup_free_ char *controllers = v2 ? bt_xstrdup(",,") : controllers_of(options);
    if (is_known(cg, controllers))
        return;
    cg->hier[cg->n++] = (struct ct_cg_hier){
        .mount = bt_xstrdup(mount), .controllers = TAKE_PTR(controllers), .v2 = v2};
}

/* ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER */
static void parse_line(struct ct_cg *cg, char *line)
{
    char *at = line;
    char *f[5] = {0};
    for (int i = 0; i < 5; i++)
        f[i] = word(&at);
    char *dash = f[4] ? strstr(at, " - ") : NULL;
    if (!dash)
        return;
    at = dash + 3;
    char *type = word(&at);
    char *source = word(&at);
    char *super = word(&at);
    if (type && source && super && bt_streq(f[3], "/"))
        add_hier(cg, f[4], type, super);
}

static void choose_kind(struct ct_cg *cg)
{
    size_t v2 = 0;
    for (size_t i = 0; i < cg->n; i++)
        v2 += cg->hier[i].v2;
    cg->kind = v2 == 0 ? CT_CG_V1 : v2 == cg->n ? CT_CG_V2 : CT_CG_HYBRID;
    cg->ops = cg->kind == CT_CG_V2 ? &ct_cg_v2_ops : &ct_cg_v1_ops;
}

void ct_cg_parse(struct ct_cg *cg, const char *mountinfo)
{
    *cg = (struct ct_cg){0};
    for (const char *s = mountinfo; *s;) {
        size_t n = strcspn(s, "\n");
        if (memmem(s, n, " - cgroup", 9)) {
            _cleanup_free_ char *line = bt_xstrndup(s, n);
            parse_line(cg, line);
        }
        s += n + (s[n] == '\n');
    }
    choose_kind(cg);
}

int ct_cg_init(struct ct_cg *cg, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(MOUNTINFO_MAX);
    int rc = bt_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &b, err);
    if (rc < 0)
        return rc;
    ct_cg_parse(cg, b.data);
    if (cg->n == 0)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "no control group hierarchy is mounted");
    return 0;
}

void ct_cg_fini(struct ct_cg *cg)
{
    for (size_t i = 0; i < cg->n; i++) {
        free(cg->hier[i].mount);
        free(cg->hier[i].controllers);
    }
    cg->n = 0;
}

const char *ct_cg_kind_str(enum ct_cg_kind kind)
{
    static const char *const names[] = {
        [CT_CG_V1] = "v1", [CT_CG_HYBRID] = "hybrid", [CT_CG_V2] = "v2"};
    return names[kind];
}

const struct ct_cg_hier *ct_cg_find(const struct ct_cg *cg, const char *controller)
{
    char key[64];
    (void)snprintf(key, sizeof key, ",%s,", controller);
    for (size_t i = 0; i < cg->n; i++) {
        if (strstr(cg->hier[i].controllers, key) || (cg->kind == CT_CG_V2 && cg->hier[i].v2))
            return &cg->hier[i];
    }
    return NULL;
}

bool ct_cg_path_ok(const char *path)
{
    if (path[0] != '/' || strlen(path) > 512)
        return false;
    for (const char *s = path; *s;) {
        size_t n = strcspn(s + 1, "/");
        if (n == 0 || (n <= 2 && strspn(s + 1, ".") >= n))
            return false;
        s += 1 + n;
    }
    return true;
}

bool ct_cg_get(const struct ct_cg *cg, const char *controller, const char *path, const char *name,
               char *dst, size_t size)
{
    const struct ct_cg_hier *h = ct_cg_find(cg, controller);
    if (!h)
        return false;
    _cleanup_free_ char *file = bt_xasprintf("%s%s/%s", h->mount, path, name);
    _cleanup_buf_ struct bt_buf b = BT_BUF(65536);
    if (bt_read_file(AT_FDCWD, file, 65536, &b, NULL) < 0)
        return false;
    while (b.len > 0 && b.data[b.len - 1] == '\n')
        b.data[--b.len] = '\0';
    (void)bt_strcpy(dst, size, b.data);
    return true;
}

int ct_cg_set(const struct ct_cg *cg, const char *controller, const char *path, const char *name,
              const char *text, struct bt_err *err)
{
    const struct ct_cg_hier *h = ct_cg_find(cg, controller);
    if (!h)
        return bt_fail(err, BT_E_NOT_FOUND, "no cgroup controller %s", controller);
    _cleanup_free_ char *file = bt_xasprintf("%s%s/%s", h->mount, path, name);
    return bt_write_kernel_file(AT_FDCWD, file, text, err);
}

int64_t ct_cg_keyed(const char *text, const char *key, int64_t fallback)
{
    size_t n = strlen(key);
    for (const char *s = text; s && *s; s = strchr(s, '\n'), s = s ? s + 1 : NULL) {
        if (strncmp(s, key, n) != 0 || s[n] != ' ')
            continue;
        _cleanup_free_ char *number = bt_xstrndup(s + n + 1, strcspn(s + n + 1, "\n "));
        int64_t v;
        return bt_parse_i64(number, 0, INT64_MAX, &v, NULL) < 0 ? fallback : v;
    }
    return fallback;
}

/* One "N" or "N-M" of a cpu list; -1 when it is not one. */
static int count_range(const char *s, size_t n)
{
    _cleanup_free_ char *text = bt_xstrndup(s, n);
    char *dash = strchr(text, '-');
    int64_t first;
    int64_t last;
    if (dash)
        *dash = '\0';
    if (bt_parse_i64(text, 0, 65535, &first, NULL) < 0)
        return -1;
    last = first;
    if (dash && bt_parse_i64(dash + 1, first, 65535, &last, NULL) < 0)
        return -1;
    return (int)(last - first) + 1;
}

int ct_cg_count_cpus(const char *list)
{
    int count = 0;
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ",");
        int more = count_range(s, n);
        if (more < 0)
            return 0;
        count += more;
        s += n + (s[n] == ',');
    }
    return count;
}

int ct_cg_cpuset(const struct ct_cg *cg, const char *path, const char *cpus, struct bt_err *err)
{
    char parents[4096];
    const char *text = cpus;
    if (!*cpus && cg->kind != CT_CG_V2) {
        _cleanup_free_ char *parent = bt_xstrdup(path);
        *strrchr(parent, '/') = '\0';
        if (!ct_cg_get(cg, "cpuset", parent, "cpuset.cpus", parents, sizeof parents))
            return 0;
        text = parents;
    }
    int rc = ct_cg_set(cg, "cpuset", path, "cpuset.cpus", *text ? text : "\n", err);
    return rc < 0 ? bt_wrap(err, "cpuset") : 0;
}
