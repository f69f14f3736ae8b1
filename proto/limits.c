/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

#include "proto/field.h"

#define KIND_COUNT LIMIT_COUNT
#define KIND_SIZE LIMIT_SIZE
#define KIND_RATE LIMIT_RATE
#define KIND_MILLI LIMIT_MILLI
#define KIND_enum_traffic_count LIMIT_ENUM
#define KIND_enum_traffic_action LIMIT_ENUM
#define NAMES_COUNT NULL
#define NAMES_SIZE NULL
#define NAMES_RATE NULL
#define NAMES_MILLI NULL
#define NAMES_enum_traffic_count enum_traffic_count
#define NAMES_enum_traffic_action enum_traffic_action

enum { FINITE = 1, ZERO_HINT = 2 };

const struct limit_row limit_rows[LIMIT__COUNT] = {
#define BT_LIMIT(member, flag, kind, min, max, flags, help)                                        \
    {#member,      flag, KIND_##kind, min, max, ((flags)&FINITE) != 0, ((flags)&ZERO_HINT) != 0,   \
     NAMES_##kind, help},
#include "proto/limits.def"
#undef BT_LIMIT
};

/* The range check leaves 0 through where limits_check has a better answer for it. */
#define BT_LIMIT(member, flag, kind, lo, hi, flg, hlp)                                             \
    {.key = #member,                                                                               \
     .type = BT_F_OPT_INT,                                                                         \
     .off = offsetof(struct limits, member),                                                       \
     .min = ((flg)&ZERO_HINT) ? 0 : (lo),                                                          \
     .max = (hi),                                                                                  \
     .names = NAMES_##kind,                                                                        \
     .help = (hlp)},
static const struct bt_field limits_schema_fields[] = {
#include "proto/limits.def"
    F_END};
#undef BT_LIMIT

const struct bt_schema limits_schema = {
    .name = "Limits", .fields = limits_schema_fields, .size = sizeof(struct limits)};

#define VIEW(k, nm)                                                                                \
    {                                                                                              \
        .key = #k, .type = BT_F_OPT_INT, .off = offsetof(struct limit_view, k), .max = F_MAX_INT,  \
        .flags = BT_NULLABLE, .names = (nm)                                                        \
    }
static const struct bt_field view_fields[] = {VIEW(plan, NULL), VIEW(override, NULL),
                                              VIEW(effective, NULL), F_END};
static const struct bt_schema view_schema = {
    .name = "LimitView", .fields = view_fields, .size = sizeof(struct limit_view)};

#define ENUM_VIEW(lower)                                                                           \
    static const struct bt_field lower##_fields[] = {VIEW(plan, enum_##lower),                     \
                                                     VIEW(override, enum_##lower),                 \
                                                     VIEW(effective, enum_##lower), F_END};        \
    static const struct bt_schema lower##_schema = {                                               \
        .name = "LimitView_" #lower, .fields = lower##_fields, .size = sizeof(struct limit_view)};
ENUM_VIEW(traffic_count)
ENUM_VIEW(traffic_action)

#define SCHEMA_COUNT &view_schema
#define SCHEMA_SIZE &view_schema
#define SCHEMA_RATE &view_schema
#define SCHEMA_MILLI &view_schema
#define SCHEMA_enum_traffic_count &traffic_count_schema
#define SCHEMA_enum_traffic_action &traffic_action_schema
#define BT_LIMIT(member, flag, kind, lo, hi, flg, hlp)                                             \
    {.key = #member,                                                                               \
     .type = BT_F_OBJ,                                                                             \
     .off = offsetof(struct limit_views, member),                                                  \
     .sub = SCHEMA_##kind,                                                                         \
     .help = (hlp)},
static const struct bt_field limit_views_fields[] = {
#include "proto/limits.def"
    F_END};
#undef BT_LIMIT

const struct bt_schema limit_views_schema = {
    .name = "LimitViews", .fields = limit_views_fields, .size = sizeof(struct limit_views)};

struct bt_opt_int *limits_at(struct limits *l, enum limit_name n)
{
    return (struct bt_opt_int *)l + n;
}

struct bt_opt_int limits_get(const struct limits *l, enum limit_name n)
{
    return ((const struct bt_opt_int *)l)[n];
}

static void default_to(struct bt_opt_int *v, int64_t value)
{
    if (v->is == BT_ABSENT)
        *v = BT_OPT_V(value);
}

void limits_merge(const struct limits *plan, const struct limits *override, struct limits *ret)
{
    for (int i = 0; i < LIMIT__COUNT; i++) {
        struct bt_opt_int o =
            override ? limits_get(override, (enum limit_name)i) : (struct bt_opt_int){0};
        *limits_at(ret, (enum limit_name)i) =
            o.is != BT_ABSENT ? o : limits_get(plan, (enum limit_name)i);
    }
    default_to(&ret->cpus, 1);
    if (ret->cpu_limit_millicores.is == BT_ABSENT && ret->cpus.is == BT_VALUE)
        ret->cpu_limit_millicores = BT_OPT_V(ret->cpus.v * 1000);
    default_to(&ret->cpu_weight, 100);
    default_to(&ret->pids, 2048);
    default_to(&ret->swap_bytes, 0);
    default_to(&ret->ipv4_count, 1);
    default_to(&ret->ipv6_prefixes, 1);
    default_to(&ret->nat_ports, 0);
    default_to(&ret->traffic_count, TRAFFIC_COUNT_TOTAL);
    default_to(&ret->traffic_action, TRAFFIC_ACTION_NOTIFY);
    if (ret->inodes.is == BT_ABSENT && ret->disk_bytes.is == BT_VALUE)
        ret->inodes = BT_OPT_V(ret->disk_bytes.v / 16384);
}

void limits_check(const struct limits *l, const char *prefix, struct bt_field_errors *errs)
{
    for (int i = 0; i < LIMIT__COUNT; i++) {
        const struct limit_row *row = &limit_rows[i];
        struct bt_opt_int v = limits_get(l, (enum limit_name)i);
        char path[96];
        (void)snprintf(path, sizeof path, "%s%s", prefix, row->name);
        if (v.is == BT_NULL && row->finite)
            bt_field_error_add(errs, path, "range", "cannot be unlimited");
        else if (v.is == BT_VALUE && row->zero_hint && v.v == 0)
            bt_field_error_add(errs, path, "range", "0 is refused: use null for unlimited");
        else if (v.is == BT_VALUE && v.v < row->min)
            bt_field_error_add(errs, path, "range", "must be at least %lld", row->min);
    }
}
