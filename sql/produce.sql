-- kafka.produce(): one record at once, and where it is.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
SET TimeZone = 'UTC';
CREATE SERVER produce_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace produce 2
CREATE FOREIGN TABLE produce_topic (id int) SERVER produce_test OPTIONS (topic 'produce', max_request_size '2000');

SELECT * FROM kafka.produce('produce_topic', value => '{"id": 1}', partition => 1, "timestamp" => '2024-02-03 04:05:06.789');
SELECT _partition, _offset FROM kafka.produce('produce_topic', '{"id": 2}', 'a key', ARRAY[('h', '\x00ff'), ('h', NULL)]::kafka.header[], 0);
SELECT _offset FROM kafka.produce('produce_topic', NULL, key => 'a key', partition => 0);
SELECT _offset FROM kafka.produce('produce_topic', '\x6100ff'::bytea, key => '\xff'::bytea, partition => 0);
SELECT _offset FROM kafka.produce('produce_topic', ('{"id": ' || 3 || '}'), partition => 0);
SELECT (kafka.produce('produce_topic', format('{"id": %s}', g), partition => 1))._offset FROM generate_series(4, 6) AS g;
-- A key chooses the partition as in an INSERT.
SELECT count(*), count(DISTINCT _partition) FROM generate_series(1, 3), kafka.produce('produce_topic', 'x' || generate_series, key => 'same');
\! kafka_tool consume produce -p 0 -f okvh | grep -v same
BEGIN;
SELECT _partition FROM kafka.produce('produce_topic', '{"id": 7}', partition => 1);
ROLLBACK;
\! kafka_tool consume produce -p 1 -f ov | grep id

-- Refused.
SELECT kafka.produce(NULL, 'x');
SELECT kafka.produce('pg_class', 'x');
SELECT kafka.produce('produce_topic', NULL);
SELECT kafka.produce('produce_topic', 'x', partition => 2);
SELECT kafka.produce('produce_topic', 'x', partition => -1);
SELECT kafka.produce('produce_topic', 'x', "timestamp" => 'infinity');
SELECT kafka.produce('produce_topic', 'x', headers => ARRAY[NULL]::kafka.header[]);
SELECT kafka.produce('produce_topic', repeat('x', 2000));
BEGIN READ ONLY;
SELECT kafka.produce('produce_topic', 'x');
ROLLBACK;
CREATE ROLE regress_kafka_producer;
SET ROLE regress_kafka_producer;
SELECT kafka.produce('produce_topic', 'x');
RESET ROLE;
GRANT INSERT ON produce_topic TO regress_kafka_producer;
SET ROLE regress_kafka_producer;
SELECT _partition FROM kafka.produce('produce_topic', '{"id": 8}', partition => 1);
RESET ROLE;
DROP OWNED BY regress_kafka_producer;
DROP ROLE regress_kafka_producer;

SET client_min_messages = warning;
DROP SERVER produce_test CASCADE;
