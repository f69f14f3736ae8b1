/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_http common_loop common_crypto proto */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/crypto/crypto.h"
#include "common/crypto/x509.h"
#include "tests/unit/controller/http/lib_site.h"

#include <cmocka.h>

#define CURL "curl -sS --cacert $DIR/ca.crt --max-time 20 "
#define URL "https://127.0.0.1:$PORT"

static int setup(void **state)
{
    struct site *s = calloc(1, sizeof(*s));
    *state = s;
    site_start(s, false);
    return 0;
}

static int setup_mtls(void **state)
{
    struct site *s = calloc(1, sizeof(*s));
    *state = s;
    site_start(s, true);
    return 0;
}

static int teardown(void **state)
{
    site_stop(*state);
    free(*state);
    return 0;
}

/* ---- curl: a client that is not ours ---- */

static void curl_get(void **state)
{
    struct site *s = *state;
    site_shell(s, "out=$(" CURL "-i \"" URL "/a%20b?x=1&q=%C3%A9+z\")\n"
                  "echo \"$out\" | grep -q '^HTTP/1.1 200 OK'\n"
                  "echo \"$out\" | grep -qi '^x-content-type-options: nosniff'\n"
                  "echo \"$out\" | grep -qi '^x-request-id: [0-9a-f-]\\{36\\}'\n"
                  "echo \"$out\" | grep -q 'GET /a b?x=1&q=%C3%A9+z q=é z key=- type=- "
                  "ip=127.0.0.1 body=0:'\n"
                  "echo \"$out\" | grep -qi 'connection: close' && exit 9");
    assert_int_equal(s->requests, 1);
}

static void curl_chooses_http1(void **state)
{
    /* curl's default offers h2 too: the header that HTTP/2 stacks lose arrives */
    site_shell(*state, CURL "-v -H 'Idempotency-Key: k1' " URL "/ 2>$DIR/v | grep -q 'key=k1'\n"
                            "grep -q 'HTTP/1.1 200' $DIR/v\n"
                            "grep -qi 'ALPN.*http/1.1' $DIR/v\n"
                            "grep -q 'TLSv1.3' $DIR/v");
}

static void curl_bodies(void **state)
{
    struct site *s = *state;
    site_shell(s, CURL "-d hello " URL "/x | grep -q 'body=5:hello'\n" CURL "-X POST " URL
                       "/x | grep -q '^POST /x.*body=0:'\n" /* no length at all */
               CURL "-d '' " URL "/x | grep -q 'body=0:'\n"
                       "head -c 1048576 /dev/zero | tr '\\0' z >$DIR/mib\n" CURL
                       "--data-binary @$DIR/mib " URL "/x | grep -q 'body=1048576:zzz'\n"
                       "echo >>$DIR/mib\n" CURL
                       "-o $DIR/o -w '%{http_code}' --data-binary @$DIR/mib " URL "/x >$DIR/code\n"
                       "test \"$(cat $DIR/code)\" = 413\n"
                       "grep -q '\"code\":\"too_large\"' $DIR/o");
}

static void curl_expect(void **state)
{
    /* curl asks before bodies over 1 MiB, and waits a second when nobody answers */
    site_shell(*state, "head -c 1000000 /dev/zero >$DIR/m\n"
                       "t=$(" CURL "-o $DIR/o -w '%{time_total}' -H 'Expect: 100-continue' "
                       "--data-binary @$DIR/m " URL "/x)\n"
                       "grep -q 'body=1000000:' $DIR/o\n"
                       "case $t in 0.[0-8]*) ;; *) echo slow: $t; exit 1;; esac\n"
                       "head -c 3000000 /dev/zero >$DIR/m\n" CURL
                       "-o $DIR/o -v --data-binary @$DIR/m " URL "/x 2>$DIR/v\n"
                       "grep -q 'HTTP/1.1 100' $DIR/v && exit 9\n"
                       "grep -q 'HTTP/1.1 413' $DIR/v");
}

static void curl_chunked(void **state)
{
    site_shell(*state, "code=$(echo hi | " CURL "-o $DIR/o -w '%{http_code}' -T - " URL "/x)\n"
                       "test $code = 411\n"
                       "grep -q '\"code\":\"length_required\"' $DIR/o");
}

static void curl_head(void **state)
{
    site_shell(*state, CURL "-I " URL "/big?n=1000 >$DIR/h\n"
                            "grep -q 'content-length: 1000' $DIR/h\n" CURL URL "/big?n=3 " URL
                            "/big?n=4 -I -v 2>$DIR/v >/dev/null\n"
                            "grep -qi 're-using existing connection' $DIR/v");
}

static void curl_large_answer(void **state)
{
    site_shell(*state, CURL URL "/big?n=30000000 | wc -c | grep -qx 30000000\n" CURL
                                "--limit-rate 2M " URL "/big?n=3000000 | wc -c | grep -qx 3000000");
}

static void no_header_injection(void **state)
{
    site_shell(*state, CURL "-i " URL "/big?n=1 >$DIR/o\n"
                            "grep -qi 'content-length: 1' $DIR/o\n"
                            "grep -qi 'set-cookie' $DIR/o && exit 9");
}

static void curl_file(void **state)
{
    site_shell(*state, "head -c 5000000 /dev/urandom >$DIR/blob\n" CURL "-o $DIR/o " URL
                       "/file && cmp $DIR/blob $DIR/o\n"
                       "head -c 2000001 $DIR/blob >$DIR/part\n" CURL "-C - -o $DIR/part " URL
                       "/file && cmp $DIR/blob $DIR/part\n" CURL "-I " URL
                       "/file | grep -q 'content-length: 5000000'\n"
                       ": >$DIR/blob\n" CURL "-o $DIR/o " URL "/file && test ! -s $DIR/o");
}

static void curl_problem(void **state)
{
    site_shell(*state, CURL
               "-i " URL "/locked >$DIR/o\n"
               "grep -q '^HTTP/1.1 409 Conflict' $DIR/o\n"
               "grep -q '^content-type: application/problem+json' $DIR/o\n"
               "tail -1 $DIR/o | /usr/bin/python3 -c '\n"
               "import json, sys\n"
               "p = json.load(sys.stdin)\n"
               "assert p[\"code\"] == \"locked\" and p[\"status\"] == 409 and p[\"task\"] == 7, p\n"
               "assert p[\"detail\"] == \"held by \\\"start\\\"\" and p[\"hint\"] == \"wait\", p\n"
               "assert p[\"errors\"][0][\"field\"] == \"limits.memory_bytes\", p\n"
               "assert p[\"retryable\"] and p[\"type\"] == \"urn:berth:problem:locked\", p\n"
               "assert len(p[\"request_id\"]) == 36, p\n'");
}

static void curl_upload(void **state)
{
    struct site *s = *state;
    site_shell(s, "head -c 20000000 /dev/urandom >$DIR/up\n"
                  "want=\"20000000 $(sha256sum <$DIR/up | cut -d' ' -f1)\"\n"
                  "test \"$(" CURL "-T $DIR/up " URL "/upload/)\" = \"$want\"\n"
                  "head -c 700000 $DIR/up >$DIR/up7\n"
                  "want=\"700000 $(sha256sum <$DIR/up7 | cut -d' ' -f1)\"\n"
                  "test \"$(" CURL "-T $DIR/up7 " URL "/upload/pause)\" = \"$want\"\n"
                  "test \"$(" CURL "-X PUT -H 'Content-Length: 0' " URL
                  "/upload/ | cut -c1-2)\" = '0 '\n");
    assert_int_equal(s->sinks_ok, 3);
    site_shell(s, "code=$(" CURL "-o $DIR/o -w '%{http_code}' -T $DIR/up " URL "/upload/fail)\n"
                  "test $code = 507\n"
                  "grep -q 'disk full after' $DIR/o");
    assert_int_equal(s->sinks_failed, 1);
    site_shell(s,
               "code=$(" CURL "-o $DIR/o -w '%{http_code}' -X PUT -H 'Content-Length: 9999999999' "
               "-H 'Expect: 100-continue' " URL "/upload/)\n"
               "test $code = 413");
}

static void curl_stream(void **state)
{
    struct site *s = *state;
    site_shell(s, CURL "-i " URL "/stream?n=3 >$DIR/o\n"
                       "grep -qi '^content-type: text/event-stream' $DIR/o\n"
                       "test $(grep -c '^data: hello' $DIR/o) = 3");
    assert_int_equal(s->streams_closed, 0);
    site_shell(s, "curl -sS --cacert $DIR/ca.crt --max-time 0.5 -o $DIR/o " URL
                  "/stream?n=1000000 2>/dev/null && exit 9\n"
                  "test $(grep -c '^data: hello' $DIR/o) -gt 3");
    site_turn(s, 200);
    assert_int_equal(s->streams_closed, 1);
}

static void plain_http(void **state)
{
    site_shell(*state, "curl -s --max-time 5 http://127.0.0.1:$PORT/ | grep -q 'use https://'");
}

/* ---- raw clients (client.py) ---- */

#define RAW(name)                                                                                  \
    static void name(void **state)                                                                 \
    {                                                                                              \
        site_client(*state, #name);                                                                \
    }

RAW(malformed)
RAW(garbage)
RAW(pipelined)
RAW(split_bytes)
RAW(keep_alive)
RAW(http_1_0)
RAW(early_answer)
RAW(continues)
RAW(half_closed)
RAW(ws_echo)
RAW(ws_fragments)
RAW(ws_violations)
RAW(ws_handshakes)
RAW(ws_close)
RAW(ws_flood)
RAW(ws_pings)
RAW(slow_upload)
RAW(tls_versions)

static void slow_head(void **state)
{
    site_client(*state, "slow_head");
}

static void slow_body(void **state)
{
    site_client(*state, "slow_body");
}

static void connection_cap(void **state)
{
    site_client(*state, "connection_cap");
}

static int64_t cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* A client that sends on, or leaves, while its answer is being made costs no cycles. */
static void idle_while_waiting(void **state)
{
    int64_t before = cpu_ms();
    site_client(*state, "idle_while_waiting");
    assert_true(cpu_ms() - before < 600);
}

static void gone_during_upload(void **state)
{
    struct site *s = *state;
    site_client(s, "gone_during_upload");
    site_turn(s, 200);
    assert_int_equal(s->sinks_failed, 1);
    assert_int_equal(s->sinks_ok, 0);
}

static void stop_with_open_requests(void **state)
{
    struct site *s = *state;
    site_client(s, "leave_open"); /* the teardown answers after the server is gone */
    assert_true(s->requests >= 3);
}

static void descriptors_run_out(void **state)
{
    struct site *s = *state;
    struct rlimit was, few = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)close(lowest);
    few = (struct rlimit){(rlim_t)lowest + 6, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int64_t before = cpu_ms();
    site_client(s, "descriptors_run_out");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_true(cpu_ms() - before < 1000);
}

/* ---- certificates ---- */

static void reload(void **state)
{
    struct site *s = *state;
    site_shell(s,
               CURL URL "/ >/dev/null; cp $DIR/server.key $DIR/keep; echo broken >$DIR/server.key");
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(http_server_reload(s->server, &err), -BT_E_INVALID);
    site_shell(s, CURL URL "/ >/dev/null; cp $DIR/foreign.crt $DIR/server.crt; "
                           "cp $DIR/foreign.key $DIR/server.key");
    assert_int_equal(http_server_reload(s->server, &err), 0);
    site_shell(s, CURL URL "/ 2>/dev/null && exit 9\n"
                           "curl -s --max-time 5 -k " URL "/ | grep -q 'GET /'");
}

static void start_errors(void **state)
{
    struct site *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct http_server *none = NULL;
    char cert[128], key[128];
    snprintf(cert, sizeof(cert), "%s/server.crt", s->dir);
    snprintf(key, sizeof(key), "%s/server.key", s->dir);
    struct http_config cfg = s->cfg;
    cfg.cert_file = cert;
    cfg.key_file = key;
    cfg.client_ca_file = NULL;
    static const char *const here[] = {"127.0.0.1", NULL}, *const odd[] = {"localhost", NULL};
    cfg.listen = here;
    cfg.port = http_server_port(s->server);
    assert_int_equal(http_server_start(&cfg, &none, &err), -BT_E_KERNEL);
    cfg.port = 0;
    cfg.listen = odd;
    assert_int_equal(http_server_start(&cfg, &none, &err), -BT_E_INVALID);
    cfg.listen = here;
    cfg.key_file = "/nonexistent";
    assert_int_equal(http_server_start(&cfg, &none, &err), -BT_E_INVALID);
    assert_null(none);
}

static void listen_everywhere(void **state)
{
    struct site *s = *state;
    char cert[128], key[128];
    snprintf(cert, sizeof(cert), "%s/server.crt", s->dir);
    snprintf(key, sizeof(key), "%s/server.key", s->dir);
    static const char *const all[] = {"*", NULL};
    struct http_config cfg = s->cfg;
    cfg.listen = all;
    cfg.cert_file = cert;
    cfg.key_file = key;
    struct http_server *first = s->server;
    cfg.client_ca_file = NULL;
    assert_int_equal(http_server_start(&cfg, &s->server, NULL), 0);
    site_shell(s, CURL URL "/ | grep -q 'ip=127.0.0.1 '");
    struct http_server *second = s->server;
    s->server = first;
    http_server_stop(second, NULL, NULL);
    site_turn(s, 50);
}

static void mtls(void **state)
{
    struct site *s = *state;
    site_client_cert(s, "agent", "h1", false);
    site_client_cert(s, "stranger", "h1", true);
    site_shell(s, CURL URL "/ 2>/dev/null && exit 9\n" CURL
                           "--cert $DIR/stranger.crt --key $DIR/stranger.key " URL
                           "/ 2>/dev/null && exit 9\n" CURL
                           "--cert $DIR/server.crt --key $DIR/server.key " URL
                           "/ 2>/dev/null && exit 9");
    assert_int_equal(s->requests, 0); /* a server certificate of our own CA is no agent either */
    assert_string_equal(s->cn, "");
    site_shell(s, CURL "--cert $DIR/agent.crt --key $DIR/agent.key " URL "/ | grep -q 'GET /'");
    assert_string_equal(s->cn, "h1");
    char path[128];
    struct bt_buf pem = BT_BUF(65536);
    struct bt_cert_info info;
    snprintf(path, sizeof(path), "%s/agent.crt", s->dir);
    assert_int_equal(bt_read_file(AT_FDCWD, path, 65536, &pem, NULL), 0);
    assert_int_equal(bt_x509_info(pem.data, &info, NULL), 0);
    bt_buf_fini(&pem);
    assert_string_equal(s->serial, info.serial);
}

static void mtls_ws(void **state)
{
    struct site *s = *state;
    site_client_cert(s, "agent", "h2", false);
    site_client(s, "mtls_ws");
    assert_string_equal(s->cn, "h2");
    assert_int_equal(s->ws_opened, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define M(f) cmocka_unit_test_setup_teardown(f, setup_mtls, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(curl_get),
        T(curl_chooses_http1),
        T(curl_bodies),
        T(curl_expect),
        T(curl_chunked),
        T(curl_head),
        T(curl_large_answer),
        T(no_header_injection),
        T(curl_file),
        T(curl_problem),
        T(curl_upload),
        T(curl_stream),
        T(plain_http),
        T(malformed),
        T(garbage),
        T(pipelined),
        T(split_bytes),
        T(keep_alive),
        T(http_1_0),
        T(early_answer),
        T(half_closed),
        T(continues),
        T(ws_echo),
        T(ws_fragments),
        T(ws_violations),
        T(ws_handshakes),
        T(ws_close),
        T(ws_flood),
        T(ws_pings),
        T(slow_upload),
        T(tls_versions),
        T(slow_head),
        T(slow_body),
        T(connection_cap),
        T(idle_while_waiting),
        T(gone_during_upload),
        T(stop_with_open_requests),
        T(descriptors_run_out),
        T(reload),
        T(start_errors),
        T(listen_everywhere),
        M(mtls),
        M(mtls_ws),
    };
    if (bt_crypto_init(NULL) < 0)
        return 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
