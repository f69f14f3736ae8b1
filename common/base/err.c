/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    int http;
    enum bt_retry retry;
    int exitcode;
    const char *text;
} rows[BT_E__COUNT] = {
    [BT_E_OK] = {"ok", 200, BT_RETRY_NEVER, 0, "OK"},
#define BT_ERR(name, code, http, retry, exitcode, text)                                            \
    [BT_E_##name] = {code, http, BT_RETRY_##retry, exitcode, text},
#include "common/base/err.def"
#undef BT_ERR
};

/* Through a copy: an argument may be the old message itself. */
static void print(char *dst, size_t size, const char *fmt, va_list ap)
{
    char text[sizeof((struct bt_err){0}.msg)];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    (void)snprintf(dst, size, "%s", text);
}

static void set(struct bt_err *err, enum bt_code code, const char *fmt, va_list ap)
{
    print(err->msg, sizeof err->msg, fmt, ap);
    err->code = code;
    err->hint[0] = '\0';
}

int bt_fail(struct bt_err *err, enum bt_code code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        set(err, code, fmt, ap);
        va_end(ap);
    }
    return -(int)code;
}

static enum bt_code errno_code(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return BT_E_STORAGE_FULL;
    case ETIMEDOUT:
        return BT_E_TIMEOUT;
    default:
        return BT_E_KERNEL;
    }
}

int bt_fail_errno(struct bt_err *err, int errnum, const char *fmt, ...)
{
    enum bt_code code = errno_code(errnum);
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        set(err, code, fmt, ap);
        va_end(ap);
        size_t n = strlen(err->msg);
        char text[96];
        (void)snprintf(err->msg + n, sizeof err->msg - n, ": %s",
                       strerror_r(errnum, text, sizeof text));
    }
    return -(int)code;
}

int bt_wrap(struct bt_err *err, const char *fmt, ...)
{
    if (!err)
        return -(int)BT_E_INTERNAL;
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    print(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->msg);
    (void)snprintf(err->msg + n, sizeof err->msg - n, ": %s", old);
    return -(int)err->code;
}

void bt_hint(struct bt_err *err, const char *fmt, ...)
{
    if (!err)
        return;
    va_list ap;
    va_start(ap, fmt);
    print(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
}

static enum bt_code known(enum bt_code code)
{
    return (unsigned)code < BT_E__COUNT ? code : BT_E_INTERNAL;
}

const char *bt_code_str(enum bt_code code)
{
    return rows[known(code)].code;
}

enum bt_code bt_code_from_str(const char *s)
{
    for (unsigned i = 0; s && i < BT_E__COUNT; i++) {
        if (strcmp(rows[i].code, s) == 0)
            return (enum bt_code)i;
    }
    return BT_E_INTERNAL;
}

int bt_code_http(enum bt_code code)
{
    return rows[known(code)].http;
}

enum bt_retry bt_code_retry(enum bt_code code)
{
    return rows[known(code)].retry;
}

int bt_code_exit(enum bt_code code)
{
    return rows[known(code)].exitcode;
}

const char *bt_code_text(enum bt_code code)
{
    return rows[known(code)].text;
}
