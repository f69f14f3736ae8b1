/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_args.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define WAIT_MAX_S 120
#define QUERY_JSON_MAX 65536

static int take_limit(struct api_args *a, const char *value, struct bt_err *err)
{
    int64_t n = 0;
    int rc = bt_parse_i64(value, 1, 200, &n, err);
    a->page.limit = rc < 0 ? 0 : (int)n;
    return rc;
}

static int take_cursor(struct api_args *a, const char *value, struct bt_err *err)
{
    return service_cursor_parse(value, &a->page, err);
}

static int take_dry_run(struct api_args *a, const char *value, struct bt_err *err)
{
    a->dry_run = strcmp(value, "true") == 0;
    return a->dry_run || strcmp(value, "false") == 0 ? 0
                                                     : bt_fail(err, BT_E_INVALID, "true or false");
}

/* Query parameters that mean the same everywhere. */
static const struct {
    const char *name;
    int (*take)(struct api_args *a, const char *value, struct bt_err *err);
} common[] = {{"limit", take_limit}, {"cursor", take_cursor}, {"dry_run", take_dry_run}};

static const struct bt_field *find_field(const struct bt_schema *s, const char *name)
{
    for (const struct bt_field *f = s ? s->fields : NULL; f && f->key; f++) {
        if (strcmp(f->key, name) == 0)
            return f;
    }
    return NULL;
}

/* A filter as JSON, so that one engine judges it: numbers and booleans bare, the rest quoted. */
static void add_filter(const struct bt_field *f, const char *value, struct bt_buf *out)
{
    bool digits = *value && value[strspn(value, "0123456789")] == '\0';
    bool number = f->type == BT_F_INT || f->type == BT_F_OPT_INT || (f->type == BT_F_REF && digits);
    bool boolean =
        f->type == BT_F_BOOL && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0);
    (void)bt_buf_adds(out, out->len > 1 ? "," : "");
    (void)bt_json_quote(f->key, out);
    (void)bt_buf_addc(out, ':');
    if ((number && digits) || boolean)
        (void)bt_buf_adds(out, value);
    else
        (void)bt_json_quote(value, out);
}

static bool take_common(struct api_args *a, const char *name, const char *value,
                        struct bt_field_errors *errs)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(common); i++) {
        struct bt_err err = BT_ERR_INIT;
        if (strcmp(common[i].name, name) != 0)
            continue;
        if (common[i].take(a, value, &err) < 0)
            bt_field_error_add(errs, name, "range", "%s", err.msg);
        return true;
    }
    return false;
}

/* What is no filter; last, because the judges of filters and body begin with an empty list. */
static void take_rest(const struct bt_schema *filters, const struct http_request *req,
                      struct api_args *a, struct bt_field_errors *errs)
{
    char name[64];
    char value[1024];
    size_t pos = 0;
    while (http_query_next(req, &pos, name, sizeof name, value, sizeof value)) {
        if (!find_field(filters, name) && !take_common(a, name, value, errs))
            bt_field_error_add(errs, name, "unknown_field", "is not a parameter of this path");
    }
}

static int parse_filters(const struct bt_schema *filters, const struct http_request *req,
                         struct api_args *a, struct bt_field_errors *errs, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf json = BT_BUF(QUERY_JSON_MAX);
    char name[64];
    char value[1024];
    size_t pos = 0;
    (void)bt_buf_addc(&json, '{');
    while (http_query_next(req, &pos, name, sizeof name, value, sizeof value)) {
        const struct bt_field *f = find_field(filters, name);
        if (f)
            add_filter(f, value, &json);
    }
    (void)bt_buf_addc(&json, '}');
    a->schema = filters;
    a->obj = bt_xcalloc(1, filters->size);
    return bt_schema_parse(filters, json.data, json.len, BT_STRICT, a->obj, errs, err);
}

static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    return content_type && strncasecmp(content_type, json, n) == 0 &&
           (content_type[n] == '\0' || content_type[n] == ';' || content_type[n] == ' ');
}

static int parse_body(const struct bt_schema *s, const struct http_request *req, struct api_args *a,
                      struct bt_field_errors *errs, struct bt_err *err)
{
    a->schema = s;
    a->obj = bt_xcalloc(1, s->size);
    if (req->body_len > 0 && !is_json(req->content_type))
        return bt_fail(err, BT_E_UNSUPPORTED_MEDIA, "Content-Type: application/json is wanted");
    bool none = req->body_len == 0;
    return bt_schema_parse(s, none ? "{}" : req->body, none ? 2 : req->body_len, BT_STRICT, a->obj,
                           errs, err);
}

/* ETag form of a row version: "N" (RFC 9110 8.8.3); "*" matches anything that is there. */
static int parse_if_match(const char *value, int64_t *ret, struct bt_err *err)
{
    if (!value || strcmp(value, "*") == 0)
        return 0;
    size_t n = strlen(value);
    char digits[24];
    if (n < 3 || n > sizeof digits || value[0] != '"' || value[n - 1] != '"')
        return bt_fail(err, BT_E_PRECONDITION, "If-Match is not the ETag of this object");
    memcpy(digits, value + 1, n - 2);
    digits[n - 2] = '\0';
    if (bt_parse_i64(digits, 1, INT64_MAX, ret, err) < 0)
        return bt_fail(err, BT_E_PRECONDITION, "If-Match is not the ETag of this object");
    return 0;
}

/* Prefer: wait=N (RFC 7240 4.3); other preferences are ignored, as that RFC says. */
static int64_t parse_wait(const char *prefer)
{
    const char *wait = prefer ? strcasestr(prefer, "wait=") : NULL;
    if (!wait || (wait != prefer && !strchr(" ,;", wait[-1])))
        return 0;
    char digits[8];
    size_t n = strspn(wait + 5, "0123456789");
    if (n == 0 || n >= sizeof digits)
        return n == 0 ? 0 : WAIT_MAX_S * 1000;
    memcpy(digits, wait + 5, n);
    digits[n] = '\0';
    int64_t s = 0;
    (void)bt_parse_i64(digits, 0, INT64_MAX, &s, NULL);
    return (s < WAIT_MAX_S ? s : WAIT_MAX_S) * 1000;
}

int api_args_parse(const struct api_target *t, const struct http_request *req, struct api_args *ret,
                   struct bt_field_errors *errs, struct bt_err *err)
{
    const struct bt_schema *body = t->route->query || !t->verb ? NULL : t->verb->args_schema;
    *ret = (struct api_args){.wait_ms = parse_wait(req->prefer)};
    int rc = t->route->query ? parse_filters(t->route->query, req, ret, errs, err) : 0;
    if (rc >= 0 && body)
        rc = parse_body(body, req, ret, errs, err);
    else if (rc >= 0 && req->body_len > 0 && req->method != HTTP_GET &&
             strcmp(req->body, "{}") != 0)
        rc = bt_fail(err, BT_E_BAD_REQUEST, "this path takes no body");
    take_rest(t->route->query, req, ret, errs);
    if (rc >= 0 && errs->n > 0)
        rc = bt_fail(err, BT_E_INVALID, "%s", bt_code_text(BT_E_INVALID));
    if (rc >= 0)
        rc = parse_if_match(req->if_match, &ret->if_match, err);
    return rc;
}

void api_args_fini(struct api_args *a)
{
    if (a->obj && a->schema)
        bt_schema_free(a->schema, a->obj);
    free(a->obj);
    *a = (struct api_args){0};
}
