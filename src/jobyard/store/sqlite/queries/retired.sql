-- name: note_retired :rows
-- Note files that are about to leave a revision, with why and until when they stay.
-- The sign has it look for these files, and not through the revision.
INSERT INTO retired_files (
    id, revision_id, path, name, start_block, stop_block, size, reason, retired_at, collect_at)
SELECT
    s.id, s.revision_id, r.path, s.name, s.start_block, s.stop_block, s.size, ?3, ?4, ?5
FROM segments AS s
JOIN table_revisions AS r ON r.id = s.revision_id
WHERE +s.revision_id = ?1
    AND s.id IN (SELECT value FROM json_each(?2))
RETURNING id, name;

-- name: delete_segments :none
DELETE FROM segments
WHERE id IN (SELECT value FROM json_each(?1));

-- name: retired_names :rows
-- The files of a revision that are not part of it any more and not collected yet.
SELECT name
FROM retired_files
WHERE revision_id = ?1
ORDER BY name;

-- name: is_retired :rows
SELECT id
FROM retired_files
WHERE revision_id = ?1
    AND name = ?2;

-- name: collectable_files :rows
-- The files whose time has come, at most ?2, the longest due first.
SELECT id, path, name
FROM retired_files
WHERE collect_at <= ?1
ORDER BY collect_at
LIMIT ?2;

-- name: delete_retired :none
DELETE FROM retired_files
WHERE id IN (SELECT value FROM json_each(?1));

-- name: postpone_retired :none
-- Have files that cannot be removed now come up again later.
UPDATE retired_files
SET collect_at = ?2
WHERE id IN (SELECT value FROM json_each(?1));
