/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"
#include "proto/helper_unpack.h"

enum { FETCH_CERT_FD = 5, FETCH_KEY_FD = 6, FETCH_CA_FD = 7 };

/**
 * Download @r->url into @fd, going on where the file ends (Range), with the agent's certificate,
 * and check size and SHA-256 of the whole. A file that does not match is emptied (CHECKSUM).
 * Blocking. Errors: UNAVAILABLE (retry later), TOO_LARGE, CHECKSUM, STORAGE_FULL.
 */
int fetch_file(const struct helper_fetch_request *r, int fd, struct helper_fetch_ok *ret,
               struct bt_err *err);
