/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Field tables: one const table per message parses, validates (every bad field in one answer) and
 * emits JSON, frees the struct, and is what OpenAPI, TypeScript and CLI flags are made from.
 * Structs are plain C; pointers inside are owned by the struct and freed by bt_schema_free.
 */
enum bt_ftype {
    BT_F_BOOL,     /* bool */
    BT_F_INT,      /* int64_t within [min, max] */
    BT_F_OPT_INT,  /* struct bt_opt_int: absent, null (unlimited) or a value; with `names` a name */
    BT_F_OPT_BOOL, /* struct bt_opt_int with 0/1 */
    BT_F_STR,      /* char * UTF-8, length in bytes within [min, max]; NULL = absent or null */
    BT_F_ENUM,     /* int, index into `names` (NULL-terminated); -1 = absent */
    BT_F_REF,      /* struct bt_ref: request: name, uuid or id; answer: {id, name} or null */
    BT_F_OBJ,      /* struct by value with schema `sub`; presence in has_off if HAS is set */
    BT_F_OBJ_PTR,  /* pointer to a heap struct with schema `sub`; NULL = absent or null */
    BT_F_ARR_OBJ,  /* struct bt_arr of structs `sub`, at most `max` elements */
    BT_F_ARR_STR,  /* struct bt_arr of char *, at most `max` elements, each pattern-checked */
    BT_F_ARR_ENUM, /* uint64_t bit set by index into `names`; JSON array of names, no repeats */
    BT_F_MAP_STR,  /* struct bt_arr of struct bt_pair: JSON object of strings (labels) */
    BT_F_RAW,      /* char * of JSON text of any value, at most `max` bytes, kept as is */
};

enum bt_fflag {
    BT_REQUIRED = 1 << 0,   /* must be there and not null when parsing */
    BT_NULLABLE = 1 << 1,   /* emits null when absent (else an absent value emits nothing) */
    BT_READONLY = 1 << 2,   /* never accepted from outside */
    BT_SECRET = 1 << 3,     /* erased on free; never logged */
    BT_MULTILINE = 1 << 4,  /* string may hold \n \t \r */
    BT_OMIT_ZERO = 1 << 5,  /* INT, BOOL, ENUM: not emitted when 0 / false / -1 */
    BT_WRITE_ONLY = 1 << 6, /* parsed, never emitted (but a REF that is set: requests of the CLI) */
};

struct bt_opt_int {
    enum { BT_ABSENT = 0, BT_NULL, BT_VALUE } is;
    int64_t v;
};

#define BT_OPT_V(x) ((struct bt_opt_int){BT_VALUE, (x)})
#define BT_OPT_NULL ((struct bt_opt_int){BT_NULL, 0})

struct bt_ref {
    int64_t id; /* 0 = not by id */
    char *name; /* name or uuid text; NULL = none */
};

struct bt_arr {
    void *items; /* structs, char *, or struct bt_pair, contiguous */
    size_t len;
};

struct bt_pair {
    char *key;
    char *value;
};

struct bt_schema;

struct bt_field {
    const char *key;
    enum bt_ftype type;
    unsigned flags;
    size_t off;
    int64_t min, max;
    const char *pattern; /* a named pattern: "name", "uuid", "ip", "cidr", "mac", "sha256", ...
                            (json_pattern.h) */
    const char *const *names;
    const struct bt_schema *sub;
    const char *help;
    const char *unit; /* bytes, bits_per_s, ms, ... for manuals */
};

struct bt_schema {
    const char *name;              /* type name in OpenAPI and TypeScript */
    const struct bt_field *fields; /* ends with key NULL */
    size_t size;                   /* sizeof the struct */
    const char *help;
};

/* One bad field: path "limits.memory_bytes", API code
 * "unknown_field|required|type|range|pattern|length|enum|duplicate|depth". */
struct bt_field_error {
    char field[96];
    char code[24];
    char message[160];
};

#define BT_FIELD_ERRORS_MAX 64

struct bt_field_errors {
    struct bt_field_error list[BT_FIELD_ERRORS_MAX];
    size_t n;
};

enum bt_parse_flags {
    BT_STRICT = 0,        /* unknown keys are errors (API) */
    BT_LENIENT = 1 << 0,  /* unknown keys are ignored (agent link, newer peers) */
    BT_ALLOW_RO = 1 << 1, /* accept READONLY fields (link, CLI reading answers) */
};

#define BT_JSON_DEPTH_MAX 32

/** Add one field error (kept silently to the first 64). */
void bt_field_error_add(struct bt_field_errors *errs, const char *field, const char *code,
                        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/**
 * Parse @text (@len bytes, one JSON object, depth <= 32, no duplicate keys, integers only) into
 * @obj (of schema->size bytes, zeroed by this function first). On failure @obj is freed and zero.
 * @errs (may be NULL) lists every bad field. Errors: BAD_REQUEST (not JSON), INVALID (fields).
 */
int bt_schema_parse(const struct bt_schema *s, const char *text, size_t len, unsigned flags,
                    void *obj, struct bt_field_errors *errs, struct bt_err *err);

/** Append @obj as a JSON object. False when the buffer overflowed. Strings are escaped; no float.
 */
bool bt_schema_emit(const struct bt_schema *s, const void *obj, struct bt_buf *out);

/** Emit into a fresh string (never NULL; aborts past 16 MiB). Caller frees. */
char *bt_schema_emit_str(const struct bt_schema *s, const void *obj);

/** Append the array of @arr's structs. */
bool bt_schema_emit_array(const struct bt_schema *s, const struct bt_arr *arr, struct bt_buf *out);

/** Free everything @obj owns and zero it (not @obj itself). */
void bt_schema_free(const struct bt_schema *s, void *obj);

/** Free and zero an array of structs of @s. */
void bt_schema_free_array(const struct bt_schema *s, struct bt_arr *arr);

/** Deep copy by emit and parse would lose secrets: this copies field by field. @dst is overwritten.
 */
void bt_schema_copy(const struct bt_schema *s, const void *src, void *dst);

/** Append an element (zeroed) to an array of structs of @s and return it; valid until the next
 * append. */
void *bt_arr_push(struct bt_arr *arr, size_t item_size);

/**
 * Is the table itself sound (patterns known, names and sub tables there, no key twice, ranges in
 * order, no READONLY with WRITE_ONLY)? For the unit test of each table. Errors: INTERNAL, naming
 * it.
 */
int bt_schema_check(const struct bt_schema *s, struct bt_err *err);

/** Append a copy of @str to an array of strings. */
void bt_arr_push_str(struct bt_arr *arr, const char *str);

/** Append @s (NUL-terminated UTF-8; bad bytes become U+FFFD) as a quoted JSON string. */
bool bt_json_quote(const char *s, struct bt_buf *out);

/** Look up one top-level string or integer member of a JSON object without a schema (link op, v).
 */
int bt_json_peek_str(const char *text, size_t len, const char *key, char *dst, size_t size,
                     struct bt_err *err);

/** Canonical form of a JSON text (sorted keys, no spaces) for fingerprints. Caller frees.
 * BAD_REQUEST. */
int bt_json_canonical(const char *text, size_t len, char **ret, struct bt_err *err);
