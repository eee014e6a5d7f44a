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

-- EXPLAIN of a consuming table reads nothing; EXPLAIN ANALYZE reads, and so consumes.
SELECT explain_rows('SELECT * FROM explain_feed LIMIT 2');
EXPLAIN (COSTS OFF) SELECT * FROM explain_feed;
SELECT count(*) FROM explain_feed;
SELECT explain_rows('SELECT * FROM explain_feed');
SELECT explain_rows('INSERT INTO explain_topic VALUES (4)');
SELECT count(*) FROM explain_topic;

DROP FUNCTION explain_rows;
DROP SERVER explain_nowhere CASCADE;

SET client_min_messages = warning;
DROP SERVER explain_test CASCADE;
