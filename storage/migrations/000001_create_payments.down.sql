DO $$
BEGIN
  IF EXISTS (SELECT FROM payments) THEN
    RAISE EXCEPTION 'payments holds rows: save and empty it first, if they are to be lost';
  END IF;
END $$;
DROP VIEW payments_report;
DROP TABLE audit, folded, milliseconds, totals, deltas, payments, epochs, processors;
DROP DOMAIN cents, sends, payment_status;
