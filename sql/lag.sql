-- kafka.lag(): how far a group is behind in each partition, and who holds it.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER lag_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace lag 3
CREATE FOREIGN TABLE written (v text, t timestamptz OPTIONS (metadata 'timestamp'), p int OPTIONS (metadata 'partition'))
  SERVER lag_test OPTIONS (topic 'lag', format 'text');
INSERT INTO written VALUES ('a', now() - interval '3 hours', 0), ('b', now() - interval '2 hours', 0),
  ('c', now() - interval '1 hour', 0), ('d', now(), 1);
\! printf 'e\n' | kafka_tool produce lag -p 1 -x commit
\! printf 'f\n' | kafka_tool produce lag -p 2 -x abort
CREATE FOREIGN TABLE feed (v text, p int OPTIONS (metadata 'partition')) SERVER lag_test
  OPTIONS (topic 'lag', format 'text', group_id 'lag_group');
CREATE VIEW lag AS SELECT topic, partition AS p, next_offset, low_watermark AS low, high_watermark AS high,
    last_stable_offset AS stable, lag, round(lag_seconds / 3600) AS lag_hours, reported_offset AS reported,
    held_by = pg_backend_pid() AS mine, held_since = now() AS since
  FROM kafka.lag('feed') ORDER BY partition;

-- Before anything was read everything is unread, down to the markers of transactions.
TABLE lag;
SELECT count(*) FROM (SELECT v FROM feed WHERE p = 0 LIMIT 1) x;
TABLE lag;
BEGIN;
SELECT v FROM feed ORDER BY v;
TABLE lag;
COMMIT;
TABLE lag;

-- A transaction that was prepared holds it too, without a process.
SELECT kafka.seek('feed', 'latest');
BEGIN;
SELECT kafka.seek('feed', 'earliest', partition => 1);
PREPARE TRANSACTION 'lag';
SELECT partition, next_offset, held_by, held_since FROM kafka.lag('feed') ORDER BY partition;
SELECT kafka.seek('feed', 'earliest');
ROLLBACK PREPARED 'lag';
SELECT partition, next_offset, held_by FROM kafka.lag('feed') ORDER BY partition;

-- What an open transaction holds back is no lag, unless it may be read.
\! printf 'g\n' | kafka_tool produce lag -p 1 -x open -i lag_open
\! printf 'h\n' | kafka_tool produce lag -p 1
TABLE lag;
ALTER FOREIGN TABLE feed OPTIONS (ADD isolation_level 'read_uncommitted');
TABLE lag;
ALTER FOREIGN TABLE feed OPTIONS (DROP isolation_level);

-- What an application has committed in Kafka; what retention removed is no lag either.
\! kafka_tool group-commit lag_group lag 0 2
SELECT kafka.seek('feed', 'earliest');
\! kafka_tool delete-records lag 0 2
TABLE lag;

-- A group that begins at the ends has nothing to read, one that may begin nowhere nobody knows what.
CREATE FOREIGN TABLE feed_late (v text) SERVER lag_test
  OPTIONS (topic 'lag', format 'text', group_id 'lag_late', auto_offset_reset 'latest');
SELECT partition, next_offset, lag, lag_seconds FROM kafka.lag('feed_late') ORDER BY partition;
ALTER FOREIGN TABLE feed_late OPTIONS (SET auto_offset_reset 'none');
SELECT partition, next_offset, lag, lag_seconds FROM kafka.lag('feed_late') ORDER BY partition;

-- Where a position is out of range the group reads on where it is told to, or nowhere; as for what retention removed.
\! kafka_tool create-topic --replace lag_anew 1; seq 6 | kafka_tool produce lag_anew
CREATE FOREIGN TABLE feed_stopped (v text) SERVER lag_test OPTIONS (topic 'lag_anew', format 'text', group_id 'lag_stopped');
CREATE FOREIGN TABLE feed_earliest (v text) SERVER lag_test
  OPTIONS (topic 'lag_anew', format 'text', group_id 'lag_earliest', on_offset_out_of_range 'earliest');
CREATE FOREIGN TABLE feed_latest (v text) SERVER lag_test
  OPTIONS (topic 'lag_anew', format 'text', group_id 'lag_latest', on_offset_out_of_range 'latest');
CREATE VIEW lags AS SELECT feed, next_offset, low_watermark AS low, high_watermark AS high, lag, lag_seconds > 0 AS waits
  FROM unnest('{feed_stopped,feed_earliest,feed_latest}'::regclass[]) feed, kafka.lag(feed);
SELECT kafka.seek(feed, 'earliest') FROM unnest('{feed_stopped,feed_earliest,feed_latest}'::regclass[]) feed;
\! kafka_tool delete-records lag_anew 0 2
TABLE lags;
SELECT kafka.seek(feed, 'latest') FROM unnest('{feed_stopped,feed_earliest,feed_latest}'::regclass[]) feed;
TABLE lags;
\! kafka_tool create-topic --replace lag_anew 1; seq 2 | kafka_tool produce lag_anew
\c -
TABLE lags;
SELECT v FROM feed_earliest;
SELECT v FROM feed_latest;
\set VERBOSITY sqlstate
SELECT v FROM feed_stopped;
\set VERBOSITY default
TABLE lags;
\! kafka_tool delete-topic lag_anew

-- Partitions with nothing but what was rolled back come to their ends before others, and behind them.
\! kafka_tool create-topic --replace lag_aborted 3; seq 5 | kafka_tool produce lag_aborted -p 0 -x abort
\! yes $(head -c 1000 /dev/zero | tr '\0' x) | head -3000 | kafka_tool produce lag_aborted -p 1 -x abort; echo v | kafka_tool produce lag_aborted -p 1
\! yes $(head -c 1000 /dev/zero | tr '\0' x) | head -30000 | kafka_tool produce lag_aborted -p 2 -x abort
CREATE FOREIGN TABLE feed_aborted (v text) SERVER lag_test OPTIONS (topic 'lag_aborted', format 'text', group_id 'lag_aborted');
SET statement_timeout = '60s';
SELECT partition, lag, lag_seconds > 0 AS waits FROM kafka.lag('feed_aborted') ORDER BY partition;
RESET statement_timeout;
\! kafka_tool delete-topic lag_aborted

-- A stream by its name; each partition is a worker's.
SET client_min_messages = warning;
CREATE TABLE lag_target (v text);
BEGIN;
SELECT kafka.create_stream('lag_stream', 'INSERT INTO lag_target SELECT v FROM written');
SELECT kafka.pause_stream('lag_stream');
COMMIT;
RESET client_min_messages;
SELECT partition, next_offset, lag, held_by FROM kafka.lag(stream => 'lag_stream') ORDER BY partition;
SELECT kafka.drop_stream('lag_stream');

-- What cannot be.
SELECT * FROM kafka.lag('written');
SELECT * FROM kafka.lag('lag');
SELECT * FROM kafka.lag(stream => 'lag_nobody');
SELECT * FROM kafka.lag();
SELECT * FROM kafka.lag('feed', 'lag_stream');
CREATE ROLE lag_reader;
SET ROLE lag_reader;
SELECT * FROM kafka.lag('feed');
RESET ROLE;
CREATE FOREIGN TABLE feed_nowhere (v text) SERVER lag_test OPTIONS (topic 'lag_nowhere', format 'text', group_id 'lag_group');
\set VERBOSITY sqlstate
SELECT * FROM kafka.lag('feed_nowhere');
\set VERBOSITY default

SET client_min_messages = warning;
\! kafka_tool produce lag -p 1 -x abort -i lag_open </dev/null
DROP TABLE lag_target;
DROP VIEW lag, lags;
DROP SERVER lag_test CASCADE;
DELETE FROM kafka.groups WHERE server = 'lag_test';
DELETE FROM kafka.offsets WHERE server = 'lag_test';
DROP ROLE lag_reader;
