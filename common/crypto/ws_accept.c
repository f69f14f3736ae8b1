/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/crypto.h"

/* SHA-1 is what RFC 6455 prescribes; it protects nothing here. */
void bt_ws_accept(const char *key, char ret[29])
{
    _cleanup_free_ char *text = bt_xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(text, strlen(text), hash, &n, EVP_sha1(), NULL) != 1)
        abort(); /* out of memory */
    (void)EVP_EncodeBlock((unsigned char *)ret, hash, (int)n);
}

void bt_ws_key(const struct bt_random *rnd, char ret[25])
{
    unsigned char bytes[16];
    bt_random_fill(rnd, bytes, sizeof(bytes));
    (void)EVP_EncodeBlock((unsigned char *)ret, bytes, sizeof(bytes));
}
