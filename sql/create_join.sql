-- What create_join writes, refuses and needs. No worker runs here: what is created is rolled back.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE ROLE regress_join_owner LOGIN;
CREATE SCHEMA "Join test";
SET search_path = "Join test", public;
CREATE SERVER join_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
RESET client_min_messages;
CREATE FOREIGN TABLE orders (id int NOT NULL, customer_id int, "Item" text, price numeric, note text, _partition int OPTIONS (metadata 'partition'),
  _offset bigint OPTIONS (metadata 'offset'), _ts timestamptz OPTIONS (metadata 'timestamp')) SERVER join_test OPTIONS (topic 'join_orders');
CREATE FOREIGN TABLE payments (id int) SERVER join_test OPTIONS (topic 'join_payments');
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, note text);
CREATE TABLE enriched (id int, customer_id int, name text, "Item" text, _offset bigint);
CREATE VIEW parking AS SELECT name, settings, parking FROM kafka.streams;

-- The statement: columns by their names; those that the condition makes equal are the source's.
BEGIN;
SELECT kafka.create_join('inner', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id',
  into_table => 'enriched');
SELECT kafka.create_join('left', source => 'orders', join_table => 'customers', join_on => 'customers.customer_id = orders.customer_id AND price > 0',
  into_table => 'enriched', kind => 'left', max_poll_records => 7);
TABLE parking;
ROLLBACK;

-- Columns that are given go before names; null leaves one out.
CREATE TABLE target (id int NOT NULL, note text, total numeric NOT NULL, made int GENERATED ALWAYS AS (id + 1) STORED,
  number int GENERATED ALWAYS AS IDENTITY, name text, taken timestamptz NOT NULL DEFAULT now(), nothing int);
BEGIN;
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id', into_table => 'target',
  columns => '{"total": "orders.price * 1.2", "note": "coalesce(customers.note, orders.note, '','') -- if any", "name": null}');
ROLLBACK;
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id', into_table => 'target',
  columns => '{"total": "1"}');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id', into_table => 'target',
  columns => '{"note": "''n''"}');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id', into_table => 'target',
  columns => '{"note": "''n''", "total": null}');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'true', into_table => 'target', columns => '["id"]');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'true', into_table => 'target', columns => '{"total": 1, "note": "1"}');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'true', into_table => 'target', columns => '{"x": "1"}');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'true', into_table => 'target', columns => '{"note": "1", "total": "price, 2"}');
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'true', into_table => 'target', columns => '{"note": "1", "total": "absent"}');
CREATE TABLE stranger (x int);
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'true', into_table => 'stranger');

-- Where a record of a topic goes, and its time, are not inherited.
CREATE FOREIGN TABLE out (id int, name text, customer_id int OPTIONS (metadata 'key'), _partition int OPTIONS (metadata 'partition'),
  _offset bigint OPTIONS (metadata 'offset'), _ts timestamptz OPTIONS (metadata 'timestamp')) SERVER join_test OPTIONS (topic 'join_out', delivery 'outbox');
BEGIN;
SELECT kafka.create_join('j', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id', into_table => 'out');
SELECT kafka.create_join('k', source => 'orders', join_table => 'customers', join_on => 'orders.customer_id = customers.customer_id', into_table => 'out',
  columns => '{"_ts": "orders._ts"}');
ROLLBACK;

-- Tables with the same name
CREATE SCHEMA other;
CREATE TABLE other.orders (id int, name text);
BEGIN;
SELECT kafka.create_join('j', source => 'orders', join_table => 'other.orders', join_on => '"Join test".orders.id = other.orders.id', into_table => 'enriched',
  unmatched => 'park');
ROLLBACK;

-- What is parked: a record that could have a row.
BEGIN;
SELECT kafka.create_join('inner', source => 'orders', join_table => 'customers', into_table => 'enriched', unmatched => 'park',
  join_on => 'orders.customer_id = customers.customer_id AND (price > 1 OR name IS NULL) AND id > 0 AND lower("Item") = name AND orders.note IS NOT DISTINCT FROM name');
SELECT kafka.create_join('left', source => 'orders', join_table => 'customers', into_table => 'enriched', unmatched => 'park', kind => 'left',
  park_timeout => '1 day', columns => '{"customer_id": "customers.customer_id"}', join_on => 'orders.customer_id BETWEEN customers.customer_id - 1 AND customers.customer_id + 1');
SELECT name, settings, jsonb_pretty(parking) FROM parking;
-- A column that cannot be NULL where the condition is true, whatever is made of it.
CREATE TABLE lists (ids bigint[], id bigint, name text);
SELECT kafka.create_join('any', source => 'orders', join_table => 'lists', into_table => 'enriched', unmatched => 'park', columns => '{"id": "orders.id"}',
  join_on => 'orders.customer_id = ANY (lists.ids) AND (orders.id::bigint = lists.id OR orders.id + price = 1) AND coalesce("Item", '''') = lists.name');
SELECT parking ->> 'unmatched' AS unmatched FROM parking WHERE name = 'any';
SELECT kafka.drop_stream('any');
DROP TABLE lists;
SELECT tgname, tgtype, tgenabled FROM pg_trigger WHERE tgrelid = 'customers'::regclass;
-- One trigger is enough, and the last stream takes it along; a table that is dropped does too.
SELECT kafka.drop_stream('inner');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'customers'::regclass;
SELECT kafka.drop_stream('left');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'customers'::regclass;
-- Also where the table has another name by then.
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
ALTER TABLE customers RENAME TO clients;
SELECT kafka.drop_stream('j');
SELECT count(*) FROM pg_trigger WHERE tgname = 'kafka_wake_streams';
ROLLBACK;

-- Altered and replaced
BEGIN;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
SELECT kafka.alter_stream('j', park_timeout => '90 s');
SELECT settings FROM parking;
SAVEPOINT s;
SELECT kafka.alter_stream('j', statement => 'INSERT INTO enriched SELECT id FROM orders');
ROLLBACK TO s;
CREATE TABLE clients (LIKE customers);
SELECT kafka.create_join('j', 'orders', 'clients', 'orders.customer_id = clients.customer_id', 'enriched', unmatched => 'park', replace => true);
SELECT settings, parking FROM parking;
SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'kafka_wake_streams';
INSERT INTO kafka.stored_parked (stream, server, _topic, _partition, _offset, parked_at) VALUES ('j', 'join_test', 'join_orders', 0, 1, now());
SAVEPOINT s;
SELECT kafka.create_join('j', 'orders', 'clients', 'orders.customer_id = clients.customer_id', 'enriched', replace => true);
ROLLBACK TO s;
DELETE FROM kafka.parked;
SELECT kafka.create_join('j', 'orders', 'clients', 'orders.customer_id = clients.customer_id', 'enriched', replace => true);
SELECT settings, parking FROM parking;
SELECT count(*) FROM pg_trigger WHERE tgname = 'kafka_wake_streams';
ROLLBACK;

-- Nobody tells of changes of what is no table.
CREATE VIEW regulars AS SELECT * FROM customers WHERE note IS NULL;
CREATE MATERIALIZED VIEW old_customers AS SELECT * FROM customers;
CREATE TABLE parts (customer_id int, name text) PARTITION BY LIST (customer_id);
BEGIN;
SELECT kafka.create_join('v', 'orders', 'regulars', 'orders.customer_id = regulars.customer_id', 'enriched', unmatched => 'park');
SELECT kafka.create_join('m', 'orders', 'old_customers', 'orders.customer_id = old_customers.customer_id', 'enriched', unmatched => 'park');
SELECT kafka.create_join('p', 'orders', 'parts', 'orders.customer_id = parts.customer_id', 'enriched', unmatched => 'park');
SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'kafka_wake_streams';
ROLLBACK;
-- One of somebody else's is left alone, and so are its copies in partitions.
BEGIN;
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TRIGGER mine AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION kafka.wake_streams();
SELECT kafka.create_join('p', 'orders', 'parts', 'orders.customer_id = parts.customer_id', 'enriched', unmatched => 'park');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
SELECT kafka.drop_stream('j');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgfoid = 'kafka.wake_streams'::regproc ORDER BY 1, 2;
SELECT kafka.drop_stream('p');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgfoid = 'kafka.wake_streams'::regproc ORDER BY 1, 2;
ROLLBACK;
-- A trigger that is disabled tells of nothing.
BEGIN;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
ALTER TABLE customers DISABLE TRIGGER kafka_wake_streams;
SELECT kafka.create_join('k', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
ALTER TABLE customers ENABLE ALWAYS TRIGGER kafka_wake_streams;
SELECT kafka.create_join('l', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
ROLLBACK;

-- What is refused
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', kind => 'right');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'keep');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', park_timeout => '1 min');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park', park_timeout => '0');
SELECT kafka.create_join('j', NULL, 'customers', 'true', 'enriched');
SELECT kafka.create_join('j', 'orders', NULL, 'true', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', NULL, 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'true', NULL);
SELECT kafka.create_join('j', 'orders', 99999999, 'true', 'enriched');
SELECT kafka.create_join('j', 'customers', 'orders', 'true', 'enriched');
SELECT kafka.create_join('j', 'orders', 'payments', 'orders.id = payments.id', 'enriched');
SELECT kafka.create_join('j', 'orders', 'orders', 'true', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.nothing', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'customer_id = customer_id', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', '', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'true WHERE true', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'true; DELETE FROM customers', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'true) OR (true', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'true UNION SELECT false', 'enriched');
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id AND random() < 2', 'enriched', unmatched => 'park');
BEGIN;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id -- a comment', 'enriched', unmatched => 'park');
ROLLBACK;

-- Rights: to create, on the columns that it takes to know what to park, and to make the trigger.
SET ROLE regress_join_owner;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched');
RESET ROLE;
GRANT EXECUTE ON FUNCTION kafka.create_join TO regress_join_owner;
GRANT USAGE ON SCHEMA "Join test" TO regress_join_owner;
GRANT USAGE ON FOREIGN SERVER join_test TO regress_join_owner;
GRANT SELECT (id, customer_id, "Item", _offset) ON orders TO regress_join_owner;
GRANT SELECT ON customers TO regress_join_owner;
GRANT INSERT ON enriched TO regress_join_owner;
SET ROLE regress_join_owner;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
RESET ROLE;
GRANT SELECT (ctid) ON orders TO regress_join_owner;
SET ROLE regress_join_owner;
BEGIN;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park');
RESET ROLE;
GRANT TRIGGER ON customers TO regress_join_owner;
SET ROLE regress_join_owner;
SELECT kafka.create_join('j', 'orders', 'customers', 'orders.customer_id = customers.customer_id', 'enriched', unmatched => 'park', replace => true);
RESET ROLE;
CREATE TABLE other.names (name text);
SELECT kafka.create_join('of_names', 'orders', 'other.names', 'note = other.names.name', 'enriched', unmatched => 'park');
INSERT INTO kafka.stored_parked (stream, server, _topic, _partition, _offset, parked_at) VALUES ('j', 'join_test', 'join_orders', 0, 1, now()), ('none', 'join_test', 'join_orders', 0, 1, now());
SET ROLE regress_join_owner;
SELECT stream FROM kafka.parked;
SAVEPOINT s;
INSERT INTO kafka.stored_parked (stream, server, _topic, _partition, _offset, parked_at) VALUES ('j', 'join_test', 'join_orders', 0, 2, now());
ROLLBACK TO s;
SELECT kafka.drop_stream('j');
SELECT count(*) FROM kafka.parked;
RESET ROLE;
SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'kafka_wake_streams';
ROLLBACK;
RESET ROLE;
SELECT kafka.wake_streams();
-- It is no trigger that decides what becomes of a row.
BEGIN;
CREATE TRIGGER before BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION kafka.wake_streams();
INSERT INTO customers DEFAULT VALUES;
ROLLBACK;

SET client_min_messages = warning;
DROP SERVER join_test CASCADE;
DROP SCHEMA "Join test", other CASCADE;
REVOKE EXECUTE ON FUNCTION kafka.create_join FROM regress_join_owner;
DROP ROLE regress_join_owner;
