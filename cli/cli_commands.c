/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"
#include "cli/cli_flags.h"

extern const struct cli_cmd cli_instance_commands[], cli_fleet_commands[], cli_other_commands[];

const struct cli_cmd *const cli_commands[] = {cli_instance_commands, cli_fleet_commands,
                                              cli_other_commands, NULL};
