-- Writes of many rows go by ascending ids, so that two of them never wait for each other in a ring.
-- A session speaks for an attempt while the attempt has not ended. The fence says so by
-- `finished_at`, not by status: so no partial index tempts the planner away from the ids.

-- name: insert_attempts :many
-- Attempts that wait for a worker.
INSERT INTO attempts (job_id, idx, number, status, executor, priority, turn)
SELECT r.job_id, r.idx, r.number, 'SCHEDULED', r.executor, r.priority, r.turn
FROM unnest($1::attempt_row[]) AS r;

-- name: insert_claimed_attempts :rows
-- Attempts that a worker takes on as they are made: they never wait.
INSERT INTO attempts (
    job_id, idx, number, status, executor, priority, turn, session, worker_id, queued_at)
SELECT r.job_id, r.idx, r.number, 'QUEUED', r.executor, r.priority, r.turn, $1, $2, $3
FROM unnest($4::attempt_row[]) AS r
RETURNING id, job_id, idx, number, executor;

-- name: waiting_attempts :rows
-- Attempts of one executor that this worker may take and nobody else is taking, priority first,
-- then by turn: its pin, its labels, and no more CPU or memory than is free; $7 asks for its
-- own jobs alone. OFFSET 0 keeps what fits apart from what waits: the planner, who takes nearly
-- everything for unfit, would look through all attempts there are and sort what is left.
SELECT a.id, a.job_id, a.idx, a.number, a.executor, a.priority, s.request_cpu, s.request_memory,
    a.turn
FROM attempts AS a
CROSS JOIN LATERAL (
    SELECT f.request_cpu, f.request_memory FROM job_specs AS f
    WHERE f.job_id = a.job_id
        AND (f.worker_pin IS NULL
            OR f.worker_pin = $2
            OR (right(f.worker_pin, 1) = '*' AND starts_with($2, left(f.worker_pin, -1))))
        AND (f.worker_selector IS NULL OR f.worker_selector::jsonb <@ $3::text::jsonb)
        AND (NOT $7::boolean OR f.worker_pin = $2)
        AND f.request_cpu <= $4
        AND f.request_memory <= $5
    OFFSET 0) AS s
WHERE a.session IS NULL
    AND a.executor = $1
ORDER BY a.priority DESC, a.turn, a.id
LIMIT $6
FOR NO KEY UPDATE OF a SKIP LOCKED;

-- name: reprioritize :none
-- Give a job's waiting attempts another priority.
UPDATE attempts
SET priority = $2
WHERE job_id = $1
    AND status = 'SCHEDULED';

-- name: failed_indexes :rows
-- Indexes of an Indexed job of which an attempt failed or was lost. Reads all of its attempts.
SELECT DISTINCT idx
FROM attempts
WHERE job_id = $1
    AND status IN ('FAILED', 'LOST');

-- name: claim_attempts :rows
-- Take waiting attempts for a worker session; what was never queued waits.
UPDATE attempts
SET status = 'QUEUED', session = $2, worker_id = $3, queued_at = $4
WHERE id = ANY ($1::bigint[])
    AND queued_at IS NULL
RETURNING id, job_id, idx, number, executor;

-- name: start_attempts :rows
-- Fenced by the session: note that programs run. Answers with those it speaks for,
-- and what they had been asked.
UPDATE attempts AS a
SET status = 'RUNNING', started_at = coalesce(a.started_at, r.started_at), handle = r.handle
FROM unnest($2::start_row[]) AS r
WHERE a.id = r.id
    AND a.session = $1
    AND a.finished_at IS NULL
RETURNING a.id, a.stop_reason;

-- name: end_attempts :rows
-- Fenced by the session: write how attempts ended. Answers with those it speaks for, and what
-- they had been asked.
UPDATE attempts AS a
SET
    status = r.status,
    reason = coalesce(r.reason, CASE WHEN r.status = 'STOPPED' THEN a.stop_reason END),
    exit_code = r.exit_code,
    signal = r.signal,
    advice = r.advice,
    cpu_seconds = r.cpu_seconds,
    peak_memory_bytes = r.peak_memory_bytes,
    result = coalesce(r.result, a.result),
    started_at = coalesce(a.started_at, r.started_at),
    finished_at = r.finished_at,
    counted = r.counted
FROM unnest($2::end_row[]) AS r
WHERE a.id = r.id
    AND a.session = $1
    AND a.finished_at IS NULL
RETURNING a.id, a.stop_reason;

-- name: spoken_for :rows
-- Which of these attempts the session speaks for until the transaction ends, and what they had
-- been asked, and how often they were restarted.
SELECT id, stop_reason, restarts
FROM attempts
WHERE id = ANY ($2::bigint[])
    AND session = $1
    AND finished_at IS NULL
ORDER BY id
FOR NO KEY UPDATE;

-- name: grant_restarts :none
UPDATE attempts
SET restarts = restarts + 1
WHERE id = ANY ($1::bigint[]);

-- name: note_stops :none
-- Fenced by the session: the worker knows that these are to end.
UPDATE attempts
SET stop_seen = true
WHERE id = ANY ($2::bigint[])
    AND session = $1;

-- name: note_progress :rows
-- Fenced by the session: keep how far programs say they are.
UPDATE attempts AS a
SET progress_done = r.done, progress_total = r.total
FROM unnest($2::progress_row[]) AS r
WHERE a.id = r.id
    AND a.session = $1
    AND a.finished_at IS NULL
RETURNING a.id;

-- name: stops_of_session :rows
-- Attempts of a session that decisions ended and that the worker has not said it knows of.
SELECT id, stop_reason, stop_grace
FROM attempts
WHERE session = $1
    AND status IN ('QUEUED', 'RUNNING')
    AND stop_reason IS NOT NULL
    AND NOT stop_seen;

-- name: held_attempts :rows
-- What a session holds, for a worker that lost the answer to a claim.
SELECT id, job_id, idx, number, executor
FROM attempts
WHERE session = $1
    AND status IN ('QUEUED', 'RUNNING')
ORDER BY id;

-- name: withdraw_attempts :rows
-- Delete attempts that no worker claimed, youngest first: $2 of them (-1 all), of indexes from
-- $3 on (-1 any). Waits for a worker that is claiming one; that one is not deleted then.
DELETE FROM attempts
WHERE id = ANY (ARRAY(
    SELECT id FROM attempts
    WHERE job_id = $1
        AND status = 'SCHEDULED'
        AND coalesce(idx, 0) >= $3
    ORDER BY id DESC
    LIMIT nullif($2::integer, -1)))
    AND status = 'SCHEDULED'
RETURNING idx;

-- name: ask_attempts :rows
-- Have workers end attempts: not yet running first, then the youngest.
UPDATE attempts
SET stop_reason = $4, stop_grace = $5
WHERE id = ANY (ARRAY(
    SELECT id FROM attempts
    WHERE job_id = $1
        AND status IN ('QUEUED', 'RUNNING')
        AND stop_reason IS NULL
        AND coalesce(idx, 0) >= $3
    ORDER BY status, id DESC
    LIMIT nullif($2::integer, -1)))
    AND status IN ('QUEUED', 'RUNNING')
RETURNING idx, restarts;

-- name: count_waiting :rows
-- How many attempts of these jobs wait for a worker.
SELECT job_id, count(*)
FROM attempts
WHERE job_id = ANY ($1::bigint[])
    AND status = 'SCHEDULED'
GROUP BY job_id;

-- name: count_ended :rows
-- Take the ended attempts of held jobs that nobody counted, each once.
UPDATE attempts
SET counted = true
WHERE job_id = ANY ($1::bigint[])
    AND NOT counted
    AND finished_at IS NOT NULL
RETURNING
    job_id, id, idx, number, status, finished_at, started_at, reason, exit_code, signal, restarts,
    stop_reason, advice;

-- name: list_attempts :rows
-- A job's attempts, oldest first, ids above $2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = $1
    AND id > $2
ORDER BY id
LIMIT $3;

-- name: list_attempts_of_index :rows
-- The attempts of one index of a job, oldest first, ids above $2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = $1
    AND id > $2
    AND idx = $4
ORDER BY id
LIMIT $3;

-- name: latest_attempts :rows
-- A job's attempts, newest first, ids below $2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = $1
    AND id < $2
ORDER BY id DESC
LIMIT $3;

-- name: latest_attempts_of_index :rows
-- The attempts of one index of a job, newest first, ids below $2.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM attempts
WHERE job_id = $1
    AND id < $2
    AND idx = $4
ORDER BY id DESC
LIMIT $3;

-- name: save_checkpoint :none
-- Keep a checkpoint with the index that the attempt works on.
INSERT INTO checkpoints (job_id, idx, value, at)
SELECT job_id, coalesce(idx, -1), $2, $3 FROM attempts WHERE id = $1
ON CONFLICT (job_id, idx) DO UPDATE SET value = excluded.value, at = excluded.at;

-- name: last_checkpoint :rows
SELECT value
FROM checkpoints
WHERE job_id = $1
    AND idx = $2;

-- name: copy_checkpoints :none
-- Give job $2 the checkpoints of job $1 whose index lies in one of the ranges from $3 to $4.
INSERT INTO checkpoints (job_id, idx, value, at)
SELECT $2, c.idx, c.value, c.at
FROM unnest($3::integer[], $4::integer[]) AS chosen (start, stop)
JOIN checkpoints AS c ON c.job_id = $1 AND c.idx >= chosen.start AND c.idx < chosen.stop;
