/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli_flags.h"

/* Kinds of limits.def in flags: the same rows that validate on the server. */
#define KIND_COUNT CLI_INT
#define KIND_SIZE CLI_SIZE
#define KIND_RATE CLI_SI
#define KIND_MILLI CLI_MILLI
#define KIND_enum_traffic_count CLI_STR
#define KIND_enum_traffic_action CLI_STR

const struct cli_flag cli_limit_flags_flat[] = {
#define BT_LIMIT(member, flag, kind, min, max, flags, help)                                        \
    {flag, KIND_##kind, CLI_BODY, #member, true, help},
#include "proto/limits.def"
#undef BT_LIMIT
    {NULL}};

const struct cli_flag cli_limit_flags_nested[] = {
#define BT_LIMIT(member, flag, kind, min, max, flags, help)                                        \
    {flag, KIND_##kind, CLI_BODY, "limits." #member, true, help},
#include "proto/limits.def"
#undef BT_LIMIT
    {NULL}};

const struct cli_flag cli_filter_flags[] = {
    {"tenant", CLI_STR, CLI_QUERY, "tenant", false, "only this tenant's"},
    {"host", CLI_STR, CLI_QUERY, "host", false, "only on this host"},
    {"plan", CLI_STR, CLI_QUERY, "plan", false, "only of this plan"},
    {"image", CLI_STR, CLI_QUERY, "image", false, "only of this image"},
    {"state", CLI_STR, CLI_QUERY, "state", false, "only in this state"},
    {"name", CLI_STR, CLI_QUERY, "name", false, "only of this name"},
    {"instance", CLI_STR, CLI_QUERY, "instance", false, "only of this instance"},
    {"deleted", CLI_TRUE, CLI_QUERY, "deleted", false, "trashed ones too"},
    {NULL}};

const struct cli_flag cli_overcommit_flags[] = {
    {"overcommit-cpu", CLI_MILLI, CLI_BODY, "overcommit.cpu_milli", true, "cores sold per core"},
    {"overcommit-memory", CLI_MILLI, CLI_BODY, "overcommit.memory_milli", true,
     "memory sold per byte"},
    {"overcommit-disk", CLI_MILLI, CLI_BODY, "overcommit.disk_milli", true, "disk sold per byte"},
    {"reserve-memory", CLI_SIZE, CLI_BODY, "overcommit.reserve_memory_bytes", true,
     "kept for the host"},
    {"reserve-disk", CLI_SIZE, CLI_BODY, "overcommit.reserve_disk_bytes", true,
     "kept for the host"},
    {"max-instances", CLI_INT, CLI_BODY, "overcommit.max_instances", true, "at most so many"},
    {NULL}};

const struct cli_flag cli_place_flags[] = {
    {"host", CLI_STR, CLI_BODY, "host", true, "host"},
    {"host-group", CLI_STR, CLI_BODY, "host_group", true, "host group"},
    {"location", CLI_STR, CLI_BODY, "location", true, "location"},
    {NULL}};
