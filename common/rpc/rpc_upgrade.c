/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_upgrade.h"

#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"

enum { HTTPS_PORT = 443 };

/* ---- address ---- */

static bool printable(const char *s)
{
    for (; *s; s++) {
        if (*s <= ' ' || *s > '~')
            return false;
    }
    return true;
}

/* "HOST:PORT", "[ADDRESS]:PORT", the port optional. */
static bool authority_split(char *text, struct rpc_url *u)
{
    char *host = text, *port = NULL;
    if (*text == '[') {
        host = text + 1;
        char *end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        port = end[1] ? end + 2 : NULL;
        *end = '\0';
    } else if ((port = strchr(text, ':'))) {
        *port++ = '\0';
    }
    int64_t n = HTTPS_PORT;
    if (port && bt_parse_i64(port, 1, 65535, &n, NULL) < 0)
        return false;
    u->port = (int)n;
    return host[0] != '\0' && !strpbrk(host, "@?#[]%") && bt_strcpy(u->host, sizeof(u->host), host);
}

int rpc_url_parse(const char *text, struct rpc_url *ret, struct bt_err *err)
{
    struct rpc_url u = {.path = "/"};
    if (!bt_starts_with(text, "wss://") || !printable(text))
        return bt_fail(err, BT_E_INVALID, "not a wss:// address: %.200s", text);
    const char *rest = text + strlen("wss://");
    size_t n = strcspn(rest, "/");
    _cleanup_free_ char *authority = bt_xstrndup(rest, n);
    bool ok = authority_split(authority, &u);
    if (ok && rest[n])
        ok = !strchr(rest + n, '#') && bt_strcpy(u.path, sizeof(u.path), rest + n);
    if (!ok)
        return bt_fail(err, BT_E_INVALID, "not a wss:// address: %.200s", text);
    *ret = u;
    return 0;
}

/* ---- request ---- */

void rpc_upgrade_emit(const struct rpc_upgrade *u, struct bt_buf *out)
{
    bool v6 = strchr(u->url->host, ':') != NULL;
    bt_buf_addf(out, "GET %s HTTP/1.1\r\nHost: %s%s%s:%d\r\n", u->url->path, v6 ? "[" : "",
                u->url->host, v6 ? "]" : "", u->url->port);
    bt_buf_addf(out,
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: %s\r\n",
                u->key);
    if (u->subprotocol)
        bt_buf_addf(out, "Sec-WebSocket-Protocol: %s\r\n", u->subprotocol);
    if (u->authorization)
        bt_buf_addf(out, "Authorization: %s\r\n", u->authorization);
    bt_buf_adds(out, "\r\n");
}

/* ---- answer ---- */

/* Value of a header into @dst, "" when absent; @head ends with an empty line. */
static void header_get(const char *head, const char *name, char *dst, size_t size)
{
    size_t len = strlen(name);
    dst[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        const char *value = line + len + 1;
        value += strspn(value, " \t");
        size_t n = strcspn(value, "\r\n");
        while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
            n--;
        if (n < size) {
            memcpy(dst, value, n);
            dst[n] = '\0';
        }
        return;
    }
}

/* Of "HTTP/1.1 NNN", 0 when it is something else. */
static int status_of(const char *head)
{
    static const char version[] = "HTTP/1.1 ";
    char digits[4] = "";
    int64_t n = 0;
    if (!bt_starts_with(head, version))
        return 0;
    (void)bt_strcpy(digits, sizeof(digits), head + strlen(version));
    return bt_parse_i64(digits, 100, 599, &n, NULL) < 0 ? 0 : (int)n;
}

static int judge_101(const struct rpc_upgrade *u, const char *head, struct bt_err *err)
{
    char want[29], accept[64], upgrade[64], protocol[600];
    bt_ws_accept(u->key, want);
    header_get(head, "sec-websocket-accept", accept, sizeof(accept));
    header_get(head, "upgrade", upgrade, sizeof(upgrade));
    header_get(head, "sec-websocket-protocol", protocol, sizeof(protocol));
    if (!bt_streq(accept, want) || strcasecmp(upgrade, "websocket") != 0)
        return bt_fail(err, BT_E_PROTOCOL, "the server's WebSocket handshake is wrong");
    if (protocol[0] && !bt_streq(protocol, u->subprotocol))
        return bt_fail(err, BT_E_PROTOCOL, "the server chose a subprotocol that was not offered");
    return 1;
}

static const struct {
    int status;
    enum bt_code code;
} refusals[] = {
    {401, BT_E_UNAUTHENTICATED}, {403, BT_E_DENIED},       {404, BT_E_NOT_FOUND},
    {409, BT_E_CONFLICT},        {429, BT_E_RATE_LIMITED}, {503, BT_E_UNAVAILABLE},
};

static int refusal(int status, const char *body, size_t n, struct bt_err *err)
{
    char code[64], detail[320];
    if (n && bt_json_peek_str(body, n, "code", code, sizeof(code), NULL) >= 0 &&
        bt_json_peek_str(body, n, "detail", detail, sizeof(detail), NULL) >= 0)
        return bt_fail(err, bt_code_from_str(code), "%s", detail);
    for (size_t i = 0; i < BT_ARRAY_LEN(refusals); i++) {
        if (refusals[i].status == status)
            return bt_fail(err, refusals[i].code, "the server answers %d", status);
    }
    return bt_fail(err, BT_E_PROTOCOL, "the server answers %d instead of a WebSocket", status);
}

int rpc_upgrade_parse(const struct rpc_upgrade *u, const char *data, size_t n, size_t *ret_used,
                      struct bt_err *err)
{
    const char *end = n >= 4 ? memmem(data, n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return n < RPC_UPGRADE_MAX ? 0
                                   : bt_fail(err, BT_E_PROTOCOL, "the server's answer has no end");
    size_t head_len = (size_t)(end - data) + 4;
    _cleanup_free_ char *head = bt_xstrndup(data, head_len);
    int status = strlen(head) == head_len ? status_of(head) : 0;
    if (!status)
        return bt_fail(err, BT_E_PROTOCOL, "the server does not speak HTTP/1.1");
    if (status == 101) {
        int rc = judge_101(u, head, err);
        if (rc > 0)
            *ret_used = head_len;
        return rc;
    }
    char text[32];
    int64_t length = 0;
    header_get(head, "content-length", text, sizeof(text));
    if (bt_parse_i64(text, 0, RPC_UPGRADE_MAX / 2, &length, NULL) < 0)
        length = 0;
    if (n - head_len < (size_t)length)
        return n < RPC_UPGRADE_MAX ? 0 : bt_fail(err, BT_E_PROTOCOL, "the answer is too long");
    return refusal(status, data + head_len, (size_t)length, err);
}
