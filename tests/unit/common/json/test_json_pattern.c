/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json_pattern.h"

#include <cmocka.h>

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZpTkyAfhIcQ6QzX5nzCPkfxhP3gvcEMKRLPSJoeuhH"
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *pattern;
    const char *text;
    bool ok;
} rows[] = {
    {"name", "web1", true},
    {"name", "a", true},
    {"name", L63, true},
    {"name", L63 "a", false},
    {"name", "", false},
    {"name", "1", false},
    {"name", "0123", false},
    {"name", "1a", true},
    {"name", "-a", false},
    {"name", "a-", false},
    {"name", "A", false},
    {"name", "a_b", false},
    {"name", "a.b", false},
    {"uuid", "12345678-1234-4234-8234-1234567890ab", true},
    {"uuid", "12345678-1234-4234-8234-1234567890AB", false},
    {"uuid", "12345678-1234-4234-8234-1234567890a", false},
    {"uuid", "12345678x1234-4234-8234-1234567890ab", false},
    {"ip", "192.0.2.1", true},
    {"ip", "2001:db8::", true},
    {"ip", "192.0.2.01", false},
    {"ip", "192.0.2", false},
    {"ip", "192.0.2.1 ", false},
    {"ip", "fe80::1%eth0", false},
    {"ip", "", false},
    {"ip4", "::1", false},
    {"ip4", "255.255.255.255", true},
    {"ip4", "256.0.0.1", false},
    {"ip6", "::ffff:192.0.2.1", false},
    {"ip6", "64:ff9b::192.0.2.1", true},
    {"ip6", "192.0.2.1", false},
    {"ip6", "1::2::3", false},
    {"cidr", "198.18.0.0/20", true},
    {"cidr", "0.0.0.0/0", true},
    {"cidr", "192.0.2.1/32", true},
    {"cidr", "198.18.0.1/20", false},
    {"cidr", "198.18.0.0/33", false},
    {"cidr", "198.18.0.0/020", false},
    {"cidr", "198.18.0.0/", false},
    {"cidr", "198.18.0.0/-1", false},
    {"cidr", "198.18.0.0", false},
    {"cidr", "2001:db8:1::/48", true},
    {"cidr", "2001:db8:1::1/48", false},
    {"cidr", "2001:db8:1::1/128", true},
    {"cidr", "2001:db8:1::/129", false},
    {"cidr", "/8", false},
    {"cidr", "10.0.0.0/8/8", false},
    {"mac", "02:00:00:12:34:56", true},
    {"mac", "02:00:00:12:34:5", false},
    {"mac", "02:00:00:12:34:5G", false},
    {"mac", "02-00-00-12-34-56", false},
    {"mac", "02:00:00:AB:34:56", false},
    {"mac", "03:00:00:12:34:56", false},
    {"mac", "ff:ff:ff:ff:ff:ff", false},
    {"mac", "00:00:00:00:00:00", false},
    {"sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", true},
    {"sha256", "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false},
    {"sha256", "e3b0", false},
    {"hostname", "web1", true},
    {"hostname", "a.b-c.example", true},
    {"hostname", L63 ".example", true},
    {"hostname", L63 "a.example", false},
    {"hostname", "web1.", false},
    {"hostname", ".web1", false},
    {"hostname", "a..b", false},
    {"hostname", "-a.b", false},
    {"hostname", "a-.b", false},
    {"hostname", "192.0.2.1", false},
    {"hostname", "a_b", false},
    {"hostname", "", false},
    {"ssh_key", ED, true},
    {"ssh_key", ED " user@host name", true},
    {"ssh_key",
     "ssh-rsa "
     "AAAAC3NzaC1lZDI1NTE5AAAAIJZpTkyAfhIcQ6QzX5nzCPkfxhP3gvcEMKRLPSJoeuhH",
     false},
    {"ssh_key", "ssh-dss AAAAB3NzaC1kc3MAAACB", false},
    {"ssh_key", "command=\"x\" " ED, false},
    {"ssh_key", "ssh-ed25519", false},
    {"ssh_key", "ssh-ed25519 ", false},
    {"ssh_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", false},
    {"ssh_key", "ssh-ed25519 AAAA*3NzaC1lZDI1NTE5AAAAIJZpTkyAfhIcQ6QzX5nzCPkfxhP3gvcEMKRLPSJoeuhH",
     false},
    {"version", "12.4+deb12u1~rc1", true},
    {"version", "1:2.0", true},
    {"version", "", false},
    {"version", "-1", false},
    {"version", "1 2", false},
    {"signal", "SIGPWR", true},
    {"signal", "SIGRTMIN+3", true},
    {"signal", "SIGRTMIN+", false},
    {"signal", "PWR", false},
    {"signal", "SIGRTMIN+3;x", false},
    {"ssh_key_or_name", "laptop", true},
    {"ssh_key_or_name", "two words", false},
    {"argv", "-c", true},
    {"label_key", "team/x.y_z-1", true},
    {"label_key", "", false},
    {"label_key", "a b", false},
    {"label_key", "/a", false},
    {"iface", "eth0.100", true},
    {"iface", "", false},
    {"iface", "..", false},
    {"iface", "a/b", false},
    {"url", "https://example.org/x?y=1&z=%20", true},
    {"url", "http://192.0.2.1:8080", true},
    {"url", "https://[2001:db8::1]:443/", true},
    {"url", "https://", false},
    {"url", "https:///x", false},
    {"url", "https://u:p@example.org/", false},
    {"url", "https://example.org:0/", false},
    {"url", "https://example.org:65536/", false},
    {"url", "https://example.org:/", false},
    {"url", "https://[::1", false},
    {"url", "https://[::1]x/", false},
    {"url", "https://example.org/a b", false},
    {"url", "https://example.org/#f", false},
    {"url", "ftp://example.org/", false},
    {"url", "file:///etc/passwd", false},
    {"url", "https://ex\xc3\xa4mple.org/", false},
    {"email", "a.b+c@example.org", true},
    {"email", "@example.org", false},
    {"email", "a@", false},
    {"email", "a b@example.org", false},
    {"email", "a@-x", false},
    {"ports", "22", true},
    {"ports", "22,80-90,65535", true},
    {"ports", "0", false},
    {"ports", "65536", false},
    {"ports", "022", false},
    {"ports", "90-80", false},
    {"ports", "22,", false},
    {"ports", ",22", false},
    {"ports", "22-", false},
    {"ports", "99999999999999999999", false},
    {"ports", "", false},
    {"", "anything at all", true},
    {"", "", true},
};

static bool judge(const struct bt_json_pattern *p, const char *text)
{
    return strlen(text) <= p->max && p->ok(text, strlen(text));
}

static void judges_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        const struct bt_json_pattern *p = bt_json_pattern_find(rows[i].pattern);
        assert_non_null(p);
        if (judge(p, rows[i].text) != rows[i].ok)
            fail_msg("%s: \"%s\" should %sbe taken", rows[i].pattern, rows[i].text,
                     rows[i].ok ? "" : "not ");
    }
}

/* A regex for people's tools may be looser than the function, never stricter. POSIX has no
 * lookahead: cut. */
static void regex_takes_what_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        const struct bt_json_pattern *p = bt_json_pattern_find(rows[i].pattern);
        if (!rows[i].ok || !p->regex)
            continue;
        char text[1024];
        assert_true(strlen(p->regex) < sizeof text);
        memcpy(text, p->regex, strlen(p->regex) + 1);
        char *look = strstr(text, "(?!");
        if (look)
            memmove(look, strchr(look, ')') + 1, strlen(strchr(look, ')')));
        regex_t re;
        assert_int_equal(regcomp(&re, text, REG_EXTENDED | REG_NOSUB), 0);
        if (regexec(&re, rows[i].text, 0, NULL, 0) != 0)
            fail_msg("%s: the regex refuses \"%s\"", p->name, rows[i].text);
        regfree(&re);
    }
}

static void table_is_whole(void **state)
{
    (void)state;
    size_t n = 0;
    const struct bt_json_pattern *all = bt_json_patterns(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(bt_json_pattern_find(all[i].name), &all[i]);
        assert_memory_equal(all[i].text, "must be ", 8);
        assert_true(all[i].max > 0);
        assert_true((all[i].regex != NULL) == (all[i].name[0] != '\0'));
    }
    assert_null(bt_json_pattern_find("no such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_right),
        cmocka_unit_test(regex_takes_what_is_right),
        cmocka_unit_test(table_is_whole),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
