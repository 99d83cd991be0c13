-- name: list_revisions :rows
-- Revisions of tables above an id, active ones or others or (NULL) all, at most $3.
SELECT
    id, path, dataset, manifest_hash, table_name, network, active, writer, created_at, updated_at,
    chain_start, chain_stop, files, size, row_count
FROM table_revisions
WHERE id > $1
    AND ($2::boolean IS NULL OR active = $2)
ORDER BY id
LIMIT $3;

-- name: find_revision :rows
SELECT
    id, path, dataset, manifest_hash, table_name, network, active, writer, created_at, updated_at,
    chain_start, chain_stop, files, size, row_count
FROM table_revisions
WHERE id = $1;

-- name: hold_revision :rows
-- A revision, whose table it is of and who writes it; nobody else changes it until the transaction
-- ends.
SELECT r.id, r.dataset, r.manifest_hash, r.table_name, r.active, r.writer, w.finished_at
FROM table_revisions AS r
LEFT JOIN jobs AS w ON w.id = r.writer
WHERE r.id = $1
FOR NO KEY UPDATE OF r;

-- name: revision_at :rows
-- The revision that lies in a folder.
SELECT id, dataset, manifest_hash, table_name
FROM table_revisions
WHERE path = $1;

-- name: revisions_of_table :rows
-- Whether a table has any revision.
SELECT id
FROM table_revisions
WHERE dataset = $1
    AND manifest_hash = $2
    AND table_name = $3
LIMIT 1;

-- name: register_revision :rows
-- Keep a revision that is not active.
INSERT INTO table_revisions (
    path, dataset, manifest_hash, table_name, network, active, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, false, $6, $6)
RETURNING id;

-- name: activate_revision :none
UPDATE table_revisions
SET active = $2, updated_at = $3
WHERE id = $1;

-- name: delete_revision :none
DELETE FROM table_revisions
WHERE id = $1;

-- name: delete_segments_of :none
DELETE FROM segments
WHERE revision_id = $1;

-- name: note_all_retired :none
-- Note all files of a revision that is about to go, with why.
INSERT INTO retired_files (
    id, revision_id, path, name, start_block, stop_block, size, reason, retired_at, collect_at)
SELECT
    s.id, s.revision_id, r.path, s.name, s.start_block, s.stop_block, s.size, $2::text,
    $3::bigint, $3::bigint
FROM segments AS s
JOIN table_revisions AS r ON r.id = s.revision_id
WHERE s.revision_id = $1;

-- name: hurry_retired :none
-- Have the retired files of a revision collected at once.
UPDATE retired_files
SET collect_at = $2
WHERE revision_id = $1;

-- name: retired_of_revision :rows
-- Retired files of a revision above a name, at most $3.
SELECT id, path, name
FROM retired_files
WHERE revision_id = $1
    AND name > $2
ORDER BY name
LIMIT $3;

-- name: beside_below :rows
-- Files that are not in the chain and end below a block, at most $3.
SELECT id
FROM segments
WHERE revision_id = $1
    AND stop_block <= $2
    AND NOT chained
ORDER BY start_block
LIMIT $3;

-- name: segments_named :rows
SELECT id
FROM segments
WHERE revision_id = $1
    AND name = ANY ($2::text[]);

-- name: files_page :rows
-- The files of a revision above a name, at most $3; names begin with the first block.
SELECT
    s.id, s.revision_id, r.path, s.name, s.start_block, s.stop_block, s.size, s.row_count,
    s.created_at, s.chained
FROM segments AS s
JOIN table_revisions AS r ON r.id = s.revision_id
WHERE s.revision_id = $1
    AND s.name > $2
ORDER BY s.name
LIMIT $3;

-- name: find_file :rows
SELECT
    s.id, s.revision_id, r.path, s.name, s.start_block, s.stop_block, s.size, s.row_count,
    s.created_at, s.chained
FROM segments AS s
JOIN table_revisions AS r ON r.id = s.revision_id
WHERE s.id = $1;

-- name: find_retired :rows
SELECT
    id, revision_id, path, name, start_block, stop_block, size, NULL, NULL, false, retired_at, reason
FROM retired_files
WHERE id = $1;
