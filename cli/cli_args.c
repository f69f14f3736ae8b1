/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/json/json.h"

#define BODY_FILE_MAX (1u << 20)

static const char *const formats[] = {"table", "json", "csv", "name", NULL};

static int set_format(struct cli *c, const char *text, struct bt_err *err)
{
    for (int i = 0; text && formats[i]; i++) {
        if (strcmp(formats[i], text) == 0) {
            c->format = (enum cli_format)i;
            return 0;
        }
    }
    return bt_fail(err, BT_E_INVALID, "-o takes table, json, csv or name");
}

static const struct cli_flag *find_flag(const struct cli_cmd *cmd, const char *name, size_t n)
{
    for (size_t s = 0; cmd->flags && cmd->flags[s]; s++) {
        for (const struct cli_flag *f = cmd->flags[s]; f->name; f++) {
            if (strlen(f->name) == n && strncmp(f->name, name, n) == 0)
                return f;
        }
    }
    return NULL;
}

static bool takes_value(const struct cli_flag *f)
{
    return f->kind != CLI_TRUE && f->kind != CLI_FALSE;
}

struct walk {
    int argc, at;
    char **argv;
};

/* The value of a flag: behind "=", or the next word. */
static const char *value_of(struct walk *w, const char *eq)
{
    if (eq)
        return eq + 1;
    return w->at + 1 < w->argc ? w->argv[++w->at] : NULL;
}

static int parse_flag(const struct cli_cmd *cmd, struct walk *w, struct cli_args *ret,
                      struct bt_err *err)
{
    const char *word = w->argv[w->at] + 2;
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : strlen(word);
    const struct cli_flag *f = find_flag(cmd, word, n);
    if (!f)
        return bt_fail(err, BT_E_INVALID, "unknown flag --%.*s", (int)(n < 64 ? n : 64), word);
    const char *text = takes_value(f) ? value_of(w, eq) : "";
    if (!text || (!takes_value(f) && eq))
        return bt_fail(err, BT_E_INVALID, "--%s %s", f->name,
                       text ? "takes no value" : "needs a value");
    if (ret->n_values == CLI_VALUES_MAX)
        return bt_fail(err, BT_E_INVALID, "too many flags");
    ret->values[ret->n_values++] = (struct cli_value){f, text};
    return 0;
}

static int parse_word(struct cli *c, const struct cli_cmd *cmd, struct walk *w,
                      struct cli_args *ret, struct bt_err *err)
{
    const char *word = w->argv[w->at];
    if (strcmp(word, "--no-wait") == 0) {
        c->no_wait = true;
        return 0;
    }
    if (strcmp(word, "-o") == 0 || strncmp(word, "--output", 8) == 0)
        return set_format(c, value_of(w, strchr(word, '=')), err);
    if (strncmp(word, "--", 2) == 0)
        return parse_flag(cmd, w, ret, err);
    if (word[0] == '-' && word[1])
        return bt_fail(err, BT_E_INVALID, "unknown flag %.64s", word);
    if (ret->n_pos == (size_t)cmd->max_pos)
        return bt_fail(err, BT_E_INVALID, "one argument too many: %.64s", word);
    ret->pos[ret->n_pos++] = word;
    return 0;
}

int cli_args_parse(struct cli *c, const struct cli_cmd *cmd, int argc, char **argv,
                   struct cli_args *ret, struct bt_err *err)
{
    struct walk w = {argc, 0, argv};
    for (; w.at < argc; w.at++) {
        if (strcmp(argv[w.at], "--") == 0) {
            ret->rest = argv + w.at + 1;
            ret->n_rest = (size_t)(argc - w.at - 1);
            break;
        }
        int rc = parse_word(c, cmd, &w, ret, err);
        if (rc < 0)
            return rc;
    }
    if (ret->n_pos < (size_t)cmd->min_pos)
        return bt_fail(err, BT_E_INVALID, "an argument is missing");
    return 0;
}

const char *cli_arg(const struct cli_args *a, const char *name)
{
    for (size_t i = a->n_values; i > 0; i--) {
        if (strcmp(a->values[i - 1].flag->name, name) == 0)
            return a->values[i - 1].text;
    }
    return NULL;
}

static int read_text_file(const char *path, struct bt_buf *ret, struct bt_err *err)
{
    int rc = bt_read_file(AT_FDCWD, path, BODY_FILE_MAX, ret, err);
    if (rc < 0 && err && err->code == BT_E_NOT_FOUND)
        return bt_fail(err, BT_E_INVALID, "no file %.200s", path);
    return rc;
}

static int emit_file(const char *path, struct bt_buf *out, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf text = BT_BUF(BODY_FILE_MAX);
    int rc = read_text_file(path, &text, err);
    if (rc < 0)
        return rc;
    (void)bt_json_quote(text.data, out);
    return 0;
}

/* @FILE: each line that is not empty; else the text itself. */
static int emit_key(const char *text, struct bt_buf *out, bool *first, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf file = BT_BUF(BODY_FILE_MAX);
    _cleanup_free_ char *copy = NULL;
    if (text[0] == '@') {
        int rc = read_text_file(text + 1, &file, err);
        if (rc < 0)
            return rc;
    }
    copy = bt_xstrdup(text[0] == '@' ? file.data : text);
    char *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        line[strcspn(line, "\r")] = '\0';
        if (!*line || *line == '#')
            continue;
        (void)bt_buf_adds(out, *first ? "" : ",");
        (void)bt_json_quote(line, out);
        *first = false;
    }
    return 0;
}

static int parse_bool(const char *text, int64_t *ret, struct bt_err *err)
{
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "on") == 0;
    if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0 && strcmp(text, "off") != 0)
        return bt_fail(err, BT_E_INVALID, "yes or no");
    *ret = yes;
    return 0;
}

static int parse_number(enum cli_kind kind, const char *text, int64_t *ret, struct bt_err *err)
{
    switch (kind) {
    case CLI_SIZE:
        return bt_parse_size(text, ret, err);
    case CLI_SI:
        return bt_parse_si(text, ret, err);
    case CLI_DURATION:
        return bt_parse_duration(text, ret, err);
    case CLI_MILLI:
        return bt_parse_milli(text, ret, err);
    case CLI_BOOL:
        return parse_bool(text, ret, err);
    case CLI_INT:
    case CLI_STR:
    case CLI_TRUE:
    case CLI_FALSE:
    case CLI_LIST:
    case CLI_KEYS:
    case CLI_FILE:
    case CLI_PAIRS:
        break;
    }
    return bt_parse_i64(text, INT64_MIN, INT64_MAX, ret, err);
}

static int emit_number(const struct cli_value *v, struct bt_buf *out, struct bt_err *err)
{
    int64_t n = 0;
    int rc = parse_number(v->flag->kind, v->text, &n, err);
    if (rc < 0)
        return bt_wrap(err, "--%s", v->flag->name);
    if (v->flag->kind == CLI_BOOL)
        (void)bt_buf_adds(out, n ? "true" : "false");
    else
        (void)bt_buf_addf(out, "%lld", (long long)n);
    return 0;
}

static int emit_scalar(const struct cli_value *v, struct bt_buf *out, struct bt_err *err)
{
    if (v->flag->nullable && (strcmp(v->text, "unlimited") == 0 || strcmp(v->text, "none") == 0)) {
        (void)bt_buf_adds(out, "null");
        return 0;
    }
    switch (v->flag->kind) {
    case CLI_TRUE:
    case CLI_FALSE:
        (void)bt_buf_adds(out, v->flag->kind == CLI_TRUE ? "true" : "false");
        return 0;
    case CLI_FILE:
        return emit_file(v->text, out, err);
    case CLI_STR:
        (void)bt_json_quote(v->text, out);
        return 0;
    case CLI_INT:
    case CLI_SIZE:
    case CLI_SI:
    case CLI_DURATION:
    case CLI_MILLI:
    case CLI_BOOL:
    case CLI_LIST:
    case CLI_KEYS:
    case CLI_PAIRS:
        break;
    }
    return emit_number(v, out, err);
}

static void emit_split(const char *text, struct bt_buf *out, bool *first)
{
    _cleanup_free_ char *copy = bt_xstrdup(text);
    char *save = NULL;
    for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        (void)bt_buf_adds(out, *first ? "" : ",");
        (void)bt_json_quote(part, out);
        *first = false;
    }
}

static int emit_pair(const char *text, struct bt_buf *out, bool *first, struct bt_err *err)
{
    const char *eq = strchr(text, '=');
    if (!eq || eq == text)
        return bt_fail(err, BT_E_INVALID, "KEY=VALUE is wanted");
    _cleanup_free_ char *key = bt_xstrndup(text, (size_t)(eq - text));
    (void)bt_buf_adds(out, *first ? "" : ",");
    (void)bt_json_quote(key, out);
    (void)bt_buf_addc(out, ':');
    (void)bt_json_quote(eq + 1, out);
    *first = false;
    return 0;
}

static bool repeats(const struct cli_flag *f)
{
    return f->kind == CLI_LIST || f->kind == CLI_KEYS || f->kind == CLI_PAIRS;
}

static int emit_repeated(const struct cli_args *a, const struct cli_flag *f, struct bt_buf *out,
                         struct bt_err *err)
{
    bool first = true;
    int rc = 0;
    (void)bt_buf_addc(out, f->kind == CLI_PAIRS ? '{' : '[');
    for (size_t i = 0; i < a->n_values && rc >= 0; i++) {
        if (a->values[i].flag != f)
            continue;
        if (f->kind == CLI_LIST)
            emit_split(a->values[i].text, out, &first);
        else if (f->kind == CLI_KEYS)
            rc = emit_key(a->values[i].text, out, &first, err);
        else
            rc = emit_pair(a->values[i].text, out, &first, err);
    }
    (void)bt_buf_addc(out, f->kind == CLI_PAIRS ? '}' : ']');
    return rc < 0 ? bt_wrap(err, "--%s", f->name) : 0;
}

/* The last one of a flag counts; a repeatable one is emitted at its first place. */
static bool emits_here(const struct cli_args *a, size_t at)
{
    const struct cli_flag *f = a->values[at].flag;
    size_t from = repeats(f) ? 0 : at + 1;
    size_t to = repeats(f) ? at : a->n_values;
    for (size_t i = from; i < to; i++) {
        if (a->values[i].flag == f)
            return false;
    }
    return true;
}

/* All body flags whose key begins with @group ("limits." or ""). */
static int emit_group(const struct cli_args *a, const char *group, struct bt_buf *out, bool *first,
                      struct bt_err *err)
{
    size_t n = strlen(group);
    for (size_t i = 0; i < a->n_values; i++) {
        const struct cli_flag *f = a->values[i].flag;
        if (f->where != CLI_BODY || strncmp(f->key, group, n) != 0 || strchr(f->key + n, '.') ||
            !emits_here(a, i))
            continue;
        (void)bt_buf_adds(out, *first ? "" : ",");
        (void)bt_json_quote(f->key + n, out);
        (void)bt_buf_addc(out, ':');
        *first = false;
        int rc = repeats(f) ? emit_repeated(a, f, out, err) : emit_scalar(&a->values[i], out, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool has_group(const struct cli_args *a, const char *group)
{
    for (size_t i = 0; i < a->n_values; i++) {
        if (a->values[i].flag->where == CLI_BODY && bt_starts_with(a->values[i].flag->key, group))
            return true;
    }
    return false;
}

int cli_body(const struct cli_cmd *cmd, const struct cli_args *a, struct bt_buf *out,
             struct bt_err *err)
{
    static const char *const groups[] = {"limits.", "overcommit."};
    bool first = true;
    (void)bt_buf_addc(out, '{');
    for (size_t i = 0; i < a->n_pos; i++) {
        if (!cmd->pos_keys[i])
            continue;
        (void)bt_buf_addf(out, "%s\"%s\":", first ? "" : ",", cmd->pos_keys[i]);
        (void)bt_json_quote(a->pos[i], out);
        first = false;
    }
    int rc = emit_group(a, "", out, &first, err);
    for (size_t g = 0; g < BT_ARRAY_LEN(groups) && rc >= 0; g++) {
        if (!has_group(a, groups[g]))
            continue;
        bool inner = true;
        (void)bt_buf_addf(out, "%s\"%.*s\":{", first ? "" : ",", (int)strlen(groups[g]) - 1,
                          groups[g]);
        rc = emit_group(a, groups[g], out, &inner, err);
        (void)bt_buf_addc(out, '}');
        first = false;
    }
    (void)bt_buf_addc(out, '}');
    return rc;
}

void cli_urlencode(const char *s, struct bt_buf *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    for (; *s; s++) {
        if (strchr(plain, *s))
            (void)bt_buf_addc(out, *s);
        else
            (void)bt_buf_addf(out, "%%%02X", (unsigned char)*s);
    }
}

int cli_query(const struct cli_cmd *cmd, const struct cli_args *a, struct bt_buf *out,
              struct bt_err *err)
{
    char sep = '?';
    if (cmd->query) {
        (void)bt_buf_addf(out, "?%s", cmd->query);
        sep = '&';
    }
    for (size_t i = 0; i < a->n_values; i++) {
        const struct cli_flag *f = a->values[i].flag;
        if (f->where != CLI_QUERY)
            continue;
        _cleanup_buf_ struct bt_buf value = BT_BUF(4096);
        if (f->kind == CLI_STR)
            (void)bt_buf_adds(&value, a->values[i].text);
        else if (emit_scalar(&a->values[i], &value, err) < 0)
            return -(int)BT_E_INVALID;
        (void)bt_buf_addf(out, "%c%s=", sep, f->key);
        cli_urlencode(value.data ? value.data : "", out);
        sep = '&';
    }
    return 0;
}
