/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/id.h"
#include "common/base/mem.h"

/* What curl hands us lands in the answer, or line by line with the follower. */
struct sink {
    struct bt_buf *body;
    struct bt_buf line;
    bool (*on_line)(void *ctx, const char *text);
    void *ctx;
    bool stop;
};

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
    struct bt_buf *b = ctx;
    return bt_buf_add(b, data, size * n) ? size * n : 0;
}

static size_t take_lines(char *data, size_t size, size_t n, void *ctx)
{
    struct sink *s = ctx;
    for (size_t i = 0; i < size * n && !s->stop; i++) {
        if (data[i] != '\n') {
            (void)bt_buf_addc(&s->line, data[i]);
            continue;
        }
        s->stop = !s->on_line(s->ctx, s->line.data ? s->line.data : "");
        bt_buf_reset(&s->line);
    }
    return s->stop ? 0 : size * n;
}

static struct curl_slist *add_header(struct curl_slist *l, const char *name, const char *value)
{
    _cleanup_free_ char *line = bt_xasprintf("%s: %s", name, value);
    return curl_slist_append(l, line);
}

static struct curl_slist *headers_of(const struct cli *c, const struct cli_call *call)
{
    /* "Expect:" keeps curl from waiting for 100-continue with large bodies. */
    struct curl_slist *h = curl_slist_append(NULL, "Expect:");
    if (c->token) {
        _cleanup_free_ char *bearer = bt_xasprintf("Bearer %s", c->token);
        h = add_header(h, "Authorization", bearer);
    }
    if (call->body)
        h = add_header(h, "Content-Type", "application/json");
    if (call->prefer_wait_s > 0) {
        char wait[32];
        (void)snprintf(wait, sizeof wait, "wait=%d", call->prefer_wait_s);
        h = add_header(h, "Prefer", wait);
    }
    if (call->idempotent_key) {
        char uuid[BT_UUID_LEN + 1];
        bt_uuid_new(bt_random_real(), uuid);
        h = add_header(h, "Idempotency-Key", uuid);
    }
    return h;
}

static CURL *handle_new(const struct cli *c, const char *path, struct curl_slist *headers)
{
    CURL *h = curl_easy_init();
    if (!h)
        abort();
    _cleanup_free_ char *url = bt_xasprintf("%s/api/v1%s", c->url, path);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "berth/" BT_VERSION);
    if (c->cacert)
        curl_easy_setopt(h, CURLOPT_CAINFO, c->cacert);
    return h;
}

/* RFC 9457 body -> code and detail; anything else -> by status. */
static int problem(const struct cli_answer *a, struct bt_err *err)
{
    struct bt_doc *d = NULL;
    if (!a->body.data || bt_doc_parse(a->body.data, a->body.len, &d, NULL) < 0)
        return bt_fail(err, a->status == 404 ? BT_E_NOT_FOUND : BT_E_INTERNAL,
                       "the server answered %ld without a problem document", a->status);
    const char *code = bt_doc_str(bt_doc_at(d, "code"));
    const char *detail = bt_doc_str(bt_doc_at(d, "detail"));
    const char *hint = bt_doc_str(bt_doc_at(d, "hint"));
    int rc = bt_fail(err, bt_code_from_str(code), "%.300s", detail ? detail : "no detail");
    const struct bt_doc *errors = bt_doc_at(d, "errors");
    for (size_t i = 0; err && i < bt_doc_len(errors); i++) {
        const char *field = bt_doc_str(bt_doc_at(bt_doc_item(errors, i), "field"));
        const char *text = bt_doc_str(bt_doc_at(bt_doc_item(errors, i), "message"));
        size_t n = strlen(err->msg);
        (void)snprintf(err->msg + n, sizeof err->msg - n, "; %s: %s", field ? field : "?",
                       text ? text : "?");
    }
    if (hint && *hint)
        bt_hint(err, "%.150s", hint);
    bt_doc_free(d);
    return rc;
}

static int perform(CURL *h, struct cli_answer *ret, struct bt_err *err)
{
    CURLcode code = curl_easy_perform(h);
    if (code != CURLE_OK)
        return bt_fail(err, code == CURLE_WRITE_ERROR ? BT_E_TOO_LARGE : BT_E_UNAVAILABLE, "%s",
                       curl_easy_strerror(code));
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &ret->status);
    return ret->status >= 400 ? problem(ret, err) : 0;
}

int cli_http(struct cli *c, const struct cli_call *call, struct cli_answer *ret, struct bt_err *err)
{
    struct curl_slist *headers = headers_of(c, call);
    CURL *h = handle_new(c, call->path, headers);
    *ret = (struct cli_answer){.body = BT_BUF(CLI_ANSWER_MAX)};
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->body) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(call->body));
    }
    curl_easy_setopt(h, CURLOPT_TIMEOUT, 60L + call->prefer_wait_s);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &ret->body);
    int rc = perform(h, ret, err);
    curl_easy_cleanup(h);
    curl_slist_free_all(headers);
    if (rc < 0)
        bt_buf_fini(&ret->body);
    return rc;
}

static size_t give(char *data, size_t size, size_t n, void *ctx)
{
    ssize_t got = read(*(int *)ctx, data, size * n);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int show_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                         curl_off_t ulnow)
{
    (void)ctx;
    (void)dltotal;
    (void)dlnow;
    if (ultotal > 0)
        (void)fprintf(stderr, "\rupload %3d %%", (int)(ulnow * 100 / ultotal));
    return 0;
}

int cli_http_upload(struct cli *c, const char *path, int fd, struct cli_answer *ret,
                    struct bt_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return bt_fail(err, BT_E_INVALID, "not a regular file");
    const struct cli_call call = {.method = "PUT", .path = path};
    struct curl_slist *headers =
        curl_slist_append(headers_of(c, &call), "Content-Type: application/octet-stream");
    CURL *h = handle_new(c, path, headers);
    *ret = (struct cli_answer){.body = BT_BUF(CLI_ANSWER_MAX)};
    bool tty = isatty(STDERR_FILENO) != 0;
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(h, CURLOPT_READDATA, &fd);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, tty ? 0L : 1L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, show_progress);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &ret->body);
    int rc = perform(h, ret, err);
    if (tty)
        (void)fprintf(stderr, "\r%*s\r", 16, "");
    curl_easy_cleanup(h);
    curl_slist_free_all(headers);
    if (rc < 0)
        bt_buf_fini(&ret->body);
    return rc;
}

int cli_http_follow(struct cli *c, const char *path, bool (*line)(void *ctx, const char *text),
                    void *ctx, struct bt_err *err)
{
    const struct cli_call call = {.method = "GET", .path = path};
    struct curl_slist *headers =
        curl_slist_append(headers_of(c, &call), "Accept: text/event-stream");
    CURL *h = handle_new(c, path, headers);
    struct sink s = {.line = BT_BUF(1u << 20), .on_line = line, .ctx = ctx};
    struct cli_answer answer = {.body = BT_BUF(1024)};
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_lines);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &s);
    curl_easy_setopt(h, CURLOPT_FAILONERROR, 1L);
    int rc = perform(h, &answer, err);
    if (s.stop)
        rc = 0;
    bt_buf_fini(&s.line);
    bt_buf_fini(&answer.body);
    curl_easy_cleanup(h);
    curl_slist_free_all(headers);
    return rc;
}
