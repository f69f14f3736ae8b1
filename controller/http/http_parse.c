/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/http/http_parse.h"

#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/str.h"

enum { METHOD_MAX = 16, LENGTH_DIGITS_MAX = 18 };

bool http_tchar(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

int http_head_end(const char *data, size_t n, size_t *scanned)
{
    if (n > 0 && !http_tchar((unsigned char)data[0]))
        return -1;
    while (*scanned < n) {
        const char *lf = memchr(data + *scanned, '\n', n - *scanned);
        if (!lf)
            return 0; /* stay at the line's start: its CR is checked when the LF is there */
        if (lf == data || lf[-1] != '\r')
            return -1;
        bool empty = (size_t)(lf - data) == *scanned + 1;
        *scanned = (size_t)(lf - data) + 1;
        if (empty)
            return (int)*scanned;
    }
    return 0;
}

static int bad(struct http_head *h, int status, struct bt_err *err, const char *why)
{
    h->status = status;
    enum bt_code code = BT_E_BAD_REQUEST;
    if (status == 411)
        code = BT_E_LENGTH_REQUIRED;
    else if (status == 413 || status == 414 || status == 431)
        code = BT_E_TOO_LARGE;
    return bt_fail(err, code, "%s", why);
}

/* ---- request line ---- */

/* No empty meaning may hide in a path: "." and ".." are refused, not resolved. */
static bool has_dot_segment(const char *path)
{
    for (const char *p = path; p; p = strchr(p, '/')) {
        p++;
        size_t n = strcspn(p, "/");
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return true;
    }
    return false;
}

static int parse_path(char *path, struct http_head *h, struct bt_err *err)
{
    int n = http_pct_decode(path, strlen(path), false, path);
    if (n < 0)
        return bad(h, 400, err, "the path has a malformed percent-encoding");
    if (!bt_utf8_clean(path, (size_t)n, NULL))
        return bad(h, 400, err, "the path is not clean UTF-8");
    if (has_dot_segment(path))
        return bad(h, 400, err, "the path has a . or .. segment");
    h->path = path;
    return 0;
}

static int check_query(const char *query, struct http_head *h, struct bt_err *err)
{
    for (const char *p = strchr(query, '%'); p; p = strchr(p + 1, '%')) {
        char text[4] = {0};
        if (http_pct_decode(p, strnlen(p, 3), false, text) < 0)
            return bad(h, 400, err, "the query has a malformed percent-encoding");
    }
    h->query = query;
    return 0;
}

static int parse_target(char *target, struct http_head *h, struct bt_err *err)
{
    if (strlen(target) > HTTP_TARGET_MAX)
        return bad(h, 414, err, "the request target is too long");
    if (target[0] != '/')
        return bad(h, 400, err, "the request target does not begin with /");
    for (const char *p = target; *p; p++) {
        if (*p <= ' ' || *p > '~' || *p == '#')
            return bad(h, 400, err, "the request target has a byte that must be encoded");
    }
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    int rc = parse_path(target, h, err);
    return rc < 0 ? rc : check_query(query ? query : "", h, err);
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/" digit "." digit, whatever the digits */
static bool version_form(const char *s)
{
    return bt_starts_with(s, "HTTP/") && digit(s[5]) && s[6] == '.' && digit(s[7]) && s[8] == '\0';
}

static int parse_request_line(char *line, struct http_head *h, struct bt_err *err)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version)
        return bad(h, 400, err, "the request line is not METHOD TARGET VERSION");
    *target++ = '\0';
    *version++ = '\0';
    for (const char *p = line; *p; p++) {
        if (!http_tchar((unsigned char)*p))
            return bad(h, 400, err, "the method is not a token");
    }
    if (target - line > METHOD_MAX)
        return bad(h, 400, err, "the method is too long");
    h->method = http_method_from_str(line);
    if (!bt_streq(version, "HTTP/1.1") && !bt_streq(version, "HTTP/1.0"))
        return bad(h, version_form(version) ? 505 : 400, err, "the version is not HTTP/1.1");
    h->minor = version[7] - '0';
    return parse_target(target, h, err);
}

/* ---- fields ---- */

static char *trim(char *s)
{
    s += strspn(s, " \t");
    size_t n = strlen(s);
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        s[--n] = '\0';
    return s;
}

static int parse_field(char *line, struct http_head *h, struct bt_err *err)
{
    char *p = line;
    for (; http_tchar((unsigned char)*p); p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    }
    if (p == line || *p != ':')
        return bad(h, 400, err, "a header line is malformed or folded");
    *p++ = '\0';
    for (const char *v = p; *v; v++) {
        unsigned char c = (unsigned char)*v;
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return bad(h, 400, err, "a header has a control character");
    }
    if (h->n_fields == HTTP_FIELDS_MAX)
        return bad(h, 431, err, "too many headers");
    h->fields[h->n_fields++] = (struct http_field){line, trim(p)};
    return 0;
}

const char *http_head_get(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        if (bt_streq(h->fields[i].name, name))
            return h->fields[i].value;
    }
    return NULL;
}

static bool list_has(const char *list, const char *token)
{
    size_t want = strlen(token);
    while (*list) {
        list += strspn(list, " \t,");
        size_t n = strcspn(list, ",");
        size_t len = n;
        while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t'))
            len--;
        if (len == want && strncasecmp(list, token, want) == 0)
            return true;
        list += n;
    }
    return false;
}

bool http_head_has_token(const struct http_head *h, const char *name, const char *token)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        if (bt_streq(h->fields[i].name, name) && list_has(h->fields[i].value, token))
            return true;
    }
    return false;
}

/* ---- what the fields together mean ---- */

/* Fields of which a second one would change the meaning of the first. */
static const char *const single_fields[] = {
    "authorization", "content-length", "content-type",    "expect",
    "host",          "if-match",       "idempotency-key", "last-event-id",
    "origin",        "prefer",         "range",           "sec-websocket-key",
    "upgrade",       "x-csrf-token",   "cookie",          "sec-websocket-version",
};

static int check_repeats(struct http_head *h, struct bt_err *err)
{
    for (size_t s = 0; s < BT_ARRAY_LEN(single_fields); s++) {
        size_t n = 0;
        for (size_t i = 0; i < h->n_fields; i++)
            n += bt_streq(h->fields[i].name, single_fields[s]);
        if (n > 1)
            return bad(h, 400, err, "a header that may stand once is repeated");
    }
    return 0;
}

static int read_length(struct http_head *h, struct bt_err *err)
{
    if (http_head_get(h, "transfer-encoding"))
        return bad(h, 411, err, "Transfer-Encoding is not accepted: send Content-Length");
    h->content_length = -1;
    const char *text = http_head_get(h, "content-length");
    if (!text)
        return 0;
    size_t n = strlen(text);
    if (n == 0 || strspn(text, "0123456789") != n)
        return bad(h, 400, err, "Content-Length is not a number");
    if (n > LENGTH_DIGITS_MAX)
        return bad(h, 413, err, "the body is too large");
    h->content_length = 0;
    for (; *text; text++)
        h->content_length = h->content_length * 10 + (*text - '0');
    return 0;
}

static int read_expect(struct http_head *h, struct bt_err *err)
{
    const char *text = http_head_get(h, "expect");
    h->expect_continue = text && strcasecmp(text, "100-continue") == 0;
    if (text && !h->expect_continue)
        return bad(h, 417, err, "an expectation other than 100-continue");
    return 0;
}

static int judge(struct http_head *h, struct bt_err *err)
{
    int rc = check_repeats(h, err);
    if (rc >= 0)
        rc = read_length(h, err);
    if (rc >= 0)
        rc = read_expect(h, err);
    if (rc < 0)
        return rc;
    if (h->minor == 1 && !http_head_get(h, "host"))
        return bad(h, 400, err, "HTTP/1.1 without Host");
    h->close = h->minor == 0 || http_head_has_token(h, "connection", "close");
    return 0;
}

int http_head_parse(char *data, size_t n, struct http_head *ret, struct bt_err *err)
{
    struct http_head *h = ret;
    *h = (struct http_head){.status = 400};
    if (memchr(data, '\0', n))
        return bad(h, 400, err, "a NUL byte in the head");
    char *line = data, *end = data + n - 2; /* the empty line */
    for (int row = 0; line < end; row++) {
        char *lf = memchr(line, '\n', (size_t)(end - line));
        lf[-1] = '\0';
        int rc = row == 0 ? parse_request_line(line, h, err) : parse_field(line, h, err);
        if (rc < 0)
            return rc;
        line = lf + 1;
    }
    return judge(h, err);
}
