-- phase: before
-- Times are microseconds since 1970. Sets of indexes are index text ("0,2,4-7").
--
-- An update that changes no indexed column, and no column of an index's predicate, stays within
-- its page and touches no index (HOT). So the indexes of `jobs` name only columns that change
-- with a job's beginning and end, and its pages keep room for the versions in between.

CREATE SEQUENCE job_ids AS bigint;

-- The narrow row of a job: all that a decision reads and writes.
CREATE TABLE jobs (
    id bigint PRIMARY KEY,
    status text NOT NULL CHECK (status IN (
        'PENDING', 'SCHEDULED', 'QUEUED', 'RUNNING', 'STOP_REQUESTED', 'STOPPING',
        'COMPLETED', 'FAILED', 'STOPPED', 'CANCELED')),
    outcome text CHECK (outcome IN ('COMPLETED', 'FAILED', 'STOPPED', 'CANCELED')),
    outcome_at bigint,
    reason text,
    message text,
    request text CHECK (request IN ('stop', 'cancel')),
    waiting_on integer NOT NULL CHECK (waiting_on >= 0),
    dependency_failed bigint,
    active integer NOT NULL CHECK (active >= 0),
    terminating integer NOT NULL CHECK (terminating >= 0),
    succeeded integer NOT NULL CHECK (succeeded >= 0),
    failed integer NOT NULL CHECK (failed >= 0),
    restarts integer NOT NULL CHECK (restarts >= 0),
    completed_indexes text NOT NULL,
    failed_indexes text NOT NULL,
    live_indexes text NOT NULL,
    leaving_indexes text NOT NULL,
    held boolean NOT NULL,
    overall text NOT NULL,
    tries text NOT NULL,
    worker_id text,
    retry_at bigint,
    scheduled_at bigint,
    admitted_at bigint,
    queued_at bigint,
    started_at bigint,
    finished_at bigint,
    expires_at bigint,
    created_at bigint NOT NULL,
    decide_at bigint,
    updated_at bigint NOT NULL,
    CHECK ((status IN ('COMPLETED', 'FAILED', 'STOPPED', 'CANCELED')) = (finished_at IS NOT NULL)),
    CHECK (finished_at IS NULL OR (active = 0 AND terminating = 0 AND outcome = status))
) WITH (
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX jobs_to_decide ON jobs (decide_at) WHERE decide_at IS NOT NULL;
CREATE INDEX jobs_to_expire ON jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_active ON jobs (id) WHERE finished_at IS NULL;
-- A terminal job's status is its outcome, which is written once.
CREATE INDEX jobs_by_outcome ON jobs (outcome, id) WHERE finished_at IS NOT NULL;

-- What was asked for; only a change of a mutable field writes here again.
CREATE TABLE job_specs (
    job_id bigint PRIMARY KEY,
    namespace text NOT NULL,
    name text NOT NULL,
    labels text NOT NULL,
    executor text NOT NULL,
    priority integer NOT NULL,
    request_cpu double precision NOT NULL,
    request_memory bigint NOT NULL,
    worker_pin text,
    worker_selector text,
    "trigger" text NOT NULL,
    workflow_id bigint,
    retried_from bigint,
    policy text NOT NULL,
    spec text NOT NULL
);
CREATE INDEX job_specs_by_name ON job_specs (name, job_id);
CREATE INDEX job_specs_by_namespace ON job_specs (namespace, job_id);
CREATE INDEX job_specs_pinned ON job_specs (worker_pin) WHERE worker_pin IS NOT NULL;

CREATE TABLE attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id bigint NOT NULL,
    idx integer,
    number integer NOT NULL CHECK (number >= 1),
    status text NOT NULL CHECK (status IN (
        'SCHEDULED', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED', 'LOST')),
    executor text NOT NULL,
    priority integer NOT NULL,
    turn bigint NOT NULL,
    session text,
    worker_id text,
    reason text,
    exit_code integer,
    signal integer,
    restarts integer NOT NULL DEFAULT 0 CHECK (restarts >= 0),
    stop_reason text,
    stop_grace double precision,
    stop_seen boolean NOT NULL DEFAULT false,
    counted boolean NOT NULL DEFAULT false,
    advice text,
    cpu_seconds double precision,
    peak_memory_bytes bigint,
    progress_done bigint,
    progress_total bigint,
    result text,
    handle text,
    queued_at bigint,
    started_at bigint,
    finished_at bigint,
    CHECK ((status IN ('SUCCEEDED', 'FAILED', 'STOPPED', 'LOST')) = (finished_at IS NOT NULL)),
    CHECK ((status = 'SCHEDULED') = (session IS NULL))
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX attempts_by_job ON attempts (job_id, id);
CREATE INDEX attempts_by_index ON attempts (job_id, idx, id) WHERE idx IS NOT NULL;
-- The rest is small: it holds what waits, what runs and what is not counted, never what is over.
-- An attempt without a session waits, too; two ways to say so keep the planner from taking the
-- index of all that waits where that of one job is meant.
CREATE INDEX attempts_waiting ON attempts (executor, priority DESC, turn, id) WHERE session IS NULL;
CREATE INDEX attempts_waiting_by_job ON attempts (job_id, id) WHERE status = 'SCHEDULED';
CREATE INDEX attempts_claimed ON attempts (job_id, id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX attempts_to_stop ON attempts (session)
    WHERE status IN ('QUEUED', 'RUNNING') AND stop_reason IS NOT NULL AND NOT stop_seen;
CREATE INDEX attempts_uncounted ON attempts (job_id) WHERE NOT counted AND finished_at IS NOT NULL;
CREATE INDEX attempts_with_result ON attempts (job_id, id) WHERE result IS NOT NULL;

CREATE TABLE checkpoints (
    job_id bigint NOT NULL,
    idx integer NOT NULL,
    value text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (job_id, idx)
);

CREATE TABLE job_events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    job_id bigint NOT NULL,
    event text NOT NULL,
    status text NOT NULL,
    at bigint NOT NULL,
    reason text,
    message text,
    PRIMARY KEY (job_id, id)
);

CREATE TABLE dependencies (
    job_id bigint NOT NULL,
    on_job bigint NOT NULL,
    condition text NOT NULL CHECK (condition IN ('completed', 'failed', 'finished')),
    satisfied boolean,
    applied boolean NOT NULL DEFAULT false,
    PRIMARY KEY (job_id, on_job)
);
CREATE INDEX dependencies_open ON dependencies (on_job) WHERE satisfied IS NULL;
CREATE INDEX dependencies_unapplied ON dependencies (job_id)
    WHERE NOT applied AND satisfied IS NOT NULL;

-- Deleted jobs whose attempts, ledger and output are still to be removed, slice by slice.
CREATE TABLE deletions (
    job_id bigint PRIMARY KEY
);

CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    request_hash text NOT NULL,
    job_id bigint NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE workers (
    id text PRIMARY KEY,
    session text NOT NULL UNIQUE,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    executors text NOT NULL,
    cpu double precision NOT NULL,
    memory bigint NOT NULL,
    labels text NOT NULL,
    lease bigint NOT NULL CHECK (lease > 0),
    draining boolean NOT NULL DEFAULT false,
    started_at bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    lease_until bigint NOT NULL
) WITH (fillfactor = 50);

-- What programs printed. The bytes are compressed already: PostgreSQL is not to try again.
CREATE TABLE log_chunks (
    attempt_id bigint NOT NULL,
    start bigint NOT NULL,
    length integer NOT NULL,
    job_id bigint NOT NULL,
    at bigint NOT NULL,
    runs text NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (attempt_id, start)
);
ALTER TABLE log_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX log_chunks_by_job ON log_chunks (job_id);

-- The shapes in which rows come in bulk, columns in the order of the store's tuples. An array of
-- such rows costs the client a third of what an array for each column does.
CREATE TYPE job_row AS (
    id bigint, status text, outcome text, outcome_at bigint, reason text, message text,
    request text, waiting_on integer, dependency_failed bigint, active integer,
    terminating integer, succeeded integer, failed integer, restarts integer,
    completed_indexes text, failed_indexes text, live_indexes text, leaving_indexes text,
    held boolean, overall text, tries text, worker_id text, retry_at bigint,
    scheduled_at bigint, admitted_at bigint, queued_at bigint, started_at bigint,
    finished_at bigint, expires_at bigint, created_at bigint, decide_at bigint,
    updated_at bigint
);
CREATE TYPE spec_row AS (
    job_id bigint, namespace text, name text, labels text, executor text, priority integer,
    request_cpu double precision, request_memory bigint, worker_pin text, worker_selector text,
    "trigger" text, retried_from bigint, policy text, spec text
);
CREATE TYPE attempt_row AS (
    job_id bigint, idx integer, number integer, executor text, priority integer, turn bigint
);
CREATE TYPE start_row AS (
    id bigint, started_at bigint, handle text
);
CREATE TYPE end_row AS (
    id bigint, status text, reason text, exit_code integer, signal integer, restarts integer,
    advice text, cpu_seconds double precision, peak_memory_bytes bigint, result text,
    started_at bigint, finished_at bigint, counted boolean
);
CREATE TYPE progress_row AS (
    id bigint, done bigint, total bigint
);
CREATE TYPE event_row AS (
    job_id bigint, event text, status text, at bigint, reason text, message text
);
CREATE TYPE edge_row AS (
    job_id bigint, on_job bigint, condition text
);
CREATE TYPE outcome_row AS (
    id bigint, status text
);
CREATE TYPE key_row AS (
    key text, request_hash text, job_id bigint, created_at bigint
);
