/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json/json_pattern.h"

#include <stdint.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Only letters, digits and the characters of @more? */
static bool only(const char *s, size_t n, const char *more)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_alnum(s[i]) && (!s[i] || !strchr(more, s[i])))
            return false;
    }
    return true;
}

static bool any_ok(const char *s, size_t n)
{
    (void)s;
    (void)n;
    return true;
}

static bool name_ok(const char *s, size_t n)
{
    (void)n;
    return bt_name_ok(s);
}

static bool uuid_ok(const char *s, size_t n)
{
    (void)n;
    return bt_uuid_ok(s);
}

static bool ip_of(const char *s, int family)
{
    struct bt_ip ip;
    return bt_ip_parse(s, &ip, NULL) == 0 && (!family || ip.family == family);
}

static bool ip4_ok(const char *s, size_t n)
{
    (void)n;
    return ip_of(s, 4);
}

static bool ip6_ok(const char *s, size_t n)
{
    (void)n;
    return ip_of(s, 6);
}

static bool ip_ok(const char *s, size_t n)
{
    (void)n;
    return ip_of(s, 0);
}

static bool cidr_ok(const char *s, size_t n)
{
    struct bt_cidr cidr;
    (void)n;
    return bt_cidr_parse(s, &cidr, NULL) == 0;
}

static bool lower_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]) && (s[i] < 'a' || s[i] > 'f'))
            return false;
    }
    return true;
}

static bool mac_ok(const char *s, size_t n)
{
    if (n != 17 || strcmp(s, "00:00:00:00:00:00") == 0)
        return false;
    for (size_t i = 0; i < n; i += 3) {
        if (!lower_hex(s + i, 2) || (i < 15 && s[i + 2] != ':'))
            return false;
    }
    /* The lowest bit of the first byte marks a group address (IEEE 802). */
    return strchr("02468ace", s[1]) != NULL;
}

static bool sha256_ok(const char *s, size_t n)
{
    return n == 64 && lower_hex(s, n);
}

static bool digits_only(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return false;
    }
    return true;
}

/* RFC 1123 section 2.1; a last label of digits would make it look like an address. */
static bool hostname_ok(const char *s, size_t n)
{
    size_t start = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '.')
            continue;
        size_t len = i - start;
        if (len < 1 || len > 63 || s[start] == '-' || s[i - 1] == '-' || !only(s + start, len, "-"))
            return false;
        if (i == n && digits_only(s + start, len))
            return false;
        start = i + 1;
    }
    return true;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decode the first @max bytes of padded base64; bytes of the whole text, 0 when it is not base64.
 */
static size_t base64_head(const char *s, size_t n, unsigned char *dst, size_t max)
{
    size_t pad = n > 1 && s[n - 1] == '=' ? 1 + (s[n - 2] == '=') : 0;
    size_t out = 0;
    uint32_t acc = 0;
    if (n == 0 || n % 4)
        return 0;
    for (size_t i = 0; i < n - pad; i++) {
        int d = base64_digit(s[i]);
        if (d < 0)
            return 0;
        acc = acc << 6 | (uint32_t)d;
        if (i % 4 == 0)
            continue;
        if (out < max)
            dst[out] = (unsigned char)(acc >> (6 - 2 * (i % 4)));
        out++;
    }
    return out;
}

static bool ssh_type_ok(const char *type)
{
    static const char *const types[] = {"ssh-ed25519",
                                        "ssh-rsa",
                                        "ecdsa-sha2-nistp256",
                                        "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521",
                                        "sk-ssh-ed25519@openssh.com",
                                        "sk-ecdsa-sha2-nistp256@openssh.com"};
    for (size_t i = 0; i < BT_ARRAY_LEN(types); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return false;
}

/* One line of authorized_keys (sshd(8)) without options; the blob repeats the type (RFC 4253 6.6).
 */
static bool ssh_key_ok(const char *s, size_t n)
{
    char type[64];
    unsigned char head[4 + sizeof type];
    size_t type_len = strcspn(s, " ");
    if (type_len == n || type_len >= sizeof type)
        return false;
    memcpy(type, s, type_len);
    type[type_len] = '\0';
    const char *blob = s + type_len + 1;
    size_t bytes = base64_head(blob, strcspn(blob, " "), head, 4 + type_len);
    return ssh_type_ok(type) && bytes > 4 + type_len + 4 && head[0] == 0 && head[1] == 0 &&
           head[2] == 0 && head[3] == type_len && memcmp(head + 4, type, type_len) == 0;
}

/* What an order names its keys by: the text of one, or the name of a stored one. */
static bool ssh_key_or_name_ok(const char *s, size_t n)
{
    return ssh_key_ok(s, n) || bt_name_ok(s);
}

/* Name of a signal as liblxc takes it: SIGPWR, SIGRTMIN+3. */
static bool signal_ok(const char *s, size_t n)
{
    bool plus = false;
    if (n < 5 || strncmp(s, "SIG", 3) != 0)
        return false;
    for (size_t i = 3; i < n; i++) {
        bool digit = s[i] >= '0' && s[i] <= '9';
        if (s[i] == '+' && !plus && i > 3)
            plus = true;
        else if (!digit && (plus || s[i] < 'A' || s[i] > 'Z'))
            return false;
    }
    return s[n - 1] != '+';
}

static bool version_ok(const char *s, size_t n)
{
    return n > 0 && is_alnum(s[0]) && only(s, n, ".+~_:-");
}

static bool label_key_ok(const char *s, size_t n)
{
    return n > 0 && is_alnum(s[0]) && is_alnum(s[n - 1]) && only(s, n, "._/-");
}

/* Stricter than dev_valid_name() of the kernel: nothing that a shell or a sysctl path reads. */
static bool iface_ok(const char *s, size_t n)
{
    return n > 0 && is_alnum(s[0]) && only(s, n, "._-");
}

/* "name", "192.0.2.1" or "[2001:db8::1]", then perhaps ":port". */
static bool host_port_ok(const char *s, size_t n)
{
    char host[272];
    if (n < 1 || n >= sizeof host)
        return false;
    memcpy(host, s, n);
    host[n] = '\0';
    char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    int64_t port = 0;
    const char *rest = !end ? NULL : host[0] == '[' ? end + 1 : end;
    if (!rest || (*rest && (*rest != ':' || bt_parse_i64(rest + 1, 1, 65535, &port, NULL) < 0)))
        return false;
    *end = '\0';
    size_t len = (size_t)(end - host);
    return host[0] == '[' ? ip6_ok(host + 1, len) : hostname_ok(host, len) || ip4_ok(host, len);
}

/* http or https, no user information (a secret would show in lists and logs), no fragment. */
static bool url_ok(const char *s, size_t n)
{
    const char *rest = bt_starts_with(s, "https://")  ? s + 8
                       : bt_starts_with(s, "http://") ? s + 7
                                                      : NULL;
    if (!rest || strpbrk(s, " \"<>\\^`{|}#"))
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] >= 0x80)
            return false;
    }
    return host_port_ok(rest, strcspn(rest, "/?"));
}

static bool email_ok(const char *s, size_t n)
{
    const char *at = strrchr(s, '@');
    size_t local = at ? (size_t)(at - s) : 0;
    return local > 0 && local <= 64 && only(s, local, ".!#$%&'*+/=?^_`{|}~-") &&
           hostname_ok(at + 1, n - local - 1);
}

static bool port_ok(const char **s, int64_t *ret)
{
    int64_t v = 0;
    const char *p = *s;
    for (; is_digit(*p) && v <= 65535; p++)
        v = v * 10 + (*p - '0');
    bool ok = p > *s && **s != '0' && v <= 65535;
    *s = p;
    *ret = v;
    return ok;
}

/* "22,80-90": ports and ranges, each 1..65535. */
static bool ports_ok(const char *s, size_t n)
{
    (void)n;
    for (;; s++) {
        int64_t from = 0;
        int64_t to = 0;
        if (!port_ok(&s, &from))
            return false;
        if (*s == '-') {
            s++;
            if (!port_ok(&s, &to) || to < from)
                return false;
        }
        if (*s != ',')
            return *s == '\0';
    }
}

#define OCTET "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
#define IP4 "(" OCTET "\\.){3}" OCTET
#define IP6 "[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
#define SSH_TYPES                                                                                  \
    "(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|"                                          \
    "sk-ssh-ed25519@openssh\\.com|sk-ecdsa-sha2-nistp256@openssh\\.com)"

static const struct bt_json_pattern patterns[] = {
    {"", any_ok, SIZE_MAX, NULL, "must be text without control characters"},
    {"name", name_ok, 63, "^(?![0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
     "must be 1 to 63 of a-z, 0-9 and inner \"-\", not all digits"},
    {"uuid", uuid_ok, 36, "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
     "must be a lower-case uuid"},
    {"ip", ip_ok, 45, "^(" IP4 "|" IP6 ")$", "must be an IPv4 or IPv6 address"},
    {"ip4", ip4_ok, 15, "^" IP4 "$", "must be an IPv4 address"},
    {"ip6", ip6_ok, 45, "^" IP6 "$", "must be an IPv6 address"},
    {"cidr", cidr_ok, 49,
     "^(" IP4 "/(3[0-2]|[12]?[0-9])|" IP6 "/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$",
     "must be a network ADDRESS/LENGTH with all host bits zero"},
    {"mac", mac_ok, 17, "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$",
     "must be a lower-case unicast MAC address like 02:00:00:12:34:56"},
    {"sha256", sha256_ok, 64, "^[0-9a-f]{64}$", "must be 64 lower-case hex digits"},
    {"hostname", hostname_ok, 253, "^(" LABEL "\\.)*(?![0-9]+$)" LABEL "$",
     "must be a host name (RFC 1123)"},
    {"ssh_key", ssh_key_ok, 16384, "^" SSH_TYPES " [A-Za-z0-9+/]+={0,2}( .*)?$",
     "must be one public key line: TYPE BASE64 [COMMENT]"},
    {"ssh_key_or_name", ssh_key_or_name_ok, 16384,
     "^(" SSH_TYPES " [A-Za-z0-9+/]+={0,2}( .*)?|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$",
     "must be a public key line or the name of a stored key"},
    {"signal", signal_ok, 32, "^SIG[A-Z0-9]+([+][0-9]+)?$", "must be a signal like SIGRTMIN+3"},
    {"argv", any_ok, 131072, "^[^\\u0000]*$", "must be an argument without NUL"},
    {"version", version_ok, 64, "^[A-Za-z0-9][A-Za-z0-9.+~_:-]*$",
     "must be letters, digits and .+~_:-"},
    {"label_key", label_key_ok, 63, "^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$",
     "must be 1 to 63 letters, digits and inner ._/-"},
    {"iface", iface_ok, 15, "^[A-Za-z0-9][A-Za-z0-9._-]*$", "must be the name of an interface"},
    {"url", url_ok, 2048, "^https?://[^ \"<>\\\\^`{|}#@]+$",
     "must be an http or https URL without user, spaces and fragment"},
    {"email", email_ok, 254, "^[^@ ]{1,64}@(" LABEL "\\.)*" LABEL "$", "must be an e-mail address"},
    {"ports", ports_ok, 1024,
     "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?(,[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?)*$",
     "must be ports and ranges like 22,80-90"},
};

const struct bt_json_pattern *bt_json_pattern_find(const char *name)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(patterns); i++) {
        if (strcmp(patterns[i].name, name) == 0)
            return &patterns[i];
    }
    return NULL;
}

const struct bt_json_pattern *bt_json_patterns(size_t *ret_n)
{
    *ret_n = BT_ARRAY_LEN(patterns);
    return patterns;
}
