-- name: insert_manifest :none
-- Keep a manifest; one that is there already stays.
INSERT INTO manifests (hash, kind, manifest, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (hash) DO NOTHING;

-- name: hold_manifest :rows
-- The manifest of a hash, which nobody deletes before this transaction ends.
SELECT hash, kind, manifest
FROM manifests
WHERE hash = $1
FOR SHARE;

-- name: find_manifest :rows
SELECT hash, kind, manifest
FROM manifests
WHERE hash = $1;

-- name: list_manifests :rows
-- Manifests above a hash, in their order, at most $2, and how many datasets have each.
SELECT m.hash, m.kind, (SELECT count(*) FROM dataset_manifests AS d WHERE d.hash = m.hash)
FROM manifests AS m
WHERE m.hash > $1
ORDER BY m.hash
LIMIT $2;

-- name: delete_manifest :rows
-- Delete a manifest that no dataset has.
DELETE FROM manifests
WHERE hash = $1
    AND NOT EXISTS (SELECT 1 FROM dataset_manifests AS d WHERE d.hash = manifests.hash)
RETURNING hash;

-- name: orphaned_manifests :rows
-- Manifests that no dataset has, at most $1.
SELECT m.hash
FROM manifests AS m
WHERE NOT EXISTS (SELECT 1 FROM dataset_manifests AS d WHERE d.hash = m.hash)
ORDER BY m.hash
LIMIT $1
FOR UPDATE SKIP LOCKED;

-- name: datasets_of_manifest :rows
-- The datasets that have a manifest, in the order of their names, and their tags for it.
SELECT d.namespace, d.name, t.tag
FROM dataset_manifests AS d
LEFT JOIN dataset_tags AS t
    ON t.namespace = d.namespace
    AND t.name = d.name
    AND t.hash = d.hash
WHERE d.hash = $1
ORDER BY d.namespace, d.name, t.tag;

-- name: link_manifest :none
-- Note that a dataset has a manifest; a link that is there already stays.
INSERT INTO dataset_manifests (namespace, name, hash, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (namespace, name, hash) DO NOTHING;

-- name: put_tag :none
-- Have a tag of a dataset mean a manifest; one that does already keeps its time.
INSERT INTO dataset_tags (namespace, name, tag, hash, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (namespace, name, tag) DO UPDATE
SET hash = excluded.hash, updated_at = excluded.updated_at
WHERE dataset_tags.hash <> excluded.hash;

-- name: tags_of_datasets :rows
-- The tags of datasets, $1 their namespaces, $2 their names.
SELECT t.namespace, t.name, t.tag, t.hash, t.created_at, t.updated_at
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, name)
JOIN dataset_tags AS t ON t.namespace = wanted.namespace AND t.name = wanted.name;

-- name: has_manifest :rows
-- Whether a dataset ever had a manifest.
SELECT hash
FROM dataset_manifests
WHERE namespace = $1
    AND name = $2
    AND hash = $3;

-- name: list_datasets :rows
-- Datasets above a name, in their order, at most $3. Each has the tag `dev`.
SELECT namespace, name
FROM dataset_tags
WHERE (namespace, name) > ($1, $2)
    AND tag = 'dev'
ORDER BY namespace, name
LIMIT $3;

-- name: delete_tag :none
DELETE FROM dataset_tags
WHERE namespace = $1
    AND name = $2
    AND tag = $3;

-- name: delete_tags :none
DELETE FROM dataset_tags
WHERE namespace = $1
    AND name = $2;

-- name: unlink_manifests :rows
-- Take all manifests from a dataset, and name them.
DELETE FROM dataset_manifests
WHERE namespace = $1
    AND name = $2
RETURNING hash;

-- name: put_provider :none
INSERT INTO providers (name, config, created_at, updated_at)
VALUES ($1, $2, $3, $3)
ON CONFLICT (name) DO UPDATE
SET config = excluded.config, updated_at = excluded.updated_at;

-- name: list_providers :rows
-- All of them, by name: there are as many as there are contracts with those who run nodes.
SELECT name, config
FROM providers
ORDER BY name;

-- name: delete_provider :none
DELETE FROM providers
WHERE name = $1;

-- name: name_dataset :none
-- Note which revision of which dataset a job extracts.
UPDATE job_specs
SET dataset = $2, manifest_hash = $3
WHERE job_id = $1;

-- name: fix_stop :none
-- Note the block behind the last one, with the job of an attempt, unless it is known already.
UPDATE job_specs
SET stop_block = $2
WHERE job_id = (SELECT a.job_id FROM attempts AS a WHERE a.id = $1)
    AND stop_block IS NULL;

-- name: stop_of :rows
-- The block behind the last one of a job, NULL as long as nobody has found it out.
SELECT stop_block
FROM job_specs
WHERE job_id = $1;
