-- phase: before
-- Manifests by what they say, the datasets that have them, providers, and jobs of a revision.

-- Names are compared bytewise, so that pages of lists begin where the last one ended.
CREATE TABLE manifests (
    hash text COLLATE "C" PRIMARY KEY CHECK (length(hash) = 64),
    kind text NOT NULL,
    manifest text NOT NULL,
    created_at bigint NOT NULL
);

-- Every manifest that a dataset ever had; `dev` is the one that was registered last.
CREATE TABLE dataset_manifests (
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL REFERENCES manifests (hash),
    created_at bigint NOT NULL,
    PRIMARY KEY (namespace, name, hash)
);
CREATE INDEX dataset_manifests_by_hash ON dataset_manifests (hash);

CREATE TABLE dataset_tags (
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (namespace, name, tag)
);
CREATE INDEX dataset_tags_by_hash ON dataset_tags (hash);
-- One for each dataset: what lists walk along.
CREATE INDEX datasets ON dataset_tags (namespace, name) WHERE tag = 'dev';

CREATE TABLE providers (
    name text COLLATE "C" PRIMARY KEY,
    config text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

-- The block behind the last one, as the first attempt that had to find it out said.
ALTER TABLE job_specs ADD COLUMN stop_block bigint;
-- Of one text, because a range over two columns does not end where it should.
CREATE INDEX job_specs_by_revision
    ON job_specs ((dataset || '@' || manifest_hash) COLLATE "C", job_id)
    WHERE dataset IS NOT NULL;
