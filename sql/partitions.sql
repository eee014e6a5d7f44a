-- The option "partitions": a table of some of a topic's partitions.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER partitions_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace some_partitions 6
\! printf '0|0\n1|1\n2|2\n3|3\n4|4\n5|5\n' | kafka_tool produce some_partitions -P '|'
CREATE FOREIGN TABLE some_partitions (v text, p int OPTIONS (metadata 'partition'))
  SERVER partitions_test OPTIONS (topic 'some_partitions', format 'text', partitions '0-2,4');
CREATE FUNCTION some_partitions_with(partitions text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text[];
BEGIN
  EXECUTE format('ALTER FOREIGN TABLE some_partitions OPTIONS (SET partitions %L)', partitions);
  EXECUTE 'SELECT array_agg(v ORDER BY v) FROM some_partitions' INTO result;
  RETURN result;
END $$;
SELECT v FROM some_partitions ORDER BY v;
SELECT v FROM some_partitions WHERE p >= 2 ORDER BY v;
SELECT v FROM some_partitions WHERE p = 3;
EXPLAIN (COSTS OFF) SELECT v FROM some_partitions;
SELECT some_partitions_with(x) FROM unnest('{5,"4,0-1",3-3,"1 , 3",4-,0-,6-,99-,"2147483646-"}'::text[]) x;
-- One that is not there is an error, until it is.
SELECT some_partitions_with('4-6');
SELECT some_partitions_with('9,0');
\! kafka_tool add-partitions some_partitions 7
\! printf '6|6\n' | kafka_tool produce some_partitions -P '|'
SELECT some_partitions_with('4-6');
SELECT some_partitions_with('5-');
-- Values that are none.
SELECT some_partitions_with('');
SELECT some_partitions_with('x');
SELECT some_partitions_with('3-1');
SELECT some_partitions_with('1,');
SELECT some_partitions_with('-1');
SELECT some_partitions_with('1--2');
SELECT some_partitions_with('1-2-3');
SELECT some_partitions_with('0x1');
SELECT some_partitions_with('2147483647');
SELECT some_partitions_with('0-4,2');
SELECT some_partitions_with('1-,3');
ALTER SERVER partitions_test OPTIONS (ADD partitions '1');

-- Consumed: two tables share a topic in one group.
CREATE FOREIGN TABLE some_partitions_low (v text)
  SERVER partitions_test OPTIONS (topic 'some_partitions', format 'text', partitions '0-3', group_id 'some_partitions');
CREATE FOREIGN TABLE some_partitions_high (v text)
  SERVER partitions_test OPTIONS (topic 'some_partitions', format 'text', partitions '4-', group_id 'some_partitions');
BEGIN;
SELECT v FROM some_partitions_low ORDER BY v;
SELECT v FROM some_partitions_high ORDER BY v;
COMMIT;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'some_partitions' ORDER BY partition;
SELECT count(*) FROM some_partitions_low;
-- A group that begins at the ends does so in what each table reads.
ALTER FOREIGN TABLE some_partitions_low OPTIONS (SET group_id 'some_partitions_2', ADD auto_offset_reset 'latest');
ALTER FOREIGN TABLE some_partitions_high OPTIONS (SET group_id 'some_partitions_2', ADD auto_offset_reset 'latest');
SELECT count(*) FROM some_partitions_low;
SELECT count(*) FROM some_partitions_high;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'some_partitions_2' ORDER BY partition;
-- With a list of topics it holds for each of them.
\! kafka_tool create-topic --replace some_partitions_too 2
\! printf '0|too 0\n1|too 1\n' | kafka_tool produce some_partitions_too -P '|'
ALTER FOREIGN TABLE some_partitions OPTIONS (SET topic 'some_partitions,some_partitions_too');
SELECT some_partitions_with('1');
SELECT some_partitions_with('1-');
SELECT some_partitions_with('1-2');

\! kafka_tool delete-topic some_partitions some_partitions_too
DELETE FROM kafka.offsets WHERE server = 'partitions_test';
DELETE FROM kafka.groups WHERE server = 'partitions_test';
DROP FUNCTION some_partitions_with;
SET client_min_messages = warning;
DROP SERVER partitions_test CASCADE;
