/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"

/*
 * ca.crt is written last of what a first start makes and before anything that anybody else sees:
 * without it (and without a server certificate) the directory is unfinished and is completed; with
 * it every key must be there. So a crash at any instant is repaired, and a loss is never papered
 * over.
 */
enum {
    FILE_MAX = 64 * 1024,
    CA_DAYS = 3650,
    SERVER_DAYS = 365,
    AGENT_DAYS = 30,
    SANS_MAX = 64,
};

#define CA_CRT "ca.crt"
#define CA_KEY "ca.key"
#define SERVER_CRT "server.crt"
#define SERVER_KEY "server.key"
#define SEAL_KEY "seal.key"

struct pki {
    int dirfd;
    const struct bt_clock *clock;
    const struct bt_random *random;
    char *sans[SANS_MAX + 1];
    char *ca_pem, *ca_key;
    unsigned char ca_sha256[32];
    unsigned char seal_key[BT_SEAL_KEY_LEN];
    char *server_cert_file, *server_key_file, *ca_file;
};

/* ---- files ---- */

static void secret_free(char *s)
{
    if (s)
        bt_erase(s, strlen(s));
    free(s);
}

static void secret_free_p(char **s)
{
    secret_free(*s);
}

#define _cleanup_secret_ _cleanup_(secret_free_p)

static bool exists(const struct pki *p, const char *name)
{
    return faccessat(p->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int read_text(const struct pki *p, const char *name, char **ret, struct bt_err *err)
{
    struct bt_buf b = BT_BUF(FILE_MAX);
    int rc = bt_read_file(p->dirfd, name, FILE_MAX, &b, err);
    if (rc >= 0)
        *ret = bt_buf_take(&b);
    return rc;
}

/* A key that others could read is not a secret any more: say so instead of going on with it. */
static int read_key(const struct pki *p, const char *name, char **ret, struct bt_err *err)
{
    struct stat st;
    if (fstatat(p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return bt_fail(err, BT_E_INVALID, "%s is missing", name);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077)) {
        (void)bt_fail(err, BT_E_INVALID, "%s may be read by others", name);
        bt_hint(err, "chmod 600, and think about who has read it");
        return -BT_E_INVALID;
    }
    return read_text(p, name, ret, err);
}

static int write_text(const struct pki *p, const char *name, const char *text, mode_t mode,
                      struct bt_err *err)
{
    return bt_write_file_atomic(p->dirfd, name, text, strlen(text), mode, err);
}

static int make_key(const struct pki *p, const char *name, struct bt_err *err)
{
    _cleanup_secret_ char *pem = NULL;
    int rc = exists(p, name) ? 0 : bt_x509_key_new(&pem, err);
    return rc < 0 || !pem ? rc : write_text(p, name, pem, 0600, err);
}

/* ---- sealing key: "1 " and 64 hex digits; a rotation will add lines ---- */

static int make_seal(const struct pki *p, struct bt_err *err)
{
    unsigned char key[BT_SEAL_KEY_LEN];
    char text[2 + 2 * BT_SEAL_KEY_LEN + 2] = "1 ";
    if (exists(p, SEAL_KEY))
        return 0;
    bt_random_fill(p->random, key, sizeof(key));
    bt_hex(key, sizeof(key), text + 2);
    text[2 + 2 * BT_SEAL_KEY_LEN] = '\n';
    text[2 + 2 * BT_SEAL_KEY_LEN + 1] = '\0';
    int rc = write_text(p, SEAL_KEY, text, 0600, err);
    bt_erase(key, sizeof(key));
    bt_erase(text, sizeof(text));
    return rc;
}

static int load_seal(struct pki *p, struct bt_err *err)
{
    _cleanup_secret_ char *text = NULL;
    int rc = read_key(p, SEAL_KEY, &text, err);
    if (rc < 0)
        return rc;
    size_t n = strcspn(text, "\n");
    bool ok = n == 2 + 2 * BT_SEAL_KEY_LEN && text[n] == '\n' && bt_starts_with(text, "1 ");
    text[n] = '\0';
    if (!ok || !bt_unhex(text + 2, p->seal_key, sizeof(p->seal_key)))
        return bt_fail(err, BT_E_INVALID, SEAL_KEY " is damaged");
    return 0;
}

/* ---- CA ---- */

static int make_ca(const struct pki *p, struct bt_err *err)
{
    if (exists(p, SERVER_CRT))
        return bt_fail(err, BT_E_INVALID,
                       CA_CRT " is missing, and this is no first start: a new CA would lock out "
                              "every agent; restore it from a backup");
    int rc = make_key(p, CA_KEY, err);
    if (rc >= 0)
        rc = make_seal(p, err);
    _cleanup_secret_ char *key = NULL;
    _cleanup_free_ char *cert = NULL;
    if (rc >= 0)
        rc = read_key(p, CA_KEY, &key, err);
    if (rc < 0)
        return rc;
    unsigned char id[4];
    char hex[9], cn[32] = "Berth CA ";
    bt_random_fill(p->random, id, sizeof(id)); /* two controllers' CAs have two names */
    bt_hex(id, sizeof(id), hex);
    (void)bt_strcpy(cn + strlen(cn), sizeof(hex), hex);
    rc = bt_x509_ca_new(key, cn, bt_utc_ms(p->clock), CA_DAYS, &cert, err);
    return rc < 0 ? rc : write_text(p, CA_CRT, cert, 0644, err);
}

static int load_ca(struct pki *p, struct bt_err *err)
{
    int rc = read_text(p, CA_CRT, &p->ca_pem, err);
    if (rc >= 0)
        rc = read_key(p, CA_KEY, &p->ca_key, err);
    if (rc >= 0)
        rc = bt_x509_fingerprint(p->ca_pem, p->ca_sha256, err);
    if (rc < 0)
        return bt_wrap(err, "CA");
    static const char *const none[] = {NULL};
    /* The CA has signed itself: the same check finds a key of another CA. */
    rc = bt_x509_server_check(p->ca_pem, p->ca_key, p->ca_pem, none, err);
    return rc < 0 ? bt_wrap(err, "CA") : 0;
}

static struct bt_x509_issue issue(const struct pki *p, const char *cn, int days)
{
    return (struct bt_x509_issue){.ca_cert_pem = p->ca_pem,
                                  .ca_key_pem = p->ca_key,
                                  .cn = cn,
                                  .now_ms = bt_utc_ms(p->clock),
                                  .days = days};
}

/* ---- server certificate ---- */

static bool server_is_good(const struct pki *p, const char *cert, const char *key)
{
    struct bt_cert_info info;
    if (bt_x509_server_check(cert, key, p->ca_pem, (const char *const *)p->sans, NULL) < 0 ||
        bt_x509_info(cert, &info, NULL) < 0)
        return false;
    int64_t now = bt_utc_ms(p->clock);
    int64_t renew = info.not_before_ms + (info.not_after_ms - info.not_before_ms) / 3 * 2;
    return now >= info.not_before_ms && now < renew;
}

int pki_renew_server(struct pki *p, bool *ret_changed, struct bt_err *err)
{
    _cleanup_secret_ char *key = NULL;
    _cleanup_free_ char *cert = NULL, *fresh = NULL;
    int rc = make_key(p, SERVER_KEY, err);
    if (rc >= 0)
        rc = read_key(p, SERVER_KEY, &key, err);
    if (rc < 0)
        return rc;
    if (exists(p, SERVER_CRT) && read_text(p, SERVER_CRT, &cert, NULL) >= 0 &&
        server_is_good(p, cert, key)) {
        *ret_changed = false;
        return 0;
    }
    struct bt_x509_issue how = issue(p, "berthd", SERVER_DAYS);
    rc = bt_x509_server_new(&how, key, (const char *const *)p->sans, &fresh, err);
    if (rc < 0)
        return bt_wrap(err, "server certificate");
    /* The CA behind it: a joining agent knows the CA by its SHA-256 alone. */
    _cleanup_free_ char *chain = bt_xasprintf("%s%s", fresh, p->ca_pem);
    rc = write_text(p, SERVER_CRT, chain, 0644, err);
    if (rc >= 0)
        *ret_changed = true;
    return rc;
}

/* ---- life ---- */

/* "10.0.0.1" -> "IP:10.0.0.1", "controller" -> "DNS:controller". */
static int sans_set(struct pki *p, const char *const *sans, struct bt_err *err)
{
    for (size_t i = 0; sans[i]; i++) {
        struct bt_ip ip;
        char text[BT_IP_STR_MAX];
        if (i == SANS_MAX)
            return bt_fail(err, BT_E_INVALID, "more than %d names", SANS_MAX);
        if (bt_ip_parse(sans[i], &ip, NULL) >= 0)
            p->sans[i] = bt_xasprintf("IP:%s", bt_ip_str(&ip, text));
        else
            p->sans[i] = bt_xasprintf("DNS:%s", sans[i]);
    }
    return 0;
}

static int dir_open(struct pki *p, const char *dir, struct bt_err *err)
{
    int rc = bt_mkdir_p(AT_FDCWD, dir, 0700, err);
    if (rc < 0)
        return rc;
    p->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (p->dirfd < 0)
        return bt_fail_errno(err, errno, "open %.200s", dir);
    p->server_cert_file = bt_xasprintf("%s/" SERVER_CRT, dir);
    p->server_key_file = bt_xasprintf("%s/" SERVER_KEY, dir);
    p->ca_file = bt_xasprintf("%s/" CA_CRT, dir);
    return 0;
}

static int open_all(struct pki *p, const struct pki_config *cfg, struct bt_err *err)
{
    bool changed = false;
    int rc = dir_open(p, cfg->dir, err);
    if (rc >= 0)
        rc = sans_set(p, cfg->sans, err);
    if (rc >= 0 && !exists(p, CA_CRT))
        rc = make_ca(p, err);
    if (rc >= 0)
        rc = load_ca(p, err);
    if (rc >= 0)
        rc = load_seal(p, err);
    return rc < 0 ? rc : pki_renew_server(p, &changed, err);
}

int pki_open(const struct pki_config *cfg, struct pki **ret, struct bt_err *err)
{
    struct pki *p = bt_xcalloc(1, sizeof(*p));
    p->dirfd = -1;
    p->clock = cfg->clock;
    p->random = cfg->random;
    int rc = open_all(p, cfg, err);
    if (rc < 0) {
        pki_free(p);
        return bt_wrap(err, "keys in %.200s", cfg->dir);
    }
    *ret = p;
    return 0;
}

void pki_free(struct pki *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->sans[i]; i++)
        free(p->sans[i]);
    secret_free(p->ca_key);
    bt_erase(p->seal_key, sizeof(p->seal_key));
    free(p->ca_pem);
    free(p->server_cert_file);
    free(p->server_key_file);
    free(p->ca_file);
    if (p->dirfd >= 0)
        (void)close(p->dirfd);
    free(p);
}

const char *pki_server_cert_file(const struct pki *p)
{
    return p->server_cert_file;
}

const char *pki_server_key_file(const struct pki *p)
{
    return p->server_key_file;
}

const char *pki_ca_file(const struct pki *p)
{
    return p->ca_file;
}

const char *pki_ca_pem(const struct pki *p)
{
    return p->ca_pem;
}

const unsigned char *pki_ca_fingerprint(const struct pki *p)
{
    return p->ca_sha256;
}

const unsigned char *pki_seal_key(const struct pki *p)
{
    return p->seal_key;
}

int pki_sign_agent(struct pki *p, const char *csr_pem, const char *host, char **ret_cert_pem,
                   struct bt_cert_info *ret_info, struct bt_err *err)
{
    struct bt_x509_issue how = issue(p, host, AGENT_DAYS);
    return bt_x509_client_sign(&how, csr_pem, ret_cert_pem, ret_info, err);
}

void pki_join_token_new(const struct pki *p, struct bt_join_token *ret)
{
    bt_join_token_new(p->random, p->ca_sha256, ret);
}
