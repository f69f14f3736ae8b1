/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/crypto/join_token.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define PREFIX "bt1."

enum { TEXT_MAX = 256 };

_Static_assert(sizeof(struct bt_join_token) == 72, "the struct is the wire form");

void bt_join_token_new(const struct bt_random *rnd, const unsigned char ca_sha256[32],
                       struct bt_join_token *ret)
{
    bt_random_fill(rnd, ret->id, sizeof(ret->id));
    bt_random_fill(rnd, ret->secret, sizeof(ret->secret));
    memcpy(ret->ca_sha256, ca_sha256, sizeof(ret->ca_sha256));
}

char *bt_join_token_emit(const struct bt_join_token *t)
{
    char *body = bt_b64url(t, sizeof(*t));
    char *text = bt_xasprintf(PREFIX "%s", body);
    bt_erase(body, strlen(body));
    free(body);
    return text;
}

int bt_join_token_parse(const char *text, struct bt_join_token *ret, struct bt_err *err)
{
    char body[TEXT_MAX];
    struct bt_join_token t;
    size_t n = 0;
    text += strspn(text, " \t\r\n");
    if (!bt_starts_with(text, PREFIX) || strlen(text) >= sizeof(body))
        return bt_fail(err, BT_E_INVALID, "not a join token: it begins with " PREFIX);
    (void)bt_strcpy(body, sizeof(body), text + strlen(PREFIX));
    body[strcspn(body, " \t\r\n")] = '\0';
    int rc = bt_unb64url(body, &t, sizeof(t), &n, NULL);
    bool tail_ok = text[strlen(PREFIX) + strlen(body) +
                        strspn(text + strlen(PREFIX) + strlen(body), " \t\r\n")] == '\0';
    bt_erase(body, sizeof(body));
    if (rc >= 0 && n == sizeof(t) && tail_ok)
        *ret = t;
    bt_erase(&t, sizeof(t));
    return rc >= 0 && n == sizeof(t) && tail_ok
               ? 0
               : bt_fail(err, BT_E_INVALID, "not a join token: damaged or cut");
}
