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
