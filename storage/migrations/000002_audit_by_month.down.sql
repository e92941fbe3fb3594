DROP FUNCTION make_audit_partitions();
DO $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT inhrelid::regclass FROM pg_inherits
               WHERE inhparent = 'audit'::regclass AND inhrelid <> 'audit_rest'::regclass LOOP
    EXECUTE format('ALTER TABLE audit DETACH PARTITION %s', part);
    EXECUTE format('INSERT INTO audit SELECT * FROM %s', part);
    EXECUTE format('DROP TABLE %s', part);
  END LOOP;
END $$;
