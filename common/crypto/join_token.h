/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"
#include "common/base/world.h"

/* Join tokens: "bt1." + base64url(id 8 | secret 32 | SHA-256 of the CA's DER 32). */
#define BT_JOIN_ID_LEN 8
#define BT_JOIN_SECRET_LEN 32

struct bt_join_token {
    unsigned char id[BT_JOIN_ID_LEN];         /* finds the row */
    unsigned char secret[BT_JOIN_SECRET_LEN]; /* the database keeps its SHA-256 */
    unsigned char ca_sha256[32];              /* whom the agent may talk to */
};

/** Fresh id and secret for the CA with this fingerprint. Caller erases @ret. */
void bt_join_token_new(const struct bt_random *rnd, const unsigned char ca_sha256[32],
                       struct bt_join_token *ret);

/** Its text. Caller erases and frees. */
char *bt_join_token_emit(const struct bt_join_token *t);

/** Parse its text; white space around it is forgiven. Errors: INVALID. */
int bt_join_token_parse(const char *text, struct bt_join_token *ret, struct bt_err *err);
