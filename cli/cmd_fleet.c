/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"
#include "cli/cli_flags.h"

#define SETS(...)                                                                                  \
    (const struct cli_flag *const[])                                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define LIST(n, p, c)                                                                              \
    {                                                                                              \
        .noun = n, .verb = "list", .flags = SETS(cli_filter_flags), .method = "GET", .path = p,    \
        .out = OUT_LIST, .cols = c                                                                 \
    }
#define SHOW(n, p, c)                                                                              \
    {                                                                                              \
        .noun = n, .verb = "show", .usage = "NAME", .min_pos = 1, .max_pos = 1, .method = "GET",   \
        .path = p "/{0}", .out = OUT_OBJECT, .cols = c                                             \
    }
#define DELETE(n, p)                                                                               \
    {                                                                                              \
        .noun = n, .verb = "delete", .usage = "NAME", .min_pos = 1, .max_pos = 1,                  \
        .method = "DELETE", .path = p "/{0}"                                                       \
    }
#define CREATE(n, p, u, f, c)                                                                      \
    {                                                                                              \
        .noun = n, .verb = "create", .usage = u, .min_pos = 1, .max_pos = 1, .flags = f,           \
        .method = "POST", .path = p, .pos_keys = {"name"}, .out = OUT_OBJECT, .cols = c            \
    }
#define SET(n, p, u, f, c)                                                                         \
    {                                                                                              \
        .noun = n, .verb = "set", .usage = u, .min_pos = 1, .max_pos = 1, .flags = f,              \
        .method = "PATCH", .path = p "/{0}", .out = OUT_OBJECT, .cols = c                          \
    }
#define HOST_ACTION(v)                                                                             \
    {                                                                                              \
        .noun = "host", .verb = v, .usage = "NAME", .min_pos = 1, .max_pos = 1, .method = "POST",  \
        .path = "/hosts/{0}/actions/" v, .out = OUT_OBJECT, .cols = host_cols                      \
    }

static const struct cli_col plan_cols[] = {{"ID", "id", COL_TEXT},
                                           {"NAME", "name", COL_TEXT},
                                           {"DRIVERS", "drivers", COL_LIST},
                                           {"CPUS", "cpus", COL_TEXT},
                                           {"CPU LIMIT", "cpu_limit_millicores", COL_MILLI},
                                           {"MEMORY", "memory_bytes", COL_SIZE},
                                           {"DISK", "disk_bytes", COL_SIZE},
                                           {"TRAFFIC", "traffic_bytes", COL_RATE},
                                           {"FEATURES", "features", COL_LIST},
                                           {NULL}};
static const struct cli_flag plan_flags[] = {
    {"driver", CLI_LIST, CLI_BODY, "drivers", false, "container, kvm; repeatable"},
    {"feature", CLI_LIST, CLI_BODY, "features", false, "tun, net_admin, ...; none = strict"},
    {"image", CLI_LIST, CLI_BODY, "images", false, "only these images"},
    {"host-group", CLI_LIST, CLI_BODY, "host_groups", false, "only hosts of these groups"},
    {NULL}};

static const struct cli_col image_cols[] = {{"ID", "id", COL_TEXT},
                                            {"NAME", "name", COL_TEXT},
                                            {"VERSION", "version", COL_TEXT},
                                            {"STATE", "state", COL_TEXT},
                                            {"OS", "os_type", COL_TEXT},
                                            {"STOP SIGNAL", "stop_signal", COL_TEXT},
                                            {"CREATED", "created_at", COL_TIME},
                                            {NULL}};
static const struct cli_flag image_flags[] = {
    {"sha256", CLI_STR, CLI_BODY, "sha256", false, "must match"},
    {"kind", CLI_STR, CLI_BODY, "kind", false, "rootfs, oci or disk"},
    {"family", CLI_STR, CLI_BODY, "family", false, "e.g. debian"},
    {"version", CLI_STR, CLI_BODY, "version", false, "e.g. 12"},
    {"stop-signal", CLI_STR, CLI_BODY, "stop_signal", false, "SIGPWR, SIGRTMIN+3, ..."},
    {"os-type", CLI_STR, CLI_BODY, "os_type", false, "linux"},
    {"default-user", CLI_STR, CLI_BODY, "default_user", false, "login"},
    {"min-memory", CLI_SIZE, CLI_BODY, "min_memory_bytes", false, "least memory"},
    {"min-disk", CLI_SIZE, CLI_BODY, "min_disk_bytes", false, "least disk"},
    {"hidden", CLI_TRUE, CLI_BODY, "hidden", false, "not offered to tenants"},
    {NULL}};

static const struct cli_col pool_cols[] = {{"ID", "id", COL_TEXT},
                                           {"NAME", "name", COL_TEXT},
                                           {"CIDR", "cidr", COL_TEXT},
                                           {"GATEWAY", "gateway", COL_TEXT},
                                           {"DELIVERY", "delivery", COL_TEXT},
                                           {"HOST", "host", COL_TEXT},
                                           {"LOCATION", "location", COL_TEXT},
                                           {"USED", "used", COL_TEXT},
                                           {"FREE", "free", COL_TEXT},
                                           {NULL}};
static const struct cli_flag pool_flags[] = {
    {"cidr", CLI_STR, CLI_BODY, "cidr", false, "198.18.0.0/20"},
    {"gateway", CLI_STR, CLI_BODY, "gateway", false, "in-prefix gateway"},
    {"delivery", CLI_STR, CLI_BODY, "delivery", false, "routed, onlink or nat"},
    {"uplink", CLI_STR, CLI_BODY, "uplink", false, "interface"},
    {"ipv6-prefix-len", CLI_INT, CLI_BODY, "ipv6_prefix_len", false, "of an instance, default 64"},
    {"resolver", CLI_LIST, CLI_BODY, "resolvers", false, "repeatable"},
    {"rdns-pattern", CLI_STR, CLI_BODY, "rdns_pattern", false, "default reverse name"},
    {NULL}};

static const struct cli_col address_cols[] = {
    {"ADDRESS", "address", COL_TEXT},   {"PREFIX", "prefix", COL_TEXT},
    {"POOL", "pool", COL_TEXT},         {"STATE", "state", COL_TEXT},
    {"INSTANCE", "instance", COL_TEXT}, {NULL}};
static const struct cli_col history_cols[] = {
    {"ADDRESS", "address", COL_TEXT}, {"INSTANCE", "instance_uuid", COL_TEXT},
    {"TENANT", "tenant", COL_TEXT},   {"FROM", "from_at", COL_TIME},
    {"TO", "to_at", COL_TIME},        {NULL}};
static const struct cli_flag at_flags[] = {
    {"at", CLI_STR, CLI_QUERY, "at", false, "ms UTC or ISO 8601"}, {NULL}};
static const struct cli_flag note_flags[] = {{"note", CLI_STR, CLI_BODY, "note", false, "why"},
                                             {NULL}};

static const struct cli_col host_cols[] = {{"ID", "id", COL_TEXT},
                                           {"NAME", "name", COL_TEXT},
                                           {"STATE", "state", COL_TEXT},
                                           {"CORDONED", "cordoned", COL_TEXT},
                                           {"LOCATION", "location", COL_TEXT},
                                           {"CPUS", "capacity.physical.cpus", COL_TEXT},
                                           {"SOLD", "capacity.allocated.cpus", COL_TEXT},
                                           {"MEMORY", "capacity.sellable.memory_bytes", COL_SIZE},
                                           {"SOLD", "capacity.allocated.memory_bytes", COL_SIZE},
                                           {"DISK", "capacity.sellable.disk_bytes", COL_SIZE},
                                           {"SOLD", "capacity.allocated.disk_bytes", COL_SIZE},
                                           {"VPS", "capacity.allocated.instances", COL_TEXT},
                                           {"SEEN", "last_seen_at", COL_TIME},
                                           {NULL}};
static const struct cli_flag host_flags[] = {
    {"location", CLI_STR, CLI_BODY, "location", false, "location"},
    {"host-group", CLI_STR, CLI_BODY, "host_group", true, "group"},
    {NULL}};
static const struct cli_col group_cols[] = {
    {"ID", "id", COL_TEXT}, {"NAME", "name", COL_TEXT}, {"POLICY", "policy", COL_TEXT}, {NULL}};
static const struct cli_flag group_flags[] = {
    {"policy", CLI_STR, CLI_BODY, "policy", false, "spread or pack"}, {NULL}};
static const struct cli_col location_cols[] = {{"ID", "id", COL_TEXT},
                                               {"NAME", "name", COL_TEXT},
                                               {"DESCRIPTION", "description", COL_TEXT},
                                               {NULL}};
static const struct cli_flag location_flags[] = {
    {"description", CLI_STR, CLI_BODY, "description", false, "text"}, {NULL}};
static const struct cli_col join_cols[] = {{"ID", "id", COL_TEXT},
                                           {"HOST", "host", COL_TEXT},
                                           {"EXPIRES", "expires_at", COL_TIME},
                                           {"USED", "used_at", COL_TIME},
                                           {NULL}};
static const struct cli_flag join_flags[] = {
    {"host", CLI_STR, CLI_BODY, "host", false, "name of the new host (needed)"},
    {"location", CLI_STR, CLI_BODY, "location", false, "location"},
    {"host-group", CLI_STR, CLI_BODY, "host_group", false, "group"},
    {NULL}};

const struct cli_cmd cli_fleet_commands[] = {
    CREATE("plan", "/plans", "NAME [limits] [--feature F] [--driver D]",
           SETS(plan_flags, cli_limit_flags_flat), plan_cols),
    SET("plan", "/plans", "NAME [limits] [--feature F]", SETS(plan_flags, cli_limit_flags_flat),
        plan_cols),
    LIST("plan", "/plans", plan_cols),
    SHOW("plan", "/plans", plan_cols),
    DELETE("plan", "/plans"),
    {.noun = "image",
     .verb = "import",
     .usage = "NAME FILE|URL [--sha256 H]",
     .min_pos = 2,
     .max_pos = 2,
     .flags = SETS(image_flags),
     .method = "POST",
     .path = "/images",
     .pos_keys = {"name"},
     .out = OUT_TASK,
     .cols = image_cols,
     .run = cli_image_import},
    LIST("image", "/images", image_cols),
    SHOW("image", "/images", image_cols),
    DELETE("image", "/images"),
    CREATE("pool", "/pools", "NAME --cidr C [flags]", SETS(pool_flags, cli_place_flags), pool_cols),
    LIST("pool", "/pools", pool_cols),
    SHOW("pool", "/pools", pool_cols),
    DELETE("pool", "/pools"),
    LIST("address", "/addresses", address_cols),
    {.noun = "address",
     .verb = "history",
     .usage = "ADDRESS [--at T]",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(at_flags),
     .method = "GET",
     .path = "/addresses/{0}/history",
     .out = OUT_LIST,
     .cols = history_cols},
    {.noun = "address",
     .verb = "hold",
     .usage = "ADDRESS [--note T]",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(note_flags),
     .method = "POST",
     .path = "/addresses/{0}/actions/hold",
     .out = OUT_OBJECT,
     .cols = address_cols},
    {.noun = "address",
     .verb = "release",
     .usage = "ADDRESS",
     .min_pos = 1,
     .max_pos = 1,
     .method = "POST",
     .path = "/addresses/{0}/actions/release"},
    LIST("host", "/hosts", host_cols),
    SHOW("host", "/hosts", host_cols),
    SET("host", "/hosts", "NAME [flags]", SETS(host_flags, cli_overcommit_flags), host_cols),
    {.noun = "host",
     .verb = "adopt",
     .usage = "NAME",
     .min_pos = 1,
     .max_pos = 1,
     .path = "/hosts/{0}/actions/adopt",
     .out = OUT_OBJECT,
     .cols = host_cols,
     .run = cli_host_adopt},
    HOST_ACTION("cordon"),
    HOST_ACTION("uncordon"),
    HOST_ACTION("drain"),
    HOST_ACTION("confirm-destroys"),
    HOST_ACTION("retire"),
    CREATE("host-group", "/host-groups", "NAME [flags]", SETS(group_flags, cli_overcommit_flags),
           group_cols),
    SET("host-group", "/host-groups", "NAME [flags]", SETS(group_flags, cli_overcommit_flags),
        group_cols),
    LIST("host-group", "/host-groups", group_cols),
    CREATE("location", "/locations", "NAME", SETS(location_flags), location_cols),
    LIST("location", "/locations", location_cols),
    {.noun = "join-token",
     .verb = "create",
     .usage = "[HOST] [--host H] [--location L]",
     .max_pos = 1,
     .flags = SETS(join_flags),
     .method = "POST",
     .path = "/join-tokens",
     .pos_keys = {"host"},
     .out = OUT_SECRET,
     .cols = join_cols,
     .secret = "token"},
    LIST("join-token", "/join-tokens", join_cols),
    {NULL}};
