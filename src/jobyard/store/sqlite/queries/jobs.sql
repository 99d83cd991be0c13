-- name: now :rows
-- The clock of this machine; `now_us` is the driver's, so that tests can set it.
SELECT now_us();

-- name: take_ids :rows
-- Runs of fresh ids as (first, length); an id is never given twice.
UPDATE job_ids
SET last = last + ?1
RETURNING last - ?1 + 1, ?1;

-- name: lock_jobs :rows
-- The narrow rows of these jobs, ids ascending. SQLite's writer is alone, so all are free.
SELECT
    j.id, j.status, j.outcome, j.outcome_at, j.reason, j.message, j.request, j.waiting_on,
    j.dependency_failed, j.active, j.terminating, j.succeeded, j.failed, j.restarts,
    j.completed_indexes, j.failed_indexes, j.live_indexes, j.leaving_indexes, j.held, j.overall,
    j.tries, j.worker_id, j.retry_at, j.scheduled_at, j.admitted_at, j.queued_at, j.started_at,
    j.finished_at, j.expires_at, j.created_at, j.decide_at
FROM jobs AS j
WHERE j.id IN (SELECT value FROM json_each(?1))
ORDER BY j.id;

-- name: lock_job :rows
-- One job's narrow row, waiting for whoever holds it.
SELECT
    j.id, j.status, j.outcome, j.outcome_at, j.reason, j.message, j.request, j.waiting_on,
    j.dependency_failed, j.active, j.terminating, j.succeeded, j.failed, j.restarts,
    j.completed_indexes, j.failed_indexes, j.live_indexes, j.leaving_indexes, j.held, j.overall,
    j.tries, j.worker_id, j.retry_at, j.scheduled_at, j.admitted_at, j.queued_at, j.started_at,
    j.finished_at, j.expires_at, j.created_at, j.decide_at
FROM jobs AS j
WHERE j.id = ?1;

-- name: placements :rows
-- What held jobs were asked as.
SELECT
    job_id, policy, executor, priority, request_cpu, request_memory, worker_pin, worker_selector
FROM job_specs
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: insert_jobs :many
INSERT INTO jobs (
    id, status, outcome, outcome_at, reason, message, request, waiting_on, dependency_failed,
    active, terminating, succeeded, failed, restarts, completed_indexes, failed_indexes,
    live_indexes, leaving_indexes, held, overall, tries, worker_id, retry_at, scheduled_at,
    admitted_at, queued_at, started_at, finished_at, expires_at, created_at, decide_at, updated_at)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32);

-- name: update_jobs :many
-- The caller holds the rows. A terminal job is never written again.
UPDATE jobs
SET
    status = ?2, outcome = ?3, outcome_at = ?4, reason = ?5, message = ?6, request = ?7,
    waiting_on = ?8, dependency_failed = ?9, active = ?10, terminating = ?11, succeeded = ?12,
    failed = ?13, restarts = ?14, completed_indexes = ?15, failed_indexes = ?16,
    live_indexes = ?17, leaving_indexes = ?18, held = ?19, overall = ?20, tries = ?21,
    worker_id = ?22, retry_at = ?23, scheduled_at = ?24, admitted_at = ?25, queued_at = ?26,
    started_at = ?27, finished_at = ?28, expires_at = ?29, created_at = ?30, decide_at = ?31,
    updated_at = ?32
WHERE id = ?1
    AND finished_at IS NULL;

-- name: insert_specs :many
INSERT INTO job_specs (
    job_id, namespace, name, labels, executor, priority, request_cpu, request_memory, worker_pin,
    worker_selector, "trigger", retried_from, policy, spec)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14);

-- name: insert_labels :many
INSERT INTO job_labels (label, job_id)
VALUES (?1, ?2);

-- name: labels_of :rows
-- The labels of these jobs as `job_labels` has them, by what their specs say.
SELECT label.key || '=' || label.value, s.job_id
FROM job_specs AS s, json_each(s.labels) AS label
WHERE s.job_id IN (SELECT value FROM json_each(?1));

-- name: delete_labels :many
DELETE FROM job_labels
WHERE label = ?1
    AND job_id = ?2;

-- name: update_spec :none
-- Everything of a job that its spec decides; its executor never changes.
UPDATE job_specs
SET
    labels = ?2, priority = ?3, request_cpu = ?4, request_memory = ?5, worker_pin = ?6,
    worker_selector = ?7, policy = ?8, spec = ?9
WHERE job_id = ?1;

-- name: touch_finished :none
-- The time to live of a finished job that the caller holds changed: it goes at ?2, or never.
UPDATE jobs
SET expires_at = ?2, updated_at = ?3
WHERE id = ?1;

-- name: specs_of :rows
SELECT job_id, name, namespace, spec
FROM job_specs
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: jobs_by_id :rows
-- These jobs as people see them, ids ascending.
SELECT
    j.id, j.status, j.outcome, j.outcome_at, j.reason, j.message, j.request, j.waiting_on,
    j.dependency_failed, j.active, j.terminating, j.succeeded, j.failed, j.restarts,
    j.completed_indexes, j.failed_indexes, j.live_indexes, j.leaving_indexes, j.held, j.overall,
    j.tries, j.worker_id, j.retry_at, j.scheduled_at, j.admitted_at, j.queued_at, j.started_at,
    j.finished_at, j.expires_at, j.created_at,
    s.policy, s.name, s.namespace, s.labels, s.executor, s.priority, s."trigger", s.workflow_id,
    s.retried_from, j.updated_at, s.spec,
    (SELECT a.result FROM attempts AS a
     WHERE a.job_id = j.id AND a.result IS NOT NULL AND a.status = 'SUCCEEDED'
     ORDER BY a.id DESC LIMIT 1),
    s.dataset, s.manifest_hash
FROM jobs AS j
JOIN job_specs AS s ON s.job_id = j.id
WHERE j.id IN (SELECT value FROM json_each(?1))
ORDER BY j.id;

-- name: unplaced_among :rows
-- Those of these jobs of which no program started yet, or which no worker has; and whether one
-- was claimed and has not started.
SELECT id, status = 'QUEUED'
FROM jobs
WHERE id IN (SELECT value FROM json_each(?1))
    AND (status IN ('SCHEDULED', 'QUEUED') OR worker_id IS NULL);

-- name: due_jobs :rows
-- Jobs whose time has come, and jobs with news that nobody counted or applied.
SELECT * FROM (SELECT id FROM jobs WHERE decide_at <= ?1 ORDER BY decide_at LIMIT ?2)
UNION
SELECT * FROM (
    SELECT DISTINCT job_id FROM attempts WHERE counted = 0 AND finished_at IS NOT NULL
    ORDER BY job_id LIMIT ?2)
UNION
SELECT * FROM (
    SELECT DISTINCT job_id FROM dependencies WHERE applied = 0 AND satisfied IS NOT NULL
    ORDER BY job_id LIMIT ?2)
LIMIT ?2;

-- name: next_wake :rows
-- When the next job is due.
SELECT decide_at
FROM jobs
WHERE decide_at IS NOT NULL
ORDER BY decide_at
LIMIT 1;

-- name: insert_events :many
INSERT INTO job_events (job_id, event, status, at, reason, message, worker_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- name: list_events :rows
-- A job's ledger, oldest first, ids above ?2.
SELECT id, job_id, event, status, at, reason, message, worker_id
FROM job_events
WHERE job_id = ?1
    AND id > ?2
ORDER BY id
LIMIT ?3;
