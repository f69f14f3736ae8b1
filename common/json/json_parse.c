/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/json/json_load.h"
#include "common/json/json_pattern.h"
#include "common/json/json_priv.h"

/*
 * Invariants: 1. every parser writes its target only with owned or plain values, so that
 * bt_schema_free cleans up after any error; 2. the first error of a value ends that value, never
 * the walk: all bad fields are found; 3. nothing is left in the target of a field that was refused.
 */
struct where {
    const struct where *up;
    const char *key; /* NULL: an element of an array */
    size_t index;
};

struct ctx {
    unsigned flags;
    struct bt_field_errors *errs;
};

/* One value on its way into its field. */
struct slot {
    struct ctx *c;
    const struct where *at;
    const struct bt_field *f;
    json_t *v;
    void *p;
};

static void parse_object(struct ctx *c, const struct where *at, const struct bt_schema *s,
                         json_t *v, void *obj);

/* Keys come from strangers: what is not printable ASCII shows as "?". */
static void print_where(const struct where *at, struct bt_buf *b)
{
    if (!at)
        return;
    print_where(at->up, b);
    if (!at->key) {
        (void)bt_buf_addf(b, "[%zu]", at->index);
        return;
    }
    if (b->len)
        (void)bt_buf_addc(b, '.');
    for (const char *p = at->key; *p && !b->overflow; p++)
        (void)bt_buf_addc(b, *p > 0x20 && *p < 0x7f ? *p : '?');
}

static void refuse(struct ctx *c, const struct where *at, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void refuse(struct ctx *c, const struct where *at, const char *code, const char *fmt, ...)
{
    char message[sizeof c->errs->list[0].message];
    struct bt_buf path = BT_BUF(sizeof c->errs->list[0].field - 1);
    print_where(at, &path);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    bt_field_error_add(c->errs, path.data ? path.data : "", code, "%s", message);
    bt_buf_fini(&path);
}

static void wrong_type(const struct slot *s, const char *wanted)
{
    refuse(s->c, s->at, "type", "must be %s", wanted);
}

static bool integer(const struct slot *s, int64_t *ret)
{
    if (!json_is_integer(s->v)) {
        wrong_type(s, "an integer");
        return false;
    }
    int64_t v = json_integer_value(s->v);
    bool bounded = s->f->min != 0 || s->f->max != 0;
    int64_t min = bounded && s->f->min > -JSON_INT_MAX ? s->f->min : -JSON_INT_MAX;
    int64_t max = bounded && s->f->max < JSON_INT_MAX ? s->f->max : JSON_INT_MAX;
    if (v < min || v > max) {
        refuse(s->c, s->at, "range", "must be between %lld and %lld", (long long)min,
               (long long)max);
        return false;
    }
    *ret = v;
    return true;
}

static void parse_bool(const struct slot *s)
{
    if (!json_is_boolean(s->v))
        wrong_type(s, "true or false");
    else
        *(bool *)s->p = json_is_true(s->v);
}

static void parse_int(const struct slot *s)
{
    (void)integer(s, s->p);
}

static void parse_opt_bool(const struct slot *s)
{
    if (json_is_null(s->v))
        *(struct bt_opt_int *)s->p = BT_OPT_NULL;
    else if (!json_is_boolean(s->v))
        wrong_type(s, "true, false or null");
    else
        *(struct bt_opt_int *)s->p = BT_OPT_V(json_is_true(s->v));
}

/* The text of a string value that passes the field's pattern, else NULL with an error noted. */
static const char *clean_text(const struct slot *s, const char *pattern)
{
    const char *text = json_string_value(s->v);
    if (!text) {
        wrong_type(s, "a string");
        return NULL;
    }
    size_t n = json_string_length(s->v);
    const struct bt_json_pattern *p = bt_json_pattern_find(pattern ? pattern : "");
    assert(p);
    bool multiline = (s->f->flags & BT_MULTILINE) != 0;
    if (!bt_utf8_clean(text, n, multiline ? "\n\t\r" : NULL))
        refuse(s->c, s->at, "pattern",
               multiline ? "must not hold control characters other than line ends and tabs"
                         : "must not hold control characters");
    else if (n > p->max)
        refuse(s->c, s->at, "length", "must be at most %zu bytes", p->max);
    else if (!p->ok(text, n))
        refuse(s->c, s->at, "pattern", "%s", p->text);
    else
        return text;
    return NULL;
}

/* Are @n things within the field's [min, max] (max 0 = no bound of its own)? */
static bool length_ok(const struct slot *s, size_t n, const char *unit)
{
    const struct bt_field *f = s->f;
    if (f->max > 0 && n > (size_t)f->max)
        refuse(s->c, s->at, "length", "must be at most %lld %s", (long long)f->max, unit);
    else if (f->min > 0 && n < (size_t)f->min)
        refuse(s->c, s->at, "length", "must be at least %lld %s", (long long)f->min, unit);
    else
        return true;
    return false;
}

static void parse_str(const struct slot *s)
{
    if (json_is_string(s->v) && !length_ok(s, json_string_length(s->v), "bytes"))
        return;
    const char *text = clean_text(s, s->f->pattern);
    *(char **)s->p = bt_xstrdup(text);
    if (text && (s->f->flags & BT_SECRET))
        bt_erase((char *)(uintptr_t)text, strlen(text));
}

static int find_name(const struct slot *s, const char *text)
{
    struct bt_buf all = BT_BUF(120);
    for (int i = 0; s->f->names[i]; i++) {
        if (bt_streq(s->f->names[i], text)) {
            bt_buf_fini(&all);
            return i;
        }
        (void)bt_buf_addf(&all, "%s%s", i ? ", " : "", s->f->names[i]);
    }
    if (all.overflow)
        refuse(s->c, s->at, "enum", "is not one of the %s accepted", "words");
    else
        refuse(s->c, s->at, "enum", "must be one of %s", all.data ? all.data : "(nothing)");
    bt_buf_fini(&all);
    return -1;
}

static void parse_enum(const struct slot *s)
{
    if (!json_is_string(s->v))
        wrong_type(s, "a string");
    else
        *(int *)s->p = find_name(s, json_string_value(s->v));
}

/* With `names` the value is one of them on the wire and its index in the struct. */
static void parse_opt_int(const struct slot *s)
{
    struct bt_opt_int *o = s->p;
    if (json_is_null(s->v)) {
        *o = BT_OPT_NULL;
    } else if (!s->f->names) {
        if (integer(s, &o->v))
            o->is = BT_VALUE;
    } else if (!json_is_string(s->v)) {
        wrong_type(s, "a string or null");
    } else {
        int at = find_name(s, json_string_value(s->v));
        if (at >= 0)
            *o = BT_OPT_V(at);
    }
}

static void parse_ref_object(const struct slot *s)
{
    struct bt_ref *r = s->p;
    json_t *id = json_object_get(s->v, "id");
    json_t *name = json_object_get(s->v, "name");
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) > JSON_INT_MAX ||
        (name && !json_is_string(name) && !json_is_null(name))) {
        wrong_type(s, "a reference {id, name}");
        return;
    }
    struct slot text = *s;
    text.v = name;
    const char *clean = json_is_string(name) ? clean_text(&text, s->f->pattern) : NULL;
    r->name = bt_xstrdup(clean);
    r->id = json_integer_value(id);
}

static void parse_ref(const struct slot *s)
{
    struct bt_ref *r = s->p;
    int64_t id = json_integer_value(s->v);
    if (json_is_object(s->v) && (s->c->flags & BT_ALLOW_RO))
        parse_ref_object(s);
    else if (json_is_integer(s->v) && (id < 1 || id > JSON_INT_MAX))
        refuse(s->c, s->at, "range", "must be a positive id");
    else if (json_is_integer(s->v))
        r->id = id;
    else if (!json_is_string(s->v))
        wrong_type(s, "a name, uuid or id");
    else if (json_string_length(s->v) == 0)
        refuse(s->c, s->at, "length", "must not be empty");
    else if (length_ok(s, json_string_length(s->v), "bytes"))
        r->name = bt_xstrdup(clean_text(s, s->f->pattern));
}

static void parse_obj(const struct slot *s)
{
    parse_object(s->c, s->at, s->f->sub, s->v, s->p);
}

static void parse_obj_ptr(const struct slot *s)
{
    if (!json_is_object(s->v)) {
        wrong_type(s, "an object");
        return;
    }
    *(void **)s->p = bt_xcalloc(1, s->f->sub->size);
    parse_object(s->c, s->at, s->f->sub, s->v, *(void **)s->p);
}

/* Is the value an array of an accepted length? */
static bool array_ok(const struct slot *s)
{
    if (json_is_array(s->v))
        return length_ok(s, json_array_size(s->v), "elements");
    wrong_type(s, "an array");
    return false;
}

static void parse_arr_obj(const struct slot *s)
{
    if (!array_ok(s))
        return;
    for (size_t i = 0; i < json_array_size(s->v); i++) {
        struct where at = {.up = s->at, .index = i};
        void *item = bt_arr_push(s->p, s->f->sub->size);
        parse_object(s->c, &at, s->f->sub, json_array_get(s->v, i), item);
    }
}

static void parse_arr_str(const struct slot *s)
{
    if (!array_ok(s))
        return;
    for (size_t i = 0; i < json_array_size(s->v); i++) {
        struct where at = {.up = s->at, .index = i};
        struct slot item = {s->c, &at, s->f, json_array_get(s->v, i), NULL};
        const char *text = clean_text(&item, s->f->pattern);
        if (text)
            bt_arr_push_str(s->p, text);
    }
}

static void parse_arr_enum(const struct slot *s)
{
    if (!json_is_array(s->v)) {
        wrong_type(s, "an array");
        return;
    }
    for (size_t i = 0; i < json_array_size(s->v); i++) {
        struct where at = {.up = s->at, .index = i};
        int which = -1;
        struct slot item = {s->c, &at, s->f, json_array_get(s->v, i), &which};
        parse_enum(&item);
        assert(which < 64);
        uint64_t bit = which < 0 ? 0 : UINT64_C(1) << which;
        if (*(uint64_t *)s->p & bit)
            refuse(s->c, &at, "duplicate", "stands here twice");
        *(uint64_t *)s->p |= bit;
    }
}

static void parse_map(const struct slot *s)
{
    const struct bt_json_pattern *key_rule = bt_json_pattern_find("label_key");
    const char *key = NULL;
    json_t *v = NULL;
    if (!json_is_object(s->v)) {
        wrong_type(s, "an object of strings");
        return;
    }
    if (!length_ok(s, json_object_size(s->v), "members"))
        return;
    json_object_foreach(s->v, key, v)
    {
        struct where at = {.up = s->at, .key = key};
        struct slot item = {s->c, &at, s->f, v, NULL};
        if (strlen(key) > key_rule->max || !key_rule->ok(key, strlen(key)))
            refuse(s->c, &at, "pattern", "a key %s", key_rule->text);
        else if (json_string_length(v) > JSON_LABEL_MAX)
            refuse(s->c, &at, "length", "must be at most %d bytes", JSON_LABEL_MAX);
        const char *text = clean_text(&item, s->f->pattern);
        if (text) {
            struct bt_pair *pair = bt_arr_push(s->p, sizeof *pair);
            *pair = (struct bt_pair){bt_xstrdup(key), bt_xstrdup(text)};
        }
    }
}

/* No floats and no integers past 2^53 - 1 anywhere in a value that nobody looks into. */
static bool raw_ok(struct ctx *c, const struct where *at, json_t *v)
{
    bool ok = true;
    const char *key = NULL;
    json_t *item = NULL;
    size_t i = 0;
    if (json_is_real(v)) {
        refuse(c, at, "type", "must be an integer");
        return false;
    }
    if (json_is_integer(v) &&
        (json_integer_value(v) > JSON_INT_MAX || json_integer_value(v) < -JSON_INT_MAX)) {
        refuse(c, at, "range", "the number is too large");
        return false;
    }
    json_object_foreach(v, key, item)
    {
        ok = raw_ok(c, &(struct where){.up = at, .key = key}, item) && ok;
    }
    json_array_foreach(v, i, item)
    {
        ok = raw_ok(c, &(struct where){.up = at, .index = i}, item) && ok;
    }
    return ok;
}

static void parse_raw(const struct slot *s)
{
    if (!raw_ok(s->c, s->at, s->v))
        return;
    _cleanup_free_ char *text = json_dump(s->v, 0);
    if (length_ok(s, strlen(text), "bytes"))
        *(char **)s->p = TAKE_PTR(text);
}

static const struct {
    void (*parse)(const struct slot *s);
    bool null_is_value;
} parsers[] = {
    [BT_F_BOOL] = {parse_bool, false},       [BT_F_INT] = {parse_int, false},
    [BT_F_OPT_INT] = {parse_opt_int, true},  [BT_F_OPT_BOOL] = {parse_opt_bool, true},
    [BT_F_STR] = {parse_str, false},         [BT_F_ENUM] = {parse_enum, false},
    [BT_F_REF] = {parse_ref, false},         [BT_F_OBJ] = {parse_obj, false},
    [BT_F_OBJ_PTR] = {parse_obj_ptr, false}, [BT_F_ARR_OBJ] = {parse_arr_obj, false},
    [BT_F_ARR_STR] = {parse_arr_str, false}, [BT_F_ARR_ENUM] = {parse_arr_enum, false},
    [BT_F_MAP_STR] = {parse_map, false},     [BT_F_RAW] = {parse_raw, false},
};

/* An absent enum is -1, also in objects that are absent themselves. */
static void set_defaults(const struct bt_schema *s, void *obj)
{
    for (const struct bt_field *f = s->fields; f->key; f++) {
        if (f->type == BT_F_ENUM)
            *(int *)json_at(obj, f) = -1;
        else if (f->type == BT_F_OBJ)
            set_defaults(f->sub, json_at(obj, f));
    }
}

/* Returns whether the object had the key of this field. */
static bool parse_field(struct slot *s, json_t *obj)
{
    bool readonly = (s->f->flags & BT_READONLY) && !(s->c->flags & BT_ALLOW_RO);
    s->v = json_object_get(obj, s->f->key);
    if (readonly) {
        if (s->v && !(s->c->flags & BT_LENIENT))
            refuse(s->c, s->at, "unknown_field", "is read-only");
        return s->v != NULL;
    }
    if (!s->v || json_is_null(s->v)) {
        if (s->f->flags & BT_REQUIRED)
            refuse(s->c, s->at, "required", "is required");
        else if (s->v && parsers[s->f->type].null_is_value)
            parsers[s->f->type].parse(s);
        return s->v != NULL;
    }
    parsers[s->f->type].parse(s);
    return true;
}

static bool has_field(const struct bt_schema *s, const char *key)
{
    for (const struct bt_field *f = s->fields; f->key; f++) {
        if (bt_streq(f->key, key))
            return true;
    }
    return false;
}

static void refuse_unknown(struct ctx *c, const struct where *up, const struct bt_schema *s,
                           json_t *v)
{
    const char *key = NULL;
    json_t *item = NULL;
    json_object_foreach(v, key, item)
    {
        if (!has_field(s, key))
            refuse(c, &(struct where){.up = up, .key = key}, "unknown_field", "is not known here");
    }
}

static void parse_object(struct ctx *c, const struct where *at, const struct bt_schema *s,
                         json_t *v, void *obj)
{
    set_defaults(s, obj);
    if (!json_is_object(v)) {
        refuse(c, at, "type", "must be an object");
        return;
    }
    size_t known = 0;
    for (const struct bt_field *f = s->fields; f->key; f++) {
        struct where field_at = {.up = at, .key = f->key};
        struct slot slot = {.c = c, .at = &field_at, .f = f, .p = json_at(obj, f)};
        known += parse_field(&slot, v);
    }
    if (!(c->flags & BT_LENIENT) && known < json_object_size(v))
        refuse_unknown(c, at, s, v);
}

static int sum_up(const struct bt_field_errors *errs, struct bt_err *err)
{
    struct bt_buf b = BT_BUF(sizeof err->msg - 1);
    for (size_t i = 0; i < errs->n && !b.overflow; i++) {
        const struct bt_field_error *e = &errs->list[i];
        (void)bt_buf_addf(&b, "%s%s %s", i ? "; " : "", e->field[0] ? e->field : "body",
                          e->message);
    }
    int rc = bt_fail(err, BT_E_INVALID, "%s", b.data ? b.data : "invalid fields");
    bt_buf_fini(&b);
    return rc;
}

int bt_schema_parse(const struct bt_schema *s, const char *text, size_t len, unsigned flags,
                    void *obj, struct bt_field_errors *errs, struct bt_err *err)
{
    _cleanup_free_ struct bt_field_errors *own = errs ? NULL : bt_xcalloc(1, sizeof *own);
    struct ctx c = {.flags = flags, .errs = errs ? errs : own};
    c.errs->n = 0;
    memset(obj, 0, s->size);
    json_t *v = NULL;
    int rc = json_load(&(struct json_source){text, len, 0}, &v, c.errs, err);
    if (rc < 0)
        return rc;
    if (!json_is_object(v)) {
        json_decref(v);
        return bt_fail(err, BT_E_BAD_REQUEST, "the body must be a JSON object");
    }
    parse_object(&c, NULL, s, v, obj);
    json_decref(v);
    if (c.errs->n == 0)
        return 0;
    bt_schema_free(s, obj);
    return sum_up(c.errs, err);
}
