-- Each `ids_…` finds the newest ids below ?1, at most ?2, that pass one filter, and costs what it
-- finds. Lists that ask for more than one thing choose among them (transactions/find.py).

-- name: ids_of_jobs :rows
SELECT id
FROM jobs
WHERE id < ?1
ORDER BY id DESC
LIMIT ?2;

-- name: ids_by_status :rows
-- Of jobs in one of these statuses; each has its part of an index.
SELECT j.id
FROM json_each(?3) AS wanted
JOIN jobs AS j ON j.id IN (
    SELECT k.id FROM jobs AS k
    WHERE k.status = wanted.value
        AND k.id < ?1
    ORDER BY k.id DESC
    LIMIT ?2)
ORDER BY j.id DESC
LIMIT ?2;

-- name: ids_by_name :rows
SELECT job_id
FROM job_specs
WHERE name = ?3
    AND job_id < ?1
ORDER BY job_id DESC
LIMIT ?2;

-- name: ids_by_namespace :rows
-- A range of the index for each trigger that there is.
WITH RECURSIVE cause (word) AS (
    SELECT min("trigger") FROM job_specs
    UNION ALL
    SELECT (SELECT min(s."trigger") FROM job_specs AS s WHERE s."trigger" > cause.word)
    FROM cause
    WHERE cause.word IS NOT NULL
)
SELECT s.job_id
FROM cause
JOIN job_specs AS s ON s.job_id IN (
    SELECT k.job_id FROM job_specs AS k
    WHERE k."trigger" = cause.word
        AND k.namespace = ?3
        AND k.job_id < ?1
    ORDER BY k.job_id DESC
    LIMIT ?2)
ORDER BY s.job_id DESC
LIMIT ?2;

-- name: ids_by_trigger :rows
-- One look for each namespace; a page can only come from the ?2 of them that have the newest jobs.
WITH RECURSIVE place (namespace) AS (
    SELECT min(namespace) FROM job_specs
    WHERE "trigger" = ?3
    UNION ALL
    SELECT (
        SELECT min(s.namespace) FROM job_specs AS s
        WHERE s."trigger" = ?3
            AND s.namespace > place.namespace)
    FROM place
    WHERE place.namespace IS NOT NULL
),
newest (namespace, job_id) AS (
    SELECT place.namespace, (
        SELECT max(s.job_id) FROM job_specs AS s
        WHERE s."trigger" = ?3
            AND s.namespace = place.namespace
            AND s.job_id < ?1)
    FROM place
    ORDER BY 2 DESC
    LIMIT ?2
)
SELECT s.job_id
FROM newest
JOIN job_specs AS s ON s.job_id IN (
    SELECT k.job_id FROM job_specs AS k
    WHERE k."trigger" = ?3
        AND k.namespace = newest.namespace
        AND k.job_id < ?1
    ORDER BY k.job_id DESC
    LIMIT ?2)
ORDER BY s.job_id DESC
LIMIT ?2;

-- name: ids_by_workflow :rows
SELECT job_id
FROM job_specs
WHERE workflow_id = ?3
    AND job_id < ?1
ORDER BY job_id DESC
LIMIT ?2;

-- name: ids_by_dataset :rows
SELECT job_id
FROM job_specs
WHERE dataset = ?3
    AND job_id < ?1
ORDER BY job_id DESC
LIMIT ?2;

-- name: ids_by_revision :rows
-- Of a dataset, and of those of it the ones of one manifest.
SELECT job_id
FROM job_specs
WHERE dataset = ?3
    AND manifest_hash = ?4
    AND job_id < ?1
ORDER BY job_id DESC
LIMIT ?2;

-- name: ids_by_label :rows
SELECT job_id
FROM job_labels
WHERE label = ?3
    AND job_id < ?1
ORDER BY job_id DESC
LIMIT ?2;

-- name: ids_by_worker :rows
SELECT id
FROM jobs
WHERE worker_id = ?3
    AND id < ?1
ORDER BY id DESC
LIMIT ?2;

-- name: ids_by_workers :rows
-- Of workers whose id is from ?3 up to, not with, ?4. One look for each such worker; a page can
-- only come from the ?2 of them that have the newest jobs.
WITH RECURSIVE worker (id) AS (
    SELECT min(worker_id) FROM jobs
    WHERE worker_id >= ?3
        AND worker_id < ?4
    UNION ALL
    SELECT (
        SELECT min(j.worker_id) FROM jobs AS j
        WHERE j.worker_id > worker.id
            AND j.worker_id < ?4)
    FROM worker
    WHERE worker.id IS NOT NULL
),
newest (worker_id, id) AS (
    SELECT worker.id, (
        SELECT max(j.id) FROM jobs AS j
        WHERE j.worker_id = worker.id
            AND j.id < ?1)
    FROM worker
    ORDER BY 2 DESC
    LIMIT ?2
)
SELECT j.id
FROM newest
JOIN jobs AS j ON j.id IN (
    SELECT k.id FROM jobs AS k
    WHERE k.worker_id = newest.worker_id
        AND k.id < ?1
    ORDER BY k.id DESC
    LIMIT ?2)
ORDER BY j.id DESC
LIMIT ?2;

-- name: created_after :rows
-- About the oldest of the jobs that were created after ?1: the lowest id among the first of those
-- that the index has, NULL when it has none.
SELECT min(id)
FROM (
    SELECT id FROM jobs
    WHERE id % 64 = 0
        AND created_at > ?1
    ORDER BY created_at
    LIMIT 64) AS soon;

-- name: ids_by_end :rows
-- At most ?2 jobs in one of these statuses that ended before ?1, and when: the first that ended
-- first, after the end ?4 and, of those that ended at it, the id ?5.
SELECT j.id, j.finished_at
FROM json_each(?3) AS wanted
CROSS JOIN (SELECT 0 AS flag UNION ALL SELECT 1) AS without_ttl
JOIN jobs AS j ON j.id IN (
    SELECT k.id FROM jobs AS k
    WHERE k.finished_at IS NOT NULL
        AND k.status = wanted.value
        AND (CASE WHEN k.expires_at IS NULL THEN 1 ELSE 0 END) = without_ttl.flag
        AND k.finished_at < ?1
        AND (k.finished_at, k.id) > (?4, ?5)
    ORDER BY k.finished_at, k.id
    LIMIT ?2)
ORDER BY j.finished_at, j.id
LIMIT ?2;

-- name: matching :rows
-- Those of these jobs that pass every filter that is not NULL, newest first. ?2 lists statuses;
-- ?6 is a worker, ?7 the beginning of one; ?12 lists labels as ("key=value", whether to have it).
SELECT j.id
FROM jobs AS j
JOIN job_specs AS s ON s.job_id = j.id
WHERE j.id IN (SELECT value FROM json_each(?1))
    AND (?2 IS NULL OR j.status IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR s.name = ?3)
    AND (?4 IS NULL OR s.namespace = ?4)
    AND (?5 IS NULL OR s."trigger" = ?5)
    AND (?6 IS NULL OR j.worker_id = ?6)
    AND (?7 IS NULL OR substr(j.worker_id, 1, length(?7)) = ?7)
    AND (?8 IS NULL OR s.workflow_id = ?8)
    AND (?9 IS NULL OR s.dataset = ?9)
    AND (?10 IS NULL OR j.created_at > ?10)
    AND (?11 IS NULL OR j.finished_at < ?11)
    AND (?12 IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_each(?12) AS wanted
        WHERE (wanted.value ->> 1) <> EXISTS (
            SELECT 1 FROM job_labels AS l
            WHERE l.label = wanted.value ->> 0
                AND l.job_id = j.id)))
    AND (?13 IS NULL OR s.manifest_hash = ?13)
ORDER BY j.id DESC;
