/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * `key = value` files by one option table: type, range, default, unit, help. An unknown key, a
 * repeated key or a bad value refuses the file with its line number. The table prints its own
 * manual.
 */
enum bt_opt_type {
    BT_OPT_STR,      /* char *, owned by the struct */
    BT_OPT_INT,      /* int64_t */
    BT_OPT_SIZE,     /* int64_t bytes, suffixes 1024 */
    BT_OPT_DURATION, /* int64_t ms */
    BT_OPT_BOOL,     /* bool: yes no true false on off 1 0 */
    BT_OPT_ENUM,     /* int64_t index into `names` */
    BT_OPT_PATH,     /* char *, must be absolute */
};

struct bt_opt {
    const char *key;
    enum bt_opt_type type;
    size_t off;
    const char *def; /* default as text; NULL = required (STR, PATH: may stay NULL when optional) */
    int64_t min, max;
    const char *const *names;
    bool optional;
    const char *help;
};

/** Fill @obj with defaults, then the file @path (NULL = defaults only), then "key=value" overrides.
 */
int bt_conf_load(const struct bt_opt *opts, void *obj, const char *path,
                 const char *const *overrides, struct bt_err *err);

/** As bt_conf_load from text in memory (tests, fuzzing); @name for messages. */
int bt_conf_parse(const struct bt_opt *opts, void *obj, const char *text, const char *name,
                  struct bt_err *err);

/** Free the strings of @obj. */
void bt_conf_free(const struct bt_opt *opts, void *obj);

/** Print the manual (key, type, range, default, help) as a commented file. */
void bt_conf_manual(const struct bt_opt *opts, struct bt_buf *out);
