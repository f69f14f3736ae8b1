/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One error type for the whole program. The caller owns the struct (usually on its stack); a
 * function that fails fills it and returns the negative code; on success it leaves it untouched.
 */

enum bt_retry { BT_RETRY_NEVER, BT_RETRY_LATER, BT_RETRY_NOW };

enum bt_code {
    BT_E_OK = 0,
#define BT_ERR(name, code, http, retry, exitcode, text) BT_E_##name,
#include "common/base/err.def"
#undef BT_ERR
    BT_E__COUNT
};

struct bt_err {
    enum bt_code code;
    char msg[320];
    char hint[160];
};

#define BT_ERR_INIT ((struct bt_err){0})

/**
 * Fill @err (may be NULL) with @code and a message (cut to fit, control bytes kept as given by us
 * only: never pass peers' bytes without "%.*s" and a bound). Returns -code.
 */
int bt_fail(struct bt_err *err, enum bt_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * As bt_fail with BT_E_KERNEL (or the closer code of @errnum: ENOSPC and EDQUOT -> STORAGE_FULL,
 * ETIMEDOUT -> TIMEOUT), ": " and strerror(@errnum) appended. Used at the borders to the kernel.
 */
int bt_fail_errno(struct bt_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Put "@fmt: " before the message of @err. Returns -err->code; with @err NULL the code is not known
 * and -BT_E_INTERNAL comes back: return your own code where the caller may have passed NULL.
 */
int bt_wrap(struct bt_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Set the hint (what the user can do) of @err; keeps code and message. */
void bt_hint(struct bt_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The API string of a code ("no_capacity"); "ok" for BT_E_OK. Static. */
const char *bt_code_str(enum bt_code code);

/** The code of an API string; BT_E_INTERNAL for an unknown one. */
enum bt_code bt_code_from_str(const char *s);

/** HTTP status of a code (docs/ERRORS.md). */
int bt_code_http(enum bt_code code);

/** Retry class of a code. */
enum bt_retry bt_code_retry(enum bt_code code);

/** Exit code of the CLI for a code. */
int bt_code_exit(enum bt_code code);

/** One sentence for people, static. */
const char *bt_code_text(enum bt_code code);
