/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "common/base/world.h"

#define BT_UUID_LEN 36
#define BT_PORT_LEN 15 /* IFNAMSIZ - 1: "bt" + 12 base32 characters + NIC digit */

/** Random version 4 uuid (RFC 9562) as lower-case text into @dst. */
void bt_uuid_new(const struct bt_random *r, char dst[BT_UUID_LEN + 1]);

/** Lower-case uuid text of the usual shape (any version)? */
bool bt_uuid_ok(const char *s);

/**
 * Host-side port name of an instance's NIC: "bt" + the first 60 bits of the uuid in base32
 * (RFC 4648 alphabet, lower case) + @nic (0..9). @uuid must be bt_uuid_ok.
 */
void bt_port_name(const char *uuid, int nic, char dst[BT_PORT_LEN + 1]);
