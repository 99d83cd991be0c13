-- name: add_counts :many
-- Add to counters.
INSERT INTO counters (kind, label, n)
VALUES (?1, ?2, ?3)
ON CONFLICT (kind, label) DO UPDATE SET n = n + excluded.n;

-- name: read_counts :rows
-- Counters of these kinds.
SELECT kind, label, n
FROM counters
WHERE kind IN (SELECT value FROM json_each(?1))
ORDER BY kind, label;

-- name: first_turn :rows
-- The first turn of all that waits for these executors: one look for each executor and priority.
WITH RECURSIVE line (executor, priority) AS (
    SELECT wanted.value, (
        SELECT max(a.priority) FROM attempts AS a
        WHERE a.status = 'SCHEDULED'
            AND a.executor = wanted.value)
    FROM json_each(?1) AS wanted
    UNION ALL
    SELECT line.executor, (
        SELECT max(a.priority) FROM attempts AS a
        WHERE a.status = 'SCHEDULED'
            AND a.executor = line.executor
            AND a.priority < line.priority)
    FROM line
    WHERE line.priority IS NOT NULL
)
SELECT min((
    SELECT min(a.turn) FROM attempts AS a
    WHERE a.status = 'SCHEDULED'
        AND a.executor = line.executor
        AND a.priority = line.priority))
FROM line;
