-- name: held_by_workers :rows
-- What each worker holds, by executor: attempts, and the CPU and memory they ask for.
SELECT w.id, a.executor, count(*), sum(s.request_cpu), CAST(sum(s.request_memory) AS bigint)
FROM workers AS w
JOIN attempts AS a ON a.session = w.session
JOIN job_specs AS s ON s.job_id = a.job_id
WHERE a.status IN ('QUEUED', 'RUNNING')
GROUP BY w.id, a.executor;

-- name: attempts_of_worker :rows
-- What a live worker holds now, oldest first, ids above $2; at most $3.
SELECT
    a.id, a.job_id, a.idx, a.number, a.status, a.reason, a.exit_code, a.signal, a.restarts,
    a.worker_id, a.cpu_seconds, a.peak_memory_bytes, a.progress_done, a.progress_total, a.result,
    a.queued_at, a.started_at, a.finished_at
FROM workers AS w
JOIN attempts AS a ON a.session = w.session
WHERE w.id = $1
    AND a.status IN ('QUEUED', 'RUNNING')
    AND a.id > $2
ORDER BY a.id
LIMIT $3;

-- name: waiting_of_job :rows
-- How many of a job's attempts no worker has claimed; the window of a job bounds it.
SELECT count(*)
FROM attempts
WHERE job_id = $1
    AND status = 'SCHEDULED';

-- name: dependencies_of :rows
-- A job's edges, the other job's status (NULL when it was deleted) and what became of each.
SELECT d.on_job, d.condition, j.status, d.satisfied
FROM dependencies AS d
LEFT JOIN jobs AS j ON j.id = d.on_job
WHERE d.job_id = $1
ORDER BY d.on_job;

-- name: last_failures :rows
-- The newest failed or lost attempts of a job, at most $2, among its newest $3 attempts.
SELECT
    id, job_id, idx, number, status, reason, exit_code, signal, restarts, worker_id, cpu_seconds,
    peak_memory_bytes, progress_done, progress_total, result, queued_at, started_at, finished_at
FROM (SELECT * FROM attempts WHERE job_id = $1 ORDER BY id DESC LIMIT $3) AS newest
WHERE status IN ('FAILED', 'LOST')
ORDER BY id DESC
LIMIT $2;
