/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Named string patterns of field tables. Tenants' bytes are judged by functions, never by a regular
 * expression; `regex` is the same rule as far as ECMA-262 can say it, for OpenAPI and panels.
 * Every pattern wants clean UTF-8 first; a pattern other than "" is ASCII unless it says otherwise.
 */
struct bt_json_pattern {
    const char *name;
    bool (*ok)(const char *s, size_t n); /* @n bytes, NUL-terminated, clean UTF-8 */
    size_t max;                          /* bytes */
    const char *regex;                   /* NULL = any */
    const char *text;                    /* "must be ...": the message for people */
};

/** The pattern called @name, NULL when there is none. Static. */
const struct bt_json_pattern *bt_json_pattern_find(const char *name);

/** All patterns, in the order of their table. Static. */
const struct bt_json_pattern *bt_json_patterns(size_t *ret_n);
