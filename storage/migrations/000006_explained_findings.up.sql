-- works with: 1
-- A finding has a number, and may be closed by an administrator, who explains it: it keeps its numbers, and frees its
-- subject for another difference by the suffix of its own number. An older version takes it for mended.
ALTER TABLE reconciliation_findings
  ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  ADD COLUMN explained_at timestamptz,
  DROP CONSTRAINT reconciliation_findings_state_check,
  ADD CONSTRAINT reconciliation_findings_state_check CHECK (state BETWEEN 0 AND 2), -- 0 open, 1 mended, 2 explained
  ADD CONSTRAINT when_explained CHECK ((state = 2) = (explained_at IS NOT NULL));
CREATE INDEX reconciliation_findings_explained ON reconciliation_findings (processor, window_from) WHERE state = 2;
