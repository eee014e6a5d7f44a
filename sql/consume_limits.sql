-- How much a consuming table hands out at a time, and how long its session may do nothing.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER limits_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace limits 3
CREATE FOREIGN TABLE limits_feed (v text, p int OPTIONS (metadata 'partition'), k text OPTIONS (metadata 'key'))
  SERVER limits_test OPTIONS (topic 'limits', format 'text', group_id 'limits', max_poll_bytes '10');
CREATE VIEW limits_positions AS SELECT partition, next_offset FROM kafka.offsets WHERE server = 'limits_test' ORDER BY 1;

-- max_poll_bytes: keys and values, at least one record.
\! printf '0|1234\n0|5678\n0|9\n0|123456789012345\n0|last\n' | kafka_tool produce limits -P '|'
SELECT v FROM limits_feed;
SELECT v FROM limits_feed;
SELECT v FROM limits_feed;
SELECT v FROM limits_feed;
TABLE limits_positions;
\! printf 'abcde=1234\nabcde=5678\n' | kafka_tool produce limits -p 1 -K =
SELECT k, v FROM limits_feed;
SELECT k, v FROM limits_feed;
\! printf '0|1234567\n1|1234567\n' | kafka_tool produce limits -P '|'
SELECT v FROM limits_feed;
SELECT v FROM limits_feed;
-- A scan that is run again reads the same; both limits hold.
\! printf '0|11111\n0|2222\n0|33333\n' | kafka_tool produce limits -P '|'
BEGIN;
SELECT x, (SELECT string_agg(v, ',') FROM limits_feed WHERE x > 0) FROM generate_series(1, 2) x;
ROLLBACK;
BEGIN;
SELECT count(*), sum(length(a.v)) FROM limits_feed a JOIN limits_feed b ON a.v <> b.v || 'x';
ROLLBACK;
ALTER FOREIGN TABLE limits_feed OPTIONS (ADD max_poll_records '1');
SELECT v FROM limits_feed;
ALTER FOREIGN TABLE limits_feed OPTIONS (DROP max_poll_records, DROP max_poll_bytes);
SELECT v FROM limits_feed;

-- max_partitions: so many for a statement, the longest unread first.
\! printf '0|a\n1|b\n2|c\n' | kafka_tool produce limits -P '|'
ALTER FOREIGN TABLE limits_feed OPTIONS (ADD max_partitions '2');
BEGIN;
SELECT v FROM limits_feed ORDER BY v;
SELECT v FROM limits_feed ORDER BY v;
ROLLBACK;
BEGIN;
SELECT a.v, b.v FROM limits_feed a FULL JOIN limits_feed b USING (p) ORDER BY 1;
ROLLBACK;
ALTER FOREIGN TABLE limits_feed OPTIONS (SET max_partitions '1');
SELECT v FROM limits_feed WHERE p > 0;
SELECT v FROM limits_feed;
SELECT v FROM limits_feed;
SELECT v FROM limits_feed;
ALTER FOREIGN TABLE limits_feed OPTIONS (SET group_id 'limits_latest', ADD auto_offset_reset 'latest');
SELECT count(*) FROM limits_feed;
SELECT count(*) FROM kafka.offsets WHERE group_id = 'limits_latest';
\! printf '0|a\n1|b\n2|c\n' | kafka_tool produce limits -P '|'
SELECT count(*) FROM limits_feed;

-- max_poll_interval_ms: the session's idle_in_transaction_session_timeout, for the rest of the transaction.
SHOW idle_in_transaction_session_timeout;
BEGIN;
SELECT count(*) FROM limits_feed WHERE false;
SHOW idle_in_transaction_session_timeout;
SELECT count(*) FROM limits_feed;
SHOW idle_in_transaction_session_timeout;
COMMIT;
SHOW idle_in_transaction_session_timeout;
SET idle_in_transaction_session_timeout = '10s';
BEGIN;
SELECT count(*) FROM limits_feed;
SHOW idle_in_transaction_session_timeout;
ROLLBACK;
SET idle_in_transaction_session_timeout = '10min';
ALTER FOREIGN TABLE limits_feed OPTIONS (ADD max_poll_interval_ms '60000');
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM limits_feed;
RELEASE s;
SHOW idle_in_transaction_session_timeout;
ROLLBACK;
SHOW idle_in_transaction_session_timeout;
-- The partitions stay taken when a savepoint is rolled back, and so does the limit.
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM limits_feed;
ROLLBACK TO s;
SHOW idle_in_transaction_session_timeout;
COMMIT;
SHOW idle_in_transaction_session_timeout;
CREATE FUNCTION limits_in_vain() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM count(*) FROM limits_feed;
  RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
  RETURN 0;
END $$;
BEGIN;
SELECT limits_in_vain();
SHOW idle_in_transaction_session_timeout;
COMMIT;
-- A seek takes partitions, too.
BEGIN;
SELECT kafka.seek('limits_feed', 'latest');
SHOW idle_in_transaction_session_timeout;
ROLLBACK;
SHOW idle_in_transaction_session_timeout;
ALTER FOREIGN TABLE limits_feed OPTIONS (SET max_poll_interval_ms '0');
BEGIN;
SELECT count(*) FROM limits_feed;
SHOW idle_in_transaction_session_timeout;
COMMIT;
RESET idle_in_transaction_session_timeout;

-- A scan that is run again hands out the same, also where records of another partition would still find room.
\! kafka_tool create-topic --replace limits_again 2
\! printf '0|11111\n0|2222222222\n1|zz\n' | kafka_tool produce limits_again -P '|'
CREATE FOREIGN TABLE limits_again (v text) SERVER limits_test
  OPTIONS (topic 'limits_again', format 'text', group_id 'limits_again', max_poll_bytes '10');
SELECT x, (SELECT string_agg(v, ',') FROM limits_again WHERE x > 0) FROM generate_series(1, 3) x;
SELECT x, (SELECT string_agg(v, ',') FROM limits_again WHERE x > 0) FROM generate_series(1, 3) x;
\! kafka_tool delete-topic limits_again

-- Values that are none.
ALTER FOREIGN TABLE limits_feed OPTIONS (ADD max_poll_bytes '0');
ALTER FOREIGN TABLE limits_feed OPTIONS (SET max_partitions '0');
ALTER FOREIGN TABLE limits_feed OPTIONS (SET max_poll_interval_ms '-1');

\! kafka_tool delete-topic limits
DELETE FROM kafka.offsets WHERE server = 'limits_test';
DELETE FROM kafka.groups WHERE server = 'limits_test';
DROP VIEW limits_positions;
DROP FUNCTION limits_in_vain;
SET client_min_messages = warning;
DROP SERVER limits_test CASCADE;
