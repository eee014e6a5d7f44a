-- A consuming table beside parallel workers: its positions are read and written by the leader.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
\getenv servers KAFKA_BOOTSTRAP_SERVERS
CREATE SERVER consume_parallel FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
RESET client_min_messages;

\! kafka_tool create-topic --replace consume_parallel 2
\! kafka_tool generate consume_parallel -n 100 -p 0 -m '{"id":{i}}' >/dev/null
\! kafka_tool generate consume_parallel -n 50 -p 1 -m '{"id":{i}}' >/dev/null
CREATE FOREIGN TABLE consume_parallel (id int)
    SERVER consume_parallel OPTIONS (topic 'consume_parallel', group_id 'consume_parallel');
CREATE TABLE wide AS SELECT g AS id, repeat('x', 100) AS filler FROM generate_series(0, 20000) g;
ANALYZE wide;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION has_gather(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan::text LIKE '%Gather%';
END $$;
SELECT has_gather($$SELECT count(*) FROM consume_parallel JOIN (SELECT id FROM wide WHERE filler LIKE '%x') w USING (id)$$);

BEGIN;
SELECT count(*) FROM consume_parallel JOIN (SELECT id FROM wide WHERE filler LIKE '%x') w USING (id);
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'consume_parallel' ORDER BY 1;
ROLLBACK;
SELECT count(*) FROM consume_parallel JOIN (SELECT id FROM wide WHERE filler LIKE '%x') w USING (id);
SELECT count(*) FROM consume_parallel JOIN (SELECT id FROM wide WHERE filler LIKE '%x') w USING (id);
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'consume_parallel' ORDER BY 1;

DELETE FROM kafka.offsets WHERE group_id = 'consume_parallel';
SET client_min_messages = warning;
DROP SERVER consume_parallel CASCADE;
DROP TABLE wide;
DROP FUNCTION has_gather;
\! kafka_tool delete-topic consume_parallel
