-- A session speaks for an attempt while the attempt has not ended. A `+` before a column keeps
-- SQLite from choosing that column's index: a fenced write goes by id.

-- name: insert_attempts :many
-- Attempts that wait for a worker.
INSERT INTO attempts (job_id, idx, number, status, executor, priority, turn)
VALUES (?1, ?2, ?3, 'SCHEDULED', ?4, ?5, ?6);

-- name: insert_claimed_attempts :rows
-- Attempts that a worker takes on as they are made: they never wait.
INSERT INTO attempts (
    job_id, idx, number, status, executor, priority, turn, session, worker_id, queued_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, 'QUEUED', value ->> 3, value ->> 4, value ->> 5, ?1, ?2, ?3
FROM json_each(?4)
RETURNING id, job_id, idx, number, executor;

-- name: waiting_attempts :rows
-- Attempts of one executor that this worker may take, priority first, then by turn: its pin,
-- its labels, and no more CPU or memory than is free; ?7 asks for its own jobs alone.
SELECT a.id, a.job_id, a.idx, a.number, a.executor, a.priority, s.request_cpu, s.request_memory,
    a.turn
FROM attempts AS a
JOIN job_specs AS s ON s.job_id = a.job_id
WHERE a.status = 'SCHEDULED'
    AND a.executor = ?1
    AND (s.worker_pin IS NULL
        OR s.worker_pin = ?2
        OR (substr(s.worker_pin, -1) = '*'
            AND substr(?2, 1, length(s.worker_pin) - 1)
                = substr(s.worker_pin, 1, length(s.worker_pin) - 1)))
    AND (s.worker_selector IS NULL
        OR NOT EXISTS (
            SELECT 1 FROM json_each(s.worker_selector) AS wanted
            WHERE wanted.value IS NOT (
                SELECT h.value FROM json_each(?3) AS h WHERE h.key = wanted.key)))
    AND (NOT ?7 OR s.worker_pin = ?2)
    AND s.request_cpu <= ?4
    AND s.request_memory <= ?5
ORDER BY a.priority DESC, a.turn, a.id
LIMIT ?6;

-- name: reprioritize :none
-- Give a job's waiting attempts another priority.
UPDATE attempts
SET priority = ?2
WHERE job_id = ?1
    AND status = 'SCHEDULED';

-- name: failed_indexes :rows
-- Indexes of an Indexed job of which an attempt failed or was lost. Reads all of its attempts.
SELECT DISTINCT idx
FROM attempts
WHERE job_id = ?1
    AND status IN ('FAILED', 'LOST');

-- name: claim_attempts :rows
-- Take waiting attempts for a worker session; what was never queued waits.
UPDATE attempts
SET status = 'QUEUED', session = ?2, worker_id = ?3, queued_at = ?4
WHERE id IN (SELECT value FROM json_each(?1))
    AND queued_at IS NULL
RETURNING id, job_id, idx, number, executor;

-- name: start_attempts :rows
-- Fenced by the session: note that programs run. Answers with those it speaks for,
-- and what they had been asked.
UPDATE attempts
SET status = 'RUNNING', started_at = coalesce(started_at, row.value ->> 1), handle = row.value ->> 2
FROM json_each(?2) AS row
WHERE attempts.id = row.value ->> 0
    AND +session = ?1
    AND finished_at IS NULL
RETURNING attempts.id, stop_reason;

-- name: end_attempts :rows
-- Fenced by the session: write how attempts ended. Answers with those it speaks for, and what
-- they had been asked.
UPDATE attempts
SET
    status = row.value ->> 1,
    reason = coalesce(row.value ->> 2, CASE WHEN row.value ->> 1 = 'STOPPED' THEN stop_reason END),
    exit_code = row.value ->> 3,
    signal = row.value ->> 4,
    advice = row.value ->> 6,
    cpu_seconds = row.value ->> 7,
    peak_memory_bytes = row.value ->> 8,
    result = coalesce(row.value ->> 9, result),
    started_at = coalesce(started_at, row.value ->> 10),
    finished_at = row.value ->> 11,
    counted = row.value ->> 12
FROM json_each(?2) AS row
WHERE attempts.id = row.value ->> 0
    AND +session = ?1
    AND finished_at IS NULL
RETURNING attempts.id, stop_reason;

-- name: spoken_for :rows
-- Which of these attempts the session speaks for, and what they had been asked, and
-- how often they were restarted.
SELECT id, stop_reason, restarts
FROM attempts
WHERE id IN (SELECT value FROM json_each(?2))
    AND +session = ?1
    AND finished_at IS NULL;

-- name: grant_restarts :none
UPDATE attempts
SET restarts = restarts + 1
WHERE id IN (SELECT value FROM json_each(?1));

-- name: note_stops :none
-- Fenced by the session: the worker knows that these are to end.
UPDATE attempts
SET stop_seen = 1
WHERE id IN (SELECT value FROM json_each(?2))
    AND session = ?1;

-- name: note_progress :rows
-- Fenced by the session: keep how far programs say they are.
UPDATE attempts
SET progress_done = row.value ->> 1, progress_total = row.value ->> 2
FROM json_each(?2) AS row
WHERE attempts.id = row.value ->> 0
    AND +session = ?1
    AND finished_at IS NULL
RETURNING attempts.id;

-- name: stops_of_session :rows
-- Attempts of a session that decisions ended and that the worker has not said it knows of.
SELECT id, stop_reason, stop_grace
FROM attempts
WHERE session = ?1
    AND status IN ('QUEUED', 'RUNNING')
    AND stop_reason IS NOT NULL
    AND stop_seen = 0;

-- name: held_attempts :rows
-- What a session holds, for a worker that lost the answer to a claim.
SELECT id, job_id, idx, number, executor
FROM attempts
WHERE session = ?1
    AND status IN ('QUEUED', 'RUNNING')
ORDER BY id;

-- name: withdraw_attempts :rows
-- Delete attempts that no worker claimed, youngest first: ?2 of them (-1 all), of indexes from
-- ?3 on (-1 any).
DELETE FROM attempts
WHERE id IN (
    SELECT id FROM attempts
    WHERE job_id = ?1
        AND status = 'SCHEDULED'
        AND coalesce(idx, 0) >= ?3
    ORDER BY id DESC
    LIMIT ?2)
RETURNING idx;

-- name: ask_attempts :rows
-- Have workers end attempts: not yet running first, then the youngest.
UPDATE attempts
SET stop_reason = ?4, stop_grace = ?5
WHERE id IN (
    SELECT id FROM attempts
    WHERE job_id = ?1
        AND status IN ('QUEUED', 'RUNNING')
        AND stop_reason IS NULL
        AND coalesce(idx, 0) >= ?3
    ORDER BY status, id DESC
    LIMIT ?2)
RETURNING idx, restarts;

-- name: count_waiting :rows
-- How many attempts of these jobs wait for a worker.
SELECT job_id, count(*)
FROM attempts
WHERE job_id IN (SELECT value FROM json_each(?1))
    AND status = 'SCHEDULED'
GROUP BY job_id;

-- name: count_ended :rows
-- Take the ended attempts of held jobs that nobody counted, each once.
UPDATE attempts
SET counted = 1
WHERE job_id IN (SELECT value FROM json_each(?1))
    AND counted = 0
    AND finished_at IS NOT NULL
RETURNING
    job_id, id, idx, number, status, finished_at, started_at, reason, exit_code, signal, restarts,
    stop_reason, advice;

-- name: list_attempts :rows
-- A job's attempts, oldest first, ids above ?2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = ?1
    AND id > ?2
ORDER BY id
LIMIT ?3;

-- name: list_attempts_of_index :rows
-- The attempts of one index of a job, oldest first, ids above ?2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = ?1
    AND id > ?2
    AND idx = ?4
ORDER BY id
LIMIT ?3;

-- name: latest_attempts :rows
-- A job's attempts, newest first, ids below ?2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = ?1
    AND id < ?2
ORDER BY id DESC
LIMIT ?3;

-- name: latest_attempts_of_index :rows
-- The attempts of one index of a job, newest first, ids below ?2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = ?1
    AND id < ?2
    AND idx = ?4
ORDER BY id DESC
LIMIT ?3;

-- name: save_checkpoint :none
-- Keep a checkpoint with the index that the attempt works on.
INSERT INTO checkpoints (job_id, idx, value, at)
SELECT job_id, coalesce(idx, -1), ?2, ?3 FROM attempts WHERE id = ?1
ON CONFLICT (job_id, idx) DO UPDATE SET value = excluded.value, at = excluded.at;

-- name: last_checkpoint :rows
SELECT value
FROM checkpoints
WHERE job_id = ?1
    AND idx = ?2;

-- name: copy_checkpoints :none
-- Give job ?2 the checkpoints of job ?1 whose index lies in one of the ranges from ?3 to ?4.
INSERT INTO checkpoints (job_id, idx, value, at)
SELECT ?2, c.idx, c.value, c.at
FROM json_each(?3) AS start
JOIN json_each(?4) AS stop ON stop.key = start.key
JOIN checkpoints AS c ON c.job_id = ?1 AND c.idx >= start.value AND c.idx < stop.value;
