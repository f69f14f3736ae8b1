/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_rpc common_base */
/* What a server may answer to our WebSocket handshake; addresses of servers. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/rpc/rpc_upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_url url;
    char *text = bt_xstrndup(size ? (const char *)data : "", size);
    if (rpc_url_parse(text, &url, NULL) >= 0)
        assert(url.host[0] && url.path[0] == '/' && url.port > 0 && url.port < 65536);
    free(text);
    struct rpc_url known = {.host = "c", .port = 8444, .path = "/agent/v1"};
    struct rpc_upgrade u = {.url = &known, .subprotocol = "tkt", .key = "dGhlIHNhbXBsZSBub25jZQ=="};
    size_t used = 0;
    struct bt_err err = BT_ERR_INIT;
    int rc = rpc_upgrade_parse(&u, (const char *)data, size, &used, &err);
    assert(rc <= 1 && (rc <= 0 || (used > 0 && used <= size)) && (rc >= 0 || err.code != 0));
    return 0;
}
