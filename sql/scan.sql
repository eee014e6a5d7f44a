-- A topic as a table: what a scan returns, and that it moves nothing.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER scan_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace scan_orders 3
\! printf '0|k1={"id": 1, "amount": 10.50}\n2|k2={"id": 2, "amount": 0.1}\n2|k3={"id": 3}\n' | kafka_tool produce scan_orders -P '|' -K = -T 1700000000123 -H source=web -H source=app
CREATE FOREIGN TABLE scan_orders (
  id bigint, amount numeric,
  _topic text            OPTIONS (metadata 'topic'),
  _partition int         OPTIONS (metadata 'partition'),
  _offset bigint         OPTIONS (metadata 'offset'),
  _timestamp timestamptz OPTIONS (metadata 'timestamp'),
  _type text             OPTIONS (metadata 'timestamp_type'),
  _key text              OPTIONS (metadata 'key'),
  _value text            OPTIONS (metadata 'value'),
  _headers kafka.header[] OPTIONS (metadata 'headers'),
  _tombstone boolean     OPTIONS (metadata 'tombstone')
) SERVER scan_test OPTIONS (topic 'scan_orders');

-- Partition 1 is empty.
SELECT id, amount, _topic, _partition, _offset, _key FROM scan_orders ORDER BY _partition, _offset;
SELECT id, _timestamp = '2023-11-14 22:13:20.123+00' AS "timestamp", _type, _value, _headers, _tombstone FROM scan_orders ORDER BY id;
SELECT count(*), sum(amount) FROM scan_orders;
SELECT count(*) FROM scan_orders;
SELECT scan_orders FROM scan_orders WHERE id = 3;
SELECT tableoid::regclass FROM scan_orders WHERE id = 1;
SELECT 1 AS one FROM scan_orders;

-- Conditions, sub-selects, limits.
SELECT id FROM scan_orders WHERE _partition = 2 ORDER BY _offset;
SELECT id FROM scan_orders WHERE amount > (SELECT min(amount) FROM scan_orders);
SELECT count(*) FROM (SELECT FROM scan_orders LIMIT 2) AS two;
SELECT id FROM scan_orders LIMIT 0;
SELECT id FROM scan_orders ORDER BY id OFFSET 1 LIMIT 1;
SELECT g, EXISTS (SELECT FROM scan_orders WHERE id = g) FROM generate_series(1, 4) AS g;
SELECT id FROM scan_orders WHERE false;
WITH o AS MATERIALIZED (SELECT * FROM scan_orders) SELECT a.id, b.id FROM o a JOIN o b ON a.id = b.id + 1 ORDER BY 1;
(SELECT id FROM scan_orders) UNION ALL (SELECT -id FROM scan_orders) ORDER BY 1;
PREPARE one AS SELECT id FROM scan_orders WHERE id = $1;
EXECUTE one (1);
EXECUTE one (2);

-- New records are seen by the next statement; a scan writes nothing.
BEGIN READ ONLY;
SELECT count(*) FROM scan_orders;
\! echo '{"id": 4}' | kafka_tool produce scan_orders -p 1
SELECT count(*) FROM scan_orders;
COMMIT;
SELECT count(*) FROM kafka.offsets WHERE topic = 'scan_orders';

-- An empty topic has no rows.
\! kafka_tool create-topic --replace scan_empty 2
CREATE FOREIGN TABLE scan_empty (id int) SERVER scan_test OPTIONS (topic 'scan_empty');
SELECT * FROM scan_empty;
SELECT count(*) FROM scan_empty;

-- A topic that does not exist is an error, and is not made.
\! kafka_tool delete-topic --if-exists scan_unknown
CREATE FOREIGN TABLE scan_unknown (id int) SERVER scan_test OPTIONS (topic 'scan_unknown');
\set VERBOSITY sqlstate
SELECT * FROM scan_unknown;
\set VERBOSITY default
DO $$ BEGIN PERFORM * FROM scan_unknown; EXCEPTION WHEN fdw_table_not_found THEN RAISE NOTICE 'unknown topic'; END $$;
\! kafka_tool list-topics | grep -c scan_unknown
EXPLAIN (COSTS OFF) SELECT * FROM scan_unknown;

-- What retention removed is not there.
\! kafka_tool delete-records scan_orders 2 1
SELECT id FROM scan_orders ORDER BY id;

-- A batch that is small as it is sent may be larger than the client takes.
\! kafka_tool create-topic --replace scan_blown_up 1
\! perl -e 'print q({"id": 1, "pad": "), "a" x 100500000, q("})' | kafka_tool produce scan_blown_up -l -X compression.codec=zstd -X message.max.bytes=200000000
CREATE FOREIGN TABLE scan_blown_up (id int) SERVER scan_test OPTIONS (topic 'scan_blown_up');
DO $$ DECLARE hint text; BEGIN PERFORM * FROM scan_blown_up; EXCEPTION WHEN data_corrupted THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT; RAISE NOTICE '%: %', SQLERRM, hint; END $$;
ALTER FOREIGN TABLE scan_blown_up OPTIONS (fetch_max_bytes '310000000');
SELECT id FROM scan_blown_up;
\! kafka_tool delete-topic scan_blown_up

SET client_min_messages = warning;
DROP SERVER scan_test CASCADE;
