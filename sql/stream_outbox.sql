-- From topic to topic: exactly once by the outbox, at least once by sync (takes shared_preload_libraries).
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER stream_outbox FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace stream_outbox_orders 2
\! kafka_tool create-topic --replace stream_outbox_enriched 2
CREATE FOREIGN TABLE stream_orders (id int, customer_id int) SERVER stream_outbox OPTIONS (topic 'stream_outbox_orders');
CREATE FOREIGN TABLE stream_enriched (id int, name text, _key text OPTIONS (metadata 'key'))
  SERVER stream_outbox OPTIONS (topic 'stream_outbox_enriched', delivery 'outbox');
CREATE TABLE stream_customers (customer_id int PRIMARY KEY, name text);
INSERT INTO stream_customers VALUES (1, 'Ada'), (2, 'Grace');

SELECT kafka.create_stream('stream_outbox', 'INSERT INTO stream_enriched SELECT id, name, customer_id::text FROM stream_orders JOIN stream_customers USING (customer_id)');
INSERT INTO stream_orders SELECT i, i % 3 FROM generate_series(1, 300) i;
CREATE PROCEDURE await_enriched(records int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    EXIT WHEN (SELECT count(*) FROM stream_enriched) >= records;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
CALL await_enriched(200);
SELECT name, _key, count(*), count(DISTINCT id), bool_and(id % 3 = _key::int) FROM stream_enriched GROUP BY name, _key ORDER BY name;
SELECT kafka.drop_stream('stream_outbox');

-- A key is not inherited.
CREATE FOREIGN TABLE stream_keyed (id int OPTIONS (metadata 'key', key_field 'id'), more int OPTIONS (metadata 'key', key_field 'more'), name text)
  SERVER stream_outbox OPTIONS (topic 'stream_outbox_enriched', delivery 'outbox', key_format 'json');
BEGIN;
SELECT kafka.create_stream('stream_outbox', 'INSERT INTO stream_enriched SELECT id FROM stream_orders');
SELECT kafka.create_stream('stream_keys', 'INSERT INTO stream_keyed (name) SELECT id FROM stream_orders');
SELECT kafka.create_stream('stream_key', 'INSERT INTO stream_keyed (more) SELECT id FROM stream_orders');
ROLLBACK;

-- Other deliveries.
CREATE FOREIGN TABLE stream_sync (id int) SERVER stream_outbox OPTIONS (topic 'stream_outbox_enriched');
CREATE FOREIGN TABLE stream_transactional (id int) SERVER stream_outbox OPTIONS (topic 'stream_outbox_enriched', delivery 'transactional');
BEGIN;
SELECT kafka.create_stream('stream_outbox', 'INSERT INTO stream_sync SELECT id FROM stream_orders');
ROLLBACK;
SELECT kafka.create_stream('stream_outbox', 'INSERT INTO stream_transactional SELECT id FROM stream_orders');
CREATE FOREIGN TABLE stream_async (id int) SERVER stream_outbox OPTIONS (topic 'stream_outbox_enriched', delivery 'async');
SELECT kafka.create_stream('stream_outbox', 'INSERT INTO stream_async SELECT id FROM stream_orders');
SELECT kafka.create_stream('stream_outbox', 'WITH l AS (INSERT INTO stream_async SELECT id FROM stream_orders RETURNING id) INSERT INTO stream_enriched SELECT id FROM l');
CREATE FOREIGN TABLE stream_back (id int) SERVER stream_outbox OPTIONS (topic 'stream_outbox_orders', delivery 'outbox');
SELECT kafka.create_stream('stream_outbox', 'INSERT INTO stream_back SELECT id FROM stream_orders');

DROP TABLE stream_customers;
DROP PROCEDURE await_enriched;
SET client_min_messages = warning;
DROP SERVER stream_outbox CASCADE;
