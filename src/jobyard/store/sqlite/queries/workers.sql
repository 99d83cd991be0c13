-- name: worker_of_session :rows
-- The session's lease holds until the transaction ends.
SELECT id, labels, draining
FROM workers
WHERE session = ?1;

-- name: sessions_of_worker :rows
SELECT session, lease_until
FROM workers
WHERE id = ?1;

-- name: insert_worker :none
INSERT INTO workers (
    id, session, host, pid, version, executors, cpu, memory, labels, lease, started_at,
    heartbeat_at, lease_until)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12);

-- name: renew_lease :rows
-- Renew a lease that a controller has not taken; a late renewal of one it has not is good.
UPDATE workers
SET heartbeat_at = ?2, lease_until = ?2 + lease
WHERE session = ?1
RETURNING
    id, session, host, pid, version, executors, cpu, memory, labels, lease, draining, started_at,
    heartbeat_at, lease_until;

-- name: take_portion :rows
-- Take note that a worker has told a portion of what it measures, unless it did so before.
UPDATE workers
SET portions = ?2
WHERE session = ?1
    AND portions < ?2
RETURNING id;

-- name: expired_sessions :rows
-- Workers whose lease ran out, as far as the caller would have seen a renewal.
SELECT session
FROM workers
WHERE lease_until < ?1
    AND lease <= ?2;

-- name: delete_worker :none
DELETE FROM workers
WHERE session = ?1;

-- name: lose_attempts :rows
-- What a session holds is lost, and waits to be counted.
UPDATE attempts
SET status = 'LOST', reason = 'WorkerLost', finished_at = ?2
WHERE session = ?1
    AND status IN ('QUEUED', 'RUNNING')
RETURNING id;

-- name: release_jobs :none
-- Let others claim what was submitted for this worker alone; a pin of the spec's own stays.
UPDATE job_specs
SET worker_pin = spec ->> 'worker_id'
WHERE worker_pin = (SELECT id FROM workers WHERE session = ?1)
    AND "trigger" = 'run';

-- name: list_workers :rows
-- Workers whose lease runs, with how many attempts each holds.
SELECT
    w.id, w.session, w.host, w.pid, w.version, w.executors, w.cpu, w.memory, w.labels, w.lease,
    w.draining, w.started_at, w.heartbeat_at, w.lease_until,
    (SELECT count(*) FROM attempts AS a
     WHERE a.session = w.session AND a.status IN ('QUEUED', 'RUNNING'))
FROM workers AS w
WHERE w.lease_until >= ?1
ORDER BY w.id;

-- name: drain_worker :none
UPDATE workers
SET draining = ?2
WHERE id = ?1;
