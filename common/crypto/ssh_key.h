/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"

/* Key pairs in OpenSSH's own formats (PROTOCOL.key of OpenSSH; RFC 4253 6.6, 5656, 8709). */
enum bt_ssh_type { BT_SSH_ED25519, BT_SSH_ECDSA }; /* nistp256 */

struct bt_ssh_key {
    char *private_pem; /* openssh-key-v1, not encrypted */
    char *public_line; /* "TYPE BASE64 COMMENT\n" */
};

/** A fresh pair; a few ms. Call bt_crypto_init before. Free with bt_ssh_key_fini. */
int bt_ssh_key_new(enum bt_ssh_type type, const char *comment, struct bt_ssh_key *ret,
                   struct bt_err *err);

/** Erase and free. */
void bt_ssh_key_fini(struct bt_ssh_key *k);
