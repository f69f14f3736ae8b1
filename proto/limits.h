/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "common/json/json.h"
#include "proto/enums.h"

/* One member a row of limits.def: absent, unlimited (null), or a value. Enum limits hold the index.
 */
struct limits {
#define BT_LIMIT(member, flag, kind, min, max, flags, help) struct bt_opt_int member;
#include "proto/limits.def"
#undef BT_LIMIT
};

enum limit_name {
#define BT_LIMIT(member, flag, kind, min, max, flags, help) LIMIT_##member,
#include "proto/limits.def"
#undef BT_LIMIT
    LIMIT__COUNT
};

struct limit_view {
    struct bt_opt_int plan, override, effective; /* `override` absent = the plan's counts */
};

/* limits {NAME: {plan, override, effective}} of an instance. */
struct limit_views {
#define BT_LIMIT(member, flag, kind, min, max, flags, help) struct limit_view member;
#include "proto/limits.def"
#undef BT_LIMIT
};

enum limit_kind { LIMIT_COUNT, LIMIT_SIZE, LIMIT_RATE, LIMIT_MILLI, LIMIT_ENUM };

struct limit_row {
    const char *name;
    const char *flag;
    enum limit_kind kind;
    long long min, max;
    bool finite, zero_hint;
    const char *const *names;
    const char *help;
};

/* Rows in the order of enum limit_name. */
extern const struct limit_row limit_rows[LIMIT__COUNT];

/* {NAME: value|null}: plan bodies flatten these fields, overrides nest them under `limits`. */
extern const struct bt_schema limits_schema;
/* The fields alone, for schemas that embed struct limits at offset 0. */
extern const struct bt_schema limit_views_schema;

/** Member @n of @l. */
struct bt_opt_int *limits_at(struct limits *l, enum limit_name n);

/** Member @n of a const @l. */
struct bt_opt_int limits_get(const struct limits *l, enum limit_name n);

/** What counts: @override where it is there, else @plan, else absent; then the derived defaults of
 * CONTRACT names: cpu limit = cpus, pids 2,048, inodes 65,536 per GiB of disk, cpu_weight 100, 1
 * IPv4, 1 prefix. */
void limits_merge(const struct limits *plan, const struct limits *override, struct limits *ret);

/** Check the rules that a range cannot say (zero hints, finite ones); appends to @errs with @prefix
 * + name. */
void limits_check(const struct limits *l, const char *prefix, struct bt_field_errors *errs);
