-- kafka.publish(): what changes in a table goes to a topic.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER publish_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\set SHOW_CONTEXT never
CREATE SCHEMA publish;
SET search_path = publish;

\! kafka_tool create-topic --replace publish 1
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, since timestamptz DEFAULT '2024-02-03 04:05:06Z');
CREATE FOREIGN TABLE customer_events (id int OPTIONS (metadata 'key', field 'id'), name varchar(20), since timestamptz) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', 'customer_events');
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'customers'::regclass;

-- A row of each kind; a changed key is a tombstone and a row.
INSERT INTO customers VALUES (1, 'a', 'x'), (2, NULL, 'y');
UPDATE customers SET name = 'b' WHERE id = 2;
UPDATE customers SET id = 3 WHERE id = 2;
DELETE FROM customers WHERE id = 1;
INSERT INTO customers VALUES (3, 'c') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
INSERT INTO customers VALUES (4, 'd');
-- Nothing of what is rolled back.
BEGIN;
INSERT INTO customers VALUES (5, 'e');
SAVEPOINT s;
DELETE FROM customers WHERE id = 4;
ROLLBACK TO s;
COMMIT;
INSERT INTO customers VALUES (6, 'f'), (6, 'f');
\! kafka_tool consume publish -f kvh
SELECT kafka.publish_table('customers', 'customer_events');
SELECT kafka.publish_table(1::regclass, 'customer_events');
-- whatever the session's settings are
SET standard_conforming_strings = off;
SELECT kafka.unpublish_table('customers', 'customer_events');
RESET standard_conforming_strings;
SELECT kafka.unpublish_table('customers');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'customers'::regclass;

-- By the statement; keys that are gone come first, as others may take them.
\! kafka_tool create-topic --replace publish 1
SELECT kafka.publish_table('customers', 'customer_events', for_each => 'statement');
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'customers'::regclass ORDER BY 1;
UPDATE customers SET id = id + 1 WHERE false;
DELETE FROM customers;
INSERT INTO customers SELECT i, 'n' || i FROM generate_series(1, 3) i;
ALTER TABLE customers DROP CONSTRAINT customers_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
UPDATE customers SET id = id + 1;
UPDATE customers SET name = upper(name) WHERE id = 4;
DELETE FROM customers WHERE id = 2;
\! kafka_tool consume publish -f kvh
SELECT kafka.unpublish_table('customers');
-- Names have room for what tells them apart, whatever characters the target's has.
DO $$
DECLARE
  target text := format('%I', repeat(U&'\00e4', 27));
BEGIN
  EXECUTE format($f$CREATE FOREIGN TABLE %s (id int OPTIONS (metadata 'key', field 'id'), name varchar(20)) SERVER publish_test OPTIONS (topic 'publish')$f$, target);
  PERFORM kafka.publish_table('customers', target::regclass, for_each => 'statement');
END $$;
SELECT count(*), max(octet_length(tgname::text)) FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal;
SELECT kafka.unpublish_table('customers');

-- Targets of several schemas may have one name.
CREATE SCHEMA publish_other;
CREATE FOREIGN TABLE publish_other.customer_events (_key text OPTIONS (metadata 'key'), _value jsonb OPTIONS (metadata 'value'))
  SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', 'customer_events');
SELECT kafka.publish_table('customers', 'publish_other.customer_events');
SELECT kafka.publish_table('customers', 'publish_other.customer_events');
SELECT kafka.publish_table('customers', 'publish_other.customer_events', for_each => 'statement');
SELECT kafka.unpublish_table('customers', 'customer_events');
SELECT kafka.publish_table('customers', 'publish_other.customer_events');
SELECT kafka.publish_table('customers', 'customer_events', for_each => 'statement');
SELECT tgname, tgargs FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal ORDER BY tgname;
SELECT kafka.unpublish_table('customers', 'publish_other.customer_events');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal;
SELECT kafka.unpublish_table('customers');
DROP SCHEMA publish_other CASCADE;

-- A tombstone is made of the key: what cannot be a value is no concern of it.
\! kafka_tool create-topic --replace publish 1
CREATE DOMAIN named AS text CHECK (VALUE IS NOT NULL);
CREATE TABLE odd (id int PRIMARY KEY, name text, since timestamptz, doc json);
INSERT INTO odd SELECT i, NULL, 'infinity', '"\u0000"' FROM generate_series(1, 4) i;
CREATE FOREIGN TABLE odd_texts (_key int OPTIONS (metadata 'key'), name text) SERVER publish_test OPTIONS (topic 'publish', format 'text');
CREATE FOREIGN TABLE odd_times (_key int OPTIONS (metadata 'key'), since timestamptz OPTIONS (timestamp_format 'epoch_ms'))
  SERVER publish_test OPTIONS (topic 'publish', delivery 'async');
CREATE FOREIGN TABLE odd_names (id int OPTIONS (metadata 'key', field 'id'), name named) SERVER publish_test OPTIONS (topic 'publish');
CREATE FOREIGN TABLE odd_rows (_key text OPTIONS (metadata 'key'), _value jsonb) SERVER publish_test OPTIONS (topic 'publish');
SELECT count(kafka.publish_table('odd', target)) FROM unnest('{odd_texts, odd_times, odd_names}'::regclass[]) target;
SELECT kafka.publish_table('odd', 'odd_rows', '{name}', for_each => 'statement');
\set VERBOSITY terse
DELETE FROM odd WHERE id = 1;
SELECT kafka.unpublish_table('odd', 'odd_rows');
SELECT kafka.publish_table('odd', 'odd_rows', for_each => 'statement');
DELETE FROM odd WHERE id = 1;
UPDATE odd SET id = 12, name = 'x', since = '2024-02-03 04:05:06Z', doc = '{}' WHERE id = 2;
UPDATE odd SET id = 13 WHERE id = 3;
\unset VERBOSITY
SELECT * FROM kafka.flush();
\! kafka_tool consume publish -f kvh | sort
DROP TABLE odd;

-- The whole row as JSON, a key of several columns, conditions, triggers of replicas.
\! kafka_tool create-topic --replace publish 1
CREATE TABLE items (shop text, number int, price numeric, sold timestamptz DEFAULT '2024-02-03 04:05:06Z', tags text[], PRIMARY KEY (number, shop));
CREATE FOREIGN TABLE item_rows (_key text OPTIONS (metadata 'key'), _value jsonb OPTIONS (metadata 'value'), _headers kafka.header[] OPTIONS (metadata 'headers'),
  _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset')) SERVER publish_test OPTIONS (topic 'publish');
CREATE TRIGGER publish AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION kafka.publish('publish.item_rows');
CREATE TRIGGER publish_price AFTER UPDATE OF price ON items FOR EACH ROW WHEN (OLD.price IS DISTINCT FROM NEW.price AND NEW.price > 10)
  EXECUTE FUNCTION kafka.publish('publish.item_rows', 'shop');
ALTER TABLE items ENABLE REPLICA TRIGGER publish;
SET session_replication_role = replica;
INSERT INTO items VALUES ('s', 1, 1.50, DEFAULT, '{a,"b c"}');
DELETE FROM items;
RESET session_replication_role;
INSERT INTO items VALUES ('s', 2, 2.00);
UPDATE items SET price = 9;
UPDATE items SET price = 11, sold = NULL;
\! kafka_tool consume publish -f kvh
SELECT kafka.unpublish_table('items');

-- A key with fields, of columns of its own.
\! kafka_tool create-topic --replace publish 1
CREATE FOREIGN TABLE item_keys (shop text OPTIONS (metadata 'key', key_field 's', field 'shop'), number int OPTIONS (metadata 'key', key_field 'n'), price numeric)
  SERVER publish_test OPTIONS (topic 'publish', key_format 'json');
CREATE FOREIGN TABLE item_objects (_key jsonb OPTIONS (metadata 'key'), price numeric) SERVER publish_test OPTIONS (topic 'publish', key_format 'json');
SELECT kafka.publish_table('items', 'item_keys', '{shop}');
SELECT kafka.publish_table('items', 'item_keys');
SELECT kafka.publish_table('items', 'item_objects', for_each => 'statement');
UPDATE items SET number = 3;
\! kafka_tool consume publish -f kvh
SELECT kafka.unpublish_table('items');

-- Partitions have the triggers of their table.
\! kafka_tool create-topic --replace publish 1
CREATE TABLE parts (v text, id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 (id int NOT NULL, dropped int, v text);
ALTER TABLE parts_2 DROP COLUMN dropped;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (10) TO (20);
CREATE FOREIGN TABLE part_events (key int OPTIONS (metadata 'key'), id int, v text) SERVER publish_test OPTIONS (topic 'publish', delivery 'async');
SELECT kafka.publish_table('parts', 'part_events');
INSERT INTO parts VALUES ('a', 1), ('b', 11);
UPDATE parts SET id = 12 WHERE id = 1;
SELECT kafka.unpublish_table('parts', 'part_events');
SELECT kafka.publish_table('parts', 'part_events', for_each => 'statement');
UPDATE parts SET id = 2 WHERE id = 12;
SELECT * FROM kafka.flush();
\! kafka_tool consume publish -f kvh
DROP TABLE parts;

-- So are stored generated columns, whatever the order of a partition's columns.
\! kafka_tool create-topic --replace publish 1
CREATE TABLE sums (id int, at int, v int, twice int GENERATED ALWAYS AS (v * 2) STORED) PARTITION BY RANGE (at);
CREATE TABLE sums_1 PARTITION OF sums FOR VALUES FROM (0) TO (10);
CREATE TABLE sums_2 (twice int GENERATED ALWAYS AS (v * 2) STORED, v int, at int, id int);
ALTER TABLE sums ATTACH PARTITION sums_2 FOR VALUES FROM (10) TO (20);
CREATE FOREIGN TABLE sum_events (_key text OPTIONS (metadata 'key'), _value jsonb) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('sums', 'sum_events', '{id,twice}', for_each => 'statement');
INSERT INTO sums VALUES (1, 1, 5), (2, 11, 6);
UPDATE sums SET v = v + 1;
UPDATE sums SET v = v + 1, at = 21 - at - 9;
DELETE FROM sums;
\! kafka_tool consume publish -f kv
DROP TABLE sums;

-- The owner of the table that is named publishes, also what is in partitions of others.
\! kafka_tool create-topic --replace publish 1
CREATE ROLE regress_kafka_partition;
GRANT USAGE ON SCHEMA publish TO regress_kafka_partition;
CREATE TABLE splits (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE splits_1 PARTITION OF splits FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE splits_11 PARTITION OF splits_1 FOR VALUES FROM (0) TO (10);
ALTER TABLE splits_11 OWNER TO regress_kafka_partition;
CREATE FOREIGN TABLE split_events (id int OPTIONS (metadata 'key', field 'id'), v text) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('splits', 'split_events');
INSERT INTO splits VALUES (1, 'a');
SET ROLE regress_kafka_partition;
INSERT INTO publish.splits_11 VALUES (2, 'b');
RESET ROLE;
\! kafka_tool consume publish -f kvh
ALTER TABLE splits OWNER TO regress_kafka_partition;
INSERT INTO splits_11 VALUES (3, 'c');
ALTER TABLE splits OWNER TO CURRENT_USER;
ALTER TABLE splits_11 OWNER TO CURRENT_USER;
SELECT kafka.unpublish_table('splits');

-- Triggers of partitions have names of their own, and do not publish twice.
CREATE SCHEMA publish_other;
CREATE FOREIGN TABLE publish_other.split_events (id int OPTIONS (metadata 'key', field 'id'), v text) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('splits_11', 'publish_other.split_events');
SELECT kafka.publish_table('splits', 'split_events');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgfoid = 'kafka.publish'::regproc ORDER BY 1, 2;
SELECT kafka.publish_table('splits_11', 'split_events');
SELECT kafka.unpublish_table('splits_11', 'split_events');
SELECT kafka.publish_table('splits', 'publish_other.split_events');
SELECT kafka.publish_table('splits', 'publish_other.split_events', for_each => 'statement');
SELECT kafka.unpublish_table('splits_11', 'publish_other.split_events');
SELECT kafka.publish_table('splits_11', 'publish_other.split_events', for_each => 'statement');
SELECT kafka.publish_table('splits', 'publish_other.split_events');
SELECT kafka.publish_table('splits', 'publish_other.split_events', for_each => 'statement');
SELECT kafka.unpublish_table('splits', 'publish_other.split_events');
SELECT kafka.unpublish_table('splits_11', 'publish_other.split_events');
SELECT kafka.publish_table('splits_1', 'publish_other.split_events', for_each => 'statement');
SELECT kafka.publish_table('splits_11', 'publish_other.split_events');
DROP SCHEMA publish_other CASCADE;
DROP TABLE splits;
DROP OWNED BY regress_kafka_partition;
DROP ROLE regress_kafka_partition;

-- A time of the table's is the record's; of what else a record has nothing is published.
\! kafka_tool create-topic --replace publish 1
CREATE TABLE visits (id int PRIMARY KEY, at timestamptz, part int, gone bool, h kafka.header[]);
CREATE FOREIGN TABLE visit_times (id int OPTIONS (metadata 'key', field 'id'), at timestamptz OPTIONS (metadata 'timestamp'))
  SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('visits', 'visit_times');
INSERT INTO visits VALUES (1, '2024-02-03 04:05:06Z'), (2, NULL);
DELETE FROM visits WHERE id = 1;
SELECT id, at AT TIME ZONE 'UTC' AS at FROM visit_times WHERE at < '2025-01-01';
\! kafka_tool consume publish -f kvh
CREATE FOREIGN TABLE visit_parts (id int OPTIONS (metadata 'key', field 'id'), part int OPTIONS (metadata 'partition')) SERVER publish_test OPTIONS (topic 'publish');
CREATE FOREIGN TABLE visit_gone (id int OPTIONS (metadata 'key', field 'id'), gone bool OPTIONS (metadata 'tombstone')) SERVER publish_test OPTIONS (topic 'publish');
CREATE FOREIGN TABLE visit_headers (id int OPTIONS (metadata 'key', field 'id'), h kafka.header[] OPTIONS (metadata 'headers')) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('visits', 'visit_parts');
SELECT kafka.publish_table('visits', 'visit_gone');
SELECT kafka.publish_table('visits', 'visit_headers');
DROP TABLE visits;

-- A key is the same text whoever deletes its row.
\! kafka_tool create-topic --replace publish 1
CREATE TABLE places (place regclass, kind regtype[], v int, PRIMARY KEY (place, kind));
CREATE FOREIGN TABLE place_events (_key text OPTIONS (metadata 'key'), place regclass, v int) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('places', 'place_events');
CREATE TRIGGER t AFTER INSERT OR DELETE ON places FOR EACH ROW EXECUTE FUNCTION kafka.publish('publish.place_events', 'place');
INSERT INTO places VALUES ('customers', '{int,customers}', 1);
SET search_path = pg_catalog;
SET quote_all_identifiers = on;
DELETE FROM publish.places;
SHOW search_path;
RESET quote_all_identifiers;
SET search_path = publish;
\! kafka_tool consume publish -f kvh
DROP TABLE places;

-- Nor does it matter how names were quoted.
SET quote_all_identifiers = on;
SELECT kafka.publish_table('customers', 'customer_events');
RESET quote_all_identifiers;
CREATE TRIGGER publish_to_customer_events_2 AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION kafka.publish('publish."customer_events"');
SELECT kafka.publish_table('customers', 'customer_events');
SET quote_all_identifiers = on;
SELECT kafka.unpublish_table('customers', 'customer_events');
RESET quote_all_identifiers;
SELECT tgname, tgargs FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal;
CREATE FOREIGN TABLE "odd\000.name" (id int OPTIONS (metadata 'key', field 'id')) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', '"odd\000.name"');
SELECT kafka.publish_table('customers', '"odd\000.name"');
SELECT kafka.unpublish_table('customers', '"odd\000.name"');

-- Row and tombstone belong into one partition.
CREATE FOREIGN TABLE spread_events (id int OPTIONS (metadata 'key', field 'id')) SERVER publish_test OPTIONS (topic 'publish', partitioner 'round_robin');
SELECT kafka.publish_table('customers', 'spread_events');
ALTER FOREIGN TABLE spread_events OPTIONS (SET partitioner 'random');
SELECT kafka.publish_table('customers', 'spread_events');
ALTER FOREIGN TABLE spread_events OPTIONS (SET partitioner 'consistent_random');
SELECT kafka.publish_table('customers', 'spread_events');
SELECT kafka.unpublish_table('customers');

-- What does not fit is an error, as early as it can be known.
SELECT kafka.publish_table('customers', 'items');
SELECT kafka.publish_table('customers', 'item_rows', '{none}');
SELECT kafka.publish_table('customers', 'item_rows', for_each => 'transaction');
CREATE TABLE no_key (id int, name text);
SELECT kafka.publish_table('no_key', 'item_rows');
SELECT kafka.publish_table('no_key', 'customer_events', '{id}');
CREATE FOREIGN TABLE no_key_column (id int) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', 'no_key_column');
CREATE FOREIGN TABLE no_value (id int OPTIONS (metadata 'key')) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', 'no_value');
CREATE FOREIGN TABLE wrong_type (key int OPTIONS (metadata 'key'), since int) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', 'wrong_type');
SELECT kafka.publish_table('wrong_type', 'wrong_type');
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON wrong_type FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT kafka.publish_table('customers', 'wrong_type');
SELECT kafka.publish_table('no_key', 'item_rows', '{id}');
INSERT INTO no_key VALUES (NULL, 'x');
SELECT kafka.unpublish_table('no_key');
SELECT kafka.publish_table('no_key', NULL);
SELECT kafka.unpublish_table(NULL);
CREATE TRIGGER t AFTER INSERT ON no_key FOR EACH ROW EXECUTE FUNCTION kafka.publish();
INSERT INTO no_key VALUES (1);
DROP TRIGGER t ON no_key;
CREATE TRIGGER t AFTER INSERT ON no_key FOR EACH ROW EXECUTE FUNCTION kafka.publish('item_rows', 'id');
INSERT INTO no_key VALUES (1);
DROP TRIGGER t ON no_key;
CREATE TRIGGER t BEFORE INSERT ON no_key FOR EACH ROW EXECUTE FUNCTION kafka.publish('publish.item_rows', 'id');
INSERT INTO no_key VALUES (1);
DROP TRIGGER t ON no_key;
CREATE TRIGGER t AFTER INSERT ON no_key FOR EACH STATEMENT EXECUTE FUNCTION kafka.publish('publish.item_rows', 'id');
INSERT INTO no_key VALUES (1);
DROP TRIGGER t ON no_key;
CREATE TRIGGER t AFTER TRUNCATE ON no_key FOR EACH STATEMENT EXECUTE FUNCTION kafka.publish('publish.item_rows', 'id');
TRUNCATE no_key;
DROP TRIGGER t ON no_key;
SELECT kafka.publish();

-- A deferred one publishes at COMMIT.
\! kafka_tool create-topic --replace publish 1
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON no_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION kafka.publish('publish.item_rows', 'id');
BEGIN;
INSERT INTO no_key VALUES (20, 'x');
UPDATE no_key SET name = 'y';
COMMIT;
\! kafka_tool consume publish -f kvh
DROP TRIGGER t ON no_key;

-- Tables that change under a trigger.
SELECT kafka.publish_table('customers', 'customer_events');
ALTER TABLE customers RENAME name TO full_name;
INSERT INTO customers VALUES (10, 'x');
ALTER TABLE customers RENAME full_name TO name;
ALTER FOREIGN TABLE customer_events RENAME TO events;
INSERT INTO customers VALUES (10, 'x');
ALTER FOREIGN TABLE events RENAME TO customer_events;

SELECT kafka.unpublish_table('customers');
CREATE FOREIGN TABLE "Çustomer's" (id int OPTIONS (metadata 'key', field 'id')) SERVER publish_test OPTIONS (topic 'publish');
SELECT kafka.publish_table('customers', '"Çustomer''s"', '{id}');
INSERT INTO customers VALUES (10, 'x');
\! kafka_tool consume publish -f kv | tail -1
SELECT kafka.unpublish_table('customers', '"Çustomer''s"');
SELECT kafka.publish_table('customers', 'customer_events');

-- A table's owner needs the right to insert, who changes it does not.
CREATE ROLE regress_kafka_publisher;
CREATE ROLE regress_kafka_writer;
GRANT USAGE ON SCHEMA publish TO regress_kafka_writer;
GRANT INSERT ON customers TO regress_kafka_writer;
ALTER TABLE customers OWNER TO regress_kafka_publisher;
GRANT USAGE ON SCHEMA publish TO regress_kafka_publisher;
SET ROLE regress_kafka_writer;
INSERT INTO publish.customers VALUES (11, 'x');
RESET ROLE;
GRANT INSERT ON customer_events TO regress_kafka_publisher;
-- Who may make such triggers is granted.
SET ROLE regress_kafka_publisher;
CREATE TRIGGER t AFTER INSERT ON publish.customers FOR EACH ROW EXECUTE FUNCTION kafka.publish('publish.customer_events');
RESET ROLE;
SET ROLE regress_kafka_writer;
INSERT INTO publish.customers VALUES (11, 'x');
RESET ROLE;
\! kafka_tool consume publish -f k | tail -1

-- Nor does anybody else lock tables by looking whether they could be made.
GRANT EXECUTE ON FUNCTION kafka.publish() TO regress_kafka_writer;
SET ROLE regress_kafka_writer;
SELECT kafka.check_publish('publish.customers', 'publish.customer_events', '{}');
SELECT kafka.publish_table('publish.customers', 'publish.item_rows');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION kafka.publish() FROM regress_kafka_writer;
GRANT TRIGGER ON customers TO regress_kafka_writer;
SET ROLE regress_kafka_writer;
SELECT kafka.check_publish('publish.customers', 'publish.customer_events', '{}');
RESET ROLE;
REVOKE TRIGGER ON customers FROM regress_kafka_writer;

-- What the target's owner has chosen runs as the owner of the table, who needs the right to it, and can do nothing to the session.
CREATE ROLE regress_kafka_targets;
GRANT CREATE, USAGE ON SCHEMA publish TO regress_kafka_targets;
GRANT USAGE ON FOREIGN SERVER publish_test TO regress_kafka_targets;
\! kafka_tool create-topic --replace publish 2
CREATE TABLE steps (id int PRIMARY KEY, step text);
ALTER TABLE steps OWNER TO regress_kafka_publisher;
GRANT INSERT ON steps TO regress_kafka_writer;
GRANT EXECUTE ON FUNCTION kafka.publish() TO regress_kafka_publisher;
SET ROLE regress_kafka_targets;
CREATE TABLE seen (place text, who name DEFAULT current_user);
GRANT INSERT ON seen TO PUBLIC;
CREATE FUNCTION see(place text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO publish.seen VALUES (place);
  PERFORM set_config('search_path', 'nowhere', false);
  RETURN true;
END $$;
CREATE FUNCTION one(key bytea, partition_count int) RETURNS int LANGUAGE sql AS $$
  SELECT CASE WHEN publish.see('partitioner') THEN 1 END $$;
CREATE DOMAIN watched AS text CHECK (publish.see('domain'));
CREATE FOREIGN TABLE step_events (id int OPTIONS (metadata 'key', field 'id'), step watched) SERVER publish_test
  OPTIONS (topic 'publish', partitioner 'publish.one');
GRANT INSERT ON step_events TO regress_kafka_publisher;
SET ROLE regress_kafka_publisher;
SELECT kafka.publish_table('publish.steps', 'publish.step_events');
RESET ROLE;
INSERT INTO steps VALUES (1, 'a');
SET ROLE regress_kafka_writer;
INSERT INTO publish.steps VALUES (2, 'b');
RESET ROLE;
SHOW search_path;
SELECT * FROM seen;
\! kafka_tool consume publish -f pv
REVOKE EXECUTE ON FUNCTION one(bytea, int) FROM PUBLIC;
SET ROLE regress_kafka_writer;
INSERT INTO publish.steps VALUES (3, 'c');
RESET ROLE;
GRANT EXECUTE ON FUNCTION one(bytea, int) TO regress_kafka_publisher;
SET ROLE regress_kafka_writer;
INSERT INTO publish.steps VALUES (3, 'c');
RESET ROLE;
-- Nor does who changes the table choose what names mean in it.
CREATE SCHEMA publish_other AUTHORIZATION regress_kafka_writer;
CREATE OR REPLACE FUNCTION see(place text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO publish.seen VALUES (format('%s, %s', lower(place), current_setting('search_path')));
  RETURN true;
END $$;
TRUNCATE seen;
SET ROLE regress_kafka_writer;
CREATE FUNCTION publish_other.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'taken over' $$;
GRANT USAGE ON SCHEMA publish_other TO PUBLIC;
SET search_path = publish_other, pg_catalog;
INSERT INTO publish.steps VALUES (4, 'd');
SHOW search_path;
RESET ROLE;
SET search_path = publish;
SELECT * FROM seen;
DROP SCHEMA publish_other CASCADE;
-- Wherever it is: a cast to JSON, a partitioner alone.
SELECT kafka.unpublish_table('steps');
TRUNCATE seen;
CREATE TYPE grade AS ENUM ('a', 'b');
CREATE FUNCTION to_json(grade) RETURNS json LANGUAGE sql AS $$ SELECT to_json(publish.see('cast')) $$;
CREATE CAST (grade AS json) WITH FUNCTION to_json(grade);
CREATE TABLE grades (id int PRIMARY KEY, grade grade);
ALTER TABLE grades OWNER TO regress_kafka_publisher;
GRANT INSERT ON grades TO regress_kafka_writer;
CREATE FOREIGN TABLE grade_rows (_key text OPTIONS (metadata 'key'), _value jsonb) SERVER publish_test OPTIONS (topic 'publish');
CREATE FOREIGN TABLE step_rows (_key text OPTIONS (metadata 'key'), _value jsonb) SERVER publish_test OPTIONS (topic 'publish', partitioner 'publish.one');
GRANT INSERT ON grade_rows, step_rows TO regress_kafka_publisher;
SELECT kafka.publish_table('grades', 'grade_rows'), kafka.publish_table('steps', 'step_rows');
SET ROLE regress_kafka_writer;
INSERT INTO publish.grades VALUES (1, 'b');
INSERT INTO publish.steps VALUES (5, 'e');
RESET ROLE;
SELECT * FROM seen;
DROP TABLE grades;
SELECT kafka.unpublish_table('steps');
SET ROLE regress_kafka_publisher;
SELECT kafka.publish_table('publish.steps', 'publish.step_events', for_each => 'statement');
RESET ROLE;
\set VERBOSITY terse
CREATE OR REPLACE FUNCTION see(place text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RETURN true; END $$;
INSERT INTO steps VALUES (6, 'f');
CREATE OR REPLACE FUNCTION see(place text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE customers (id int); RETURN true; END $$;
INSERT INTO steps VALUES (6, 'f');
\unset VERBOSITY
SELECT current_user = session_user;

-- The manual's examples.
\! kafka_tool create-topic --replace customer_rows 1
CREATE TABLE publish.shoppers (id bigint PRIMARY KEY, name text, email text);
CREATE FOREIGN TABLE publish.shopper_events (
    id    bigint OPTIONS (metadata 'key', field 'id'),
    name  text
) SERVER publish_test OPTIONS (topic 'customer_rows');
CREATE FOREIGN TABLE publish.shopper_rows (
    _key  text  OPTIONS (metadata 'key'),
    _row  jsonb OPTIONS (metadata 'value')
) SERVER publish_test OPTIONS (topic 'customer_rows');
SELECT kafka.publish_table('publish.shoppers', 'publish.shopper_events');
CREATE TRIGGER publish AFTER UPDATE OF name ON publish.shoppers
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION kafka.publish('publish.shopper_rows', 'id');
INSERT INTO publish.shoppers VALUES (17, 'Ann', 'ann@example.com');
UPDATE publish.shoppers SET name = 'Anna';
DELETE FROM publish.shoppers;
\! kafka_tool consume customer_rows -f kvh | sort
SELECT kafka.unpublish_table('publish.shoppers', 'publish.shopper_events');

SET client_min_messages = warning;
DROP SCHEMA publish CASCADE;
DROP SERVER publish_test CASCADE;
REVOKE EXECUTE ON FUNCTION kafka.publish() FROM regress_kafka_publisher;
DROP ROLE regress_kafka_publisher, regress_kafka_writer, regress_kafka_targets;
