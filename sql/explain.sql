-- EXPLAIN asks no broker; with ANALYZE it tells what was read.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER explain_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

CREATE SERVER explain_nowhere FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE explain_nowhere (id int) SERVER explain_nowhere OPTIONS (topic 'explain_nowhere');
CREATE FOREIGN TABLE explain_nowhere_feed (id int) SERVER explain_nowhere OPTIONS (topic 'explain_nowhere', group_id 'explain');
EXPLAIN (COSTS OFF) SELECT * FROM explain_nowhere WHERE id > 1 ORDER BY id;
EXPLAIN (COSTS OFF) SELECT * FROM explain_nowhere_feed;
EXPLAIN (COSTS OFF) INSERT INTO explain_nowhere VALUES (1);
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM explain_nowhere;

-- Nor does a plan that never reads the topic.
SELECT * FROM explain_nowhere WHERE false;
SELECT * FROM explain_nowhere LIMIT 0;
BEGIN;
DECLARE never_fetched CURSOR FOR SELECT * FROM explain_nowhere_feed;
COMMIT;

\! kafka_tool create-topic --replace explain 2
\! printf '0|k={"id": 1}\n1|k={"id": 2}\n1|k={"id": 3}\n' | kafka_tool produce explain -P '|' -K =
CREATE FOREIGN TABLE explain_topic (id int) SERVER explain_test OPTIONS (topic 'explain');
CREATE FOREIGN TABLE explain_feed (id int) SERVER explain_test OPTIONS (topic 'explain', group_id 'explain');
CREATE FUNCTION explain_rows(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
    RETURN NEXT regexp_replace(line, 'rows=(\d+)\.00', 'rows=\1');	-- as 18 writes it
  END LOOP;
END $$;
SELECT explain_rows('SELECT * FROM explain_topic');
SELECT explain_rows('SELECT * FROM explain_topic WHERE id = 2');

-- Conditions that decide what is fetched, with constants, parameters and sub-selects, and the ranges that came of them.
CREATE FOREIGN TABLE explain_all (id int, nothing text, "no field" int OPTIONS (field 'a.b'), _key text OPTIONS (metadata 'key'), _topic text OPTIONS (metadata 'topic'),
    _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'), _timestamp timestamptz OPTIONS (metadata 'timestamp'))
    SERVER explain_test OPTIONS (topic 'explain');
EXPLAIN (COSTS OFF) SELECT * FROM explain_all WHERE id = 1 AND _partition = 1 AND (_offset > 3 OR _timestamp >= now()) AND _offset <> id;
EXPLAIN (COSTS OFF) SELECT * FROM explain_all WHERE _timestamp BETWEEN now() AND now() AND _timestamp <> now() AND _offset NOT IN (3, 4);
SELECT regexp_replace(line, '\$0|\(InitPlan 1\)\.col1', '$0') FROM explain_rows('SELECT _key FROM explain_all a WHERE _offset >= (SELECT 1)') line WHERE line ~ 'Pushed';
PREPARE explain_part(int) AS SELECT id FROM explain_all WHERE _partition = $1 AND _offset < 7;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE explain_part(1);
SELECT explain_rows('EXECUTE explain_part(1)');
SELECT explain_rows('EXECUTE explain_part(7)');
RESET plan_cache_mode;
SELECT explain_rows('SELECT * FROM explain_all WHERE _offset >= 1');
-- The same to be read by programs.
CREATE FUNCTION explain_properties(query text) RETURNS TABLE (key text, value text) LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS OFF, FORMAT json) ' || query INTO plan;
  RETURN QUERY SELECT p.key, CASE p.key WHEN 'Broker Wait Time' THEN ((p.value #>> '{}')::float8 > 0)::text ELSE regexp_replace(p.value::text, '\s+', ' ', 'g') END
    FROM json_each(plan #> '{0,Plan}') p WHERE p.key ~ 'Kafka|Group|Pushed|Partitions|Ranges|Read|Fields|Broker';
END $$;
SELECT * FROM explain_properties('SELECT * FROM explain_all WHERE _offset >= 1');
-- Several topics.
\! kafka_tool create-topic --replace explain_other 1
\! echo '{"id": 5}' | kafka_tool produce explain_other
CREATE FOREIGN TABLE explain_both (id int, _topic text OPTIONS (metadata 'topic')) SERVER explain_test OPTIONS (topic 'explain,explain_other');
SELECT explain_rows($$SELECT * FROM explain_both WHERE _topic = 'explain_other'$$);
SELECT explain_rows('SELECT id FROM explain_both');

-- EXPLAIN of a consuming table reads nothing; EXPLAIN ANALYZE reads, and so consumes.
SELECT explain_rows('SELECT * FROM explain_feed LIMIT 2');
EXPLAIN (COSTS OFF) SELECT * FROM explain_feed;
SELECT count(*) FROM explain_feed;
SELECT explain_rows('SELECT * FROM explain_feed');
SELECT explain_rows('INSERT INTO explain_topic VALUES (4)');
SELECT count(*) FROM explain_topic;

DROP FUNCTION explain_rows, explain_properties;
DROP SERVER explain_nowhere CASCADE;

SET client_min_messages = warning;
DROP SERVER explain_test CASCADE;
\! kafka_tool delete-topic explain
\! kafka_tool delete-topic explain_other
