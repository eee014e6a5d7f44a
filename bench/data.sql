-- Orders and customers, the same at each run, as files in the directory :dir and as tables.
-- A row is about 150 bytes as JSON. The numbers are a hash of the row's, so they are reproducible.
CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw;

CREATE TABLE orders_rows AS
SELECT i AS id, abs(hashint8extended(i, 1) % :customers)::int AS customer_id,
  ((abs(hashint8extended(i, 2)) % 1000000 + 1) / 100.0)::numeric(12, 2) AS amount,
  format('sku-%s', lpad((abs(hashint8extended(i, 3)) % 1000000)::text, 6, '0')) AS sku,
  format('order number %s for a customer', i) AS note,
  timestamp '2023-11-14 22:13:20' + i / 10 * interval '1 s' AS created_at
FROM generate_series(0::bigint, :records - 1) i;

CREATE TABLE customers AS
SELECT i AS id, format('customer name %s', i) AS name FROM generate_series(0, :customers - 1) i;
ALTER TABLE customers ADD PRIMARY KEY (id);

SELECT format('COPY (SELECT customer_id || ''|'' || format(''{"id":%%s,"customer_id":%%s,"amount":%%s,"sku":"%%s","note":"%%s","created_at":"%%s"}'', id, customer_id, amount, sku, note, created_at) FROM orders_rows ORDER BY id) TO %L', :'dir' || '/orders.json') \gexec
SELECT format('COPY (SELECT * FROM orders_rows ORDER BY id) TO %L (FORMAT csv)', :'dir' || '/orders.csv') \gexec
SELECT format('COPY (SELECT id || ''|'' || name FROM customers ORDER BY id) TO %L', :'dir' || '/customers.txt') \gexec

CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\set order 'id bigint, customer_id int, amount numeric(12, 2), sku text, note text, created_at timestamp'
\set offset '_partition int OPTIONS (metadata ''partition''), _offset bigint OPTIONS (metadata ''offset'')'
CREATE FOREIGN TABLE orders (:order) SERVER k OPTIONS (topic 'orders');
CREATE FOREIGN TABLE orders_4 (:order) SERVER k OPTIONS (topic 'orders_4');
CREATE FOREIGN TABLE orders_lines (:order) SERVER k OPTIONS (topic 'orders_lines', format 'csv');
CREATE FOREIGN TABLE orders_at (:order, :offset) SERVER k OPTIONS (topic 'orders');
CREATE FOREIGN TABLE long (:order, :offset) SERVER k OPTIONS (topic 'long');
CREATE FOREIGN TABLE join_orders (:order) SERVER k OPTIONS (topic 'join_orders');
CREATE FOREIGN TABLE orders_csv (:order) SERVER files OPTIONS (filename :'csv', format 'csv');
CREATE FOREIGN TABLE written (:order) SERVER k OPTIONS (topic 'written');
CREATE FOREIGN TABLE written_async (:order) SERVER k OPTIONS (topic 'written', delivery 'async');
CREATE FOREIGN TABLE written_transactional (:order) SERVER k OPTIONS (topic 'written', delivery 'transactional');
CREATE FOREIGN TABLE written_outbox (:order) SERVER k OPTIONS (topic 'written', delivery 'outbox');
CREATE TABLE enriched (id bigint, amount numeric(12, 2), created_at timestamp, name text);
CREATE FOREIGN TABLE enriched_outbox (id bigint, amount numeric(12, 2), created_at timestamp, name text)
  SERVER k OPTIONS (topic 'enriched', delivery 'outbox');
CREATE FOREIGN TABLE live (id bigint, _appended timestamptz OPTIONS (metadata 'timestamp')) SERVER k OPTIONS (topic 'live');
CREATE TABLE seen (id bigint, appended timestamptz);
CREATE FOREIGN TABLE nothing (id bigint) SERVER k OPTIONS (topic 'nothing');
CREATE TABLE idle (id bigint);
CREATE TABLE plain (id bigint);
ALTER TABLE orders_rows SET (autovacuum_enabled = off);
VACUUM ANALYZE orders_rows;
VACUUM ANALYZE customers;
ANALYZE orders_csv;
CHECKPOINT;
