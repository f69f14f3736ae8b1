/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/** Are both equal strings (two NULLs are equal, NULL and "" are not)? */
bool bt_streq(const char *a, const char *b);

/** Does @s begin with @prefix? */
bool bt_starts_with(const char *s, const char *prefix);

/** Copy @s into @dst of @size bytes, always NUL-terminated; false when it was cut. */
bool bt_strcpy(char *dst, size_t size, const char *s);

/** Whole-string decimal integer, sign allowed, [@min, @max]. Errors: INVALID. */
int bt_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret, struct bt_err *err);

/** Size in bytes: "512M", "5G", "1T", "64KiB", plain bytes; powers of 1024. Errors: INVALID. */
int bt_parse_size(const char *s, int64_t *ret_bytes, struct bt_err *err);

/** Rate or volume: "100M", "1.5G", "500k"; powers of 1000. Errors: INVALID. */
int bt_parse_si(const char *s, int64_t *ret, struct bt_err *err);

/** Duration "30s", "5m", "24h", "7d", "250ms" in ms; a plain number is seconds. Errors: INVALID. */
int bt_parse_duration(const char *s, int64_t *ret_ms, struct bt_err *err);

/** Decimal with up to three places ("1.5" -> 1500): cores to millicores, ratios to thousandths. */
int bt_parse_milli(const char *s, int64_t *ret_milli, struct bt_err *err);

/** Lower-case hex of @n bytes into @dst (2n + 1 bytes). */
void bt_hex(const void *data, size_t n, char *dst);

/** Bytes from exactly 2 * @n hex digits; false on anything else. */
bool bt_unhex(const char *s, void *dst, size_t n);

/** base64url without padding (RFC 4648 section 5). Caller frees. */
char *bt_b64url(const void *data, size_t n);

/** Decode base64url without padding into @dst (at most @max bytes). Errors: INVALID. */
int bt_unb64url(const char *s, void *dst, size_t max, size_t *ret_n, struct bt_err *err);

/** Bytes of the UTF-8 sequence (RFC 3629) that starts at @s (@n > 0 bytes), 0 when it is not one.
 */
size_t bt_utf8_seq(const char *s, size_t n);

/** Valid UTF-8 (RFC 3629) without control characters except those in @allow ("\n\t", may be NULL)?
 */
bool bt_utf8_clean(const char *s, size_t n, const char *allow);

/** Name rule of all objects: [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?, not all digits. */
bool bt_name_ok(const char *s);
