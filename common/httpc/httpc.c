/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/httpc/httpc.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/x509.h"

/*
 * curl_multi_socket_action(3) on the loop: curl says which descriptors to watch and when to wake
 * it, and is called from watches and timers only. Completions are handed out by a timer of their
 * own, so that done() never runs inside curl, and may start or cancel requests.
 */
enum {
    BODY_MAX = 1 << 20,
    DEADLINE_MS = 30000,
    CONNECT_MS = 10000,
    PEM_MAX = 64 * 1024,
};

struct httpc {
    struct bt_loop *loop;
    CURLM *multi;
    struct bt_timer timer; /* curl's */
    struct bt_timer reap;  /* hands out completions */
    struct bt_list requests, finished;
};

struct httpc_request {
    struct bt_list link;
    struct httpc *h;
    CURL *easy;
    struct curl_slist *headers;
    void (*done)(void *ctx, const struct httpc_result *result, const struct bt_err *err);
    void *ctx;
    struct bt_buf body;
    char *sent_body;
    int to_fd;
    int64_t offset, download_max, written;
    bool pin;
    unsigned char pin_ca[32];
    int status;
    bool finished;
    struct bt_err why;
    char curl_error[CURL_ERROR_SIZE];
};

/* A descriptor that curl wants watched. */
struct socket_watch {
    struct bt_watch watch;
    struct httpc *h;
};

/* ---- loop and curl ---- */

static void collect(struct httpc *h);

static void on_ready(struct bt_watch *w, int events)
{
    struct httpc *h = BT_CONTAINER_OF(w, struct socket_watch, watch)->h;
    int running = 0, mask = (events & BT_READABLE ? CURL_CSELECT_IN : 0) |
                            (events & BT_WRITABLE ? CURL_CSELECT_OUT : 0);
    (void)curl_multi_socket_action(h->multi, w->fd, mask, &running); /* may free w */
    collect(h);
}

static void on_timer(struct bt_timer *t)
{
    struct httpc *h = BT_CONTAINER_OF(t, struct httpc, timer);
    int running = 0;
    (void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(h);
}

static int on_curl_timer(CURLM *multi, long ms, void *ctx)
{
    struct httpc *h = ctx;
    (void)multi;
    if (ms < 0)
        bt_timer_stop(&h->timer);
    else
        bt_timer_start(&h->timer, ms);
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct httpc *h = ctx;
    struct socket_watch *w = socket_ctx;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            bt_watch_stop(&w->watch);
        free(w);
        (void)curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    if (!w) {
        w = bt_xcalloc(1, sizeof(*w));
        w->watch.cb = on_ready;
        w->h = h;
        (void)curl_multi_assign(h->multi, fd, w);
    }
    int events = (what & CURL_POLL_IN ? BT_READABLE : 0) | (what & CURL_POLL_OUT ? BT_WRITABLE : 0);
    return bt_watch_start(&w->watch, h->loop, fd, events, NULL) < 0 ? -1 : 0;
}

/* ---- ends ---- */

static void request_free(struct httpc_request *r)
{
    bt_list_remove(&r->link);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->headers);
    bt_buf_fini(&r->body);
    free(r->sent_body);
    free(r);
}

/* Out of curl's hands; done() follows from the loop. */
static void finish(struct httpc_request *r)
{
    r->finished = true;
    (void)curl_multi_remove_handle(r->h->multi, r->easy);
    bt_list_remove(&r->link);
    bt_list_push(&r->h->finished, &r->link);
    bt_timer_start(&r->h->reap, 0);
}

static const struct {
    CURLcode curl;
    enum bt_code code;
} outcomes[] = {
    {CURLE_OPERATION_TIMEDOUT, BT_E_TIMEOUT},   {CURLE_PEER_FAILED_VERIFICATION, BT_E_DENIED},
    {CURLE_SSL_CERTPROBLEM, BT_E_DENIED},       {CURLE_SSL_CACERT_BADFILE, BT_E_DENIED},
    {CURLE_UNSUPPORTED_PROTOCOL, BT_E_INVALID}, {CURLE_URL_MALFORMAT, BT_E_INVALID},
    {CURLE_WEIRD_SERVER_REPLY, BT_E_PROTOCOL},  {CURLE_HTTP2, BT_E_PROTOCOL},
    {CURLE_TOO_MANY_REDIRECTS, BT_E_PROTOCOL},
};

static void judge(struct httpc_request *r, CURLcode code)
{
    if (code == CURLE_OK || r->why.code)
        return;
    const char *text = r->curl_error[0] ? r->curl_error : curl_easy_strerror(code);
    for (size_t i = 0; i < BT_ARRAY_LEN(outcomes); i++) {
        if (outcomes[i].curl == code) {
            (void)bt_fail(&r->why, outcomes[i].code, "%s", text);
            return;
        }
    }
    (void)bt_fail(&r->why, BT_E_UNAVAILABLE, "%s", text);
}

static void collect(struct httpc *h)
{
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct httpc_request *r = NULL;
        CURLcode code = m->data.result; /* m is gone once the handle is removed */
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
        judge(r, code);
        finish(r);
    }
}

static void hand_out(struct httpc_request *r)
{
    long status = 0;
    char *type = NULL;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
    struct httpc_result res = {.status = (int)status,
                               .body = r->body.data ? r->body.data : "",
                               .body_len = r->body.len,
                               .content_type = type ? type : "",
                               .bytes = r->written};
    r->done(r->ctx, &res, r->why.code ? &r->why : NULL);
}

static void on_reap(struct bt_timer *t)
{
    struct httpc *h = BT_CONTAINER_OF(t, struct httpc, reap);
    struct bt_list *e = bt_list_pop(&h->finished);
    if (!e)
        return;
    if (!bt_list_empty(&h->finished))
        bt_timer_start(t, 0); /* one a turn: done() may free the client after the last */
    struct httpc_request *r = BT_CONTAINER_OF(e, struct httpc_request, link);
    hand_out(r);
    request_free(r);
}

void httpc_cancel(struct httpc_request *r)
{
    if (r->finished)
        return;
    (void)bt_fail(&r->why, BT_E_CANCELLED, "cancelled");
    finish(r);
}

/* ---- bytes that come ---- */

static size_t download_write(struct httpc_request *r, const char *data, size_t n)
{
    int64_t at = r->offset + r->written;
    if (r->download_max && (int64_t)n > r->download_max - at) {
        (void)bt_fail(&r->why, BT_E_TOO_LARGE, "more than %lld bytes come",
                      (long long)r->download_max);
        return 0;
    }
    for (size_t done = 0; done < n;) {
        ssize_t rc = pwrite(r->to_fd, data + done, n - done, (off_t)at + (off_t)done);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0) {
            (void)bt_fail_errno(&r->why, errno, "writing a download");
            if (r->why.code == BT_E_KERNEL)
                r->why.code = BT_E_IO;
            return 0;
        }
        done += (size_t)rc;
    }
    r->written += (int64_t)n;
    return n;
}

/* Does the answer go to the file? A server that knows no Range begins at 0 again. */
static bool is_download(struct httpc_request *r)
{
    if (r->to_fd <= 0)
        return false;
    if (r->status == 0) {
        long status = 0;
        (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        r->status = (int)status;
        if (status == 200 && r->offset > 0) {
            r->offset = 0;
            if (ftruncate(r->to_fd, 0) < 0)
                return false;
        }
    }
    return r->status == 200 || r->status == 206;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct httpc_request *r = ctx;
    size_t n = size * count;
    if (is_download(r))
        return download_write(r, data, n);
    if (bt_buf_add(&r->body, data, n))
        return n;
    (void)bt_fail(&r->why, BT_E_TOO_LARGE, "the answer is larger than %zu bytes", r->body.max);
    return 0;
}

/* ---- requests ---- */

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *ctx)
{
    struct httpc_request *r = ctx;
    (void)easy;
    bt_x509_pin_ctx(ssl_ctx, r->pin_ca);
    return CURLE_OK;
}

/* PEM of a descriptor that stays where it is: read from its start, whatever its offset. */
static int pem_of_fd(CURL *easy, CURLoption option, int fd, struct bt_err *err)
{
    _cleanup_free_ char *text = bt_xmalloc(PEM_MAX);
    ssize_t n = pread(fd, text, PEM_MAX, 0);
    if (n < 0)
        return bt_fail_errno(err, errno, "reading a certificate or key");
    struct curl_blob blob = {.data = text, .len = (size_t)n, .flags = CURL_BLOB_COPY};
    CURLcode rc = curl_easy_setopt(easy, option, &blob);
    bt_erase(text, PEM_MAX);
    return rc == CURLE_OK ? 0 : bt_fail(err, BT_E_INVALID, "%s", curl_easy_strerror(rc));
}

static int set_tls(struct httpc_request *r, const struct httpc_options *o, struct bt_err *err)
{
    CURL *e = r->easy;
    int rc = 0;
    (void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file)
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
    if (o->cert_file)
        (void)curl_easy_setopt(e, CURLOPT_SSLCERT, o->cert_file);
    if (o->key_file)
        (void)curl_easy_setopt(e, CURLOPT_SSLKEY, o->key_file);
    if (o->cert_fd > 0)
        rc = pem_of_fd(e, CURLOPT_SSLCERT_BLOB, o->cert_fd, err);
    if (rc >= 0 && o->key_fd > 0)
        rc = pem_of_fd(e, CURLOPT_SSLKEY_BLOB, o->key_fd, err);
    if (o->pin_ca) {
        memcpy(r->pin_ca, o->pin_ca, sizeof(r->pin_ca));
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
        (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        (void)curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
        (void)curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, r);
        /* Connections are shared by what curl knows of them, and it does not know of the pin. */
        (void)curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    }
    return rc;
}

static void set_times(struct httpc_request *r, const struct httpc_options *o)
{
    int64_t ms = o->deadline_ms ? o->deadline_ms : DEADLINE_MS;
    (void)curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)(ms < CONNECT_MS ? ms : CONNECT_MS));
    if (o->to_fd <= 0) {
        (void)curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)ms);
        return;
    }
    (void)curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_TIME, (long)((ms + 999) / 1000));
}

static void set_body(struct httpc_request *r, const struct httpc_options *o)
{
    CURL *e = r->easy;
    (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, o->method);
    if (bt_streq(o->method, "HEAD"))
        (void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    if (!o->body)
        return;
    r->sent_body = bt_xmalloc(o->body_len + 1);
    memcpy(r->sent_body, o->body, o->body_len);
    (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
    (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->sent_body);
    r->headers = curl_slist_append(r->headers, "Expect:"); /* no second of waiting */
}

static void set_range(struct httpc_request *r, const struct httpc_options *o)
{
    char text[32];
    r->to_fd = o->to_fd;
    r->offset = o->offset;
    r->download_max = o->download_max;
    if (o->to_fd <= 0 || o->offset <= 0)
        return;
    snprintf(text, sizeof(text), "%lld-", (long long)o->offset);
    (void)curl_easy_setopt(r->easy, CURLOPT_RANGE, text);
}

static int set_all(struct httpc_request *r, const struct httpc_options *o, struct bt_err *err)
{
    CURL *e = r->easy;
    for (size_t i = 0; o->headers && o->headers[i]; i++)
        r->headers = curl_slist_append(r->headers, o->headers[i]);
    set_body(r, o);
    set_range(r, o);
    set_times(r, o);
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    (void)curl_easy_setopt(e, CURLOPT_URL, o->url);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->curl_error);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, NULL);
    return set_tls(r, o, err);
}

static bool url_ok(const char *url)
{
    if (!bt_starts_with(url, "https://") && !bt_starts_with(url, "http://"))
        return false;
    CURLU *u = curl_url();
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
    curl_url_cleanup(u);
    return ok;
}

int httpc_start(struct httpc *h, const struct httpc_options *o, struct httpc_request **ret,
                struct bt_err *err)
{
    if (!url_ok(o->url))
        return bt_fail(err, BT_E_INVALID, "not an http address: %.200s", o->url);
    if (!o->method || !o->method[0] || strpbrk(o->method, " \r\n"))
        return bt_fail(err, BT_E_INVALID, "not a method");
    struct httpc_request *r = bt_xcalloc(1, sizeof(*r));
    bt_list_init(&r->link);
    r->h = h;
    r->done = o->done;
    r->ctx = o->ctx;
    r->body = BT_BUF(o->body_max ? o->body_max : BODY_MAX);
    r->easy = curl_easy_init();
    int rc = r->easy ? set_all(r, o, err) : bt_fail(err, BT_E_INTERNAL, "libcurl has no memory");
    if (rc >= 0 && curl_multi_add_handle(h->multi, r->easy) != CURLM_OK)
        rc = bt_fail(err, BT_E_INTERNAL, "libcurl refuses the request");
    if (rc < 0) {
        request_free(r);
        return rc;
    }
    bt_list_push(&h->requests, &r->link);
    if (ret)
        *ret = r;
    return 0;
}

/* ---- life ---- */

int httpc_new(struct bt_loop *loop, struct httpc **ret, struct bt_err *err)
{
    /* As users of CURLOPT_NOSIGNAL(3) must. */
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return bt_fail(err, BT_E_INTERNAL, "libcurl cannot start");
    struct httpc *h = bt_xcalloc(1, sizeof(*h));
    h->loop = loop;
    bt_list_init(&h->requests);
    bt_list_init(&h->finished);
    bt_timer_init(&h->timer, loop, on_timer);
    bt_timer_init(&h->reap, loop, on_reap);
    h->multi = curl_multi_init();
    if (!h->multi) {
        free(h);
        return bt_fail(err, BT_E_INTERNAL, "libcurl has no memory");
    }
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 16L);
    *ret = h;
    return 0;
}

void httpc_free(struct httpc *h)
{
    if (!h)
        return;
    assert(bt_list_empty(&h->requests) && bt_list_empty(&h->finished));
    (void)curl_multi_cleanup(h->multi); /* closes idle connections: their watches stop */
    bt_timer_stop(&h->timer);
    bt_timer_stop(&h->reap);
    free(h);
    curl_global_cleanup();
}
