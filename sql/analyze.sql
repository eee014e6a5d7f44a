-- ANALYZE takes records evenly from all offsets and estimates how many there are; it moves no position.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER analyze_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

-- fewer records than ANALYZE wants, in partitions of different length, some of them aborted
\! kafka_tool create-topic --replace analyze_small 4
\! seq 100 | sed 's/.*/3|{"id": &}/' | kafka_tool produce analyze_small -P '|' -x abort
\! seq 400 | sed 's/.*/0|{"id": &, "half": 1}/' | kafka_tool produce analyze_small -P '|'
\! seq 400 | sed 's/.*/2|{"id": &}/' | kafka_tool produce analyze_small -P '|'
\! printf '3|k={"id": 1}\n' | kafka_tool produce analyze_small -P '|' -K =
CREATE FOREIGN TABLE small (id int, half int, _partition int OPTIONS (metadata 'partition'), _key text OPTIONS (metadata 'key'))
    SERVER analyze_test OPTIONS (topic 'analyze_small');
CREATE FOREIGN TABLE feed (id int) SERVER analyze_test OPTIONS (topic 'analyze_small', group_id 'analyze');
EXPLAIN SELECT * FROM small WHERE _partition = 0;
ANALYZE small, feed;
SELECT relname, reltuples FROM pg_class WHERE oid IN ('small'::regclass, 'feed'::regclass) ORDER BY 1;
SELECT attname, round(null_frac::numeric, 3) AS null_frac, round(n_distinct::numeric, 3) AS n_distinct, most_common_vals FROM pg_stats WHERE tablename = 'small' AND attname <> 'id' ORDER BY 1;
EXPLAIN SELECT * FROM small WHERE _partition = 0;
SELECT count(*) FROM kafka.offsets WHERE group_id = 'analyze';
\! kafka_tool create-topic --replace analyze_empty 2
CREATE FOREIGN TABLE empty (id int) SERVER analyze_test OPTIONS (topic 'analyze_empty');
ANALYZE empty;
SELECT reltuples FROM pg_class WHERE oid = 'empty'::regclass;

-- what cannot be decoded is left out
\! kafka_tool create-topic --replace analyze_bad 1
\! printf '{"id": 1}\n{"id": "x"}\nno json\n{"id": 4}\n' | kafka_tool produce analyze_bad
CREATE FOREIGN TABLE bad (id int) SERVER analyze_test OPTIONS (topic 'analyze_bad');
ANALYZE bad;
SELECT reltuples, (SELECT histogram_bounds FROM pg_stats WHERE tablename = 'bad') FROM pg_class WHERE oid = 'bad'::regclass;

-- many more: an estimate; where the records have gaps between them, too
\! kafka_tool create-topic --replace analyze_large 3
\! seq 40000 | sed 's/.*/0|{"id": 1}/' | kafka_tool produce analyze_large -P '|' -x abort
\! for p in 0 1; do kafka_tool generate analyze_large -n 40000 -p $p -m '{"id":{i}}' >/dev/null; done
CREATE FOREIGN TABLE large (id int, _partition int OPTIONS (metadata 'partition')) SERVER analyze_test OPTIONS (topic 'analyze_large');
ANALYZE large;
SELECT reltuples BETWEEN 70000 AND 90000 AS is_near FROM pg_class WHERE oid = 'large'::regclass;
SELECT null_frac, n_distinct, (histogram_bounds::text::int[])[1] < 1000 AS low, (histogram_bounds::text::int[])[array_upper(histogram_bounds::text::int[], 1)] > 39000 AS high
    FROM pg_stats WHERE tablename = 'large' AND attname = 'id' AND n_distinct < 0 OR tablename = 'large' AND attname = '_partition';
-- what is known of its size makes it read in parallel, or not
SET parallel_setup_cost = 0;
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = '64 kB';
EXPLAIN (COSTS OFF) SELECT count(*) FROM large;
SET min_parallel_table_scan_size = '1 GB';
EXPLAIN (COSTS OFF) SELECT count(*) FROM large;
RESET ALL;

-- Records that are removed while it reads are not in the sample.
CREATE FUNCTION remove_records(v int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
  IF v = 0 THEN
    COPY (SELECT) TO PROGRAM 'kafka_tool delete-records analyze_large 0 30000 1 20000';
  END IF;
  RETURN true;
END $$;
CREATE DOMAIN removing AS int CHECK (remove_records(VALUE));
CREATE FOREIGN TABLE removed (id removing) SERVER analyze_test OPTIONS (topic 'analyze_large');
ANALYZE removed;
SELECT reltuples > 0 AS some, (SELECT (histogram_bounds::text::int[])[1] = 0 FROM pg_stats WHERE tablename = 'removed') AS began_before
    FROM pg_class WHERE oid = 'removed'::regclass;

-- A partitioned table with partitions of both kinds; a broker that is not there, which is not asked for a role that may not.
CREATE TABLE parted (id int, half int) PARTITION BY LIST (half);
CREATE TABLE parted_local PARTITION OF parted FOR VALUES IN (2);
CREATE FOREIGN TABLE parted_topic PARTITION OF parted FOR VALUES IN (1) SERVER analyze_test OPTIONS (topic 'analyze_empty');
INSERT INTO parted VALUES (1, 2), (2, 2);
ANALYZE parted;
SELECT attname, n_distinct FROM pg_stats WHERE tablename = 'parted' ORDER BY 1;
CREATE SERVER analyze_nowhere FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1', request_timeout_ms '200');
CREATE FOREIGN TABLE nowhere (id int) SERVER analyze_nowhere OPTIONS (topic 'analyze_nowhere');
\set VERBOSITY terse
ANALYZE nowhere;
\set VERBOSITY default
CREATE ROLE analyze_stranger;
SET ROLE analyze_stranger;
SET client_min_messages = error;
ANALYZE nowhere;
RESET client_min_messages;
RESET ROLE;
DROP ROLE analyze_stranger;

DROP TABLE parted;
SET client_min_messages = warning;
DROP SERVER analyze_test, analyze_nowhere CASCADE;
DROP FUNCTION remove_records CASCADE;
\! for t in small empty bad large; do kafka_tool delete-topic analyze_$t; done
