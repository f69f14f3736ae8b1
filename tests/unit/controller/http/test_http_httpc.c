/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_http common_httpc common_loop common_crypto proto */
/* Our client against our server. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/crypto/x509.h"
#include "common/httpc/httpc.h"
#include "tests/unit/controller/http/lib_site.h"

#include <cmocka.h>

struct rig {
    struct site site;
    struct httpc *h;
    int done;
    struct bt_err err;
    int status;
    int64_t bytes;
    char *body;
    char type[64];
    char ca[128], url[128];
};

static void on_done(void *ctx, const struct httpc_result *res, const struct bt_err *err)
{
    struct rig *r = ctx;
    r->done++;
    r->err = err ? *err : BT_ERR_INIT;
    r->status = res->status;
    r->bytes = res->bytes;
    free(r->body);
    r->body = bt_xstrndup(res->body, res->body_len);
    snprintf(r->type, sizeof(r->type), "%s", res->content_type);
}

static struct httpc_options options(struct rig *r, const char *path)
{
    snprintf(r->url, sizeof(r->url), "https://127.0.0.1:%d%s", http_server_port(r->site.server),
             path);
    return (struct httpc_options){.method = "GET",
                                  .url = r->url,
                                  .ca_file = r->ca,
                                  .deadline_ms = 5000,
                                  .done = on_done,
                                  .ctx = r};
}

static void wait_done(struct rig *r, int n)
{
    for (int i = 0; i < 1000 && r->done < n; i++)
        site_turn(&r->site, 10);
    assert_int_equal(r->done, n);
}

/* Start and wait; the outcome stands in @r. */
static void go(struct rig *r, const struct httpc_options *o)
{
    struct bt_err err = BT_ERR_INIT;
    int before = r->done;
    if (httpc_start(r->h, o, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(r->done, before);
    wait_done(r, before + 1);
}

static void fails(struct rig *r, const struct httpc_options *o, enum bt_code code)
{
    go(r, o);
    if (r->err.code != code)
        fail_msg("%s: %s", bt_code_str(r->err.code), r->err.msg);
}

static int setup_with(void **state, bool mtls)
{
    struct rig *r = calloc(1, sizeof(*r));
    *state = r;
    site_start(&r->site, mtls);
    snprintf(r->ca, sizeof(r->ca), "%s/ca.crt", r->site.dir);
    return httpc_new(r->site.loop, &r->h, NULL);
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_mtls(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    httpc_free(r->h);
    site_stop(&r->site);
    free(r->body);
    free(r);
    return 0;
}

static void get_and_post(void **state)
{
    struct rig *r = *state;
    struct httpc_options o = options(r, "/a?q=1");
    go(r, &o);
    assert_int_equal(r->err.code, 0);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->type, "application/json");
    assert_true(bt_starts_with(r->body, "GET /a?q=1"));
    static const char *const headers[] = {"Idempotency-Key: k7", "Content-Type: application/json",
                                          NULL};
    o.method = "POST";
    o.headers = headers;
    o.body = "{\"x\":1}";
    o.body_len = 7;
    go(r, &o);
    assert_non_null(strstr(r->body, "key=k7 type=application/json"));
    assert_non_null(strstr(r->body, "body=7:{\"x\":1}"));
    o.body = "";
    o.body_len = 0;
    go(r, &o);
    assert_non_null(strstr(r->body, "body=0:"));
    o.method = "DELETE";
    o.body = NULL;
    go(r, &o);
    assert_true(bt_starts_with(r->body, "DELETE /a"));
    o = options(r, "/locked");
    go(r, &o);
    assert_int_equal(r->err.code, 0); /* an answer is an answer */
    assert_int_equal(r->status, 409);
    assert_string_equal(r->type, "application/problem+json");
}

static void many_at_once(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 15; i++) {
        struct httpc_options o = options(r, "/slow?ms=100");
        assert_int_equal(httpc_start(r->h, &o, NULL, NULL), 0);
    }
    wait_done(r, 15);
    assert_string_equal(r->body, "slow");
}

static void limits(void **state)
{
    struct rig *r = *state;
    struct httpc_options o = options(r, "/big?n=5000");
    o.body_max = 4999;
    fails(r, &o, BT_E_TOO_LARGE);
    o.body_max = 5000;
    go(r, &o);
    assert_int_equal(strlen(r->body), 5000);
    o = options(r, "/slow?ms=2000");
    o.deadline_ms = 200;
    fails(r, &o, BT_E_TIMEOUT);
    site_turn(&r->site, 2000);
}

static void refused(void **state)
{
    struct rig *r = *state;
    struct httpc_options o = options(r, "/");
    o.ca_file = "/etc/ssl/certs/ca-certificates.crt"; /* trusts everybody but us */
    fails(r, &o, BT_E_DENIED);
    o.ca_file = "/nonexistent";
    fails(r, &o, BT_E_DENIED);
    o = options(r, "/");
    o.url = "https://127.0.0.1:1/";
    fails(r, &o, BT_E_UNAVAILABLE);
    o.url = "https://no-such-name.invalid/";
    fails(r, &o, BT_E_UNAVAILABLE);
    static const char *const bad[] = {"", "ftp://a/", "file:///etc/passwd", "https://", "x"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        o.url = bad[i];
        assert_int_equal(httpc_start(r->h, &o, NULL, NULL), -BT_E_INVALID);
    }
    o = options(r, "/");
    o.method = "GET / HTTP/1.1\r\n";
    assert_int_equal(httpc_start(r->h, &o, NULL, NULL), -BT_E_INVALID);
}

static void cancel(void **state)
{
    struct rig *r = *state;
    struct httpc_options o = options(r, "/slow?ms=2000");
    struct httpc_request *req = NULL;
    assert_int_equal(httpc_start(r->h, &o, &req, NULL), 0);
    site_turn(&r->site, 100);
    httpc_cancel(req);
    httpc_cancel(req);
    assert_int_equal(r->done, 0);
    wait_done(r, 1);
    assert_int_equal(r->err.code, BT_E_CANCELLED);
    site_turn(&r->site, 2000);
}

static void ca_print(struct rig *r, const char *name, unsigned char fp[32])
{
    char path[160];
    struct bt_buf b = BT_BUF(65536);
    snprintf(path, sizeof(path), "%s/%s", r->site.dir, name);
    assert_int_equal(bt_read_file(AT_FDCWD, path, 65536, &b, NULL), 0);
    assert_int_equal(bt_x509_fingerprint(b.data, fp, NULL), 0);
    bt_buf_fini(&b);
}

/* What a join does: nothing is known of the controller but the SHA-256 of its CA. */
static void pinned(void **state)
{
    struct rig *r = *state;
    unsigned char fp[32];
    ca_print(r, "ca.crt", fp);
    struct httpc_options o = options(r, "/");
    o.ca_file = NULL;
    o.pin_ca = fp;
    go(r, &o);
    assert_int_equal(r->err.code, 0);
    assert_int_equal(r->status, 200);
    fp[31] ^= 1;
    fails(r, &o, BT_E_DENIED); /* and the connection above is not used again */
    fp[31] ^= 1;
    char url[64];
    snprintf(url, sizeof(url), "https://localhost:%d/", http_server_port(r->site.server));
    o.url = url;
    go(r, &o);
    assert_int_equal(r->err.code, 0);
}

/* A server whose chain ends in the pinned CA but whose own certificate another CA has signed. */
static void pinned_but_forged(void **state)
{
    struct rig *r = *state;
    unsigned char fp[32];
    ca_print(r, "ca.crt", fp);
    site_server_cert(&r->site, "foreign");
    assert_int_equal(http_server_reload(r->site.server, NULL), 0);
    struct httpc_options o = options(r, "/");
    o.ca_file = NULL;
    o.pin_ca = fp;
    fails(r, &o, BT_E_DENIED);
}

/* An agent's certificate is no server's, though the same CA has signed it. */
static void pinned_but_agent(void **state)
{
    struct rig *r = *state;
    unsigned char fp[32];
    ca_print(r, "ca.crt", fp);
    site_client_cert(&r->site, "agent", "localhost", false);
    site_shell(&r->site, "cat $DIR/agent.crt $DIR/ca.crt >$DIR/server.crt\n"
                         "cp $DIR/agent.key $DIR/server.key");
    assert_int_equal(http_server_reload(r->site.server, NULL), 0);
    struct httpc_options o = options(r, "/");
    o.ca_file = NULL;
    o.pin_ca = fp;
    fails(r, &o, BT_E_DENIED);
    o.pin_ca = NULL;
    o.ca_file = r->ca;
    fails(r, &o, BT_E_DENIED);
}

static void client_certificates(void **state)
{
    struct rig *r = *state;
    site_client_cert(&r->site, "agent", "h3", false);
    site_client_cert(&r->site, "stranger", "h3", true);
    char cert[128], key[128];
    snprintf(cert, sizeof(cert), "%s/agent.crt", r->site.dir);
    snprintf(key, sizeof(key), "%s/agent.key", r->site.dir);
    struct httpc_options o = options(r, "/");
    go(r, &o);
    assert_int_not_equal(r->err.code, 0);
    o.cert_file = cert;
    o.key_file = key;
    go(r, &o);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->site.cn, "h3");
    /* by descriptor, twice from the same ones */
    o = options(r, "/");
    _cleanup_close_ int cert_fd = open(cert, O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int key_fd = open(key, O_RDONLY | O_CLOEXEC);
    o.cert_fd = cert_fd;
    o.key_fd = key_fd;
    for (int i = 0; i < 2; i++) {
        r->site.cn[0] = '\0';
        go(r, &o);
        assert_int_equal(r->status, 200);
        assert_string_equal(r->site.cn, "h3");
    }
    snprintf(cert, sizeof(cert), "%s/stranger.crt", r->site.dir);
    snprintf(key, sizeof(key), "%s/stranger.key", r->site.dir);
    o = options(r, "/");
    o.cert_file = cert;
    o.key_file = key;
    go(r, &o);
    assert_int_not_equal(r->err.code, 0);
}

static void same_file(struct rig *r)
{
    site_shell(&r->site, "cmp $DIR/blob $DIR/out");
}

static void download(void **state)
{
    struct rig *r = *state;
    char out[128];
    snprintf(out, sizeof(out), "%s/out", r->site.dir);
    site_shell(&r->site, "head -c 3000000 /dev/urandom >$DIR/blob");
    _cleanup_close_ int fd = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct httpc_options o = options(r, "/file");
    o.to_fd = fd;
    go(r, &o);
    assert_int_equal(r->err.code, 0);
    assert_int_equal(r->bytes, 3000000);
    assert_string_equal(r->body, "");
    same_file(r);
    assert_int_equal(ftruncate(fd, 1234567), 0); /* resume */
    o.offset = 1234567;
    go(r, &o);
    assert_int_equal(r->status, 206);
    assert_int_equal(r->bytes, 3000000 - 1234567);
    same_file(r);
    o.download_max = 3000000;
    go(r, &o);
    assert_int_equal(r->err.code, 0);
    o.download_max = 2999999;
    fails(r, &o, BT_E_TOO_LARGE);
    o.offset = 0;
    fails(r, &o, BT_E_TOO_LARGE);
    /* an error's text is no image */
    assert_int_equal(ftruncate(fd, 0), 0);
    o = options(r, "/locked");
    o.to_fd = fd;
    go(r, &o);
    assert_int_equal(r->status, 409);
    assert_non_null(strstr(r->body, "locked"));
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    o = options(r, "/file");
    o.to_fd = full;
    fails(r, &o, BT_E_STORAGE_FULL);
}

/* A server without Range answers 200 from the start: the file begins again. */
static void download_restarts(void **state)
{
    struct rig *r = *state;
    char out[128];
    snprintf(out, sizeof(out), "%s/out", r->site.dir);
    _cleanup_close_ int fd = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 9000), 0);
    struct httpc_options o = options(r, "/big?n=5000");
    o.to_fd = fd;
    o.offset = 9000;
    go(r, &o);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->bytes, 5000);
    assert_int_equal(lseek(fd, 0, SEEK_END), 5000);
}

static void no_proxy(void **state)
{
    struct rig *r = *state;
    (void)setenv("https_proxy", "http://127.0.0.1:1", 1);
    struct httpc_options o = options(r, "/");
    go(r, &o);
    assert_int_equal(r->status, 200);
    (void)unsetenv("https_proxy");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(get_and_post),
        T(many_at_once),
        T(limits),
        T(refused),
        T(cancel),
        T(pinned),
        T(pinned_but_forged),
        T(pinned_but_agent),
        T(download),
        T(download_restarts),
        T(no_proxy),
        cmocka_unit_test_setup_teardown(client_certificates, setup_mtls, teardown),
    };
    if (bt_crypto_init(NULL) < 0)
        return 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
