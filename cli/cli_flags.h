/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cli/cli.h"

/* Flag sets that several commands share (cli_flags.c); each ends with name NULL. */

/* --cpus ... --backups-max as plan fields, as overrides (limits.NAME), and none. */
extern const struct cli_flag cli_limit_flags_flat[], cli_limit_flags_nested[];
extern const struct cli_flag cli_filter_flags[], cli_overcommit_flags[], cli_place_flags[];
