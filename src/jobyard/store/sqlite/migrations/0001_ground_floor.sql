-- phase: before
-- Times are microseconds since 1970. Sets of indexes are index text ("0,2,4-7").

CREATE TABLE job_ids (
    last INTEGER NOT NULL
) STRICT;
INSERT INTO job_ids VALUES (0);

-- The narrow row of a job: all that a decision reads and writes.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN (
        'PENDING', 'SCHEDULED', 'QUEUED', 'RUNNING', 'STOP_REQUESTED', 'STOPPING',
        'COMPLETED', 'FAILED', 'STOPPED', 'CANCELED')),
    outcome TEXT CHECK (outcome IN ('COMPLETED', 'FAILED', 'STOPPED', 'CANCELED')),
    outcome_at INTEGER,
    reason TEXT,
    message TEXT,
    request TEXT CHECK (request IN ('stop', 'cancel')),
    waiting_on INTEGER NOT NULL CHECK (waiting_on >= 0),
    dependency_failed INTEGER,
    active INTEGER NOT NULL CHECK (active >= 0),
    terminating INTEGER NOT NULL CHECK (terminating >= 0),
    succeeded INTEGER NOT NULL CHECK (succeeded >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    restarts INTEGER NOT NULL CHECK (restarts >= 0),
    completed_indexes TEXT NOT NULL,
    failed_indexes TEXT NOT NULL,
    live_indexes TEXT NOT NULL,
    leaving_indexes TEXT NOT NULL,
    held INTEGER NOT NULL,
    overall TEXT NOT NULL,
    tries TEXT NOT NULL,
    worker_id TEXT,
    retry_at INTEGER,
    scheduled_at INTEGER,
    admitted_at INTEGER,
    queued_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    decide_at INTEGER,
    updated_at INTEGER NOT NULL,
    CHECK ((status IN ('COMPLETED', 'FAILED', 'STOPPED', 'CANCELED')) = (finished_at IS NOT NULL)),
    CHECK (finished_at IS NULL OR (active = 0 AND terminating = 0 AND outcome = status))
) STRICT;
CREATE INDEX jobs_to_decide ON jobs (decide_at) WHERE decide_at IS NOT NULL;
CREATE INDEX jobs_to_expire ON jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (status, id);

-- What was asked for; only a change of a mutable field writes here again.
CREATE TABLE job_specs (
    job_id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    executor TEXT NOT NULL,
    priority INTEGER NOT NULL,
    request_cpu REAL NOT NULL,
    request_memory INTEGER NOT NULL,
    worker_pin TEXT,
    worker_selector TEXT,
    "trigger" TEXT NOT NULL,
    workflow_id INTEGER,
    retried_from INTEGER,
    policy TEXT NOT NULL,
    spec TEXT NOT NULL
) STRICT;
CREATE INDEX job_specs_by_name ON job_specs (name, job_id);
CREATE INDEX job_specs_by_namespace ON job_specs (namespace, job_id);

CREATE INDEX job_specs_pinned ON job_specs (worker_pin) WHERE worker_pin IS NOT NULL;

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL,
    idx INTEGER,
    number INTEGER NOT NULL CHECK (number >= 1),
    status TEXT NOT NULL CHECK (status IN (
        'SCHEDULED', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED', 'LOST')),
    executor TEXT NOT NULL,
    priority INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    session TEXT,
    worker_id TEXT,
    reason TEXT,
    exit_code INTEGER,
    signal INTEGER,
    restarts INTEGER NOT NULL DEFAULT 0 CHECK (restarts >= 0),
    stop_reason TEXT,
    stop_grace REAL,
    stop_seen INTEGER NOT NULL DEFAULT 0,
    counted INTEGER NOT NULL DEFAULT 0,
    advice TEXT,
    cpu_seconds REAL,
    peak_memory_bytes INTEGER,
    progress_done INTEGER,
    progress_total INTEGER,
    result TEXT,
    handle TEXT,
    queued_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    CHECK ((status IN ('SUCCEEDED', 'FAILED', 'STOPPED', 'LOST')) = (finished_at IS NOT NULL)),
    CHECK ((status = 'SCHEDULED') = (session IS NULL))
) STRICT;
CREATE INDEX attempts_by_job ON attempts (job_id, id);
CREATE INDEX attempts_by_index ON attempts (job_id, idx, id) WHERE idx IS NOT NULL;
-- The rest is small: it holds what waits, what runs and what is not counted, never what is over.
CREATE INDEX attempts_waiting ON attempts (executor, priority DESC, turn, id) WHERE status = 'SCHEDULED';
CREATE INDEX attempts_waiting_by_job ON attempts (job_id, id) WHERE status = 'SCHEDULED';
CREATE INDEX attempts_claimed ON attempts (job_id, id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX attempts_held ON attempts (session) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX attempts_uncounted ON attempts (job_id) WHERE counted = 0 AND finished_at IS NOT NULL;
CREATE INDEX attempts_with_result ON attempts (job_id, id) WHERE result IS NOT NULL;

CREATE TABLE checkpoints (
    job_id INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    value TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (job_id, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL,
    event TEXT NOT NULL,
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT,
    message TEXT
) STRICT;
CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TABLE dependencies (
    job_id INTEGER NOT NULL,
    on_job INTEGER NOT NULL,
    condition TEXT NOT NULL CHECK (condition IN ('completed', 'failed', 'finished')),
    satisfied INTEGER,
    applied INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, on_job)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_open ON dependencies (on_job) WHERE satisfied IS NULL;
CREATE INDEX dependencies_unapplied ON dependencies (job_id)
    WHERE applied = 0 AND satisfied IS NOT NULL;

-- Deleted jobs whose attempts, ledger and output are still to be removed, slice by slice.
CREATE TABLE deletions (
    job_id INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY,
    request_hash TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    executors TEXT NOT NULL,
    cpu REAL NOT NULL,
    memory INTEGER NOT NULL,
    labels TEXT NOT NULL,
    lease INTEGER NOT NULL CHECK (lease > 0),
    draining INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
