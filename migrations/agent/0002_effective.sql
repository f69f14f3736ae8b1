-- What was read back from the kernel at the last start or change of limits, kept over restarts of the agent.
ALTER TABLE instances ADD COLUMN effective TEXT;
-- Starts that ended well.
ALTER TABLE instances ADD COLUMN boots INTEGER NOT NULL DEFAULT 0;
-- The report that carried the result: a repeated task is answered again only when that one is gone.
ALTER TABLE jobs ADD COLUMN report_seq INTEGER NOT NULL DEFAULT 0;
