-- INSERT: what is refused, and at the statement where it can be known.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER insert_errors_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace insert_errors 2
CREATE FOREIGN TABLE insert_errors (
  id int, k text OPTIONS (metadata 'key'), p bigint OPTIONS (metadata 'partition'), at bigint OPTIONS (metadata 'timestamp'),
  h kafka.header[] OPTIONS (metadata 'headers'), gone boolean OPTIONS (metadata 'tombstone'), o bigint OPTIONS (metadata 'offset'),
  t text OPTIONS (metadata 'topic'), tt text OPTIONS (metadata 'timestamp_type')
) SERVER insert_errors_test OPTIONS (topic 'insert_errors');

-- Partition, timestamp, headers, columns that the broker sets, tombstones.
INSERT INTO insert_errors (id, p) VALUES (1, 2);
INSERT INTO insert_errors (id, p) VALUES (1, -1);
INSERT INTO insert_errors (id, p) VALUES (1, 4294967296);
INSERT INTO insert_errors (id, at) VALUES (1, -5);
INSERT INTO insert_errors (id, h) VALUES (1, ARRAY[NULL]::kafka.header[]);
INSERT INTO insert_errors (id, h) VALUES (1, ARRAY[(NULL, 'x')]::kafka.header[]);
INSERT INTO insert_errors (id, h) VALUES (1, ARRAY[ARRAY[('k', 'x')]]::kafka.header[]);
INSERT INTO insert_errors (id, o) VALUES (1, 0);
INSERT INTO insert_errors (id, t) VALUES (1, 'insert_errors');
INSERT INTO insert_errors (id, tt) VALUES (1, 'CreateTime');
INSERT INTO insert_errors (gone) VALUES (true);
INSERT INTO insert_errors (id, k, gone) VALUES (1, 'k', true);

-- What a topic cannot do.
UPDATE insert_errors SET id = 2;
DELETE FROM insert_errors;
TRUNCATE insert_errors;
INSERT INTO insert_errors VALUES (1) ON CONFLICT DO NOTHING;
INSERT INTO insert_errors VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2;

-- Two columns that are one field.
CREATE FOREIGN TABLE insert_twice (a int, b int OPTIONS (field 'a')) SERVER insert_errors_test OPTIONS (topic 'insert_errors');
INSERT INTO insert_twice VALUES (1, 2);
CREATE FOREIGN TABLE insert_inside (a jsonb, b int OPTIONS (field 'a.b')) SERVER insert_errors_test OPTIONS (topic 'insert_errors');
INSERT INTO insert_inside VALUES ('{}', 2);
CREATE FOREIGN TABLE insert_nothing (k text OPTIONS (metadata 'key')) SERVER insert_errors_test OPTIONS (topic 'insert_errors');
INSERT INTO insert_nothing VALUES ('k');

-- A record that is too large; the largest that the option allows, with what Kafka adds to it.
CREATE FOREIGN TABLE insert_large (v text) SERVER insert_errors_test
  OPTIONS (topic 'insert_errors', format 'text', max_request_size '2000');
INSERT INTO insert_large VALUES (repeat('x', 2001));
\set VERBOSITY sqlstate
INSERT INTO insert_large VALUES (repeat('x', 2001));
\set VERBOSITY default
INSERT INTO insert_large VALUES (repeat('x', 1904));
INSERT INTO insert_large VALUES (repeat('x', 1903));
ALTER FOREIGN TABLE insert_large OPTIONS (DROP max_request_size);
INSERT INTO insert_large VALUES (repeat('x', 1048576 - 96));
INSERT INTO insert_large VALUES (repeat('x', 1048576 - 97));

-- A topic that does not exist is not made.
\! kafka_tool delete-topic --if-exists insert_unknown
CREATE FOREIGN TABLE insert_unknown (v text) SERVER insert_errors_test OPTIONS (topic 'insert_unknown', format 'text');
BEGIN;
DO $$ BEGIN INSERT INTO insert_unknown VALUES ('x'); EXCEPTION WHEN fdw_table_not_found THEN RAISE NOTICE 'unknown topic'; END $$;
COMMIT;
\! kafka_tool list-topics | grep -c insert_unknown

-- The broker's own limit is met at COMMIT: the transaction fails and names topic and partition.
\! kafka_tool create-topic --replace insert_limited 1 max.message.bytes=1000
CREATE FOREIGN TABLE insert_limited (v text) SERVER insert_errors_test OPTIONS (topic 'insert_limited', format 'text');
CREATE TABLE insert_beside (v text);
BEGIN;
INSERT INTO insert_beside VALUES ('rolled back with it');
INSERT INTO insert_limited VALUES (repeat('x', 5000));
COMMIT;
SELECT count(*) FROM insert_beside;
INSERT INTO insert_limited VALUES ('the next one works');
\! kafka_tool consume insert_limited -f v

-- New partitions are known at once.
\! kafka_tool add-partitions insert_limited 2
ALTER FOREIGN TABLE insert_limited ADD p int OPTIONS (metadata 'partition');
INSERT INTO insert_limited VALUES ('first in a new partition', 1);
\! kafka_tool add-partitions insert_limited 3
INSERT INTO insert_limited VALUES ('first in a newer partition', 2);
\! kafka_tool consume insert_limited -f pv

-- A file of certificates that cannot be read, each time; and when it is not asked for any more.
ALTER SERVER insert_errors_test OPTIONS (ADD security_protocol 'ssl', ADD ssl_ca_location '/nowhere');
DO $$
BEGIN
  FOR i IN 1 .. 3 LOOP
    BEGIN
      INSERT INTO insert_limited VALUES ('never');
    EXCEPTION WHEN fdw_unable_to_create_execution THEN
      RAISE NOTICE '%', substring(SQLERRM, '.*client');
    END;
  END LOOP;
END $$;
ALTER SERVER insert_errors_test OPTIONS (DROP security_protocol, DROP ssl_ca_location);
INSERT INTO insert_limited VALUES ('in plain text', 0);
\! kafka_tool consume insert_limited -p 0 -f pv

-- Nothing else has arrived.
\! kafka_tool consume insert_errors -c
DROP TABLE insert_beside;

SET client_min_messages = warning;
DROP SERVER insert_errors_test CASCADE;
