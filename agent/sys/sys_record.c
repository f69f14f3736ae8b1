/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_record_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The fake's core: lines, failures, objects, sysctls. */
#define TEXT_MAX (64u << 20)

static bool is_wanted(const struct sys_record *r, const char *line)
{
    for (size_t i = 0; i < r->n_only; i++) {
        if (bt_starts_with(line, r->only[i]))
            return true;
    }
    return r->n_only == 0;
}

int sys_record_call(struct sys *s, struct bt_err *err, const char *fmt, ...)
{
    struct sys_record *r = sys_record_of(s);
    char line[512];
    int errnum = 0;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    r->calls++;
    if (r->fail_in > 0 && --r->fail_in == 0)
        errnum = r->fail_errno;
    if (r->fail_prefix && bt_starts_with(line, r->fail_prefix))
        errnum = r->fail_prefix_errno;
    if (is_wanted(r, line))
        (void)bt_buf_addf(&r->text, "%s%s\n", line, errnum ? " -> error" : "");
    return errnum ? bt_fail_errno(err, errnum, "%s", line) : 0;
}

void sys_record_more(struct sys *s, const char *fmt, ...)
{
    struct sys_record *r = sys_record_of(s);
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (r->n_only == 0)
        (void)bt_buf_addf(&r->text, "    %s\n", line);
}

static void obj_free(struct sys_record_obj *o)
{
    if (!o)
        return;
    free(o->key);
    free(o->data);
    free(o);
}

void sys_record_put(struct sys *s, const char *key, const void *data, size_t size)
{
    struct sys_record_obj *o = bt_xcalloc(1, sizeof *o);
    o->key = bt_xstrdup(key);
    o->data = bt_xcalloc(1, size + 1);
    if (size)
        memcpy(o->data, data, size);
    obj_free(bt_map_set(&sys_record_of(s)->objs, key, o));
}

void *sys_record_find(struct sys *s, const char *key)
{
    const struct sys_record_obj *o = bt_map_find(&sys_record_of(s)->objs, key);
    return o ? o->data : NULL;
}

void sys_record_drop(struct sys *s, const char *key)
{
    obj_free(bt_map_remove(&sys_record_of(s)->objs, key));
}

void sys_record_keys_of(struct sys *s, const char *prefix, struct sys_rows *ret)
{
    const struct bt_map *m = &sys_record_of(s)->objs;
    size_t pos = 0;
    for (struct sys_record_obj *o = bt_map_next(m, &pos); o; o = bt_map_next(m, &pos)) {
        if (bt_starts_with(o->key, prefix))
            sys_rows_push_str(ret, o->key);
    }
    sys_rows_sort_str(ret);
}

void sys_record_drop_all(struct sys *s, const char *prefix)
{
    _cleanup_rows_str_ struct sys_rows keys = {0};
    sys_record_keys_of(s, prefix, &keys);
    SYS_ROWS_FOREACH(char *, it, &keys)
        sys_record_drop(s, *it);
}

void sys_record_rows(struct sys *s, const char *prefix, size_t size, struct sys_rows *ret)
{
    _cleanup_rows_str_ struct sys_rows keys = {0};
    sys_record_keys_of(s, prefix, &keys);
    SYS_ROWS_FOREACH(char *, it, &keys)
        memcpy(sys_rows_push(ret, size), sys_record_find(s, *it), size);
}

/* ---- sysctls: any key exists and reads as last written, "" before ---- */

static int sysctl_read(struct sys *s, const char *key, char ret[SYS_SYSCTL_MAX], struct bt_err *err)
{
    char name[160];
    (void)snprintf(name, sizeof name, "sysctl %s", key);
    int rc = sys_record_call(s, err, "sysctl read %s", key);
    if (rc < 0)
        return rc;
    const char *value = sys_record_find(s, name);
    (void)bt_strcpy(ret, SYS_SYSCTL_MAX, value ? value : "");
    return 0;
}

static int sysctl_ensure(struct sys *s, const char *key, const char *value, struct bt_err *err)
{
    char name[160];
    (void)snprintf(name, sizeof name, "sysctl %s", key);
    int rc = sys_record_call(s, err, "sysctl ensure %s %s", key, value);
    if (rc == 0)
        sys_record_put(s, name, value, strlen(value));
    return rc;
}

static const struct sys_sysctl_ops sysctl_ops = {
    .read = sysctl_read,
    .ensure = sysctl_ensure,
};

/* ---- life ---- */

struct sys *sys_record_new(struct bt_loop *loop)
{
    struct sys_record *r = bt_xcalloc(1, sizeof *r);
    *r = (struct sys_record){
        .base = {.link = &sys_record_link_ops,
                 .nft = &sys_record_nft_ops,
                 .sysctl = &sysctl_ops,
                 .cgroup = &sys_record_cgroup_ops,
                 .proc = &sys_record_proc_ops,
                 .helper = &sys_record_helper_ops,
                 .fs = &sys_record_fs_ops,
                 .loop = loop,
                 .impl = r},
        .text = BT_BUF(TEXT_MAX),
        .next_ifindex = 10,
        .next_pid = 1000,
        .machine = {.cpus = 2,
                    .memory_bytes = 8LL << 30,
                    .memory_available_bytes = 7LL << 30,
                    .kernel = "6.1.0-fake",
                    .boot_id = "00000000-0000-4000-8000-000000000001"},
        .space = {.total_bytes = 100LL << 30,
                  .free_bytes = 90LL << 30,
                  .total_inodes = 6 << 20,
                  .free_inodes = 6 << 20},
    };
    bt_list_init(&r->watches);
    sys_queues_start(&r->base);
    return &r->base;
}

static void free_plain(struct bt_map *m)
{
    size_t pos = 0;
    for (void *v = bt_map_next(m, &pos); v; v = bt_map_next(m, &pos))
        free(v);
    bt_map_fini(m);
}

static void only_fini(struct sys_record *r)
{
    for (size_t i = 0; i < r->n_only; i++)
        free(r->only[i]);
    r->n_only = 0;
}

void sys_record_free(struct sys *s)
{
    if (!s)
        return;
    struct sys_record *r = sys_record_of(s);
    size_t pos = 0;
    sys_queues_stop(s);
    for (struct sys_record_obj *o = bt_map_next(&r->objs, &pos); o; o = bt_map_next(&r->objs, &pos))
        obj_free(o);
    bt_map_fini(&r->objs);
    free_plain(&r->links);
    free_plain(&r->procs);
    only_fini(r);
    free(r->fail_prefix);
    bt_buf_fini(&r->text);
    free(r);
}

/* ---- what tests ask ---- */

const char *sys_record_text(struct sys *s)
{
    const char *text = sys_record_of(s)->text.data;
    return text ? text : "";
}

void sys_record_reset(struct sys *s)
{
    bt_buf_reset(&sys_record_of(s)->text);
    sys_record_of(s)->calls = 0;
}

size_t sys_record_calls(struct sys *s)
{
    return sys_record_of(s)->calls;
}

void sys_record_fail_at(struct sys *s, size_t n, int errnum)
{
    sys_record_of(s)->fail_in = n;
    sys_record_of(s)->fail_errno = errnum;
}

void sys_record_fail_on(struct sys *s, const char *prefix, int errnum)
{
    struct sys_record *r = sys_record_of(s);
    free(r->fail_prefix);
    r->fail_prefix = bt_xstrdup(prefix);
    r->fail_prefix_errno = errnum;
}

void sys_record_only(struct sys *s, const char *const *prefixes)
{
    struct sys_record *r = sys_record_of(s);
    only_fini(r);
    for (; prefixes && *prefixes && r->n_only < BT_ARRAY_LEN(r->only); prefixes++)
        r->only[r->n_only++] = bt_xstrdup(*prefixes);
}

static void model_links(struct sys *s, struct sys_rows *ret)
{
    size_t pos = 0;
    const struct bt_map *m = &sys_record_of(s)->links;
    for (struct sys_record_link *l = bt_map_next(m, &pos); l; l = bt_map_next(m, &pos)) {
        const struct sys_link_info *i = &l->info;
        char mac[SYS_MAC_STR_MAX];
        char line[256];
        (void)snprintf(line, sizeof line, "link %s %s %s%s%s%s%s%s%s%s", i->name, i->kind,
                       sys_mac_str(i->mac, mac), i->master[0] ? " master " : "", i->master,
                       i->port.isolated ? " isolated" : "", l->peer[0] ? " peer " : "", l->peer,
                       i->up ? " up" : "", i->group == SYS_LINK_GROUP_TRASH ? " trash" : "");
        sys_rows_push_str(ret, line);
    }
}

static void model_objs(struct sys *s, struct sys_rows *ret)
{
    _cleanup_rows_str_ struct sys_rows keys = {0};
    sys_record_keys_of(s, "", &keys);
    SYS_ROWS_FOREACH(char *, it, &keys) {
        char line[300];
        const char *value = bt_starts_with(*it, "sysctl ") ? sys_record_find(s, *it) : "";
        (void)snprintf(line, sizeof line, "%s%s%s", *it, *value ? " = " : "", value);
        sys_rows_push_str(ret, line);
    }
}

char *sys_record_model(struct sys *s)
{
    _cleanup_rows_str_ struct sys_rows lines = {0};
    struct bt_buf b = BT_BUF(TEXT_MAX);
    model_links(s, &lines);
    model_objs(s, &lines);
    sys_rows_sort_str(&lines);
    SYS_ROWS_FOREACH(char *, it, &lines)
        (void)bt_buf_addf(&b, "%s\n", *it);
    return bt_buf_take(&b);
}

void sys_record_machine(struct sys *s, const struct sys_machine *m)
{
    sys_record_of(s)->machine = *m;
}

void sys_record_space(struct sys *s, const struct sys_fs_space *space)
{
    sys_record_of(s)->space = *space;
}

void sys_record_play(struct sys *s, const struct sys_record_player *player)
{
    sys_record_of(s)->player = *player;
    sys_record_of(s)->plays = true;
}
