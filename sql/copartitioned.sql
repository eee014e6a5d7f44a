-- kafka.check_copartitioned(): the same number of partitions, and the same partition for the same key.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE ROLE regress_copartitioned;
CREATE SERVER copartitioned_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FUNCTION by_length(key bytea, partition_count int) RETURNS int LANGUAGE sql RETURN length(key) % partition_count;
RESET client_min_messages;
\! for t in a b; do kafka_tool create-topic --replace copartitioned_$t 4; done; kafka_tool create-topic --replace copartitioned_c 6
CREATE FOREIGN TABLE copartitioned_a (k text OPTIONS (metadata 'key'), v text) SERVER copartitioned_test OPTIONS (topic 'copartitioned_a');
CREATE FOREIGN TABLE copartitioned_b (k text OPTIONS (metadata 'key'), v text) SERVER copartitioned_test OPTIONS (topic 'copartitioned_b');
CREATE FOREIGN TABLE copartitioned_c (k text OPTIONS (metadata 'key'), v text) SERVER copartitioned_test OPTIONS (topic 'copartitioned_c');
CREATE FOREIGN TABLE copartitioned_ac (k text OPTIONS (metadata 'key'), v text) SERVER copartitioned_test OPTIONS (topic 'copartitioned_a, copartitioned_c');
CREATE FOREIGN TABLE copartitioned_ab (k text OPTIONS (metadata 'key'), v text) SERVER copartitioned_test OPTIONS (topic 'copartitioned_a, copartitioned_b');
CREATE FOREIGN TABLE copartitioned_none (v text) SERVER copartitioned_test OPTIONS (topic 'copartitioned_none');
CREATE TABLE copartitioned_plain (v text);

SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_a');
SELECT kafka.check_copartitioned('copartitioned_b', 'copartitioned_ab');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_c');
SELECT kafka.check_copartitioned('copartitioned_c', 'copartitioned_a');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_ac');
SELECT kafka.check_copartitioned('copartitioned_ac', 'copartitioned_a');

-- Partitioners: some differ only where there is no key, some ignore the key.
ALTER FOREIGN TABLE copartitioned_b OPTIONS (ADD partitioner 'murmur2');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
ALTER FOREIGN TABLE copartitioned_b OPTIONS (SET partitioner 'org.apache.kafka.clients.producer.internals.DefaultPartitioner');
SELECT kafka.check_copartitioned('copartitioned_b', 'copartitioned_a');
ALTER FOREIGN TABLE copartitioned_b OPTIONS (SET partitioner 'consistent_random');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
ALTER FOREIGN TABLE copartitioned_a OPTIONS (ADD partitioner 'consistent');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
ALTER FOREIGN TABLE copartitioned_b OPTIONS (SET partitioner 'round_robin');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
ALTER FOREIGN TABLE copartitioned_a OPTIONS (SET partitioner 'round_robin');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
ALTER FOREIGN TABLE copartitioned_a OPTIONS (SET partitioner 'random');
ALTER FOREIGN TABLE copartitioned_b OPTIONS (SET partitioner 'public.by_length');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
ALTER FOREIGN TABLE copartitioned_a OPTIONS (SET partitioner 'public.by_length');
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');

-- What cannot be asked
DO $$
BEGIN
  PERFORM kafka.check_copartitioned('copartitioned_a', 'copartitioned_none');
  RAISE 'a topic that is not there is copartitioned';
EXCEPTION WHEN fdw_table_not_found THEN
  ASSERT SQLERRM LIKE 'topic "copartitioned_none" does not exist at %';
END $$;
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_plain');
SELECT kafka.check_copartitioned(99999999, 'copartitioned_a');
SELECT kafka.check_copartitioned(NULL, 'copartitioned_a') IS NULL AS nothing;
SET ROLE regress_copartitioned;
SELECT kafka.check_copartitioned('copartitioned_a', 'copartitioned_b');
RESET ROLE;

\! kafka_tool delete-topic copartitioned_a copartitioned_b copartitioned_c
SET client_min_messages = warning;
DROP TABLE copartitioned_plain;
DROP SERVER copartitioned_test CASCADE;
DROP FUNCTION by_length;
DROP ROLE regress_copartitioned;
