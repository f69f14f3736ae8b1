/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Short forms for rows of field tables; FT is #defined to the struct before use. */
#include <stddef.h>

#include "common/json/json.h"

#define F_MAX_INT 9007199254740991LL
#define F_ROW(k, t, ...)                                                                           \
    {                                                                                              \
        .key = #k, .type = t, .off = offsetof(struct FT, k), __VA_ARGS__                           \
    }
#define F_STR(k, mx, pat, fl, hlp)                                                                 \
    F_ROW(k, BT_F_STR, .min = 0, .max = (mx), .pattern = (pat), .flags = (fl), .help = (hlp))
#define F_INT(k, mn, mx, fl, hlp)                                                                  \
    F_ROW(k, BT_F_INT, .min = (mn), .max = (mx), .flags = (fl), .help = (hlp))
#define F_ID(k, fl, hlp) F_INT(k, 0, F_MAX_INT, fl, hlp)
#define F_TIME(k, fl, hlp)                                                                         \
    F_ROW(k, BT_F_INT, .min = 0, .max = F_MAX_INT, .flags = (fl), .unit = "ms", .help = (hlp))
#define F_OPT(k, mn, mx, fl, hlp)                                                                  \
    F_ROW(k, BT_F_OPT_INT, .min = (mn), .max = (mx), .flags = (fl), .help = (hlp))
#define F_BOOL(k, fl, hlp) F_ROW(k, BT_F_BOOL, .flags = (fl), .help = (hlp))
#define F_OBOOL(k, fl, hlp) F_ROW(k, BT_F_OPT_BOOL, .flags = (fl), .help = (hlp))
#define F_ENUM(k, nm, fl, hlp) F_ROW(k, BT_F_ENUM, .names = (nm), .flags = (fl), .help = (hlp))
#define F_REF(k, fl, hlp) F_ROW(k, BT_F_REF, .max = 255, .flags = (fl), .help = (hlp))
#define F_OBJ(k, sc, fl, hlp) F_ROW(k, BT_F_OBJ, .sub = (sc), .flags = (fl), .help = (hlp))
#define F_OPTR(k, sc, fl, hlp) F_ROW(k, BT_F_OBJ_PTR, .sub = (sc), .flags = (fl), .help = (hlp))
#define F_AOBJ(k, sc, mx, fl, hlp)                                                                 \
    F_ROW(k, BT_F_ARR_OBJ, .sub = (sc), .max = (mx), .flags = (fl), .help = (hlp))
#define F_ASTR(k, mx, pat, fl, hlp)                                                                \
    F_ROW(k, BT_F_ARR_STR, .max = (mx), .pattern = (pat), .flags = (fl), .help = (hlp))
#define F_AENUM(k, nm, fl, hlp) F_ROW(k, BT_F_ARR_ENUM, .names = (nm), .flags = (fl), .help = (hlp))
#define F_RAW(k, mx, fl, hlp) F_ROW(k, BT_F_RAW, .max = (mx), .flags = (fl), .help = (hlp))
#define F_MAP(k, mx, fl, hlp) F_ROW(k, BT_F_MAP_STR, .max = (mx), .flags = (fl), .help = (hlp))
#define F_END                                                                                      \
    {                                                                                              \
        .key = NULL                                                                                \
    }
#define F_SCHEMA(var, nm, hlp)                                                                     \
    const struct bt_schema var = {                                                                 \
        .name = (nm), .fields = var##_fields, .size = sizeof(struct FT), .help = (hlp)}
