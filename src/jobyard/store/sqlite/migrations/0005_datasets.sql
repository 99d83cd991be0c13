-- phase: before
-- Manifests by what they say, the datasets that have them, providers, and jobs of a revision.

CREATE TABLE manifests (
    hash TEXT PRIMARY KEY CHECK (length(hash) = 64),
    kind TEXT NOT NULL,
    manifest TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every manifest that a dataset ever had; `dev` is the one that was registered last.
CREATE TABLE dataset_manifests (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL REFERENCES manifests (hash),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_manifests_by_hash ON dataset_manifests (hash);

CREATE TABLE dataset_tags (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_tags_by_hash ON dataset_tags (hash);
-- One for each dataset: what lists walk along.
CREATE INDEX datasets ON dataset_tags (namespace, name) WHERE tag = 'dev';

CREATE TABLE providers (
    name TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The block behind the last one, as the first attempt that had to find it out said.
ALTER TABLE job_specs ADD COLUMN stop_block INTEGER;
CREATE INDEX job_specs_by_revision ON job_specs (dataset, manifest_hash, job_id)
    WHERE dataset IS NOT NULL;
