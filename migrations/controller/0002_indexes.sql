-- Indexes of the hot queries (docs/decisions/0006-repositories.md).
-- What a host has sold, without touching a row of the table.
CREATE INDEX instances_alloc ON instances
    (host_id, purged_at, trashed_at, alloc_cpus, alloc_memory_bytes, alloc_disk_bytes);
-- Lists of a tenant in order of id, and its caps.
CREATE INDEX instances_tenant ON instances (tenant_id, id, purged_at);
-- A name over all tenants, trashed ones too.
CREATE INDEX instances_by_name ON instances (name, id);
-- What is due to be purged.
CREATE INDEX instances_trash ON instances (delete_at) WHERE trashed_at > 0 AND purged_at = 0;
CREATE INDEX tasks_host ON tasks (host_id, id);
CREATE INDEX tasks_tenant ON tasks (tenant_id, id);
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at > 0;
CREATE INDEX tombstones_host ON tombstones (host_id, uuid) WHERE purged_at = 0;
CREATE INDEX orphans_host ON orphans (host_id, uuid);
CREATE INDEX addresses_orphan ON addresses (orphan_uuid) WHERE orphan_uuid IS NOT NULL;
CREATE INDEX host_certs_host ON host_certs (host_id);
CREATE INDEX usage_tenant ON usage (tenant_id, id);
CREATE INDEX usage_open ON usage (period_end) WHERE state = 'provisional';
CREATE INDEX outbox_at ON outbox (at);
CREATE INDEX address_history_open ON address_history (instance_uuid) WHERE to_at = 0;
