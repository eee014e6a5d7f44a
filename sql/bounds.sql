-- Conditions on partition and offset decide what is fetched, and change no result.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
\getenv servers KAFKA_BOOTSTRAP_SERVERS
CREATE SERVER bounds_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
RESET client_min_messages;

\! kafka_tool create-topic --replace bounds_test 4
SET timezone = 'Asia/Kathmandu';
CREATE FOREIGN TABLE bounds_test (
    id int,
    p int    OPTIONS (metadata 'partition'),
    o bigint OPTIONS (metadata 'offset'),
    t timestamptz OPTIONS (metadata 'timestamp')
) SERVER bounds_test OPTIONS (topic 'bounds_test');

-- The times of partition 0 ascend, those of 1 go back and forth, those of 2 are all the same.
INSERT INTO bounds_test (id, p, t)
SELECT i, p, '2024-02-29 12:00+00'::timestamptz + (ARRAY[i, i * 7 % 20, 10])[p + 1] * interval '1 hour'
FROM generate_series(0, 2) p, generate_series(0, 19) i;
CREATE TABLE bounds_copy AS SELECT * FROM bounds_test;

-- How much of the topic a query fetches: records, partitions.
CREATE FUNCTION fetched(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, FORMAT json) ' || query INTO plan;
    RETURN (regexp_match(plan::text, '"Records Read": (\d+)'))[1] || ' of '
        || (regexp_match(plan::text, '"Partitions Read": (\d+)'))[1];
END $$;
SELECT q, fetched('SELECT * FROM bounds_test WHERE ' || q) FROM unnest(ARRAY[
    'p = 1', '1 = p', 'p <> 1', 'p IN (0, 2)', 'p NOT IN (0, 2)', 'p = ANY (ARRAY[2, 7, NULL])', 'p > 0 AND p < 2',
    'p BETWEEN 1 AND 2', 'p = 7', 'p = -1', 'p < 3000000000', 'p > 2147483648', 'p = 1::smallint',
    'o = 5', 'o < 3', 'o <= 3', '3 > o', 'o >= 18', 'o > 19', 'o BETWEEN 5 AND 7', 'o IN (3, 5)', 'o <> 5',
    'p = 1 AND o = 5', '(p, o) = (1, 5)', 'p = 1 AND o = 5 OR p = 2 AND o < 2', '(p = 0 OR p = 1) AND (o = 3 OR o = 4)',
    'o = 9223372036854775807', 'o <= 9223372036854775807', 'o > -5', 'p = NULL', 'p NOT IN (1, NULL)',
    'p IS NOT DISTINCT FROM 1', 'o IS NOT DISTINCT FROM 5', '(p = 1) IS TRUE', 'p = ANY (ARRAY(SELECT 2))',
    'p = (SELECT 2)', 'o >= (SELECT max(o) - 1 FROM bounds_copy)']) AS q;

-- The earliest time that is asked for is where the broker lets reading begin; the latest one filters.
SELECT q, fetched('SELECT * FROM bounds_test WHERE ' || q) FROM unnest(ARRAY[
    't >= ''2024-03-01 00:00+00''', 't > ''2024-03-01 07:00+00''', '''2024-03-01 05:00+00'' <= t', 't = ''2024-03-01 00:00+00''',
    't < ''2024-03-01 00:00+00''', 't > ''2024-03-05''', 't >= ''infinity''', 't >= ''-infinity''', 't > ''1969-12-31''', 't > NULL',
    't >= date ''2024-03-01''', 't >= timestamp ''2024-03-01 05:45''', 't >= date ''5000000-01-01''', 't >= date ''4713-01-01 BC''',
    't BETWEEN ''2024-03-01 03:00+00'' AND ''2024-03-01 04:00+00'' AND p = 0', 't = ANY (ARRAY[''2024-03-01 05:00+00'', NULL, ''2024-03-01 04:00+00'']::timestamptz[])',
    't <> ''2024-03-01 00:00+00''', 't >= ''2024-03-01 05:00+00'' OR o < 2', 't >= ''2024-03-01 05:00+00'' AND o >= 18',
    'p = 0 AND t >= ''2024-03-01 06:00+00'' OR p = 1 AND t >= ''2024-03-01 04:00+00''', 't >= now()', 't + interval ''1 day'' > now()',
    't >= (SELECT max(t) FROM bounds_copy)', 'NOT t < ''2024-03-01 05:00+00''']) AS q;
CREATE FOREIGN TABLE bounds_number (id int, p int OPTIONS (metadata 'partition'), t bigint OPTIONS (metadata 'timestamp'))
    SERVER bounds_test OPTIONS (topic 'bounds_test');
CREATE FOREIGN TABLE bounds_rounded (id int, p int OPTIONS (metadata 'partition'), t timestamptz(0) OPTIONS (metadata 'timestamp'))
    SERVER bounds_test OPTIONS (topic 'bounds_test');
SELECT q, fetched('SELECT * FROM bounds_number WHERE ' || q) FROM unnest(ARRAY[
    't >= 1709269200000', 't > 1709276400000', 't >= 9223372036854775807', 't < 0', 't >= -1', 't = 1709244000000', 't >= 1709269200000::numeric']) AS q;

-- What cannot be used widens the scan.
SELECT q, fetched('SELECT * FROM bounds_test WHERE ' || q) FROM unnest(ARRAY[
    'p = 0 OR id = 3', 'o > id', 'o + 1 = 5', 'p = 1.0', 'o = floor(random() * 0)', 'NOT (p = 1 AND o = 5)',
    'p IS DISTINCT FROM 1', '(p = 1) IS NOT FALSE', 't IS NOT DISTINCT FROM ''2024-03-01 00:00+00''',
    'p::text = ''1''', 'p IS NOT NULL', 'p = 1 AND id = 5']) AS q;

-- Parameters, also of a generic plan; correlated sub-selects and nested loops.
SET plan_cache_mode = force_generic_plan;
PREPARE one (int, bigint) AS SELECT * FROM bounds_test WHERE p = $1 AND o >= $2;
EXECUTE one (1, 18);
EXECUTE one (2, 19);
EXECUTE one (NULL, 0);
RESET plan_cache_mode;
SELECT x, (SELECT sum(id) FROM bounds_test WHERE p = x AND o < x + 2) FROM generate_series(0, 3) x;
SELECT x, s.* FROM generate_series(0, 2) x, LATERAL (SELECT * FROM bounds_test WHERE p = x AND o = 7 - x OFFSET 0) s;

-- A column that rounds shows a time that a record does not have yet.
INSERT INTO bounds_test (id, p, t) VALUES (20, 3, '2024-03-03 00:00:00.6+00'), (21, 3, '2024-03-03 00:00:01+00');
SELECT id, t AT TIME ZONE 'UTC' FROM bounds_rounded WHERE t >= '2024-03-03 00:00:01+00' AND p = 3 ORDER BY id;

-- A consuming table: the partition decides what is consumed, everything else filters.
CREATE FOREIGN TABLE bounds_feed (
    id int,
    p int    OPTIONS (metadata 'partition'),
    o bigint OPTIONS (metadata 'offset')
) SERVER bounds_test OPTIONS (topic 'bounds_test', group_id 'bounds_test');
BEGIN;
SELECT count(*) FROM bounds_feed WHERE p = 1 AND o < 3;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'bounds_test' ORDER BY 1;
SELECT p, count(*) FROM bounds_feed WHERE p >= 1 GROUP BY p ORDER BY p;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'bounds_test' ORDER BY 1;
ROLLBACK;
SELECT p, count(*) FROM (SELECT * FROM bounds_feed WHERE p = 0 UNION ALL SELECT * FROM bounds_feed WHERE p IN (0, 2)) s GROUP BY p ORDER BY p;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'bounds_test' ORDER BY 1;


-- Also where it is known only at run time, and where it changes from one rescan to the next.
DELETE FROM kafka.offsets WHERE group_id = 'bounds_test';
SELECT count(*) FROM bounds_feed WHERE p = (SELECT 1);
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'bounds_test' ORDER BY 1;
SELECT x, (SELECT count(*) FROM bounds_feed WHERE p = x) FROM unnest(ARRAY[2, 0, 2]) x;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'bounds_test' ORDER BY 1;

DELETE FROM kafka.offsets WHERE group_id = 'bounds_test';
SET client_min_messages = warning;
DROP SERVER bounds_test CASCADE;
DROP TABLE bounds_copy;
DROP FUNCTION fetched;
\! kafka_tool delete-topic bounds_test
