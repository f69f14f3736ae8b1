/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/world.h"
#include "common/crypto/join_token.h"
#include "common/crypto/x509.h"

/*
 * The controller's keys on disk (docs/decisions/0012-pki.md), in a directory 0700 below its state
 * directory: ca.crt, ca.key, server.crt (with the CA behind it), server.key, seal.key. All files
 * are 0600 but the certificates; all are replaced atomically.
 */
struct pki;

struct pki_config {
    const char *dir;         /* absolute; made when absent */
    const char *const *sans; /* of the server certificate, NULL-terminated: names and addresses */
    const struct bt_clock *clock;
    const struct bt_random *random;
};

/**
 * Open the keys, making what is absent: a new CA only in a directory that has no key at all (a lost
 * ca.key next to other keys is an error: a new one would lock out every agent). The server
 * certificate is made again when its names changed, it is not of this CA, or 2/3 of its life are
 * over. Errors: INVALID (unreadable or mismatched files), KERNEL, STORAGE_FULL.
 */
int pki_open(const struct pki_config *cfg, struct pki **ret, struct bt_err *err);

/** Erase the keys in memory and free. */
void pki_free(struct pki *p);

/** Path of the server certificate, for listeners: valid until pki_free. */
const char *pki_server_cert_file(const struct pki *p);

/** Path of its key: valid until pki_free. */
const char *pki_server_key_file(const struct pki *p);

/** Path of the CA's certificate: valid until pki_free. */
const char *pki_ca_file(const struct pki *p);

/** The CA's certificate, PEM. */
const char *pki_ca_pem(const struct pki *p);

/** SHA-256 of the CA's DER. */
const unsigned char *pki_ca_fingerprint(const struct pki *p);

/** The sealing key (id 1) of secrets in the database. */
const unsigned char *pki_seal_key(const struct pki *p);

/**
 * Make the server certificate again if 2/3 of its life are over (call daily). *@ret_changed: the
 * listener must reload.
 */
int pki_renew_server(struct pki *p, bool *ret_changed, struct bt_err *err);

/**
 * Sign an agent's request for 30 days: CN and SAN are @host, whatever the request says. Caller
 * frees *@ret_cert_pem. Errors: INVALID (the request).
 */
int pki_sign_agent(struct pki *p, const char *csr_pem, const char *host, char **ret_cert_pem,
                   struct bt_cert_info *ret_info, struct bt_err *err);

/** A fresh join token of this controller. Caller erases it. */
void pki_join_token_new(const struct pki *p, struct bt_join_token *ret);
