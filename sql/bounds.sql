-- Conditions on partition and offset decide what is fetched, and change no result.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
\getenv servers KAFKA_BOOTSTRAP_SERVERS
CREATE SERVER bounds_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
RESET client_min_messages;

\! kafka_tool create-topic --replace bounds_test 4
\! for p in 0 1 2; do kafka_tool generate bounds_test -n 20 -p $p -m '{"id":{i}}' >/dev/null; done
CREATE FOREIGN TABLE bounds_test (
    id int,
    p int    OPTIONS (metadata 'partition'),
    o bigint OPTIONS (metadata 'offset')
) SERVER bounds_test OPTIONS (topic 'bounds_test');
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
    'p = (SELECT 2)', 'o >= (SELECT max(o) - 1 FROM bounds_copy)']) AS q;

-- What cannot be used widens the scan.
SELECT q, fetched('SELECT * FROM bounds_test WHERE ' || q) FROM unnest(ARRAY[
    'p = 0 OR id = 3', 'o > id', 'o + 1 = 5', 'p = 1.0', 'o = floor(random() * 0)', 'NOT (p = 1 AND o = 5)',
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

-- The same rows as a plain table has, whatever the conditions.
CREATE FUNCTION random_condition(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    kind int := floor(random() * CASE WHEN depth = 0 THEN 6 ELSE 9 END);
    col text := CASE WHEN random() < 0.4 THEN 'p' ELSE 'o' END;
    op text := (ARRAY['=', '<>', '<', '<=', '>', '>='])[1 + floor(random() * 6)];
    value text := CASE WHEN random() < 0.05 THEN 'NULL' ELSE floor(random() * 24 - 2)::text END;
BEGIN
    RETURN CASE kind
        WHEN 0 THEN format('%s %s %s::int', value, op, col)
        WHEN 1 THEN format('%s %s ANY (ARRAY[%s, %s]::int[])', col, op, value, floor(random() * 4))
        WHEN 2 THEN format('%s %s ALL (ARRAY[%s, %s]::int[])', col, op, value, floor(random() * 4))
        WHEN 3 THEN format('id %s %s', op, value)
        WHEN 4 THEN format('%s BETWEEN %s AND %s', col, value, floor(random() * 20))
        WHEN 5 THEN format('%s %s (SELECT %s)::bigint', col, op, value)
        WHEN 6 THEN format('NOT (%s)', random_condition(depth - 1))
        WHEN 7 THEN format('(%s) OR (%s)', random_condition(depth - 1), random_condition(depth - 1))
        ELSE format('(%s) AND (%s)', random_condition(depth - 1), random_condition(depth - 1))
    END;
END $$;
DO $$
DECLARE
    condition text;
    here text;
    there text;
    matched int := 0;
BEGIN
    PERFORM setseed(0.4711);
    FOR i IN 1 .. 600 LOOP
        condition := random_condition(3);
        EXECUTE 'SELECT string_agg(format(''%s/%s/%s'', p, o, id), '' '' ORDER BY p, o) FROM bounds_test WHERE ' || condition INTO here;
        EXECUTE 'SELECT string_agg(format(''%s/%s/%s'', p, o, id), '' '' ORDER BY p, o) FROM bounds_copy WHERE ' || condition INTO there;
        IF here IS DISTINCT FROM there THEN
            RAISE WARNING '%: % instead of %', condition, here, there;
        END IF;
        matched := matched + (here IS NOT NULL)::int;
    END LOOP;
    RAISE NOTICE 'conditions that matched something: %', matched > 200;
END $$;

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
DROP FUNCTION fetched, random_condition;
\! kafka_tool delete-topic bounds_test
