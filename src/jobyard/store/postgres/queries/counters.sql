-- name: add_counts :many
-- Add to counters, in a part of them that is this connection's alone, or nearly.
INSERT INTO counters AS c (shard, kind, label, n)
SELECT pg_backend_pid() % 64, r.kind, r.label, r.n
FROM unnest($1::count_row[]) AS r
ON CONFLICT (shard, kind, label) DO UPDATE SET n = c.n + excluded.n;

-- name: read_counts :rows
-- Counters of these kinds, all parts together.
SELECT kind, label, sum(n)::bigint
FROM counters
WHERE kind = ANY ($1::text[])
GROUP BY kind, label
ORDER BY kind, label;

-- name: first_turn :rows
-- The first turn of all that waits for these executors: one look for each executor and priority.
WITH RECURSIVE line (executor, priority) AS (
    SELECT wanted.executor, (
        SELECT max(a.priority) FROM attempts AS a
        WHERE a.session IS NULL
            AND a.executor = wanted.executor)
    FROM unnest($1::text[]) AS wanted (executor)
    UNION ALL
    SELECT line.executor, (
        SELECT max(a.priority) FROM attempts AS a
        WHERE a.session IS NULL
            AND a.executor = line.executor
            AND a.priority < line.priority)
    FROM line
    WHERE line.priority IS NOT NULL
)
SELECT min((
    SELECT min(a.turn) FROM attempts AS a
    WHERE a.session IS NULL
        AND a.executor = line.executor
        AND a.priority = line.priority))
FROM line;
