-- phase: before
-- Rows that are followed as they come are read in the order (written_in, id). `written_in` is the
-- transaction that wrote a row: ids are drawn before a commit, so a smaller one may appear later,
-- but once every transaction below some number is over, no row appears below it any more.
-- Rows of before this step have 0, without being rewritten.

ALTER TABLE job_events ADD COLUMN worker_id text;
ALTER TABLE job_events ADD COLUMN written_in bigint NOT NULL DEFAULT 0;
ALTER TABLE job_events ALTER COLUMN written_in SET DEFAULT (pg_current_xact_id()::text::bigint);
CREATE INDEX job_events_in_order ON job_events (written_in, id);
-- Programs of before this step go on using `event_row`.
CREATE TYPE ledger_row AS (
    job_id bigint, event text, status text, at bigint, reason text, message text, worker_id text
);

ALTER TABLE log_chunks ADD COLUMN written_in bigint NOT NULL DEFAULT 0;
ALTER TABLE log_chunks ALTER COLUMN written_in SET DEFAULT (pg_current_xact_id()::text::bigint);
CREATE INDEX log_chunks_in_order ON log_chunks (job_id, written_in, attempt_id, start);
DROP INDEX log_chunks_by_job;
