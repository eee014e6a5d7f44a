-- Delivery "transactional": what a transaction inserts is one Kafka transaction.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER transactional FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace transactional 1
\! kafka_tool create-topic --replace transactional_other 1
CREATE FOREIGN TABLE transactional (v text) SERVER transactional
  OPTIONS (topic 'transactional', format 'text', delivery 'transactional');
CREATE FOREIGN TABLE transactional_other (v text) SERVER transactional
  OPTIONS (topic 'transactional_other', format 'text', delivery 'transactional');
CREATE FOREIGN TABLE transactional_sync (v text) SERVER transactional OPTIONS (topic 'transactional', format 'text');

-- A reader sees a Kafka transaction some milliseconds after its commit.
CREATE FUNCTION await_transactional(topic regclass, records int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE found text[];
BEGIN
  FOR i IN 1 .. 1000 LOOP
    EXECUTE format('SELECT array_agg(v) FROM %s', topic) INTO found;
    EXIT WHEN cardinality(found) >= records;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RETURN QUERY SELECT unnest(found);
END $$;

-- One Kafka transaction for all tables: its marker is one offset in each partition.
BEGIN;
INSERT INTO transactional VALUES ('a'), ('b');
INSERT INTO transactional_other VALUES ('c');
INSERT INTO transactional VALUES ('d');
\! kafka_tool watermark transactional
COMMIT;
SELECT await_transactional('transactional', 3);
SELECT await_transactional('transactional_other', 1);
\! kafka_tool watermark transactional
\! kafka_tool watermark transactional_other

-- What was rolled back was never there.
BEGIN;
INSERT INTO transactional VALUES ('never');
ROLLBACK;
BEGIN;
INSERT INTO transactional VALUES ('e');
SAVEPOINT a;
INSERT INTO transactional_other VALUES ('never');
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
INSERT INTO transactional VALUES ('never');
ROLLBACK TO a;
COMMIT;
DO $$ BEGIN INSERT INTO transactional VALUES ('never'); RAISE 'no'; END $$;
SELECT await_transactional('transactional', 4) OFFSET 3;
\! kafka_tool watermark transactional
\! kafka_tool watermark transactional_other

-- With other deliveries in one transaction: these leave first.
BEGIN;
INSERT INTO transactional VALUES ('g');
INSERT INTO transactional_sync VALUES ('f');
COMMIT;
SELECT await_transactional('transactional', 6) OFFSET 4;

-- What fails in COMMIT before it is in none of them.
CREATE TABLE transactional_rows (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO transactional VALUES ('never');
INSERT INTO transactional_rows VALUES (1), (1);
COMMIT;
\! kafka_tool watermark transactional

-- What it cannot do.
INSERT INTO transactional VALUES ('returned') RETURNING v;
ALTER FOREIGN TABLE transactional ADD COLUMN o bigint OPTIONS (metadata 'offset');
INSERT INTO transactional (v) VALUES ('never') RETURNING o;
SELECT _offset FROM kafka.produce('transactional', 'never');
ALTER FOREIGN TABLE transactional DROP COLUMN o;
BEGIN;
INSERT INTO transactional VALUES ('never');
PREPARE TRANSACTION 'kafka_transactional';
CREATE SERVER transactional_2 FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers', linger_ms '10');
CREATE FOREIGN TABLE transactional_2 (v text) SERVER transactional_2
  OPTIONS (topic 'transactional', format 'text', delivery 'transactional');
BEGIN;
INSERT INTO transactional VALUES ('never');
INSERT INTO transactional_2 VALUES ('never');
COMMIT;
BEGIN;
INSERT INTO transactional VALUES ('never');
ALTER SERVER transactional OPTIONS (ADD linger_ms '10');
INSERT INTO transactional VALUES ('never');
COMMIT;
INSERT INTO transactional_2 VALUES ('h');
-- What is rolled back does not count.
BEGIN;
SAVEPOINT s;
INSERT INTO transactional_2 VALUES ('never');
ROLLBACK TO s;
INSERT INTO transactional VALUES ('i');
COMMIT;
SELECT await_transactional('transactional', 9) OFFSET 6;

-- Options that Kafka's transactions need.
ALTER FOREIGN TABLE transactional OPTIONS (ADD acks '1');
ALTER FOREIGN TABLE transactional OPTIONS (ADD enable_idempotence 'off');
ALTER FOREIGN TABLE transactional OPTIONS (ADD transaction_timeout_ms '10');
ALTER FOREIGN TABLE transactional OPTIONS (ADD transactional_id 'x');
ALTER SERVER transactional OPTIONS (ADD acks '1');
INSERT INTO transactional VALUES ('never');
ALTER SERVER transactional OPTIONS (DROP acks);
-- The brokers allow no transaction that takes longer than they want.
ALTER FOREIGN TABLE transactional_other OPTIONS (ADD transaction_timeout_ms '900000', ADD transactional_id_prefix 'app.');
INSERT INTO transactional_other VALUES ('j');
SELECT await_transactional('transactional_other', 2);
-- A short one leaves no more time to its requests, nor to batches that wait for more.
ALTER FOREIGN TABLE transactional_other OPTIONS (SET transaction_timeout_ms '4500', ADD linger_ms '10000');
INSERT INTO transactional_other VALUES ('k');
SELECT await_transactional('transactional_other', 3);
-- No partition, no topic.
ALTER FOREIGN TABLE transactional ADD COLUMN p int OPTIONS (metadata 'partition');
INSERT INTO transactional VALUES ('never', 1);
ALTER FOREIGN TABLE transactional OPTIONS (SET topic 'transactional_none');
\set VERBOSITY sqlstate
INSERT INTO transactional VALUES ('never', 0);
\set VERBOSITY default

DROP TABLE transactional_rows;
DROP FUNCTION await_transactional;
SET client_min_messages = warning;
DROP SERVER transactional CASCADE;
DROP SERVER transactional_2 CASCADE;
