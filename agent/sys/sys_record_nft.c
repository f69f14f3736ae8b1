/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_record_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * The fake's nf_tables: chains (from the text), elements and counters. Of nft's language it knows
 * "table FAMILY NAME {", "chain NAME" inside it, and "delete chain|table FAMILY TABLE [CHAIN]".
 */
#define KEY_MAX 320

static const char *const families[] = {[SYS_NFT_BRIDGE] = "bridge", [SYS_NFT_INET] = "inet"};

static void run_delete(struct sys *s, char *words[], size_t n)
{
    char key[KEY_MAX];
    if (n == 5 && strcmp(words[1], "chain") == 0) {
        (void)snprintf(key, sizeof key, "chain %s %s %s", words[2], words[3], words[4]);
        sys_record_drop(s, key);
    }
    if (n == 4 && strcmp(words[1], "table") == 0) {
        static const char *const kinds[] = {"chain", "elem", "counter"};
        for (size_t i = 0; i < BT_ARRAY_LEN(kinds); i++) {
            (void)snprintf(key, sizeof key, "%s %s %s ", kinds[i], words[2], words[3]);
            sys_record_drop_all(s, key);
        }
    }
}

static void run_line(struct sys *s, char *line, char table[128])
{
    char *words[8] = {0};
    size_t n = 0;
    char *save = NULL;
    for (char *w = strtok_r(line, " \t{;", &save); w && n < 8; w = strtok_r(NULL, " \t{;", &save))
        words[n++] = w;
    if (n >= 3 && strcmp(words[0], "table") == 0)
        (void)snprintf(table, 128, "%s %s", words[1], words[2]);
    if (n >= 2 && strcmp(words[0], "chain") == 0) {
        char key[KEY_MAX];
        (void)snprintf(key, sizeof key, "chain %s %s", table, words[1]);
        sys_record_put(s, key, words[1], strlen(words[1]));
    }
    if (n >= 2 && strcmp(words[0], "delete") == 0)
        run_delete(s, words, n);
}

static int rec_run(struct sys *s, const char *commands, struct bt_err *err)
{
    char table[128] = "";
    _cleanup_free_ char *copy = bt_xstrdup(commands);
    char *save = NULL;
    int rc = sys_record_call(s, err, "nft run %.*s", (int)strcspn(commands, "\n"), commands);
    if (rc < 0)
        return rc;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        run_line(s, line, table);
    return 0;
}

static bool has_table(struct sys *s, enum sys_nft_family family, const char *table)
{
    char prefix[KEY_MAX];
    _cleanup_rows_str_ struct sys_rows keys = {0};
    (void)snprintf(prefix, sizeof prefix, "chain %s %s ", families[family], table);
    sys_record_keys_of(s, prefix, &keys);
    return keys.len > 0;
}

static int rec_chains(struct sys *s, enum sys_nft_family family, const char *table,
                      struct sys_rows *ret, struct bt_err *err)
{
    char prefix[KEY_MAX];
    _cleanup_rows_str_ struct sys_rows keys = {0};
    int rc = sys_record_call(s, err, "nft chains %s %s", families[family], table);
    if (rc < 0)
        return rc;
    (void)snprintf(prefix, sizeof prefix, "chain %s %s ", families[family], table);
    sys_record_keys_of(s, prefix, &keys);
    SYS_ROWS_FOREACH(char *, it, &keys)
        sys_rows_push_str(ret, *it + strlen(prefix));
    return 0;
}

/* Elements are told apart by their bytes; the text is for people. */
static void elem_key(const struct sys_nft_elem *e, char *dst, size_t size)
{
    char hex[2 * SYS_NFT_KEY_MAX + 1];
    bt_hex(e->key.bytes, e->key.len, hex);
    (void)snprintf(dst, size, "elem %s %s %s %s", families[e->family], e->table, e->set, hex);
}

static void elem_more(struct sys *s, char sign, const struct sys_nft_elem *e)
{
    sys_record_more(s, "%c %s %s %s { %s%s%s }", sign, families[e->family], e->table, e->set,
                    e->key.text, sign == '+' && e->object[0] ? " : " : "",
                    sign == '+' ? e->object : "");
}

static void counter_key(const struct sys_nft_change *c, const char *name, char *dst, size_t size)
{
    (void)snprintf(dst, size, "counter %s %s %s", families[c->family], c->table, name);
}

static void counters_more(struct sys *s, char sign, const struct sys_nft_change *c)
{
    size_t n = sign == '+' ? c->n_counters_add : c->n_counters_del;
    const char *const *names = sign == '+' ? c->counters_add : c->counters_del;
    for (size_t i = 0; i < n; i++)
        sys_record_more(s, "%c %s %s counter %s", sign, families[c->family], c->table, names[i]);
}

static void tell_change(struct sys *s, const struct sys_nft_change *c)
{
    for (size_t i = 0; i < c->n_del; i++)
        elem_more(s, '-', &c->del[i]);
    counters_more(s, '+', c);
    for (size_t i = 0; i < c->n_add; i++)
        elem_more(s, '+', &c->add[i]);
    counters_more(s, '-', c);
}

static bool is_held(struct sys *s, const char *name)
{
    bool held = false;
    _cleanup_rows_ struct sys_rows rows = {0};
    sys_record_rows(s, "elem ", sizeof(struct sys_nft_elem), &rows);
    SYS_ROWS_FOREACH(struct sys_nft_elem, it, &rows)
        held = held || strcmp(it->object, name) == 0;
    return held;
}

static int apply_change(struct sys *s, const struct sys_nft_change *c, struct bt_err *err)
{
    char key[KEY_MAX];
    for (size_t i = 0; i < c->n_del; i++) {
        elem_key(&c->del[i], key, sizeof key);
        sys_record_drop(s, key);
    }
    for (size_t i = 0; i < c->n_counters_add; i++) {
        struct sys_nft_counter counter = {0};
        (void)bt_strcpy(counter.name, sizeof counter.name, c->counters_add[i]);
        counter_key(c, counter.name, key, sizeof key);
        if (!sys_record_find(s, key))
            sys_record_put(s, key, &counter, sizeof counter);
    }
    for (size_t i = 0; i < c->n_add; i++) {
        elem_key(&c->add[i], key, sizeof key);
        sys_record_put(s, key, &c->add[i], sizeof c->add[i]);
    }
    for (size_t i = 0; i < c->n_counters_del; i++) {
        if (is_held(s, c->counters_del[i]))
            return bt_fail_errno(err, EBUSY, "nftables: change elements");
        counter_key(c, c->counters_del[i], key, sizeof key);
        sys_record_drop(s, key);
    }
    return 0;
}

static int rec_change(struct sys *s, const struct sys_nft_change *c, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "nft change");
    tell_change(s, c);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->n_add; i++) {
        if (!has_table(s, c->add[i].family, c->add[i].table))
            return bt_fail(err, BT_E_NOT_FOUND, "nftables: no such table, set or counter");
    }
    return apply_change(s, c, err);
}

static int rec_elems(struct sys *s, const struct sys_nft_elem *which, struct sys_rows *ret,
                     struct bt_err *err)
{
    char prefix[KEY_MAX];
    int rc = sys_record_call(s, err, "nft elems %s %s %s", families[which->family], which->table,
                             which->set);
    (void)snprintf(prefix, sizeof prefix, "elem %s %s %s ", families[which->family], which->table,
                   which->set);
    if (rc == 0)
        sys_record_rows(s, prefix, sizeof *which, ret);
    SYS_ROWS_FOREACH(struct sys_nft_elem, it, ret)
        it->key.text[0] = '\0'; /* as the kernel, which knows bytes only */
    return rc;
}

static int rec_counter(struct sys *s, enum sys_nft_family family, const char *table,
                       struct sys_nft_counter *ret, struct bt_err *err)
{
    char key[KEY_MAX];
    int rc = sys_record_call(s, err, "nft counter %s %s %s", families[family], table, ret->name);
    (void)snprintf(key, sizeof key, "counter %s %s %s", families[family], table, ret->name);
    const struct sys_nft_counter *found = sys_record_find(s, key);
    if (rc == 0 && !found)
        return bt_fail(err, BT_E_NOT_FOUND, "no counter %s", ret->name);
    if (rc == 0)
        *ret = *found;
    return rc;
}

static int rec_counters(struct sys *s, enum sys_nft_family family, const char *table,
                        struct sys_rows *ret, struct bt_err *err)
{
    char prefix[KEY_MAX];
    int rc = sys_record_call(s, err, "nft counters %s %s", families[family], table);
    (void)snprintf(prefix, sizeof prefix, "counter %s %s ", families[family], table);
    if (rc == 0)
        sys_record_rows(s, prefix, sizeof(struct sys_nft_counter), ret);
    return rc;
}

const struct sys_nft_ops sys_record_nft_ops = {
    .run = rec_run,
    .chains = rec_chains,
    .change = rec_change,
    .elems = rec_elems,
    .counter = rec_counter,
    .counters = rec_counters,
};

void sys_record_count(struct sys *s, const char *counter, uint64_t packets, uint64_t bytes)
{
    size_t pos = 0;
    const struct bt_map *m = &sys_record_of(s)->objs;
    for (struct sys_record_obj *o = bt_map_next(m, &pos); o; o = bt_map_next(m, &pos)) {
        struct sys_nft_counter *c = o->data;
        if (bt_starts_with(o->key, "counter ") && strcmp(c->name, counter) == 0) {
            c->packets += packets;
            c->bytes += bytes;
        }
    }
}
