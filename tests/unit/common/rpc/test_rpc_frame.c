/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/rpc/rpc_frame.h"

#include <cmocka.h>

static const unsigned char mask[4] = {1, 2, 3, 250};

/* What one side emits the other takes, in pieces of every size. */
static void both_ways(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, RPC_FRAME_MESSAGE_MAX};
    _cleanup_free_ char *data = malloc(RPC_FRAME_MESSAGE_MAX);
    for (size_t i = 0; i < RPC_FRAME_MESSAGE_MAX; i++)
        data[i] = (char)(i * 7);
    for (size_t s = 0; s < BT_ARRAY_LEN(sizes) * 2; s++) {
        bool client = s & 1;
        size_t n = sizes[s / 2], used = 0;
        _cleanup_buf_ struct bt_buf wire = BT_BUF(4u << 20);
        assert_true(rpc_frame_emit(RPC_OP_BINARY, client ? mask : NULL, data, n, &wire));
        struct rpc_frame_in in;
        struct rpc_frame f;
        rpc_frame_init(&in, client);
        size_t cut = wire.len / 3;
        assert_int_equal(rpc_frame_feed(&in, wire.data, cut, &used, &f), 0);
        assert_int_equal(used, cut);
        assert_int_equal(rpc_frame_feed(&in, wire.data + cut, wire.len - cut, &used, &f), 1);
        assert_int_equal(used, wire.len - cut);
        assert_int_equal(f.opcode, RPC_OP_BINARY);
        assert_int_equal(f.len, n);
        assert_memory_equal(f.data, data, n);
        assert_int_equal(f.data[n], 0);
        rpc_frame_fini(&in);
        rpc_frame_init(&in, !client); /* the wrong side */
        assert_int_equal(rpc_frame_feed(&in, wire.data, wire.len, &used, &f), -RPC_CLOSE_PROTOCOL);
        rpc_frame_fini(&in);
    }
}

static void known_bytes(void **state)
{
    (void)state;
    /* RFC 6455 section 5.7 */
    static const char unmasked[] = "\x81\x05\x48\x65\x6c\x6c\x6f";
    static const char masked[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    static const char fragments[] = "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f";
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    _cleanup_buf_ struct bt_buf out = BT_BUF(100);
    assert_true(rpc_frame_emit(RPC_OP_TEXT, NULL, "Hello", 5, &out));
    assert_int_equal(out.len, 7);
    assert_memory_equal(out.data, unmasked, 7);
    bt_buf_reset(&out);
    assert_true(rpc_frame_emit(RPC_OP_TEXT, key, "Hello", 5, &out));
    assert_int_equal(out.len, 11);
    assert_memory_equal(out.data, masked, 11);
    struct rpc_frame_in in;
    struct rpc_frame f;
    size_t used = 0;
    rpc_frame_init(&in, false);
    assert_int_equal(rpc_frame_feed(&in, fragments, 9, &used, &f), 1);
    assert_string_equal(f.data, "Hello");
    assert_int_equal(rpc_frame_feed(&in, unmasked, 7, &used, &f), 1); /* the first is forgotten */
    assert_string_equal(f.data, "Hello");
    assert_int_equal(f.len, 5);
    rpc_frame_fini(&in);
}

static void full_buffer(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf out = BT_BUF(10);
    assert_true(rpc_frame_emit(RPC_OP_TEXT, NULL, "Hello", 5, &out));
    assert_false(rpc_frame_emit(RPC_OP_TEXT, NULL, "Hello", 5, &out)); /* all or nothing */
    assert_int_equal(out.len, 7);
    assert_true(out.overflow);
}

static void close_codes(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t n;
        int want;
    } rows[] = {
        {"", 0, RPC_CLOSE_NO_CODE},
        {"\x03", 1, RPC_CLOSE_PROTOCOL},
        {"\x03\xe8", 2, 1000},
        {"\x03\xe8ok", 4, 1000},
        {"\x03\xe8\xff", 3, RPC_CLOSE_PROTOCOL},
        {"\x03\xed", 2, RPC_CLOSE_PROTOCOL}, /* 1005 */
        {"\x03\xee", 2, RPC_CLOSE_PROTOCOL}, /* 1006 */
        {"\x0f\xa1", 2, 4001},
        {"\x13\x88", 2, RPC_CLOSE_PROTOCOL}, /* 5000 */
        {"\x00\x01", 2, RPC_CLOSE_PROTOCOL},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++)
        assert_int_equal(rpc_frame_close_code(rows[i].data, rows[i].n), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(full_buffer),
        cmocka_unit_test(close_codes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
