/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_http common_rpc common_loop common_crypto proto */
/* The agent link end to end: rpc_client against http_rpc over mutual TLS. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto/crypto.h"
#include "common/rpc/rpc_client.h"
#include "controller/http/http_rpc.h"
#include "tests/unit/controller/http/lib_site.h"

#include <cmocka.h>

struct party {
    struct rpc_peer peer;
    int opened, failed, closed, texts, binaries, writables;
    size_t bytes;
    uint32_t stream;
    char last[64];
    char order[4096]; /* one letter a message: t or b */
    size_t n_order;
    struct bt_err why;
    bool echo;
};

struct rig {
    struct site site;
    struct party server, client;
    struct rpc_client *rpc;
    struct http_server *link;
    bool freed;
};

static void order_add(struct party *p, char c)
{
    if (p->n_order < sizeof(p->order) - 1)
        p->order[p->n_order++] = c;
}

static void on_text(struct rpc_peer *peer, const char *json, size_t len)
{
    struct party *p = peer->owner;
    p->texts++;
    p->bytes += len;
    order_add(p, 't');
    assert_int_equal(json[len], 0);
    snprintf(p->last, sizeof(p->last), "%s", json);
    if (p->echo)
        rpc_send_text(peer, json, len);
    if (strcmp(json, "close") == 0)
        rpc_close(peer);
}

static void on_binary(struct rpc_peer *peer, uint32_t stream, const void *data, size_t len)
{
    struct party *p = peer->owner;
    p->binaries++;
    p->bytes += len;
    p->stream = stream;
    order_add(p, 'b');
    if (p->echo)
        rpc_send_binary(peer, stream, data, len);
}

static void on_writable(struct rpc_peer *peer)
{
    ((struct party *)peer->owner)->writables++;
}

static void on_closed(struct rpc_peer *peer, const struct bt_err *why)
{
    struct party *p = peer->owner;
    p->closed++;
    p->why = *why;
}

static void on_opened(struct rpc_peer *peer)
{
    ((struct party *)peer->owner)->opened++;
}

static void on_failed(struct rpc_peer *peer, const struct bt_err *err)
{
    struct party *p = peer->owner;
    p->failed++;
    p->why = *err;
}

static void party_init(struct party *p)
{
    *p = (struct party){0};
    p->peer = (struct rpc_peer){.text = on_text,
                                .binary = on_binary,
                                .writable = on_writable,
                                .closed = on_closed,
                                .owner = p};
}

static struct http_ws *on_websocket(void *ctx, const struct http_request *req, const char *protocol,
                                    struct bt_err *err)
{
    struct rig *r = ctx;
    (void)protocol;
    if (strcmp(req->path, "/agent/v1") != 0) {
        (void)bt_fail(err, BT_E_NOT_FOUND, "no such link");
        return NULL;
    }
    char serial[64];
    assert_true(http_peer_cert(req, serial, sizeof(serial), r->site.cn, sizeof(r->site.cn)));
    return http_rpc_new(&r->server.peer);
}

static void on_request(void *ctx, struct http_request *req)
{
    (void)ctx;
    http_reply(req, &(struct http_response){.status = 404});
}

static void link_start(struct rig *r, int port)
{
    static const char *const here[] = {"127.0.0.1", NULL};
    char cert[128], key[128], ca[128];
    snprintf(cert, sizeof(cert), "%s/server.crt", r->site.dir);
    snprintf(key, sizeof(key), "%s/server.key", r->site.dir);
    snprintf(ca, sizeof(ca), "%s/ca.crt", r->site.dir);
    struct http_config cfg = {
        .loop = r->site.loop,
        .listen = here,
        .port = port,
        .cert_file = cert,
        .key_file = key,
        .client_ca_file = ca,
        .handler = {.ctx = r, .request = on_request, .websocket = on_websocket}};
    struct bt_err err = BT_ERR_INIT;
    if (http_server_start(&cfg, &r->link, &err) < 0)
        fail_msg("%s", err.msg);
}

static void client_start(struct rig *r, const char *url, const char *cert_name, int64_t deadline_ms)
{
    char cert[128], key[128], ca[128], text[256];
    snprintf(cert, sizeof(cert), "%s/%s.crt", r->site.dir, cert_name);
    snprintf(key, sizeof(key), "%s/%s.key", r->site.dir, cert_name);
    snprintf(ca, sizeof(ca), "%s/ca.crt", r->site.dir);
    snprintf(text, sizeof(text), url, r->link ? http_server_port(r->link) : 1);
    struct rpc_client_config cfg = {.loop = r->site.loop,
                                    .url = text,
                                    .ca_file = ca,
                                    .cert_file = cert_name[0] ? cert : NULL,
                                    .key_file = cert_name[0] ? key : NULL,
                                    .connect_deadline_ms = deadline_ms,
                                    .ping_ms = 100};
    struct bt_err err = BT_ERR_INIT;
    if (rpc_client_new(&cfg, &r->rpc, &err) < 0)
        fail_msg("%s", err.msg);
}

static void dial(struct rig *r)
{
    struct rpc_dialer *d = rpc_client_dialer(r->rpc);
    d->dial(d, &r->client.peer, on_opened, on_failed);
    assert_int_equal(r->client.opened + r->client.failed, 0);
}

static void on_freed(void *ctx)
{
    ((struct rig *)ctx)->freed = true;
}

static void client_stop(struct rig *r)
{
    r->freed = false;
    rpc_client_free(r->rpc, on_freed, r);
    for (int i = 0; i < 100 && !r->freed; i++)
        site_turn(&r->site, 20);
    assert_true(r->freed);
}

/* Turn until @what is true, 5 s at most. */
#define UNTIL(r, what)                                                                             \
    for (int i_ = 0; i_ < 500 && !(what); i_++)                                                    \
        site_turn(&(r)->site, 10);                                                                 \
    assert_true(what)

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    *state = r;
    site_start(&r->site, false);
    site_client_cert(&r->site, "agent", "h1", false);
    site_client_cert(&r->site, "stranger", "h1", true);
    party_init(&r->server);
    party_init(&r->client);
    link_start(r, 0);
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    if (r->link) {
        http_server_stop(r->link, NULL, NULL);
        site_turn(&r->site, 20);
    }
    site_stop(&r->site);
    free(r);
    return 0;
}

#define AGENT_URL "wss://127.0.0.1:%d/agent/v1"

static void talk(void **state)
{
    struct rig *r = *state;
    client_start(r, AGENT_URL, "agent", 0);
    dial(r);
    UNTIL(r, r->client.opened == 1);
    assert_string_equal(r->site.cn, "h1");
    r->server.echo = true;
    rpc_send_text(&r->client.peer, "{\"op\":\"hello\"}", 14);
    rpc_send_binary(&r->client.peer, 0xfedcba98, "data", 4);
    UNTIL(r, r->client.texts == 1 && r->client.binaries == 1);
    assert_string_equal(r->client.last, "{\"op\":\"hello\"}");
    assert_int_equal(r->client.stream, 0xfedcba98);
    _cleanup_free_ char *big = malloc(RPC_TEXT_MAX);
    memset(big, 'x', RPC_TEXT_MAX);
    r->client.bytes = 0;
    rpc_send_text(&r->client.peer, big, RPC_TEXT_MAX);
    rpc_send_binary(&r->client.peer, 1, big, RPC_BINARY_MAX - 4);
    UNTIL(r, r->client.bytes == RPC_TEXT_MAX + RPC_BINARY_MAX - 4);
    site_turn(&r->site, 600); /* pings keep it alive */
    assert_int_equal(r->client.closed + r->server.closed, 0);
    rpc_close(&r->client.peer);
    assert_int_equal(rpc_send_text(&r->client.peer, "late", 4), 0);
    UNTIL(r, r->client.closed == 1 && r->server.closed == 1);
    assert_int_equal(r->client.why.code, BT_E_CANCELLED);
    assert_int_equal(r->server.why.code, BT_E_UNAVAILABLE);
    client_stop(r);
}

static void control_before_streams(void **state)
{
    struct rig *r = *state;
    client_start(r, AGENT_URL, "agent", 0);
    dial(r);
    UNTIL(r, r->client.opened == 1);
    static const char block[16384];
    for (int i = 0; i < 500; i++)
        rpc_send_binary(&r->client.peer, 1, block, sizeof(block));
    rpc_send_text(&r->client.peer, "urgent", 6);
    for (int i = 0; i < 500; i++)
        rpc_send_binary(&r->server.peer, 1, block, sizeof(block));
    rpc_send_text(&r->server.peer, "urgent", 6);
    UNTIL(r, r->server.binaries == 500 && r->client.binaries == 500);
    assert_int_equal(r->server.texts, 1);
    assert_int_equal(r->client.texts, 1);
    /* a text overtakes all but what was on its way */
    const char *at = strchr(r->server.order, 't');
    assert_true(at && at - r->server.order < 20);
    at = strchr(r->client.order, 't');
    assert_true(at && at - r->client.order < 20);
    assert_int_equal(r->client.writables, 1);
    assert_int_equal(r->server.writables, 1);
    r->client.echo = false;
    rpc_send_text(&r->client.peer, "close", 5);
    UNTIL(r, r->client.closed == 1 && r->server.closed == 1);
    assert_int_equal(r->client.why.code, BT_E_UNAVAILABLE);
    assert_non_null(strstr(r->client.why.msg, "1000"));
    client_stop(r);
}

/* What is queued before a close arrives. */
static void close_after_queue(void **state)
{
    struct rig *r = *state;
    client_start(r, AGENT_URL, "agent", 0);
    dial(r);
    UNTIL(r, r->client.opened == 1);
    static const char block[16384];
    for (int i = 0; i < 100; i++)
        rpc_send_binary(&r->server.peer, 1, block, sizeof(block));
    rpc_close(&r->server.peer);
    UNTIL(r, r->client.closed == 1 && r->server.closed == 1);
    assert_int_equal(r->client.binaries, 100);
    assert_int_equal(r->server.why.code, BT_E_CANCELLED);
    client_stop(r);
}

static void fails(struct rig *r, const char *url, const char *cert, enum bt_code code)
{
    party_init(&r->client);
    client_start(r, url, cert, 1500);
    dial(r);
    UNTIL(r, r->client.failed == 1);
    if (r->client.why.code != code)
        fail_msg("%s: %s, %s", url, bt_code_str(r->client.why.code), r->client.why.msg);
    assert_int_equal(r->client.opened, 0);
    party_init(&r->client);
    dial(r); /* again, from the same client */
    UNTIL(r, r->client.failed == 1);
    client_stop(r);
}

static void refusals(void **state)
{
    struct rig *r = *state;
    fails(r, AGENT_URL, "", BT_E_DENIED);         /* no certificate */
    fails(r, AGENT_URL, "stranger", BT_E_DENIED); /* a foreign CA's */
    fails(r, "wss://127.0.0.1:%d/other", "agent", BT_E_NOT_FOUND);
    assert_string_equal(r->server.last, "");
    /* localhost is in the certificate; 127.0.0.2 is not, and nobody listens there */
    fails(r, "wss://127.0.0.2:%d/agent/v1", "agent", BT_E_UNAVAILABLE);
    fails(r, "wss://no-such-name.invalid:%d/", "agent", BT_E_UNAVAILABLE);
}

static void by_name(void **state)
{
    struct rig *r = *state;
    client_start(r, "wss://localhost:%d/agent/v1", "agent", 0);
    dial(r);
    UNTIL(r, r->client.opened == 1); /* ::1 refuses, 127.0.0.1 is tried next */
    client_stop(r);
    assert_int_equal(r->client.closed, 1);
    UNTIL(r, r->server.closed == 1);
}

static void foreign_server(void **state)
{
    struct rig *r = *state;
    client_start(r, AGENT_URL, "agent", 0);
    site_shell(&r->site,
               "cp $DIR/foreign.crt $DIR/server.crt; cp $DIR/foreign.key $DIR/server.key");
    assert_int_equal(http_server_reload(r->link, NULL), 0);
    dial(r);
    UNTIL(r, r->client.failed == 1);
    assert_int_equal(r->client.why.code, BT_E_DENIED);
    assert_non_null(strstr(r->client.why.msg, "certificate"));
    client_stop(r);
}

/* A server that accepts and says nothing; the whole handshake has one deadline. */
static void mute_server(void **state)
{
    struct rig *r = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    char url[64];
    snprintf(url, sizeof(url), "wss://127.0.0.1:%d/", ntohs(a.sin_port));
    client_start(r, url, "agent", 300);
    dial(r);
    UNTIL(r, r->client.failed == 1);
    assert_int_equal(r->client.why.code, BT_E_TIMEOUT);
    party_init(&r->client);
    dial(r);
    rpc_close(&r->client.peer);
    UNTIL(r, r->client.failed == 1);
    assert_int_equal(r->client.why.code, BT_E_CANCELLED);
    client_stop(r);
    (void)close(fd);
}

static void server_gone(void **state)
{
    struct rig *r = *state;
    client_start(r, AGENT_URL, "agent", 0);
    dial(r);
    UNTIL(r, r->client.opened == 1);
    int port = http_server_port(r->link);
    http_server_stop(r->link, NULL, NULL);
    r->link = NULL;
    UNTIL(r, r->client.closed == 1 && r->server.closed == 1);
    assert_int_equal(r->client.why.code, BT_E_UNAVAILABLE);
    party_init(&r->client);
    dial(r);
    UNTIL(r, r->client.failed == 1);
    assert_int_equal(r->client.why.code, BT_E_UNAVAILABLE);
    party_init(&r->client);
    party_init(&r->server);
    link_start(r, port);
    dial(r);
    UNTIL(r, r->client.opened == 1);
    client_stop(r);
    UNTIL(r, r->server.closed == 1);
}

static void renewed_certificate(void **state)
{
    struct rig *r = *state;
    client_start(r, AGENT_URL, "agent", 0);
    site_client_cert(&r->site, "agent", "h9", false);
    assert_int_equal(rpc_client_reload(r->rpc, NULL), 0);
    site_shell(&r->site, "echo broken >$DIR/agent.crt");
    assert_int_equal(rpc_client_reload(r->rpc, NULL), -BT_E_INVALID);
    dial(r);
    UNTIL(r, r->client.opened == 1);
    assert_string_equal(r->site.cn, "h9");
    client_stop(r);
    UNTIL(r, r->server.closed == 1);
}

static void bad_urls(void **state)
{
    struct rig *r = *state;
    static const char *const bad[] = {"",           "ws://a/",    "https://a/",     "wss://",
                                      "wss://:1/",  "wss://a:0/", "wss://a:70000/", "wss://a b/",
                                      "wss://u@a/", "wss://[::1", "wss://a/#x"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct rpc_client_config cfg = {.loop = r->site.loop, .url = bad[i]};
        struct rpc_client *none = NULL;
        assert_int_equal(rpc_client_new(&cfg, &none, NULL), -BT_E_INVALID);
        assert_null(none);
    }
    struct rpc_client_config cfg = {
        .loop = r->site.loop, .url = "wss://a/", .authorization = "a\r\nb"};
    struct rpc_client *none = NULL;
    assert_int_equal(rpc_client_new(&cfg, &none, NULL), -BT_E_INVALID);
    cfg.authorization = NULL;
    cfg.ca_file = "/nonexistent";
    assert_int_equal(rpc_client_new(&cfg, &none, NULL), -BT_E_INVALID);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(talk),
        T(control_before_streams),
        T(close_after_queue),
        T(refusals),
        T(by_name),
        T(foreign_server),
        T(mute_server),
        T(server_gone),
        T(renewed_certificate),
        T(bad_urls),
    };
    if (bt_crypto_init(NULL) < 0)
        return 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
