-- How much a statement consumes: LIMIT, max_poll_records, several scans, CTEs.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER consume_plans_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace consume_plans 1
\! seq 1 40 | kafka_tool produce consume_plans
CREATE FOREIGN TABLE feed (v int) SERVER consume_plans_test OPTIONS (topic 'consume_plans', format 'text', group_id 'g');
CREATE VIEW feed_position AS SELECT next_offset FROM kafka.offsets WHERE server = 'consume_plans_test';
CREATE TABLE feed_copy (v int);

-- LIMIT counts what was handed out; above a sort everything was.
SELECT v FROM feed LIMIT 2;
TABLE feed_position;
SELECT v FROM feed OFFSET 1 LIMIT 1;
TABLE feed_position;
SELECT v FROM feed WHERE v > 5 LIMIT 1;
TABLE feed_position;
SELECT v FROM feed LIMIT 0;
SELECT v FROM feed WHERE false;
SELECT EXISTS (SELECT FROM feed);
TABLE feed_position;
BEGIN;
SELECT v FROM feed ORDER BY v DESC LIMIT 1;
TABLE feed_position;
ROLLBACK;

-- max_poll_records bounds a scan, whatever is above it.
ALTER FOREIGN TABLE feed OPTIONS (ADD max_poll_records '3');
SELECT v FROM feed ORDER BY v DESC;
SELECT count(*), min(v) FROM feed;
SELECT v FROM feed LIMIT 1;
SELECT v FROM feed;
-- Scans of one statement are bounded alike.
SELECT a.v, b.v FROM feed a JOIN feed b USING (v) ORDER BY 1;
ALTER FOREIGN TABLE feed OPTIONS (DROP max_poll_records);
TABLE feed_position;

-- Two scans in one statement see the same records and end together.
BEGIN;
SELECT count(*), min(a.v), max(b.v) FROM feed a JOIN feed b USING (v);
SELECT count(*) FROM feed;
ROLLBACK;
SELECT (SELECT count(*) FROM feed), (SELECT v FROM feed LIMIT 1);
(SELECT v FROM feed LIMIT 2) UNION ALL (SELECT v FROM feed LIMIT 1);
TABLE feed_position;
WITH f AS MATERIALIZED (SELECT v FROM feed LIMIT 2) SELECT a.v, b.v FROM f a, f b ORDER BY 1, 2;
-- A function that reads it while the statement does.
CREATE FUNCTION feed_next() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT v FROM feed LIMIT 1';
SELECT v, feed_next() FROM feed;
SELECT feed_next(), feed_next();
TABLE feed_position;

-- Data-modifying CTEs, in both directions.
WITH f AS (SELECT v FROM feed LIMIT 2), i AS (INSERT INTO feed_copy SELECT v FROM f RETURNING v) SELECT count(*), min(v) FROM i;
WITH i AS (INSERT INTO feed_copy SELECT v FROM feed LIMIT 2) SELECT 1 AS one;
TABLE feed_copy;
TABLE feed_position;

-- A nested loop starts the scan again with the same records.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
TRUNCATE feed_copy;
INSERT INTO feed_copy VALUES (38), (39), (40), (41);
SELECT c.v, f.v FROM feed_copy c LEFT JOIN feed f USING (v) ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
SELECT count(*) FROM feed;

-- Also where max_poll_records ends it.
\! kafka_tool create-topic --replace consume_plans 3
\! for i in $(seq 0 11); do echo "$((i % 3))|$i"; done | kafka_tool produce consume_plans -P '|'
CREATE FOREIGN TABLE feed_bounded (v int) SERVER consume_plans_test
  OPTIONS (topic 'consume_plans', format 'text', group_id 'bounded', max_poll_records '3');
SELECT count(DISTINCT vs) FROM generate_series(1, 20) AS g,
  LATERAL (SELECT string_agg(v::text, ' ' ORDER BY v) AS vs FROM (SELECT v FROM feed_bounded WHERE g > 0 OFFSET 0) x) y;
SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 'bounded';

DROP FUNCTION feed_next;
DROP VIEW feed_position;
DROP TABLE feed_copy;

SET client_min_messages = warning;
DROP SERVER consume_plans_test CASCADE;
