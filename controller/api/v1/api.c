/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api.h"

#include <stdlib.h>
#include <strings.h>

#include "common/base/mem.h"
#include "controller/api/v1/api_openapi.h"
#include "controller/api/v1/api_priv.h"
#include "controller/console/console.h"

#define OPENAPI_MAX (4u << 20)

struct api *api_new(const struct api_config *cfg)
{
    struct api *a = bt_xcalloc(1, sizeof *a);
    struct bt_buf text = BT_BUF(OPENAPI_MAX);
    a->cfg = *cfg;
    api_openapi_write(&text);
    a->openapi = bt_buf_take(&text);
    return a;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    free(a->openapi);
    free(a);
}

size_t api_load(const struct api *a)
{
    return a->load;
}

const char *api_openapi(const struct api *a)
{
    return a->openapi;
}

const char *api_bearer(const char *authorization)
{
    static const char bearer[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, bearer, sizeof bearer - 1) != 0)
        return NULL;
    return authorization + sizeof bearer - 1;
}

struct http_ws *api_on_websocket(void *ctx, const struct http_request *req, const char *protocol,
                                 struct bt_err *err)
{
    struct api *a = ctx;
    (void)req;
    if (!a->cfg.svc->console) {
        (void)bt_fail(err, BT_E_NOT_FOUND, "no such path");
        return NULL;
    }
    return console_accept(a->cfg.svc->console, protocol, err);
}

void api_handler(struct api *a, struct http_handler *ret)
{
    *ret = (struct http_handler){.ctx = a,
                                 .request = api_on_request,
                                 .upload = api_on_upload,
                                 .websocket = api_on_websocket};
}
