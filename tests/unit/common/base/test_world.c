/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/world.h"

#include <cmocka.h>

static void clocks(void **state)
{
    (void)state;
    const struct bt_clock *c = bt_clock_real();
    int64_t utc = bt_utc_ms(c);
    int64_t want = (int64_t)time(NULL) * 1000;
    assert_true(utc >= want - 2000 && utc <= want + 5000);
    int64_t a = bt_mono_ms(c);
    struct timespec nap = {0, 5000000};
    (void)nanosleep(&nap, NULL);
    int64_t b = bt_mono_ms(c);
    assert_true(b >= a + 4 && b < a + 60000);
}

static void random_of_the_kernel(void **state)
{
    (void)state;
    unsigned char x[64] = {0};
    unsigned char y[64] = {0};
    bt_random_fill(bt_random_real(), x, sizeof x);
    bt_random_fill(bt_random_real(), y, sizeof y);
    assert_memory_not_equal(x, y, sizeof x);
}

static void seeds_repeat(void **state)
{
    (void)state;
    struct bt_random_seeded a;
    struct bt_random_seeded b;
    unsigned char x[37];
    unsigned char y[37];
    bt_random_seeded_init(&a, 42);
    bt_random_seeded_init(&b, 42);
    bt_random_fill(&a.table, x, sizeof x);
    bt_random_fill(&b.table, y, sizeof y);
    assert_memory_equal(x, y, sizeof x);
    bt_random_seeded_init(&b, 43);
    bt_random_fill(&b.table, y, sizeof y);
    assert_memory_not_equal(x, y, sizeof x);
    /* First output of splitmix64 with seed 0, from its author's reference. */
    bt_random_seeded_init(&a, 0);
    uint64_t v = 0;
    bt_random_fill(&a.table, &v, sizeof v);
    assert_true(v == 0xe220a8397b1dcdafu);
}

static void below_is_uniform(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    int counts[7] = {0};
    bt_random_seeded_init(&r, 5);
    for (int i = 0; i < 70000; i++)
        counts[bt_random_below(&r.table, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_true(counts[i] > 9500 && counts[i] < 10500);
    assert_int_equal(bt_random_below(&r.table, 1), 0);
    assert_true(bt_random_below(&r.table, UINT64_MAX) < UINT64_MAX);
}

static void uuids(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    char a[BT_UUID_LEN + 1];
    char b[BT_UUID_LEN + 1];
    bt_random_seeded_init(&r, 1);
    for (int i = 0; i < 200; i++) {
        bt_uuid_new(&r.table, a);
        assert_true(bt_uuid_ok(a));
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
        bt_uuid_new(&r.table, b);
        assert_string_not_equal(a, b);
    }
    assert_false(bt_uuid_ok(""));
    assert_false(bt_uuid_ok("12345678-1234-4234-8234-1234567890aB"));
    assert_false(bt_uuid_ok("12345678-1234-4234-8234-1234567890abc"));
    assert_false(bt_uuid_ok("123456781234-4234-8234-1234-567890abc"));
}

static void port_names(void **state)
{
    (void)state;
    char name[BT_PORT_LEN + 1];
    bt_port_name("00000000-0000-4000-8000-000000000000", 0, name);
    assert_string_equal(name, "btaaaaaaaaabaa0"); /* the version digit is in */
    bt_port_name("ffffffff-ffff-ffff-ffff-ffffffffffff", 9, name);
    assert_string_equal(name, "bt7777777777779");
    /* base32 of 01 23 45 67 89 ab 4d ef, first 60 bits (RFC 4648 section 6) */
    bt_port_name("01234567-89ab-4def-8123-456789abcdef", 3, name);
    assert_string_equal(name, "btaerukz4jvng63");
    assert_int_equal(strlen(name), BT_PORT_LEN);
}

static void names(void **state)
{
    (void)state;
    assert_true(bt_name_ok("a"));
    assert_true(bt_name_ok("web-1"));
    assert_false(bt_name_ok(""));
    assert_false(bt_name_ok("007"));
    assert_false(bt_name_ok("web-"));
}

static void memory(void **state)
{
    (void)state;
    assert_null(bt_xstrdup(NULL));
    _cleanup_free_ char *s = bt_xstrndup("abcdef", 3);
    assert_string_equal(s, "abc");
    _cleanup_free_ char *f = bt_xasprintf("%s-%d", s, 4);
    assert_string_equal(f, "abc-4");
    _cleanup_free_ int *zeros = bt_xcalloc(4, sizeof *zeros);
    assert_int_equal(zeros[3], 0);
    zeros = bt_xrealloc(zeros, 8, sizeof *zeros);
    char secret[8] = "hunter2";
    bt_erase(secret, sizeof secret);
    assert_memory_equal(secret, "\0\0\0\0\0\0\0\0", 8);
    char *taken = TAKE_PTR(f);
    assert_null(f);
    free(taken);
    int fd = 7;
    assert_int_equal(TAKE_FD(fd), 7);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks),       cmocka_unit_test(random_of_the_kernel),
        cmocka_unit_test(seeds_repeat), cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(uuids),        cmocka_unit_test(port_names),
        cmocka_unit_test(names),        cmocka_unit_test(memory),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
