/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "common/base/mem.h"

#define COLS_MAX 24
#define LIST_MAX (64u << 20)

static void add_size(int64_t v, struct bt_buf *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    int u = 0;
    int64_t rest = v;
    while (rest >= 1024 && rest % 1024 == 0 && units[u + 1]) {
        rest /= 1024;
        u++;
    }
    if (rest < 100000) {
        (void)bt_buf_addf(out, "%lld %s", (long long)rest, units[u]);
        return;
    }
    for (u = 0; v >= 1024 * 1024 && units[u + 1]; u++)
        v /= 1024;
    u += v >= 1024 && units[u + 1];
    (void)bt_buf_addf(out, "%lld.%lld %s", (long long)(v / 1024), (long long)(v % 1024 * 10 / 1024),
                      units[u]);
}

static void add_rate(int64_t v, struct bt_buf *out)
{
    static const char *const units[] = {"", "k", "M", "G", "T", NULL};
    int u = 0;
    while (v >= 1000 && v % 1000 == 0 && units[u + 1]) {
        v /= 1000;
        u++;
    }
    (void)bt_buf_addf(out, "%lld%s", (long long)v, units[u]);
}

static void add_time(int64_t ms, struct bt_buf *out)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];
    if (!gmtime_r(&s, &tm) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return;
    (void)bt_buf_adds(out, text);
}

static void add_milli(int64_t v, struct bt_buf *out)
{
    (void)bt_buf_addf(out, "%lld", (long long)(v / 1000));
    if (v % 1000)
        (void)bt_buf_addf(out, ".%03lld", (long long)(v % 1000));
}

static void add_scalar(const struct bt_doc *d, enum cli_col_kind kind, bool raw, struct bt_buf *out)
{
    int64_t n = 0;
    if (bt_doc_null(d))
        return;
    const char *s = bt_doc_str(d);
    if (s) {
        (void)bt_buf_adds(out, s);
    } else if (!bt_doc_int(d, &n)) {
        const char *name = bt_doc_str(bt_doc_at(d, "name"));
        if (name)
            (void)bt_buf_adds(out, name);
        else
            bt_doc_dump(d, 0, out);
    } else if (kind == COL_TIME) {
        add_time(n, out);
    } else if (kind == COL_SIZE && !raw) {
        add_size(n, out);
    } else if (kind == COL_RATE && !raw) {
        add_rate(n, out);
    } else if (kind == COL_MILLI && !raw) {
        add_milli(n, out);
    } else {
        (void)bt_buf_addf(out, "%lld", (long long)n);
    }
}

/* Text of one cell; lists are joined with commas. @raw: CSV, numbers without units. */
static void add_cell(const struct bt_doc *item, const struct cli_col *col, bool raw,
                     struct bt_buf *out)
{
    const struct bt_doc *d = bt_doc_at(item, col->path);
    if (col->kind != COL_LIST && col->kind != COL_ADDRESSES) {
        add_scalar(d, col->kind, raw, out);
        return;
    }
    for (size_t i = 0; i < bt_doc_len(d); i++) {
        const struct bt_doc *e = bt_doc_item(d, i);
        (void)bt_buf_adds(out, i ? "," : "");
        add_scalar(col->kind == COL_ADDRESSES ? bt_doc_at(e, "address") : e, COL_TEXT, raw, out);
    }
}

static void print_name(const struct bt_doc *d)
{
    const char *name = bt_doc_str(bt_doc_at(d, "name"));
    int64_t id = 0;
    if (name)
        (void)printf("%s\n", name);
    else if (bt_doc_str(bt_doc_at(d, "id")))
        (void)printf("%s\n", bt_doc_str(bt_doc_at(d, "id")));
    else if (bt_doc_int(bt_doc_at(d, "id"), &id))
        (void)printf("%lld\n", (long long)id);
}

static void print_json(const struct bt_doc *d)
{
    _cleanup_buf_ struct bt_buf out = BT_BUF(LIST_MAX);
    bt_doc_dump(d, 2, &out);
    (void)printf("%s\n", out.data ? out.data : "null");
}

/* Terminals get no control bytes from data that tenants wrote. */
static void print_clean(const char *s)
{
    for (; *s; s++)
        (void)putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void print_csv_cell(const char *s)
{
    /* A cell that a spreadsheet would take for a formula is quoted with an apostrophe. */
    bool formula = *s && strchr("=+-@", *s) && !(s[0] == '-' && s[1] >= '0' && s[1] <= '9');
    if (!formula && !strpbrk(s, ",\"\r\n")) {
        (void)fputs(s, stdout);
        return;
    }
    (void)fputs(formula ? "\"'" : "\"", stdout);
    for (; *s; s++)
        (void)fputs(*s == '"' ? "\"\"" : (char[]){*s, '\0'}, stdout);
    (void)putchar('"');
}

static void print_csv_row(const struct cli_col *cols, const struct bt_doc *item)
{
    for (size_t i = 0; cols[i].title; i++) {
        _cleanup_buf_ struct bt_buf cell = BT_BUF(65536);
        add_cell(item, &cols[i], true, &cell);
        (void)putchar(i ? ',' : '\n');
        print_csv_cell(cell.data ? cell.data : "");
    }
}

static void print_limits(const struct bt_doc *limits)
{
    static const char *const parts[] = {"plan", "override", "effective"};
    _cleanup_buf_ struct bt_buf text = BT_BUF(LIST_MAX);
    bt_doc_dump(limits, 0, &text);
    if (!text.data || text.data[0] != '{')
        return;
    (void)printf("%-28s %16s %16s %16s\n", "LIMIT", "PLAN", "OVERRIDE", "EFFECTIVE");
    /* Names are walked in the text, since a document is read by path only. */
    for (const char *p = text.data + 1; (p = strchr(p, '"')); p = strchr(p, '}')) {
        const char *end = strchr(p + 1, '"');
        char name[64];
        if (!end || (size_t)(end - p) > sizeof name)
            return;
        (void)snprintf(name, sizeof name, "%.*s", (int)(end - p - 1), p + 1);
        (void)printf("%-28s", name);
        for (size_t i = 0; i < BT_ARRAY_LEN(parts); i++) {
            _cleanup_free_ char *path = bt_xasprintf("%s.%s", name, parts[i]);
            const struct bt_doc *d = bt_doc_at(limits, path);
            _cleanup_buf_ struct bt_buf cell = BT_BUF(256);
            add_scalar(d,
                       strstr(name, "_bytes")  ? COL_SIZE
                       : strstr(name, "_bits") ? COL_RATE
                                               : COL_TEXT,
                       false, &cell);
            (void)printf(" %16s", cell.data ? cell.data : i == 0 ? "unlimited" : "-");
        }
        (void)putchar('\n');
        if (!strchr(end, '}'))
            return;
    }
}

static void print_fields(const struct cli_cmd *cmd, const struct bt_doc *d)
{
    for (const struct cli_col *col = cmd->cols; col && col->title; col++) {
        _cleanup_buf_ struct bt_buf cell = BT_BUF(65536);
        add_cell(d, col, false, &cell);
        (void)printf("%-14s ", col->title);
        print_clean(cell.data ? cell.data : "-");
        (void)putchar('\n');
    }
    if (bt_doc_at(d, "limits.cpus.plan"))
        print_limits(bt_doc_at(d, "limits"));
}

void cli_print_object(const struct cli *c, const struct cli_cmd *cmd, const struct bt_doc *d)
{
    switch (c->format) {
    case CLI_JSON:
        print_json(d);
        return;
    case CLI_NAME:
        print_name(d);
        return;
    case CLI_CSV:
        for (const struct cli_col *col = cmd->cols; col && col->title; col++)
            (void)printf("%s%s", col == cmd->cols ? "" : ",", col->title);
        if (cmd->cols)
            print_csv_row(cmd->cols, d);
        (void)putchar('\n');
        return;
    case CLI_TABLE:
        break;
    }
    if (cmd->secret && bt_doc_str(bt_doc_at(d, cmd->secret)))
        (void)printf("%s\n", bt_doc_str(bt_doc_at(d, cmd->secret)));
    else if (cmd->cols)
        print_fields(cmd, d);
    else
        print_json(d);
}

void cli_list_begin(struct cli_list *l, const struct cli *c, const struct cli_cmd *cmd)
{
    *l = (struct cli_list){.cli = c, .cmd = cmd, .cells = BT_BUF(LIST_MAX)};
    if (c->format == CLI_JSON)
        (void)putchar('[');
    for (size_t i = 0; c->format == CLI_CSV && cmd->cols[i].title; i++)
        (void)printf("%s%s", i ? "," : "", cmd->cols[i].title);
}

static void add_row(struct cli_list *l, const struct bt_doc *item)
{
    for (const struct cli_col *col = l->cmd->cols; col->title; col++) {
        _cleanup_buf_ struct bt_buf cell = BT_BUF(65536);
        add_cell(item, col, false, &cell);
        (void)bt_buf_add(&l->cells, cell.data ? cell.data : "", cell.len + 1);
    }
}

void cli_list_add(struct cli_list *l, const struct bt_doc *items)
{
    for (size_t i = 0; i < bt_doc_len(items); i++) {
        const struct bt_doc *item = bt_doc_item(items, i);
        _cleanup_buf_ struct bt_buf text = BT_BUF(LIST_MAX);
        switch (l->cli->format) {
        case CLI_JSON:
            bt_doc_dump(item, 0, &text);
            (void)printf("%s\n%s", l->rows ? "," : "", text.data);
            break;
        case CLI_NAME:
            print_name(item);
            break;
        case CLI_CSV:
            print_csv_row(l->cmd->cols, item);
            break;
        case CLI_TABLE:
            add_row(l, item);
            break;
        }
        l->rows++;
    }
}

static size_t n_cols(const struct cli_cmd *cmd)
{
    size_t n = 0;
    while (cmd->cols[n].title && n < COLS_MAX)
        n++;
    return n;
}

static void print_table(const struct cli_list *l)
{
    size_t n = n_cols(l->cmd);
    int width[COLS_MAX] = {0};
    for (size_t i = 0; i < n; i++)
        width[i] = (int)strlen(l->cmd->cols[i].title);
    const char *p = l->cells.data;
    for (size_t k = 0; k < l->rows * n; k++, p += strlen(p) + 1) {
        int len = (int)strlen(p);
        width[k % n] = len > width[k % n] ? len : width[k % n];
    }
    for (size_t i = 0; i < n; i++)
        (void)printf("%-*s%s", i + 1 < n ? width[i] : 0, l->cmd->cols[i].title,
                     i + 1 < n ? "  " : "\n");
    p = l->cells.data;
    for (size_t k = 0; k < l->rows * n; k++, p += strlen(p) + 1) {
        print_clean(p);
        if (k % n + 1 < n)
            (void)printf("%*s", width[k % n] - (int)strlen(p) + 2, "");
        else
            (void)putchar('\n');
    }
}

void cli_list_end(struct cli_list *l)
{
    switch (l->cli->format) {
    case CLI_JSON:
        (void)printf("%s]\n", l->rows ? "\n" : "");
        break;
    case CLI_CSV:
        (void)putchar('\n');
        break;
    case CLI_TABLE:
        print_table(l);
        break;
    case CLI_NAME:
        break;
    }
    bt_buf_fini(&l->cells);
}
