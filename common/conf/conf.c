/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/conf/conf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define FILE_MAX_BYTES (1u << 20)

static void *at(void *obj, const struct bt_opt *o)
{
    return (char *)obj + o->off;
}

static bool is_text(const struct bt_opt *o)
{
    return o->type == BT_OPT_STR || o->type == BT_OPT_PATH;
}

static int set_bool(const char *text, bool *ret, struct bt_err *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};
    for (size_t i = 0; i < BT_ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, text) == 0) {
            *ret = words[i].value;
            return 0;
        }
    }
    return bt_fail(err, BT_E_INVALID, "must be yes or no");
}

static int set_enum(const struct bt_opt *o, const char *text, int64_t *ret, struct bt_err *err)
{
    struct bt_buf all = BT_BUF(160);
    for (int i = 0; o->names[i]; i++) {
        if (strcmp(o->names[i], text) == 0) {
            *ret = i;
            bt_buf_fini(&all);
            return 0;
        }
        (void)bt_buf_addf(&all, "%s%s", i ? ", " : "", o->names[i]);
    }
    int rc = bt_fail(err, BT_E_INVALID, "must be one of %s", all.data);
    bt_buf_fini(&all);
    return rc;
}

static int set_number(const struct bt_opt *o, const char *text, int64_t *ret, struct bt_err *err)
{
    int64_t v = 0;
    int rc = o->type == BT_OPT_SIZE       ? bt_parse_size(text, &v, err)
             : o->type == BT_OPT_DURATION ? bt_parse_duration(text, &v, err)
                                          : bt_parse_i64(text, INT64_MIN, INT64_MAX, &v, err);
    if (rc < 0)
        return rc;
    if ((o->min || o->max) && (v < o->min || v > o->max))
        return bt_fail(err, BT_E_INVALID, "must be between %lld and %lld", (long long)o->min,
                       (long long)o->max);
    *ret = v;
    return 0;
}

static int set_text(const struct bt_opt *o, const char *text, char **ret, struct bt_err *err)
{
    size_t n = strlen(text);
    bool unset = n == 0 && o->optional;
    if (!bt_utf8_clean(text, n, NULL))
        return bt_fail(err, BT_E_INVALID, "must be text without control characters");
    if (o->type == BT_OPT_PATH && !unset && text[0] != '/')
        return bt_fail(err, BT_E_INVALID, "must be an absolute path");
    if (!unset && ((o->max > 0 && n > (size_t)o->max) || (o->min > 0 && n < (size_t)o->min)))
        return bt_fail(err, BT_E_INVALID, "must have %lld to %lld bytes", (long long)o->min,
                       (long long)o->max);
    free(*ret);
    *ret = unset ? NULL : bt_xstrdup(text);
    return 0;
}

static int set_value(const struct bt_opt *o, const char *text, void *p, struct bt_err *err)
{
    switch (o->type) {
    case BT_OPT_STR:
    case BT_OPT_PATH:
        return set_text(o, text, p, err);
    case BT_OPT_INT:
    case BT_OPT_SIZE:
    case BT_OPT_DURATION:
        return set_number(o, text, p, err);
    case BT_OPT_BOOL:
        return set_bool(text, p, err);
    case BT_OPT_ENUM:
        return set_enum(o, text, p, err);
    }
    return bt_fail(err, BT_E_INTERNAL, "unknown option type");
}

static size_t count(const struct bt_opt *opts)
{
    size_t n = 0;
    while (opts[n].key)
        n++;
    return n;
}

static const struct bt_opt *find(const struct bt_opt *opts, const char *key)
{
    for (; opts->key; opts++) {
        if (strcmp(opts->key, key) == 0)
            return opts;
    }
    return NULL;
}

/* Values of one load: the table, the struct, and which keys somebody has set. */
struct load {
    const struct bt_opt *opts;
    void *obj;
    bool *seen;
    const char *name; /* of the file, for messages */
};

static char *trim(char *s)
{
    s += strspn(s, " \t");
    size_t n = strlen(s);
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        n--;
    s[n] = '\0';
    return s;
}

/* Set "key = value" (cut to pieces in place). */
static int set_pair(struct load *l, char *pair, bool once, struct bt_err *err)
{
    char *equals = strchr(pair, '=');
    if (!equals)
        return bt_fail(err, BT_E_INVALID, "must be: key = value");
    *equals = '\0';
    const char *key = trim(pair);
    const struct bt_opt *o = find(l->opts, key);
    if (!o)
        return bt_fail(err, BT_E_INVALID, "unknown key %.64s",
                       bt_utf8_clean(key, strlen(key), NULL) ? key : "(not text)");
    bool *seen = &l->seen[o - l->opts];
    if (*seen && once)
        return bt_fail(err, BT_E_INVALID, "%s stands here twice", o->key);
    *seen = true;
    int rc = set_value(o, trim(equals + 1), at(l->obj, o), err);
    if (rc < 0)
        (void)bt_wrap(err, "%s", o->key);
    return rc;
}

static int set_lines(struct load *l, const char *text, struct bt_err *err)
{
    _cleanup_free_ char *copy = bt_xstrdup(text);
    int number = 1;
    for (char *line = copy; line; number++) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *pair = trim(line);
        int rc = *pair && *pair != '#' ? set_pair(l, pair, true, err) : 0;
        if (rc < 0) {
            (void)bt_wrap(err, "%.200s:%d", l->name, number);
            return rc;
        }
        line = next;
    }
    return 0;
}

static int set_overrides(struct load *l, const char *const *overrides, struct bt_err *err)
{
    for (; overrides && *overrides; overrides++) {
        _cleanup_free_ char *pair = bt_xstrdup(*overrides);
        int rc = set_pair(l, pair, false, err);
        if (rc < 0) {
            (void)bt_wrap(err, "option");
            return rc;
        }
    }
    return 0;
}

static int set_defaults(struct load *l, struct bt_err *err)
{
    for (const struct bt_opt *o = l->opts; o->key; o++) {
        if (is_text(o))
            *(char **)at(l->obj, o) = NULL;
        else if (o->type == BT_OPT_BOOL)
            *(bool *)at(l->obj, o) = false;
        else
            *(int64_t *)at(l->obj, o) = 0;
        int rc = o->def ? set_value(o, o->def, at(l->obj, o), err) : 0;
        if (rc < 0) {
            (void)bt_wrap(err, "default of %s", o->key);
            return rc;
        }
    }
    return 0;
}

static int check_required(const struct load *l, struct bt_err *err)
{
    for (const struct bt_opt *o = l->opts; o->key; o++) {
        if (!o->def && !o->optional && !l->seen[o - l->opts])
            return bt_fail(err, BT_E_INVALID, "%s: %s is required", l->name, o->key);
    }
    return 0;
}

static int load_all(struct load *l, const char *text, const char *const *overrides,
                    struct bt_err *err)
{
    _cleanup_free_ bool *seen = bt_xcalloc(count(l->opts), sizeof *seen);
    l->seen = seen;
    int rc = set_defaults(l, err);
    if (rc == 0 && text)
        rc = set_lines(l, text, err);
    if (rc == 0)
        rc = set_overrides(l, overrides, err);
    if (rc == 0)
        rc = check_required(l, err);
    if (rc < 0)
        bt_conf_free(l->opts, l->obj);
    return rc;
}

int bt_conf_load(const struct bt_opt *opts, void *obj, const char *path,
                 const char *const *overrides, struct bt_err *err)
{
    struct load l = {.opts = opts, .obj = obj, .name = path ? path : "options"};
    if (!path)
        return load_all(&l, NULL, overrides, err);
    _cleanup_buf_ struct bt_buf b = BT_BUF(FILE_MAX_BYTES + 1);
    int rc = bt_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &b, err);
    if (rc < 0)
        return rc;
    if (strlen(b.data) != b.len)
        return bt_fail(err, BT_E_INVALID, "%.200s: holds a NUL byte", path);
    return load_all(&l, b.data, overrides, err);
}

int bt_conf_parse(const struct bt_opt *opts, void *obj, const char *text, const char *name,
                  struct bt_err *err)
{
    struct load l = {.opts = opts, .obj = obj, .name = name};
    return load_all(&l, text, NULL, err);
}

void bt_conf_free(const struct bt_opt *opts, void *obj)
{
    for (const struct bt_opt *o = opts; o->key; o++) {
        if (!is_text(o))
            continue;
        free(*(char **)at(obj, o));
        *(char **)at(obj, o) = NULL;
    }
}

static void print_type(const struct bt_opt *o, struct bt_buf *out)
{
    static const char *const names[] = {
        [BT_OPT_STR] = "text",
        [BT_OPT_INT] = "number",
        [BT_OPT_SIZE] = "size (bytes, K M G T of 1024)",
        [BT_OPT_DURATION] = "duration (ms s m h d, plain = seconds)",
        [BT_OPT_BOOL] = "yes or no",
        [BT_OPT_ENUM] = "one of",
        [BT_OPT_PATH] = "absolute path",
    };
    (void)bt_buf_addf(out, "# %s", names[o->type]);
    for (size_t i = 0; o->type == BT_OPT_ENUM && o->names[i]; i++)
        (void)bt_buf_addf(out, "%s%s", i ? ", " : " ", o->names[i]);
    if (o->min || o->max)
        (void)bt_buf_addf(out, ", %lld to %lld%s", (long long)o->min, (long long)o->max,
                          is_text(o)                   ? " bytes"
                          : o->type == BT_OPT_DURATION ? " ms"
                                                       : "");
    (void)bt_buf_adds(out, o->def ? "" : o->optional ? ", optional" : ", required");
    (void)bt_buf_addc(out, '\n');
}

void bt_conf_manual(const struct bt_opt *opts, struct bt_buf *out)
{
    for (const struct bt_opt *o = opts; o->key; o++) {
        if (o->help)
            (void)bt_buf_addf(out, "# %s\n", o->help);
        print_type(o, out);
        (void)bt_buf_addf(out, "#%s =%s%s\n\n", o->key, o->def ? " " : "", o->def ? o->def : "");
    }
}
