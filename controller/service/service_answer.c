/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service.h"

void service_answer_obj(struct service_call *c, int status, const struct bt_schema *s,
                        const void *obj)
{
    c->answer.status = status;
    (void)bt_schema_emit(s, obj, &c->answer.body);
}

void service_answer_none(struct service_call *c)
{
    c->answer.status = 204;
}

void service_location(struct service_call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(c->answer.location, sizeof c->answer.location, fmt, ap);
    va_end(ap);
}

int service_match(struct service_call *c, int64_t version, struct bt_err *err)
{
    if (!c->if_match || c->if_match == version)
        return 0;
    return bt_fail(err, BT_E_PRECONDITION, "the object is at version %lld, not %lld",
                   (long long)version, (long long)c->if_match);
}

void service_audited(struct service_call *c, const char *type, int64_t id, int64_t tenant_id)
{
    c->audit.type = type;
    c->audit.id = id;
    c->audit.tenant_id = tenant_id;
}

int service_event(struct db_tx *tx, struct service_call *c, const struct repo_event_new *e,
                  struct bt_err *err)
{
    struct repo_event_new row = *e;
    if (!row.actor)
        row.actor = c->who.name;
    c->out.events = true;
    return repo_event_append(tx, &row, NULL, err);
}

int service_bad_field(struct service_call *c, struct bt_err *err, const char *field,
                      const char *code, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    bt_field_error_add(&c->errors, field, code, "%s", text);
    return bt_fail(err, BT_E_INVALID, "%s: %s", field, text);
}

/* ---- pages ---- */

#define PAGE_DEFAULT 50
#define PAGE_MAX 200

int service_page_limit(const struct service_call *c)
{
    int n = c->page.limit > 0 ? c->page.limit : PAGE_DEFAULT;
    return n > PAGE_MAX ? PAGE_MAX : n;
}

/* A cursor is the last id (or key) of the page before, in base64url: opaque, and stable. */
int service_cursor_parse(const char *cursor, struct service_page *page, struct bt_err *err)
{
    char raw[sizeof page->after_key + 1] = {0};
    size_t n = 0;
    int rc = bt_unb64url(cursor, raw, sizeof raw - 1, &n, err);
    if (rc < 0)
        return bt_fail(err, BT_E_INVALID, "cursor: not one of ours");
    if (raw[0] == 'i')
        return bt_parse_i64(raw + 1, 0, INT64_MAX - 1, &page->after_id, err);
    if (raw[0] != 'k')
        return bt_fail(err, BT_E_INVALID, "cursor: not one of ours");
    (void)bt_strcpy(page->after_key, sizeof page->after_key, raw + 1);
    return 0;
}

void service_list_begin(struct service_call *c)
{
    c->answer.status = 200;
    (void)bt_buf_adds(&c->answer.body, "{\"items\":[");
}

void service_list_add(struct service_call *c, const struct bt_schema *s, const void *obj)
{
    const struct bt_buf *b = &c->answer.body;
    if (b->len && b->data[b->len - 1] != '[')
        (void)bt_buf_addc(&c->answer.body, ',');
    (void)bt_schema_emit(s, obj, &c->answer.body);
}

static void end_with(struct service_call *c, const char *cursor)
{
    _cleanup_free_ char *text = cursor ? bt_b64url(cursor, strlen(cursor)) : NULL;
    if (text)
        (void)bt_buf_addf(&c->answer.body, "],\"next\":\"%s\"}", text);
    else
        (void)bt_buf_adds(&c->answer.body, "],\"next\":null}");
}

void service_list_end(struct service_call *c, bool more, int64_t last_id)
{
    char cursor[32];
    (void)snprintf(cursor, sizeof cursor, "i%lld", (long long)last_id);
    end_with(c, more ? cursor : NULL);
}

void service_list_end_key(struct service_call *c, bool more, const char *last_key)
{
    char cursor[80];
    (void)snprintf(cursor, sizeof cursor, "k%s", last_key ? last_key : "");
    end_with(c, more ? cursor : NULL);
}

/* ---- requests ---- */

struct bt_ref service_ref(const char *seg)
{
    struct bt_ref r = {0};
    size_t digits = strspn(seg, "0123456789");
    if (digits > 0 && !seg[digits] &&
        bt_parse_i64(seg, 1, (INT64_C(1) << 53) - 1, &r.id, NULL) >= 0)
        return r;
    r.id = 0;
    r.name = (char *)(uintptr_t)seg;
    return r;
}

static void hash_part(struct bt_sha256_ctx *h, const char *text, size_t len)
{
    char head[24];
    int n = snprintf(head, sizeof head, "%zu:", len);
    bt_sha256_add(h, head, (size_t)n);
    bt_sha256_add(h, text, len);
}

void service_fingerprint(struct service_call *c, const char *query, const char *body, size_t len)
{
    struct bt_sha256_ctx h;
    unsigned char sum[BT_SHA256_LEN];
    _cleanup_free_ char *canonical = NULL;
    if (len && bt_json_canonical(body, len, &canonical, NULL) >= 0) {
        body = canonical;
        len = strlen(canonical);
    }
    bt_sha256_init(&h);
    hash_part(&h, c->idem.method, strlen(c->idem.method));
    hash_part(&h, c->idem.path, strlen(c->idem.path));
    hash_part(&h, query, strlen(query));
    hash_part(&h, body, len);
    bt_sha256_end(&h, sum);
    bt_hex(sum, sizeof sum, c->idem.fingerprint);
    if (canonical)
        bt_erase(canonical, strlen(canonical));
}
