/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/json/json_pattern.h"
#include "common/json/json_priv.h"

static bool has_sub(enum bt_ftype type)
{
    return type == BT_F_OBJ || type == BT_F_OBJ_PTR || type == BT_F_ARR_OBJ;
}

static bool has_names(enum bt_ftype type)
{
    return type == BT_F_ENUM || type == BT_F_ARR_ENUM;
}

/* More names than a bit set or an array index of ours holds? */
static bool names_ok(const char *const *names)
{
    size_t n = 0;
    while (names[n] && n <= 64)
        n++;
    return n > 0 && n <= 64;
}

static bool key_twice(const struct bt_schema *s, const struct bt_field *f)
{
    for (const struct bt_field *g = s->fields; g < f; g++) {
        if (strcmp(g->key, f->key) == 0)
            return true;
    }
    return false;
}

static const char *fault_of(const struct bt_schema *s, const struct bt_field *f)
{
    if (key_twice(s, f))
        return "the key stands twice";
    if (f->off >= s->size)
        return "the offset is outside the struct";
    if (f->min > f->max && f->max != 0)
        return "min is above max";
    if (f->pattern && !bt_json_pattern_find(f->pattern))
        return "the pattern is not known";
    if (has_names(f->type) && (!f->names || !names_ok(f->names)))
        return "names are missing, or more than 64";
    if (has_sub(f->type) && !f->sub)
        return "the sub table is missing";
    if ((f->flags & BT_READONLY) && (f->flags & BT_WRITE_ONLY))
        return "read-only and write-only";
    return NULL;
}

static int check(const struct bt_schema *s, int depth, struct bt_err *err)
{
    if (depth > BT_JSON_DEPTH_MAX)
        return bt_fail(err, BT_E_INTERNAL, "%s: tables nested too deep", s->name);
    for (const struct bt_field *f = s->fields; f->key; f++) {
        const char *fault = fault_of(s, f);
        if (fault)
            return bt_fail(err, BT_E_INTERNAL, "%s.%s: %s", s->name, f->key, fault);
        int rc = has_sub(f->type) ? check(f->sub, depth + 1, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int bt_schema_check(const struct bt_schema *s, struct bt_err *err)
{
    return check(s, 1, err);
}
