DROP VIEW payments_report;
DROP TABLE audit, folded, milliseconds, totals, deltas, payments, epochs, processors;
