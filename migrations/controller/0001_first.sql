-- First schema of the controller. Times: integer ms UTC. Enums: text with CHECK, append-only.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT,
    external_id TEXT,
    source TEXT NOT NULL DEFAULT '',
    suspended TEXT NOT NULL DEFAULT '',
    limits TEXT NOT NULL DEFAULT '{}',
    max_instances INTEGER,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX tenants_external ON tenants (source, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT,
    role TEXT NOT NULL CHECK (role IN ('operator', 'tenant')),
    password_hash TEXT,
    totp_sealed BLOB,
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    PRIMARY KEY (user_id, tenant_id)
) STRICT;

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    tenant_id INTEGER REFERENCES tenants (id),  -- NULL = operator's
    user_id INTEGER REFERENCES users (id),
    secret_hash BLOB NOT NULL UNIQUE,            -- SHA-256 of the 64 characters
    scopes TEXT NOT NULL,                        -- comma list
    source TEXT NOT NULL DEFAULT '',             -- billing installation
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL DEFAULT 0,       -- 0 = never
    revoked_at INTEGER NOT NULL DEFAULT 0,
    last_used_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE ssh_keys (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE locations (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE host_groups (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    policy TEXT NOT NULL DEFAULT 'spread' CHECK (policy IN ('spread', 'pack')),
    overcommit_cpu_milli INTEGER,
    overcommit_memory_milli INTEGER,
    overcommit_disk_milli INTEGER,
    reserve_memory_bytes INTEGER,
    reserve_disk_bytes INTEGER,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE hosts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    location_id INTEGER NOT NULL REFERENCES locations (id),
    host_group_id INTEGER REFERENCES host_groups (id),
    state TEXT NOT NULL CHECK (state IN
        ('joining', 'online', 'draining', 'maintenance', 'unreachable', 'fenced', 'removed')),
    cordoned INTEGER NOT NULL DEFAULT 0 CHECK (cordoned IN (0, 1)),
    epoch INTEGER NOT NULL DEFAULT 0,            -- newest session wins
    cpus INTEGER NOT NULL DEFAULT 0,             -- physical, as the agent says
    memory_bytes INTEGER NOT NULL DEFAULT 0,
    disk_bytes INTEGER NOT NULL DEFAULT 0,
    overcommit_cpu_milli INTEGER,                -- NULL = the group's, then the default
    overcommit_memory_milli INTEGER,
    overcommit_disk_milli INTEGER,
    reserve_memory_bytes INTEGER,
    reserve_disk_bytes INTEGER,
    max_instances INTEGER,
    drivers TEXT NOT NULL DEFAULT '[]',
    facts TEXT NOT NULL DEFAULT '{}',
    agent_version TEXT,
    protocol INTEGER NOT NULL DEFAULT 0,
    boot_id TEXT,
    clock_skew_ms INTEGER NOT NULL DEFAULT 0,
    last_seen_at INTEGER NOT NULL DEFAULT 0,     -- written at session start and end only
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE host_certs (
    serial TEXT PRIMARY KEY,
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    not_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE join_tokens (
    id INTEGER PRIMARY KEY,
    token_id BLOB NOT NULL UNIQUE,               -- 8 bytes
    secret_hash BLOB NOT NULL,                   -- SHA-256 of the 32 bytes
    host_name TEXT NOT NULL,
    location_id INTEGER NOT NULL REFERENCES locations (id),
    host_group_id INTEGER REFERENCES host_groups (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL DEFAULT 0,
    host_id INTEGER REFERENCES hosts (id)
) STRICT;

-- What has been applied of each agent journal: nothing twice over sessions.
CREATE TABLE journals (
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    journal_id TEXT NOT NULL,
    applied_seq INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    PRIMARY KEY (host_id, journal_id)
) STRICT;

CREATE TABLE plans (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    drivers INTEGER NOT NULL,                    -- bit set: 1 container, 2 kvm
    limits TEXT NOT NULL,
    features INTEGER NOT NULL,                   -- bit set of proto's feature names
    images TEXT NOT NULL DEFAULT '[]',
    host_groups TEXT NOT NULL DEFAULT '[]',
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,                          -- several versions share a name; newest ready one wins
    family TEXT,
    version TEXT,
    state TEXT NOT NULL CHECK (state IN ('importing', 'ready', 'error')),
    min_memory_bytes INTEGER NOT NULL DEFAULT 0,
    min_disk_bytes INTEGER NOT NULL DEFAULT 0,
    os_type TEXT NOT NULL DEFAULT 'linux',
    default_user TEXT NOT NULL DEFAULT 'root',
    stop_signal TEXT NOT NULL DEFAULT 'SIGPWR',
    hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1)),
    expected_sha256 TEXT,
    error TEXT,
    row_version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX images_name ON images (name, id);

CREATE TABLE image_kinds (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('rootfs', 'oci', 'disk')),
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    UNIQUE (image_id, kind)
) STRICT;

CREATE TABLE pools (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    family INTEGER NOT NULL CHECK (family IN (4, 6)),
    cidr TEXT NOT NULL UNIQUE,
    gateway TEXT,
    delivery TEXT NOT NULL CHECK (delivery IN ('routed', 'onlink', 'nat')),
    uplink TEXT,
    host_id INTEGER REFERENCES hosts (id),
    host_group_id INTEGER REFERENCES host_groups (id),
    location_id INTEGER REFERENCES locations (id),
    ipv6_prefix_len INTEGER NOT NULL DEFAULT 64,
    resolvers TEXT NOT NULL DEFAULT '[]',
    rdns_pattern TEXT,
    cursor INTEGER NOT NULL DEFAULT 0,           -- where the next search for a free one begins
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE instances (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    external_id TEXT,
    previous_external_id TEXT,
    source TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL,
    hostname TEXT NOT NULL,
    plan_id INTEGER NOT NULL REFERENCES plans (id),
    image_id INTEGER NOT NULL REFERENCES images (id),
    driver TEXT NOT NULL CHECK (driver IN ('container', 'kvm')),
    host_id INTEGER REFERENCES hosts (id),
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'deleted')),
    desired_by TEXT NOT NULL DEFAULT 'user' CHECK (desired_by IN ('user', 'guest')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'initializing', 'stopped', 'starting', 'running',
        'stopping', 'paused', 'rebuilding', 'migrating', 'restoring', 'deleting', 'deleted', 'error',
        'unknown')),
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    suspended INTEGER NOT NULL DEFAULT 0,        -- bit set: 1 billing 2 traffic 4 abuse 8 admin
    suspend_text TEXT,
    locked_by INTEGER,                           -- task id
    protect_delete INTEGER NOT NULL DEFAULT 0 CHECK (protect_delete IN (0, 1)),
    protect_rebuild INTEGER NOT NULL DEFAULT 0 CHECK (protect_rebuild IN (0, 1)),
    features INTEGER NOT NULL,
    limits TEXT NOT NULL DEFAULT '{}',      -- overrides
    effective TEXT NOT NULL DEFAULT '{}', -- as read back by the agent
    alloc_cpus INTEGER NOT NULL,                 -- what it holds of its host: cores
    alloc_memory_bytes INTEGER NOT NULL,
    alloc_disk_bytes INTEGER NOT NULL,
    mac TEXT,
    generation INTEGER NOT NULL DEFAULT 1,
    observed_generation INTEGER NOT NULL DEFAULT 0,
    restart_seq INTEGER NOT NULL DEFAULT 0,
    reset_seq INTEGER NOT NULL DEFAULT 0,
    rebuild_seq INTEGER NOT NULL DEFAULT 0,
    password_seq INTEGER NOT NULL DEFAULT 0,
    ssh_keys TEXT NOT NULL DEFAULT '[]',
    password_hash TEXT,                          -- crypt(3)
    user_data TEXT,
    labels TEXT NOT NULL DEFAULT '{}',
    notes TEXT,
    error_code TEXT,
    error_message TEXT,
    error_task INTEGER,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL DEFAULT 0,
    trashed_at INTEGER NOT NULL DEFAULT 0,       -- in the trash since
    delete_at INTEGER NOT NULL DEFAULT 0,        -- purge time of a trashed one
    purged_at INTEGER NOT NULL DEFAULT 0
) STRICT;
-- A name is free again at once when its instance goes to the trash.
CREATE UNIQUE INDEX instances_name ON instances (tenant_id, name) WHERE trashed_at = 0;
CREATE UNIQUE INDEX instances_external ON instances (source, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX instances_mac ON instances (mac) WHERE mac IS NOT NULL AND purged_at = 0;
CREATE INDEX instances_host ON instances (host_id, purged_at);
CREATE INDEX instances_plan ON instances (plan_id) WHERE purged_at = 0;
CREATE INDEX instances_image ON instances (image_id) WHERE purged_at = 0;

-- A row = an address that is not free. n = index inside the pool (v4: offset, v6: prefix number).
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    pool_id INTEGER NOT NULL REFERENCES pools (id),
    n INTEGER NOT NULL,
    address TEXT NOT NULL UNIQUE,                -- canonical text of the (first) address
    prefix INTEGER NOT NULL,                     -- the pool's length (v4), the instance's own (v6)
    family INTEGER NOT NULL CHECK (family IN (4, 6)),
    state TEXT NOT NULL CHECK (state IN ('used', 'held', 'orphan')),
    instance_id INTEGER REFERENCES instances (id),
    orphan_uuid TEXT,
    note TEXT,
    rdns TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (pool_id, n)
) STRICT;
CREATE INDEX addresses_instance ON addresses (instance_id);

CREATE TABLE address_history (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    instance_uuid TEXT NOT NULL,
    tenant_id INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX address_history_address ON address_history (address, from_at);

CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'waiting', 'running', 'cancelling', 'success', 'error',
        'cancelled')),
    progress INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    step TEXT,
    waiting_for TEXT,
    instance_id INTEGER REFERENCES instances (id),
    host_id INTEGER REFERENCES hosts (id),
    image_id INTEGER,
    tenant_id INTEGER,
    actor TEXT NOT NULL,
    source TEXT NOT NULL DEFAULT '',
    args TEXT NOT NULL DEFAULT '{}',
    fingerprint TEXT NOT NULL DEFAULT '',        -- verb + arguments: the same again is the same task
    generation INTEGER NOT NULL DEFAULT 0,       -- of the spec that it sends
    error_code TEXT,
    error_message TEXT,
    error_hint TEXT,
    deadline_at INTEGER NOT NULL DEFAULT 0,      -- 0 = none
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL DEFAULT 0,
    finished_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tasks_open ON tasks (state, id) WHERE finished_at = 0;
CREATE INDEX tasks_instance ON tasks (instance_id, id);

-- Destroying needs one of these; never made by absence.
CREATE TABLE tombstones (
    uuid TEXT PRIMARY KEY,
    instance_id INTEGER NOT NULL REFERENCES instances (id),
    host_id INTEGER REFERENCES hosts (id),
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    purge_at INTEGER NOT NULL,
    purged_at INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Instances that an agent holds and that this database does not know.
CREATE TABLE orphans (
    uuid TEXT PRIMARY KEY,
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    name TEXT,
    spec TEXT NOT NULL,
    state TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    actor TEXT NOT NULL,
    tenant_id INTEGER,
    resource_type TEXT NOT NULL,
    resource_id INTEGER NOT NULL,
    data TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE idempotency_keys (
    principal TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL DEFAULT '{}',
    body TEXT,                                   -- as sent; NULL when `sealed` holds it, or erased
    sealed BLOB,
    task_id INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal, method, path, key)
) STRICT;
CREATE INDEX idempotency_created ON idempotency_keys (created_at);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id INTEGER NOT NULL DEFAULT 0,
    tenant_id INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL,
    ip TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT '',
    data TEXT NOT NULL DEFAULT '{}',
    hash BLOB NOT NULL                           -- SHA-256(previous hash | canonical row)
) STRICT;
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL,
    head BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;

CREATE TABLE usage (
    id INTEGER PRIMARY KEY,
    instance_id INTEGER NOT NULL REFERENCES instances (id),
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('provisional', 'closed')),
    in_bytes INTEGER NOT NULL DEFAULT 0,
    out_bytes INTEGER NOT NULL DEFAULT 0,
    cpu_ms INTEGER NOT NULL DEFAULT 0,
    memory_mib_hours INTEGER NOT NULL DEFAULT 0,
    disk_mib_hours INTEGER NOT NULL DEFAULT 0,
    ipv4_hours INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 1,
    UNIQUE (instance_id, period_start)
) STRICT;

CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    resource_type TEXT NOT NULL,
    resource_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    since INTEGER NOT NULL,
    cleared_at INTEGER NOT NULL DEFAULT 0,
    acknowledged_by TEXT
) STRICT;
CREATE UNIQUE INDEX alarms_open ON alarms (kind, resource_type, resource_id) WHERE cleared_at = 0;
