DROP INDEX reconciliation_findings_explained;
ALTER TABLE reconciliation_findings
  DROP CONSTRAINT when_explained,
  DROP CONSTRAINT reconciliation_findings_state_check,
  DROP COLUMN explained_at,
  DROP COLUMN id;
UPDATE reconciliation_findings SET state = 1 WHERE state = 2;
ALTER TABLE reconciliation_findings
  ADD CONSTRAINT reconciliation_findings_state_check CHECK (state BETWEEN 0 AND 1);
