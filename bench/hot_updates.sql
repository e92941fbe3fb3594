-- Appends batches of payments and settles each some batches later, as the ledger does, in one session. For
-- measuring what an index or a fill factor costs; bench/postgres.sh calls it on the real schema.
CREATE OR REPLACE PROCEDURE append_and_settle(batches integer, batch integer, lag integer) LANGUAGE plpgsql AS $$
DECLARE
  fresh uuid[];
  ring text[];
  old uuid[];
BEGIN
  SET enable_seqscan = off;
  SET enable_hashjoin = off;
  SET enable_mergejoin = off;
  SET plan_cache_mode = force_generic_plan;
  FOR i IN 1..batches LOOP
    SELECT array_agg(id ORDER BY id) INTO fresh
      FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, batch)) AS x;
    INSERT INTO payments (correlation_id, amount_cents, accepted_at, token, owner, version, attempts, status, processor)
    SELECT id, 1990, clock_timestamp(), i, 1, 1, 0, 1, 1 FROM unnest(fresh) AS w (id) ON CONFLICT DO NOTHING;
    COMMIT;
    old := ring[(i + 1) % lag]::uuid[];
    ring[i % lag] := fresh::text;
    CONTINUE WHEN old IS NULL;
    WITH done AS (
      UPDATE payments p SET status = 3, requested_at = clock_timestamp(), processed_at = clock_timestamp(), attempts = 1
        FROM unnest(old) AS w (id)
       WHERE p.correlation_id = w.id AND p.processor = 1 AND p.status IN (1, 2)
      RETURNING p.processor, p.amount_cents, floor(extract(epoch FROM p.requested_at))::bigint AS second)
    INSERT INTO deltas (second, processor, requests, amount_cents, millis, cents)
    SELECT second, processor, count(*), sum(amount_cents), array_agg(0::smallint), array_agg(amount_cents)
      FROM done GROUP BY second, processor;
    COMMIT;
  END LOOP;
END $$;
