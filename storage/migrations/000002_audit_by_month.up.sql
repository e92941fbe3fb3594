-- works with: 1
-- Partitions of the audit trail by month of UTC, made ahead; old months can then be dropped at once.

-- Makes those of this month and the next two that are missing, and says how many; the eldest calls it. It gives up
-- rather than wait for a reader of the whole trail, and leaves a month alone that has begun in audit_rest.
CREATE FUNCTION make_audit_partitions() RETURNS integer LANGUAGE plpgsql
  SET timezone = 'UTC' SET lock_timeout = '100ms' AS $$
DECLARE
  begins timestamptz;
  ends timestamptz;
  name text;
  made integer := 0;
BEGIN
  FOR ahead IN 0..2 LOOP
    begins := date_trunc('month', clock_timestamp()) + ahead * interval '1 month';
    ends := begins + interval '1 month';
    name := 'audit_' || to_char(begins, 'YYYY_MM');
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    LOCK TABLE audit IN SHARE UPDATE EXCLUSIVE MODE;
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    CONTINUE WHEN EXISTS (SELECT FROM audit_rest WHERE at >= begins AND at < ends);
    EXECUTE format('CREATE TABLE %I (LIKE audit INCLUDING DEFAULTS)', name);
    EXECUTE format('ALTER TABLE audit ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, begins, ends);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;
SELECT make_audit_partitions();
