/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/ip.h"
#include "db/core/db.h"
#include "proto/enums.h"

/*
 * Who asks. Made from a token by auth_get (api), by hand for the system itself. A tenant's
 * principal sees its own tenant only; what belongs to another is NOT_FOUND, in the same words as an
 * absent one.
 */
#define AUTH_SECRET_LEN 64
#define AUTH_NAME_MAX 96

struct principal {
    int64_t token_id;         /* 0 = the system itself */
    int64_t user_id;          /* 0 = nobody's */
    int64_t tenant_id;        /* 0 = the operator's */
    uint64_t scopes;          /* bit set of enum scope */
    char name[AUTH_NAME_MAX]; /* actor in tasks, events and audit: "token:NAME", "system" */
    char source[64];          /* billing installation, "" = none */
    char ip[BT_IP_STR_MAX];
    char request_id[37];
};

/** The controller itself, with every right; @what names the part ("system:trash"). */
void auth_system(struct principal *ret, const char *what);

/**
 * The principal of the 64 characters of a bearer token. ip, request_id stay empty. UNAUTHENTICATED
 * (unknown, expired, revoked, its tenant deleted: one text). Reads only; touches nothing.
 */
int auth_get(struct db_tx *tx, const char *secret, size_t len, struct principal *ret,
             struct bt_err *err);

/** Is @who still good in this transaction (not revoked, not expired)? UNAUTHENTICATED. */
int auth_recheck(struct db_tx *tx, const struct principal *who, struct bt_err *err);

/** May @who do what asks for @scope (scope operator has them all)? DENIED. */
int auth_may(const struct principal *who, enum scope scope, struct bt_err *err);

/** Has @who every right of an operator? */
bool auth_is_operator(const struct principal *who);

/** May @who see objects of @tenant_id? */
static inline bool auth_sees(const struct principal *who, int64_t tenant_id)
{
    return who->tenant_id == 0 || who->tenant_id == tenant_id;
}

/** New secret of 64 characters [A-Za-z0-9]; also its SHA-256 as stored. */
void auth_secret_new(const struct bt_random *random, char ret[AUTH_SECRET_LEN + 1],
                     unsigned char ret_hash[32]);

/** SHA-256 of a secret as it is stored. */
void auth_secret_hash(const char *secret, size_t len, unsigned char ret[32]);

/** Bit set of a comma list of scope names, unknown ones ignored. */
uint64_t auth_scopes_from_str(const char *s);

/** Comma list of a bit set of scopes. Caller frees. */
char *auth_scopes_to_str(uint64_t scopes);

/* Asynchronous auth_get for the API: one hop to a reader. */
struct auth_request {
    struct db_read read; /* auth's */
    char secret[AUTH_SECRET_LEN];
    size_t len;
    struct principal who; /* result */
    void (*done)(struct auth_request *r, int rc, const struct bt_err *err);
    void *owner;
};

/** Start; done follows from the loop exactly once unless this fails. UNAUTHENTICATED (shape),
 * UNAVAILABLE. */
int auth_start(struct auth_request *r, struct db *db, const char *secret, struct bt_err *err);
