/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/conf/conf.h"

#include <cmocka.h>

struct conf {
    char *name;
    char *note;
    char *state_dir;
    char *cert;
    int64_t port;
    int64_t cache;
    int64_t timeout;
    bool verbose;
    int64_t mode;
};

static const char *const modes[] = {"set", "check", NULL};

#define ROW(k, t, ...)                                                                             \
    {                                                                                              \
        .key = #k, .type = t, .off = offsetof(struct conf, k), __VA_ARGS__                         \
    }

static const struct bt_opt opts[] = {
    ROW(name, BT_OPT_STR, .max = 8, .min = 1, .help = "Name of this host."),
    ROW(note, BT_OPT_STR, .optional = true),
    ROW(state_dir, BT_OPT_PATH, .def = "/var/lib/berth", .help = "Where state is kept."),
    ROW(cert, BT_OPT_PATH, .optional = true),
    ROW(port, BT_OPT_INT, .def = "8443", .min = 1, .max = 65535),
    ROW(cache, BT_OPT_SIZE, .def = "64M"),
    ROW(timeout, BT_OPT_DURATION, .def = "10s", .min = 1, .max = 60000),
    ROW(verbose, BT_OPT_BOOL, .def = "no"),
    ROW(mode, BT_OPT_ENUM, .def = "check", .names = modes),
    {.key = NULL},
};

static void defaults_and_values(void **state)
{
    (void)state;
    struct conf c;
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(bt_conf_parse(opts, &c, "name=h1", "t", &err), 0);
    assert_string_equal(c.name, "h1");
    assert_null(c.note);
    assert_null(c.cert);
    assert_string_equal(c.state_dir, "/var/lib/berth");
    assert_int_equal(c.port, 8443);
    assert_int_equal(c.cache, 64 << 20);
    assert_int_equal(c.timeout, 10000);
    assert_false(c.verbose);
    assert_int_equal(c.mode, 1);
    bt_conf_free(opts, &c);
    assert_null(c.name);
    const char *text =
        "# a comment\n\n\t name =\th 2 \r\n  # another\nnote = a = b # c\nstate_dir=/x\n"
        "cert = /y\nport = 1\ncache=1.5k\ntimeout = 250ms\nverbose = on\nmode=set";
    assert_int_equal(bt_conf_parse(opts, &c, text, "t", &err), 0);
    assert_string_equal(c.name, "h 2");
    assert_string_equal(c.note, "a = b # c");
    assert_string_equal(c.state_dir, "/x");
    assert_string_equal(c.cert, "/y");
    assert_int_equal(c.port, 1);
    assert_int_equal(c.cache, 1536);
    assert_int_equal(c.timeout, 250);
    assert_true(c.verbose);
    assert_int_equal(c.mode, 0);
    bt_conf_free(opts, &c);
    assert_int_equal(bt_conf_parse(opts, &c, "name=a\nnote=\ncert=\n", "t", &err), 0);
    assert_null(c.note);
    assert_null(c.cert);
    bt_conf_free(opts, &c);
}

static void refuses_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"", "t: name is required"},
        {"name=h1\nfoo = 1", "t:2: unknown key foo"},
        {"name=h1\n\x1b[2J = 1", "t:2: unknown key (not text)"},
        {"name=h1\n\nname=h2", "t:3: name stands here twice"},
        {"name=h1\njust words", "t:2: must be: key = value"},
        {"name=h1\n=x", "t:2: unknown key "},
        {"name=", "t:1: name: must have 1 to 8 bytes"},
        {"name=123456789", "t:1: name: must have 1 to 8 bytes"},
        {"name=a\x01", "t:1: name: must be text"},
        {"name=h1\nport=0", "t:2: port: must be between 1 and 65535"},
        {"name=h1\nport=65536", "t:2: port: must be between"},
        {"name=h1\nport=x", "t:2: port: not an integer"},
        {"name=h1\nport=", "t:2: port: not an integer"},
        {"name=h1\ncache=1X", "t:2: cache: unknown unit"},
        {"name=h1\ntimeout=2m", "t:2: timeout: must be between 1 and 60000"},
        {"name=h1\nverbose=maybe", "t:2: verbose: must be yes or no"},
        {"name=h1\nmode=x", "t:2: mode: must be one of set, check"},
        {"name=h1\nstate_dir=var", "t:2: state_dir: must be an absolute path"},
        {"name=h1\nstate_dir=", "t:2: state_dir: must be an absolute path"},
        {"NAME=h1", "t:1: unknown key NAME"},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct conf c;
        struct bt_err err = BT_ERR_INIT;
        int rc = bt_conf_parse(opts, &c, bad[i].text, "t", &err);
        if (rc != -BT_E_INVALID || strncmp(err.msg, bad[i].message, strlen(bad[i].message)) != 0)
            fail_msg("%s: %d \"%s\"", bad[i].text, rc, err.msg);
        assert_null(c.name);
        assert_null(c.state_dir);
        assert_int_equal(bt_conf_parse(opts, &c, bad[i].text, "t", NULL), -BT_E_INVALID);
    }
}

static void write_file(const char *path, const char *data, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    (void)fclose(f);
}

static void files_and_overrides(void **state)
{
    (void)state;
    char path[] = "/tmp/berth-unit-conf-XXXXXX";
    struct conf c;
    struct bt_err err = BT_ERR_INIT;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    static const char *const overrides[] = {"port=9000", "name = two", "port=9001", NULL};
    write_file(path, "name=one\nport=1\n", 16);
    assert_int_equal(bt_conf_load(opts, &c, path, overrides, &err), 0);
    assert_string_equal(c.name, "two");
    assert_int_equal(c.port, 9001);
    bt_conf_free(opts, &c);
    assert_int_equal(bt_conf_load(opts, &c, path, (const char *const[]){"nope=1", NULL}, &err),
                     -BT_E_INVALID);
    assert_string_equal(err.msg, "option: unknown key nope");
    write_file(path, "name=one\0\nport=1\n", 17);
    assert_int_equal(bt_conf_load(opts, &c, path, NULL, &err), -BT_E_INVALID);
    write_file(path, "", 0);
    assert_int_equal(bt_conf_load(opts, &c, path, overrides, &err), 0);
    bt_conf_free(opts, &c);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(bt_conf_load(opts, &c, path, overrides, &err), -BT_E_NOT_FOUND);
    assert_int_equal(bt_conf_load(opts, &c, NULL, overrides, &err), 0);
    assert_string_equal(c.name, "two");
    bt_conf_free(opts, &c);
}

/* The manual is a file that is taken once its required values are filled in. */
static void manual_is_a_file(void **state)
{
    (void)state;
    _cleanup_buf_ struct bt_buf b = BT_BUF(1 << 16);
    struct conf c;
    struct bt_err err = BT_ERR_INIT;
    bt_conf_manual(opts, &b);
    assert_memory_equal(b.data,
                        "# Name of this host.\n# text, 1 to 8 bytes, required\n#name =\n\n"
                        "# text, optional\n#note =\n\n",
                        87);
    assert_non_null(strstr(b.data, "# one of set, check\n#mode = check\n"));
    assert_non_null(strstr(b.data, "# duration (ms s m h d, plain = seconds), 1 to 60000 ms\n"));
    assert_int_equal(bt_conf_parse(opts, &c, b.data, "m", &err), -BT_E_INVALID);
    for (char *p = b.data; *p; p++) {
        if (p[0] == '#' && p[1] != ' ')
            *p = ' ';
    }
    char *required = strstr(b.data, " name =");
    memcpy(required, "name=h1", 7);
    assert_int_equal(bt_conf_parse(opts, &c, b.data, "m", &err), 0);
    assert_int_equal(c.port, 8443);
    bt_conf_free(opts, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_values),
        cmocka_unit_test(refuses_with_its_line),
        cmocka_unit_test(files_and_overrides),
        cmocka_unit_test(manual_is_a_file),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
