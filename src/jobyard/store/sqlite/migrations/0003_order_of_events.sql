-- phase: before
-- SQLite's writer is alone, so the ids of events appear in their order.

ALTER TABLE job_events ADD COLUMN worker_id TEXT;
