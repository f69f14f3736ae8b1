-- The agent's journal: what it was told, what it did, what it has to report. Local facts only.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row for each instance that this host holds (also trashed ones until they are purged).
CREATE TABLE instances (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    driver TEXT NOT NULL CHECK (driver IN ('container', 'kvm', 'fake')),
    generation INTEGER NOT NULL,             -- of `spec`, the last one accepted
    done_generation INTEGER NOT NULL DEFAULT 0, -- the last one whose steps ended well
    spec TEXT NOT NULL,                      -- link message instance_spec
    state TEXT NOT NULL,                     -- observed
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'deleted')),
    desired_by TEXT NOT NULL CHECK (desired_by IN ('spec', 'guest')), -- guest = power-off inside
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    local_suspend TEXT NOT NULL DEFAULT '',  -- the reason `traffic`, ours
    id_base INTEGER UNIQUE,                  -- first host id of the range; kept until purge
    done_restart_seq INTEGER NOT NULL DEFAULT 0,
    done_reset_seq INTEGER NOT NULL DEFAULT 0,
    done_rebuild_seq INTEGER NOT NULL DEFAULT 0,
    done_password_seq INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER NOT NULL DEFAULT 0,
    boot_id TEXT,                            -- boot of the host in which it was last started
    init_pid INTEGER NOT NULL DEFAULT 0,
    init_start INTEGER NOT NULL DEFAULT 0,   -- field 22 of /proc/PID/stat
    fails INTEGER NOT NULL DEFAULT 0,        -- ends in a row, for the restart back-off
    next_start_at INTEGER NOT NULL DEFAULT 0,
    trashed_at INTEGER NOT NULL DEFAULT 0,
    purge_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

-- The job of each instance that is not finished, and finished ones for answers to repeated tasks.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL UNIQUE,         -- the controller's
    uuid TEXT NOT NULL,
    action TEXT NOT NULL,
    generation INTEGER NOT NULL,
    args TEXT NOT NULL,                      -- link message task
    state TEXT NOT NULL CHECK (state IN ('accepted', 'undoing', 'success', 'error', 'cancelled')),
    result TEXT,                             -- link message result
    created_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_uuid ON jobs (uuid, id);

-- Reports to the controller, kept until acknowledged. seq grows for the life of this journal.
CREATE TABLE reports (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    op TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- Deletes and purges of the last ten minutes, for the destroy brake.
CREATE TABLE destroys (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('delete', 'purge')),
    uuid TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX destroys_at ON destroys (kind, at);

CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('fetching', 'unpacking', 'ready')),
    bytes INTEGER NOT NULL DEFAULT 0,
    last_used_at INTEGER NOT NULL
) STRICT;
