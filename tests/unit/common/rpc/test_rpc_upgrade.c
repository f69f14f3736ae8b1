/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/rpc/rpc_lane.h"
#include "common/rpc/rpc_upgrade.h"

#include <cmocka.h>

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
        const char *path;
    } rows[] = {
        {"wss://c", "c", 443, "/"},
        {"wss://controller.example:8444/agent/v1", "controller.example", 8444, "/agent/v1"},
        {"wss://10.0.0.1:1/", "10.0.0.1", 1, "/"},
        {"wss://[2001:db8::1]:65535/a?b=c", "2001:db8::1", 65535, "/a?b=c"},
        {"wss://[::1]", "::1", 443, "/"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct rpc_url u;
        assert_int_equal(rpc_url_parse(rows[i].text, &u, NULL), 0);
        assert_string_equal(u.host, rows[i].host);
        assert_int_equal(u.port, rows[i].port);
        assert_string_equal(u.path, rows[i].path);
    }
}

static const struct rpc_url url = {.host = "2001:db8::1", .port = 8444, .path = "/agent/v1"};
static const struct rpc_upgrade plain = {.url = &url, .key = "dGhlIHNhbXBsZSBub25jZQ=="};
static const struct rpc_upgrade ticket = {.url = &url,
                                          .subprotocol = "tkt",
                                          .authorization = "Bearer x",
                                          .key = "dGhlIHNhbXBsZSBub25jZQ=="};

static void request(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(4096);
    rpc_upgrade_emit(&plain, &b);
    assert_string_equal(b.data, "GET /agent/v1 HTTP/1.1\r\nHost: [2001:db8::1]:8444\r\n"
                                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    bt_buf_reset(&b);
    rpc_upgrade_emit(&ticket, &b);
    assert_non_null(
        strstr(b.data, "\r\nSec-WebSocket-Protocol: tkt\r\nAuthorization: Bearer x\r\n\r\n"));
}

#define OK_HEAD                                                                                    \
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: upgrade\r\n"            \
    "Sec-WebSocket-Accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n"

static int judge(const struct rpc_upgrade *u, const char *text, size_t *used, struct bt_err *err)
{
    return rpc_upgrade_parse(u, text, strlen(text), used, err);
}

static void accepted(void **state)
{
    (void)state;
    static const char text[] = OK_HEAD "\r\nframes";
    size_t used = 0;
    for (size_t n = 0; n < sizeof(text) - 1 - 6; n++) /* the end of the head is still to come */
        assert_int_equal(rpc_upgrade_parse(&plain, text, n, &used, NULL), 0);
    assert_int_equal(judge(&plain, text, &used, NULL), 1);
    assert_string_equal(text + used, "frames");
    assert_int_equal(judge(&ticket, OK_HEAD "Sec-WebSocket-Protocol: tkt\r\n\r\n", &used, NULL), 1);
    assert_int_equal(judge(&ticket, OK_HEAD "\r\n", &used, NULL), 1);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum bt_code code;
        const char *msg;
    } rows[] = {
        {"SSH-2.0-OpenSSH\r\n\r\n", BT_E_PROTOCOL, "HTTP"},
        {OK_HEAD "Sec-WebSocket-Protocol: other\r\n\r\n", BT_E_PROTOCOL, "subprotocol"},
        {"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n", BT_E_PROTOCOL,
         "handshake"},
        {"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         BT_E_PROTOCOL, "handshake"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BT_E_PROTOCOL, "200"},
        {"HTTP/1.1 401 X\r\n\r\n", BT_E_UNAUTHENTICATED, "401"},
        {"HTTP/1.1 404 X\r\nContent-Length: 5\r\n\r\n<htm>", BT_E_NOT_FOUND, "404"},
        {"HTTP/1.1 503 X\r\n\r\n", BT_E_UNAVAILABLE, "503"},
        {"HTTP/1.1 403 X\r\nContent-Length: 44\r\n\r\n{\"code\":\"expired\",\"detail\":\"ticket is "
         "old\"}  ",
         BT_E_EXPIRED, "ticket is old"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct bt_err err = BT_ERR_INIT;
        size_t used = 77;
        assert_int_equal(judge(&ticket, rows[i].text, &used, &err), -(int)rows[i].code);
        assert_int_equal(used, 77);
        if (!strstr(err.msg, rows[i].msg))
            fail_msg("%s", err.msg);
    }
    size_t used = 0;
    assert_int_equal(judge(&plain, "HTTP/1.1 403 X\r\nContent-Length: 9\r\n\r\nabc", &used, NULL),
                     0);
    _cleanup_free_ char *endless = malloc(RPC_UPGRADE_MAX);
    memset(endless, 'a', RPC_UPGRADE_MAX);
    assert_int_equal(rpc_upgrade_parse(&plain, endless, RPC_UPGRADE_MAX, &used, NULL),
                     -BT_E_PROTOCOL);
}

static void lane(void **state)
{
    (void)state;
    struct rpc_lane l;
    uint32_t stream = 0;
    const void *data = NULL;
    rpc_lane_init(&l);
    rpc_lane_push(&l, false, 0x01020304, "ab", 2);
    rpc_lane_push(&l, true, 9, "cd", 2);
    rpc_lane_push(&l, false, 5, NULL, 0);
    assert_int_equal(l.bytes, 6 + 2 + 4);
    _cleanup_free_ struct rpc_chunk *a = rpc_lane_pop(&l), *b = rpc_lane_pop(&l);
    assert_memory_equal(a->data, "\1\2\3\4ab", 6);
    assert_true(rpc_lane_split(a->data, a->len, &stream, &data));
    assert_int_equal(stream, 0x01020304);
    assert_memory_equal(data, "ab", 2);
    assert_int_equal(b->len, 2);
    assert_memory_equal(b->data, "cd", 2);
    assert_int_equal(l.bytes, 4);
    rpc_lane_fini(&l);
    assert_int_equal(l.bytes, 0);
    assert_null(rpc_lane_pop(&l));
    assert_false(rpc_lane_split("abc", 3, &stream, &data));
    assert_false(rpc_lane_split("", RPC_BINARY_MAX + 1, &stream, &data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),    cmocka_unit_test(request), cmocka_unit_test(accepted),
        cmocka_unit_test(refused), cmocka_unit_test(lane),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
