/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_log common_base */
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"

#include <cmocka.h>

/* Standard error goes to a file meanwhile. */
struct capture {
    FILE *file;
    int old;
    char text[1 << 16];
};

static void capture_start(struct capture *c)
{
    c->file = tmpfile();
    assert_non_null(c->file);
    c->old = dup(STDERR_FILENO);
    assert_true(dup2(fileno(c->file), STDERR_FILENO) >= 0);
}

static const char *capture_end(struct capture *c)
{
    assert_true(dup2(c->old, STDERR_FILENO) >= 0);
    (void)close(c->old);
    rewind(c->file);
    size_t n = fread(c->text, 1, sizeof c->text - 1, c->file);
    c->text[n] = '\0';
    (void)fclose(c->file);
    return c->text;
}

static void one_line(void **state)
{
    (void)state;
    static struct capture c;
    capture_start(&c);
    bt_log(BT_WARN, "task", "msg=%s task=%d", "failed", 7);
    const char *text = capture_end(&c);
    regex_t re;
    assert_int_equal(
        regcomp(&re,
                "^time=20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
                "\\.[0-9]{3}Z level=warn part=task msg=failed task=7\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    if (regexec(&re, text, 0, NULL, 0) != 0)
        fail_msg("%s", text);
    regfree(&re);
}

static void level_is_a_floor(void **state)
{
    (void)state;
    static struct capture c;
    capture_start(&c);
    bt_log(BT_DEBUG, "x", "n=0"); /* the default is info */
    bt_log_level_set(BT_ERROR);
    bt_log(BT_WARN, "x", "n=1");
    bt_log(BT_ERROR, "x", "n=2");
    bt_log_level_set(BT_DEBUG);
    bt_log(BT_DEBUG, "x", "n=3");
    bt_log_level_set(BT_INFO);
    const char *text = capture_end(&c);
    assert_null(strstr(text, "n=0"));
    assert_null(strstr(text, "n=1"));
    assert_non_null(strstr(text, "n=2"));
    assert_non_null(strstr(text, "level=debug part=x n=3\n"));
    assert_int_equal(bt_log_level_from_str("warn"), BT_WARN);
    assert_int_equal(bt_log_level_from_str("WARN"), -1);
    assert_int_equal(bt_log_level_from_str(NULL), -1);
}

static void strangers_make_no_lines(void **state)
{
    (void)state;
    static struct capture c;
    capture_start(&c);
    bt_log(BT_INFO, "x", "a=%s", "1\nlevel=error part=fake\x1b[31m\xff\xc2\x9b\xc3\xa4\x7f");
    const char *text = capture_end(&c);
    const char *at = strstr(text, "a=1");
    assert_non_null(at);
    assert_string_equal(at, "a=1\\nlevel=error part=fake\\x1b[31m\\xff\\xc2\\x9b\xc3\xa4\\x7f\n");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    static struct capture c;
    char big[10000];
    memset(big, 'y', sizeof big);
    big[sizeof big - 1] = '\0';
    capture_start(&c);
    bt_log(BT_INFO, "x", "a=%s", big);
    memset(big, '\x01', sizeof big - 1);
    bt_log(BT_INFO, "x", "b=%s", big);
    const char *text = capture_end(&c);
    const char *first = strchr(text, '\n');
    assert_non_null(first);
    assert_memory_equal(first - 3, "...\n", 4);
    const char *second = strchr(first + 1, '\n');
    assert_non_null(second);
    assert_memory_equal(second - 3, "...\n", 4);
    assert_true(second - first <= 4096);
    assert_int_equal(second[1], '\0');
}

static void quotes(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"", "\"\""},
        {"web1", "\"web1\""},
        {"a\"b\\", "\"a\\\"b\\\\\""},
        {"a\nb\x01", "\"a\\nb\\x01\""},
        {"12345678901234", "\"12345678901234\""},
        {"123456789012345", "\"12345678901...\""},
        {"12345678901\xe2\x82\xac\xe2\x82\xac", "\"12345678901...\""},
        {NULL, "null"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        char dst[17];
        assert_string_equal(bt_logq(rows[i].in, dst, sizeof dst), rows[i].want);
    }
    char tiny[2];
    assert_string_equal(bt_logq("abc", tiny, sizeof tiny), "?");
}

/* Whatever the size and the text: quoted, closed, never past the end. */
static void quotes_at_every_size(void **state)
{
    (void)state;
    static const char text[] = "ab\"\"\"\n\n\xe2\x82\xac\xff\xff\"\"\\\\tail of it";
    for (unsigned size = 12; size < 60; size++) {
        char *dst = bt_xmalloc(size);
        (void)bt_logq(text, dst, size);
        size_t n = strlen(dst);
        assert_true(n < size && n >= 2 && dst[0] == '"' && dst[n - 1] == '"');
        free(dst);
    }
}

static void *chatter(void *arg)
{
    for (int i = 0; i < 100; i++)
        bt_log(BT_INFO, "thread", "who=%d i=%d end", *(int *)arg, i);
    return NULL;
}

static void threads_do_not_mix(void **state)
{
    (void)state;
    static struct capture c;
    pthread_t threads[4];
    int ids[4] = {0, 1, 2, 3};
    capture_start(&c);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chatter, &ids[i]), 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    const char *text = capture_end(&c);
    int lines = 0;
    for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
        const char *end = strchr(p, '\n');
        assert_memory_equal(p, "time=", 5);
        assert_memory_equal(end - 4, " end", 4);
        lines++;
    }
    assert_int_equal(lines, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line),
        cmocka_unit_test(level_is_a_floor),
        cmocka_unit_test(strangers_make_no_lines),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(quotes),
        cmocka_unit_test(quotes_at_every_size),
        cmocka_unit_test(threads_do_not_mix),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
