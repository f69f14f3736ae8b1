/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdarg.h>

/*
 * key=value lines on stderr (journald or a file takes them): time, level, part, message, then
 * pairs. Only app, api, task, job and link log; everything below returns errors. Never secrets.
 */
enum bt_level { BT_DEBUG, BT_INFO, BT_WARN, BT_ERROR };

/** Set the lowest level that is printed (the one mutable global of the program). */
void bt_log_level_set(enum bt_level level);

/** The level of a name ("debug", "info", "warn", "error"), -1 for another. */
int bt_log_level_from_str(const char *s);

/**
 * Print one line. @part names the module. @fmt is key=value text; string values from strangers are
 * passed through bt_logq. Control bytes are escaped. Any thread; one write(2) per line.
 */
void bt_log(enum bt_level level, const char *part, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Quote @s for a log value into @dst (escaped, cut with "..."); returns @dst. */
const char *bt_logq(const char *s, char *dst, unsigned size);
