/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_crypto common_base */
/* Certificate requests of agents, certificates, join tokens. */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/crypto/join_token.h"
#include "common/crypto/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t now_ms = 1800000000000;
    char *text = bt_xstrndup(size ? (const char *)data : "", size);
    static char *key, *ca; /* once: making keys is slow */
    char *cert = NULL;
    struct bt_cert_info info;
    struct bt_join_token token;
    unsigned char fp[32];
    if (!ca &&
        (bt_x509_key_new(&key, NULL) < 0 || bt_x509_ca_new(key, "CA", now_ms, 10, &ca, NULL) < 0))
        abort();
    struct bt_x509_issue how = {ca, key, "h1", now_ms, 30};
    (void)bt_x509_client_sign(&how, text, &cert, &info, NULL);
    (void)bt_x509_info(text, &info, NULL);
    (void)bt_x509_fingerprint(text, fp, NULL);
    (void)bt_join_token_parse(text, &token, NULL);
    free(text);
    free(cert);
    return 0;
}
