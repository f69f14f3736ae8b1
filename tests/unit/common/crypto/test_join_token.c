/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/join_token.h"

#include <cmocka.h>

static void round_trip(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    bt_random_seeded_init(&r, 5);
    for (int i = 0; i < 100; i++) {
        struct bt_join_token t, back;
        unsigned char ca[32];
        bt_random_fill(&r.table, ca, sizeof(ca));
        bt_join_token_new(&r.table, ca, &t);
        _cleanup_free_ char *text = bt_join_token_emit(&t);
        assert_true(bt_starts_with(text, "bt1."));
        assert_int_equal(strlen(text), 4 + 96); /* 72 bytes */
        assert_int_equal(bt_join_token_parse(text, &back, NULL), 0);
        assert_memory_equal(&t, &back, sizeof(t));
        _cleanup_free_ char *padded = bt_xasprintf(" %s\n", text);
        assert_int_equal(bt_join_token_parse(padded, &back, NULL), 0);
    }
}

static void refused(void **state)
{
    (void)state;
    struct bt_join_token t = {{0}, {0}, {0}}, back;
    _cleanup_free_ char *text = bt_join_token_emit(&t);
    memset(&back, 0xaa, sizeof(back));
    for (size_t cut = 0; cut < strlen(text); cut++) {
        _cleanup_free_ char *part = bt_xstrndup(text, cut);
        assert_int_equal(bt_join_token_parse(part, &back, NULL), -BT_E_INVALID);
    }
    _cleanup_free_ char *more = bt_xasprintf("%sAAAA", text), *two = bt_xasprintf("%s x", text),
                        *v2 = bt_xstrdup(text), *odd = bt_xstrdup(text), *huge = bt_xmalloc(5000);
    v2[2] = '2';
    odd[50] = '+';
    memset(huge, 'A', 4999);
    memcpy(huge, "bt1.", 4);
    huge[4999] = '\0';
    const char *const bad[] = {more, two, v2, odd, huge, "", "   ", "bt1."};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(bt_join_token_parse(bad[i], &back, NULL), -BT_E_INVALID);
    assert_int_equal(back.id[0], 0xaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(refused)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
