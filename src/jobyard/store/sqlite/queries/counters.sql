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
