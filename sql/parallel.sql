-- A topic that is read by several processes has the same rows as one that is read by one.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER parallel_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

-- one partition that is cut into pieces, small ones that are taken together, an empty one, aborted records
\! kafka_tool create-topic --replace parallel_many 6
\! seq 30000 | sed 's/.*/4|{"id": &}/' | kafka_tool produce parallel_many -P '|' -x abort
\! kafka_tool generate parallel_many -n 130000 -p 0 -m '{"id":{i}}' >/dev/null
\! for p in 1 2 3; do kafka_tool generate parallel_many -n 500 -p $p -m '{"id":{i}}' >/dev/null; done
\! kafka_tool generate parallel_many -n 10 -p 4 -m '{"id":{i}}' >/dev/null
\! kafka_tool create-topic --replace parallel_few 2
\! printf '0|k={"id": 1}\n1|k={"id": 2}\n1|k={"id": 3}\n0|k={"id": "x"}\n' | kafka_tool produce parallel_few -P '|' -K =
CREATE FOREIGN TABLE many (id int, nothing int, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'),
    _timestamp timestamptz OPTIONS (metadata 'timestamp'), _headers kafka.header[] OPTIONS (metadata 'headers'))
    SERVER parallel_test OPTIONS (topic 'parallel_many');
CREATE FOREIGN TABLE few (id int, raw text OPTIONS (metadata 'value'), _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
    SERVER parallel_test OPTIONS (topic 'parallel_few');
CREATE FOREIGN TABLE feed (id int) SERVER parallel_test OPTIONS (topic 'parallel_few', group_id 'parallel');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE FOREIGN TABLE checked (id positive) SERVER parallel_test OPTIONS (topic 'parallel_few');
CREATE FOREIGN TABLE cautious (id money, raw text OPTIONS (metadata 'value')) SERVER parallel_test OPTIONS (topic 'parallel_few', on_error 'ignore');
CREATE TABLE wide AS SELECT g AS id FROM generate_series(0, 999) g;
ANALYZE wide;

-- by default a topic whose size nobody knows is read by one process
EXPLAIN (COSTS OFF) SELECT count(*) FROM many;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT count(*) FROM many;
EXPLAIN (COSTS OFF) SELECT count(*) FROM feed;
EXPLAIN (COSTS OFF) SELECT count(*) FROM checked;
-- nor what takes a subtransaction for each record
EXPLAIN (COSTS OFF) SELECT count(*) FROM cautious;
SELECT count(*) FROM cautious;
EXPLAIN (COSTS OFF) SELECT * FROM many LIMIT 10;

-- Runs a query by several processes and by one, and says whether the answers are the same.
CREATE FUNCTION compare(query text, OUT gather boolean, OUT same boolean, OUT answer text) LANGUAGE plpgsql AS $$
DECLARE
    alone text;
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    gather := plan::text ~ '"Node Type": "Gather' AND plan::text ~ '"Node Type": "Foreign Scan",\s*"[^}]*"Parallel Aware": true';
    EXECUTE query INTO answer;
    SET LOCAL max_parallel_workers_per_gather = 0;
    EXECUTE query INTO alone;
    same := alone IS NOT DISTINCT FROM answer;
    SET LOCAL max_parallel_workers_per_gather = 2;
END $$;
SELECT * FROM compare('SELECT (count(*), sum(id), sum(_offset), count(DISTINCT (_partition, _offset)), max(cardinality(_headers)))::text FROM many');
SELECT * FROM compare('SELECT (count(*), sum(id), min(_partition))::text FROM few WHERE _partition = 1');
-- what is fetched, by constants, parameters and sub-selects
SELECT * FROM compare('SELECT (count(*), min(_offset), max(_offset))::text FROM many WHERE _partition = 0 AND _offset BETWEEN 5000 AND 99999');
SELECT * FROM compare('SELECT (count(*), min(_offset), max(_offset))::text FROM many WHERE _partition = (SELECT 0) AND _offset >= (SELECT max(id) + 100000 FROM wide)');
SELECT * FROM compare('SELECT count(*)::text FROM many WHERE _partition = 99');
SELECT * FROM compare($$SELECT (count(*), min(id))::text FROM many WHERE _timestamp >= now() - interval '1 hour' AND _partition <> 0$$);
SELECT * FROM compare($$SELECT count(*)::text FROM many WHERE _timestamp > now() + interval '1 hour'$$);
PREPARE part(int, bigint) AS SELECT count(*), min(_offset), max(_offset) FROM many WHERE _partition = $1 AND _offset >= $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE part(0, 1);
EXECUTE part(0, 129000);
EXECUTE part(1, 490);
EXECUTE part(NULL, NULL);
RESET plan_cache_mode;
-- joins: both sides are the same range
SELECT * FROM compare('SELECT (count(*), sum(a.id))::text FROM many a JOIN many b USING (_partition, _offset)');
SELECT * FROM compare('SELECT (count(*), sum(m.id))::text FROM many m JOIN wide w USING (id)');
SELECT * FROM compare('SELECT (count(*), sum(w.id))::text FROM wide w WHERE EXISTS (SELECT FROM many m WHERE m.id = w.id AND m._partition = 1)');
SELECT * FROM compare('SELECT count(*)::text FROM (SELECT id FROM many WHERE _partition IN (1, 2) UNION ALL SELECT id FROM wide) u');
SELECT * FROM compare('SELECT (array_agg(id ORDER BY id))::text FROM (SELECT id FROM many WHERE _partition = 3 ORDER BY id DESC LIMIT 3) s');
-- rescans
SET enable_material = off;
SELECT * FROM compare('SELECT array_agg((v.x, m.n) ORDER BY v.x)::text FROM (SELECT count(*) AS n FROM many WHERE _partition > 0) m RIGHT JOIN (VALUES (1), (2), (3)) v(x) ON true');
SELECT * FROM compare('SELECT (count(*), sum(id), count(DISTINCT _partition))::text FROM (SELECT id, _partition FROM many WHERE id < 20 OFFSET 0) m RIGHT JOIN (VALUES (1), (2)) v(x) ON m.id >= v.x');
RESET enable_material;
-- the rest is not read
SELECT * FROM compare('SELECT count(*)::text FROM (SELECT FROM many WHERE id >= 0 LIMIT 7) s');
SET parallel_leader_participation = off;
SELECT * FROM compare('SELECT (count(*), sum(id))::text FROM many');
RESET parallel_leader_participation;

-- an error of any process is the statement's, and leaves nothing behind
\set VERBOSITY terse
SELECT count(id) FROM few;
SELECT count(*) FROM many WHERE id / (id - 77777) > 0;
SELECT count(*) FROM kafka.stat_scans WHERE "table" IN ('many'::regclass, 'few'::regclass);
\set VERBOSITY default
SELECT * FROM compare('SELECT (count(*), sum(id))::text FROM many WHERE _partition = 0');

-- EXPLAIN ANALYZE tells what all of them read
CREATE FUNCTION explain_counts(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        IF line ~ 'Read|Parallel|Ranges|Never' THEN RETURN NEXT regexp_replace(line, ' \(actual.*', ''); END IF;
    END LOOP;
END $$;
SELECT explain_counts('SELECT count(*), count(id), count(nothing) FROM many WHERE _offset < 130000');

DROP FUNCTION explain_counts, compare;
DROP TABLE wide;
SET client_min_messages = warning;
DROP SERVER parallel_test CASCADE;
DROP DOMAIN positive;
\! kafka_tool delete-topic parallel_many
\! kafka_tool delete-topic parallel_few
