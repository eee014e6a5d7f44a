-- What kafka.materialize() makes of topic tables, and what it refuses; what a stream can wait for. No worker runs
-- here: streams are created and paused, or given up, in one transaction.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE ROLE regress_materialize_owner LOGIN;
CREATE SCHEMA "Keep it";
CREATE SCHEMA elsewhere;
SET search_path = "Keep it", public;
CREATE SERVER materialize_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
RESET client_min_messages;

-- A new table has the key, the payload, and which record each row is of.
CREATE FOREIGN TABLE customer_topic (
  customer_id int OPTIONS (metadata 'key'), name varchar(20), "City" text COLLATE "C", "limit" numeric(10,2),
  _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'),
  _timestamp timestamptz OPTIONS (metadata 'timestamp'), _headers kafka.header[] OPTIONS (metadata 'headers'),
  _tombstone boolean OPTIONS (metadata 'tombstone'))
  SERVER materialize_test OPTIONS (topic 'materialize');
BEGIN;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers', workers => 2, max_poll_records => 500);
SELECT kafka.pause_stream('customers');
\d customers
SELECT name, source, workers, settings, enabled FROM kafka.streams;
-- The statement can be given to create_stream, and in place of itself.
SELECT statement FROM kafka.streams \gset
SET LOCAL client_min_messages = warning;
SELECT kafka.create_stream('by_hand', :'statement');
SELECT count(*), count(DISTINCT statement) FROM kafka.streams;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers', workers => 3, replace => true);
SELECT workers FROM kafka.streams WHERE name = 'customers';
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers');
ROLLBACK;
SELECT to_regclass('customers');

-- A table that is there: what has a namesake is assigned.
BEGIN;
CREATE TABLE elsewhere."All customers" (more text DEFAULT 'x', "City" text, customer_id bigint PRIMARY KEY, _timestamp timestamptz,
  n int GENERATED ALWAYS AS IDENTITY, twice bigint GENERATED ALWAYS AS (customer_id * 2) STORED);
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'elsewhere."All customers"');
ROLLBACK;
BEGIN;
CREATE TABLE keys (customer_id int UNIQUE NOT NULL);
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'keys');
ROLLBACK;
BEGIN;
CREATE TABLE parts (customer_id int, name text, _partition int, _offset bigint, PRIMARY KEY (customer_id)) PARTITION BY HASH (customer_id);
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'parts');
ROLLBACK;
BEGIN;
ALTER FOREIGN TABLE customer_topic ALTER customer_id OPTIONS (ADD key_field 'id');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'odd');
ROLLBACK;
CREATE TABLE no_key (customer_id int, name text);
CREATE TABLE nullable (customer_id int UNIQUE, name text);
CREATE TABLE partial (customer_id int NOT NULL, name text);
CREATE UNIQUE INDEX ON partial (customer_id) WHERE name IS NOT NULL;
CREATE TABLE more (customer_id int PRIMARY KEY, name text, since date NOT NULL);
CREATE DOMAIN customer_level AS text NOT NULL;
CREATE DOMAIN customer_grade AS customer_level;
CREATE DOMAIN customer_class AS customer_grade DEFAULT 'new';
CREATE TABLE graded (customer_id int PRIMARY KEY, class customer_class NOT NULL, grade customer_grade);
CREATE TABLE other_type (customer_id text PRIMARY KEY, name text);
CREATE VIEW shown AS SELECT * FROM no_key;
CREATE UNLOGGED TABLE forgotten (customer_id int PRIMARY KEY);
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'no_key');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'nullable');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'partial');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'more');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'graded');
ALTER TABLE graded ALTER grade SET DEFAULT 'none';
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'graded');
ROLLBACK;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'shown');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customer_topic');
\set VERBOSITY terse
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'other_type');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'forgotten');
\set VERBOSITY default

-- The key
BEGIN;
CREATE FOREIGN TABLE payments (shop int OPTIONS (metadata 'key', key_field 'shop'), number int OPTIONS (metadata 'key', key_field 'n'),
  raw_key text OPTIONS (metadata 'key'), amount numeric, _topic text OPTIONS (metadata 'topic'), _partition int OPTIONS (metadata 'partition'),
  _offset bigint OPTIONS (metadata 'offset'), _tombstone boolean OPTIONS (metadata 'tombstone'))
  SERVER materialize_test OPTIONS (topic 'materialize_a, materialize_b', key_format 'json');
SELECT kafka.materialize('payments', source => 'payments', into_table => 'paid');
\d paid
ROLLBACK;
BEGIN;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'by_name', key_columns => '{name,City}');
\d by_name
ROLLBACK;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'x', key_columns => '{id}');
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'x', key_columns => '{NULL}');
CREATE FOREIGN TABLE bare (id int, name text) SERVER materialize_test OPTIONS (topic 'materialize');
SELECT kafka.materialize('bare', source => 'bare', into_table => 'x');
ALTER FOREIGN TABLE bare ADD _offset bigint OPTIONS (metadata 'offset'), ADD _tombstone boolean OPTIONS (metadata 'tombstone');
SELECT kafka.materialize('bare', source => 'bare', into_table => 'x');
BEGIN;
SELECT kafka.materialize('bare', source => 'bare', into_table => 'x', key_columns => '{id}');
ROLLBACK;

-- A table as IMPORT FOREIGN SCHEMA makes it has no payload but the value.
\! kafka_tool create-topic --replace materialize_imported 1
BEGIN;
IMPORT FOREIGN SCHEMA topics LIMIT TO (materialize_imported) FROM SERVER materialize_test INTO elsewhere;
SELECT kafka.materialize('imported', source => 'elsewhere.materialize_imported', into_table => 'imported');
ROLLBACK;
\! kafka_tool delete-topic materialize_imported

-- Change events
CREATE FOREIGN TABLE changes (
  id int OPTIONS (metadata 'key', key_field 'payload.id', field 'payload.after.id'), name text OPTIONS (field 'payload.after.name'),
  old jsonb OPTIONS (field 'payload.before'), changed_at timestamptz OPTIONS (field 'payload.source.ts_ms', timestamp_format 'epoch_ms'),
  _offset bigint OPTIONS (metadata 'offset'), _tombstone boolean OPTIONS (metadata 'tombstone'))
  SERVER materialize_test OPTIONS (topic 'materialize', key_format 'json');
SELECT kafka.materialize('changes', source => 'changes', into_table => 'changed');
ALTER FOREIGN TABLE changes ADD what text OPTIONS (field 'payload.op'), ADD _partition int OPTIONS (metadata 'partition');
BEGIN;
SELECT kafka.materialize('changes', source => 'changes', into_table => 'changed');
\d changed
ROLLBACK;
SELECT op, tombstone, kafka.change_deletes(op, tombstone) FROM (VALUES ('c', false), ('r', false), ('u', NULL), ('d', false), (NULL, true)) e (op, tombstone);
SELECT kafka.change_deletes('t', false);
SELECT kafka.change_deletes('x', false);
SELECT kafka.change_deletes(NULL, false);
SELECT kafka.change_deletes(NULL, NULL);

-- What is missing, or no topic table
SELECT kafka.materialize(NULL, source => 'bare', into_table => 'x');
SELECT kafka.materialize('bare', source => NULL, into_table => 'x');
SELECT kafka.materialize('bare', source => 'bare', into_table => NULL);
SELECT kafka.materialize('bare', source => 99999999, into_table => 'x');
SELECT kafka.materialize('bare', source => 'no_key', into_table => 'x');
SELECT kafka.materialize('bare', source => 'bare', into_table => '', key_columns => '{id}');
SELECT kafka.materialize('bare', source => 'bare', into_table => 'nowhere.x', key_columns => '{id}');
SELECT kafka.materialize('bare', source => 'bare', into_table => 'x', key_columns => '{id}', workers => 0);

-- Who may
SET ROLE regress_materialize_owner;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers');
RESET ROLE;
GRANT EXECUTE ON FUNCTION kafka.materialize TO regress_materialize_owner;
GRANT USAGE ON SCHEMA "Keep it" TO regress_materialize_owner;
SET ROLE regress_materialize_owner;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers');
RESET ROLE;
GRANT SELECT ON customer_topic TO regress_materialize_owner;
SET ROLE regress_materialize_owner;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers');
RESET ROLE;
GRANT CREATE ON SCHEMA "Keep it" TO regress_materialize_owner;
SET client_min_messages = warning;
SET ROLE regress_materialize_owner;
BEGIN;
SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers');
SELECT tableowner FROM pg_tables WHERE tablename = 'customers';
SELECT owner FROM kafka.streams;
ROLLBACK;
RESET ROLE;

-- What a stream waits for: streams, or the tables that they write
BEGIN;
CREATE TABLE joined (id int, name text);
CREATE FOREIGN TABLE orders (id int, customer_id int) SERVER materialize_test OPTIONS (topic 'materialize_a');
SELECT kafka.materialize('a', source => 'customer_topic', into_table => 'customers');
SELECT kafka.materialize('b', source => 'changes', into_table => 'changed', wait_for => '{a}');
CREATE VIEW waits AS SELECT name, settings->'wait_for' AS waits_for, settings->'max_task_idle' AS for_at_most FROM kafka.streams;
\set VERBOSITY terse
SAVEPOINT s;
SELECT kafka.create_stream('j', 'INSERT INTO joined SELECT o.id FROM orders o', wait_for => '{"it''s \"nobody",b}');
ROLLBACK TO s;
SELECT kafka.create_stream('j', 'INSERT INTO joined SELECT o.id FROM orders o', wait_for => '{"",b}');
ROLLBACK TO s;
SELECT kafka.create_stream('j', 'INSERT INTO joined SELECT o.id FROM orders o', wait_for => '{"\"Keep it\".customers",b}', max_task_idle => '250 ms');
SELECT * FROM waits;
SAVEPOINT s;
SELECT kafka.alter_stream('a', wait_for => '{j}');
ROLLBACK TO s;
SELECT kafka.alter_stream('a', wait_for => '{a}');
ROLLBACK TO s;
SELECT kafka.create_stream('k', 'INSERT INTO joined SELECT o.id FROM orders o', wait_for => '{k}');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', wait_for => '{joined}');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', wait_for => '{nobody}');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', wait_for => '{no_key}');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', wait_for => '{a,NULL}');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', max_task_idle => '-1 s');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', wait_for => '{a,"\"Keep it\".customers",b,a}');
SELECT * FROM waits;
SELECT kafka.drop_stream('a');
SELECT kafka.alter_stream('j', workers => 2);
SELECT kafka.alter_stream('j', wait_for => '{b}');
SELECT kafka.alter_stream('j', wait_for => '{a,b}');
ROLLBACK TO s;
SELECT kafka.alter_stream('j', wait_for => '{}');
SELECT * FROM waits;
SELECT kafka.alter_stream('j', reset => '{wait_for,max_task_idle}');
SELECT * FROM waits;
ROLLBACK;

-- All that write a table: in a common table expression, through views, as a whole or a part of it
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE FOREIGN TABLE orders (id int) SERVER materialize_test OPTIONS (topic 'materialize_a');
CREATE TABLE joined (id int);
CREATE TABLE audit (id int);
CREATE TABLE sums (id int, n int) PARTITION BY LIST (n);
CREATE TABLE sums_1 PARTITION OF sums FOR VALUES IN (1);
CREATE TABLE sums_2 PARTITION OF sums DEFAULT;
CREATE VIEW audited AS SELECT id FROM audit;
CREATE VIEW audited_sums AS SELECT id, sum(n) FROM audited JOIN sums USING (id) GROUP BY id;
CREATE VIEW taken AS SELECT 1 AS id;
CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER take INSTEAD OF INSERT ON taken FOR EACH ROW EXECUTE FUNCTION take();
SELECT kafka.create_stream(name, statement) FROM (VALUES
  ('in_cte', 'WITH s AS MATERIALIZED (SELECT id FROM orders), l AS (INSERT INTO audit SELECT id FROM s) INSERT INTO joined SELECT id FROM s'),
  ('by_view', 'INSERT INTO audited SELECT id FROM orders'), ('by_trigger', 'INSERT INTO taken SELECT id FROM orders'),
  ('whole', 'INSERT INTO sums SELECT id, 1 FROM orders'), ('part', 'INSERT INTO sums_1 SELECT id, 1 FROM orders')) s (name, statement);
SELECT stream, writes FROM kafka.topology();
CREATE FUNCTION waits_for(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM kafka.create_stream('waits', 'INSERT INTO joined SELECT id FROM orders', wait_for => ARRAY[name], replace => true);
  RETURN settings->'wait_for' FROM kafka.streams s WHERE s.name = 'waits';
END $$;
SELECT name, waits_for(name) FROM unnest('{audit,audited,audited_sums,taken,sums,sums_1,sums_2}'::text[]) name;
-- What cannot be known is said, unless the stream is named, too
CREATE TABLE gone (id int);
CREATE PROCEDURE called() LANGUAGE sql AS 'SELECT 1';
SELECT kafka.create_stream('calls', 'CALL called()', source => 'orders');
SELECT kafka.create_stream('broken', 'INSERT INTO audit SELECT id FROM orders JOIN gone USING (id)');
DROP TABLE gone;
SET LOCAL client_min_messages = notice;
\set VERBOSITY default
SELECT waits_for('audit');
SELECT kafka.alter_stream('waits', wait_for => '{broken,calls,audit}');
SELECT settings->'wait_for' AS waits_for FROM kafka.streams WHERE name = 'waits';
SELECT kafka.alter_stream('calls', wait_for => '{audit}');
ROLLBACK;

SET client_min_messages = warning;
DROP SERVER materialize_test CASCADE;
DROP SCHEMA "Keep it", elsewhere CASCADE;
DROP OWNED BY regress_materialize_owner;
DROP ROLE regress_materialize_owner;
