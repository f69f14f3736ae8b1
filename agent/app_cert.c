/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/app.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/crypto/x509.h"

#define PEM_MAX 65536

char *app_path(const struct host_conf *conf, const char *name)
{
    return bt_xasprintf("%s/%s", conf->state_dir, name);
}

static int read_cert(const struct host_conf *conf, struct bt_cert_info *ret, struct bt_err *err)
{
    _cleanup_free_ char *path = app_path(conf, APP_CERT);
    _cleanup_buf_ struct bt_buf pem = BT_BUF(PEM_MAX);
    int rc = bt_read_file(AT_FDCWD, path, PEM_MAX - 1, &pem, err);
    return rc < 0 ? rc : bt_x509_info(pem.data, ret, err);
}

/* At 2/3 of its life; a certificate that cannot be read is renewed never: a join makes a new one.
 */
static int64_t renew_at(void *ctx)
{
    const struct app_cert *c = ctx;
    struct bt_cert_info info;
    if (read_cert(c->conf, &info, NULL) < 0)
        return INT64_MAX;
    return info.not_before_ms + (info.not_after_ms - info.not_before_ms) / 3 * 2;
}

static int csr(void *ctx, char **ret_pem, struct bt_err *err)
{
    struct app_cert *c = ctx;
    struct bt_cert_info info;
    int rc = read_cert(c->conf, &info, err);
    app_cert_fini(c);
    if (rc >= 0)
        rc = bt_x509_key_new(&c->new_key, err);
    return rc < 0 ? rc : bt_x509_csr_new(c->new_key, info.cn, ret_pem, err);
}

/* Key first: a certificate without its key would lock the agent out, a key without its certificate
 * is mended by the pair of the old ones being replaced together below. */
static int store(void *ctx, const char *cert_pem, struct bt_err *err)
{
    struct app_cert *c = ctx;
    _cleanup_free_ char *key = app_path(c->conf, APP_KEY);
    _cleanup_free_ char *cert = app_path(c->conf, APP_CERT);
    _cleanup_buf_ struct bt_buf both = BT_BUF(2 * PEM_MAX);
    if (!c->new_key)
        return bt_fail(err, BT_E_PROTOCOL, "a certificate that nobody asked for");
    (void)bt_buf_addf(&both, "%s%s", cert_pem, c->new_key);
    /* One file holds certificate and key, so one rename changes both (OpenSSL reads either from
     * it). */
    int rc = bt_write_file_atomic(AT_FDCWD, cert, both.data, both.len, 0600, err);
    if (rc >= 0)
        rc = bt_write_file_atomic(AT_FDCWD, key, c->new_key, strlen(c->new_key), 0600, err);
    bt_erase(both.data, both.len);
    if (rc < 0)
        return rc;
    app_cert_fini(c);
    return c->reload(c->ctx, err);
}

struct link_cert_ops app_cert_ops(struct app_cert *c)
{
    return (struct link_cert_ops){.renew_at = renew_at, .csr = csr, .store = store, .ctx = c};
}

void app_cert_fini(struct app_cert *c)
{
    if (c->new_key)
        bt_erase(c->new_key, strlen(c->new_key));
    free(c->new_key);
    c->new_key = NULL;
}
