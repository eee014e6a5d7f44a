-- The settings of streams: given, stored, altered, replaced.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE SERVER settings_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE ROLE regress_setting_owner LOGIN;
CREATE ROLE regress_setting_member LOGIN;
CREATE ROLE regress_setting_other LOGIN;
CREATE ROLE regress_setting_group;
GRANT regress_setting_owner TO regress_setting_member, regress_setting_group;
GRANT USAGE ON FOREIGN SERVER settings_test TO regress_setting_owner;
CREATE SCHEMA others;
GRANT USAGE ON SCHEMA others TO PUBLIC;
CREATE FOREIGN TABLE orders (id int, name text) SERVER settings_test OPTIONS (topic 'settings_orders');
CREATE FOREIGN TABLE same_orders (id int) SERVER settings_test OPTIONS (topic 'settings_orders');
CREATE FOREIGN TABLE feed (id int) SERVER settings_test OPTIONS (topic 'settings_orders', group_id 'app');
CREATE TABLE target (id int, name text);
CREATE TABLE others.target (id int);
CREATE PROCEDURE take() LANGUAGE sql AS 'INSERT INTO target SELECT id FROM orders';
GRANT SELECT ON orders, same_orders, feed TO PUBLIC;
GRANT SELECT, INSERT, UPDATE ON target, others.target TO regress_setting_owner;
GRANT EXECUTE ON FUNCTION kafka.create_stream TO PUBLIC;
CREATE VIEW defined AS SELECT name, owner, statement, search_path, source, workers, settings, enabled FROM kafka.streams;
GRANT SELECT ON defined TO PUBLIC;
RESET client_min_messages;

-- What is not given, or NULL, or what is so by default, is not stored.
BEGIN;
SELECT kafka.create_stream('plain', 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.create_stream('null', 'INSERT INTO target SELECT id FROM orders', workers => NULL, max_poll_records => NULL,
  max_poll_bytes => NULL, commit_interval => NULL, max_records_per_second => NULL, on_error => NULL, reject_limit => NULL, replace => NULL);
SELECT kafka.create_stream('given', 'INSERT INTO target SELECT id FROM orders', workers => 3, max_poll_records => 5,
  max_poll_bytes => 1, commit_interval => '1.5 s', max_records_per_second => 100, on_error => 'dead_letter', reject_limit => 7);
SELECT kafka.create_stream('default', 'INSERT INTO target SELECT id FROM orders', workers => 1, max_poll_records => 100000,
  max_poll_bytes => 33554432, commit_interval => '0 s', on_error => 'stop');
SELECT name, workers, settings FROM defined;
ROLLBACK;

-- Alter: what is not given stays.
SET ROLE regress_setting_owner;
BEGIN;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.pause_stream('s');
COMMIT;
SELECT kafka.alter_stream('s', workers => 2, max_poll_bytes => 1000, commit_interval => '1 hour', max_records_per_second => 9);
SELECT * FROM defined;
SELECT kafka.alter_stream('s', on_error => 'dead_letter', reject_limit => 3);
SELECT kafka.alter_stream('s');
SELECT workers, settings FROM defined;
SELECT kafka.alter_stream('s', on_error => 'stop');
SELECT kafka.alter_stream('s', reset => '{on_error}');
SELECT kafka.alter_stream('s', max_poll_records => 8, reset => '{on_error, reject_limit, workers, max_poll_records, commit_interval}');
SELECT workers, settings FROM defined;

-- A statement is checked as when a stream is created, and its source may be another table.
SET search_path = others, public;
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT id FROM same_orders');
SELECT statement, search_path, source FROM defined;
RESET search_path;
SELECT kafka.alter_stream('s', source => 'orders');
SELECT kafka.alter_stream('s', statement => 'CALL take()');
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT id FROM feed', source => 'feed');
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT id FROM orders LIMIT 1');
SELECT kafka.alter_stream('s', statement => 'UPDATE target SET name = ''x'' WHERE id IN (SELECT id FROM orders)');
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT count(*) FROM orders GROUP BY id');
SELECT kafka.alter_stream('s', statement => 'CALL take()', source => 'orders');
SELECT kafka.alter_stream('s', source => 'same_orders');
SELECT statement, search_path, source FROM defined;

-- What is refused leaves all as it is.
SELECT kafka.alter_stream(NULL, workers => 1);
SELECT kafka.alter_stream('none', workers => 1);
SELECT kafka.alter_stream('s', workers => 0);
SELECT kafka.alter_stream('s', max_poll_records => 0);
SELECT kafka.alter_stream('s', reset => '{work}');
SELECT kafka.alter_stream('s', reset => '{NULL}');
SELECT kafka.alter_stream('s', reset => '{}');
SELECT workers, settings FROM defined;

-- Who owns it, and members of that role, whose own rights do not count; nobody else.
SET ROLE regress_setting_other;
SELECT kafka.alter_stream('s', workers => 1);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', replace => true);
RESET ROLE;
GRANT INSERT ON target TO regress_setting_member;
REVOKE INSERT ON target FROM regress_setting_owner;
SET ROLE regress_setting_member;
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT id FROM orders');
RESET ROLE;
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT id FROM orders');
GRANT INSERT ON target TO regress_setting_owner;
SET ROLE regress_setting_member;
SELECT kafka.alter_stream('s', statement => 'INSERT INTO target SELECT id FROM orders');
SELECT owner, statement, source FROM defined;

-- Replace: another definition, the same owner, whether it is paused; what is not given is as in a new stream.
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id, name FROM orders');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id, name FROM orders', max_poll_records => 4, replace => true);
SELECT * FROM defined;
RESET ROLE;
SELECT kafka.create_stream('s', 'INSERT INTO others.target SELECT id FROM same_orders', workers => 2, replace => true);
SELECT * FROM defined;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM nowhere', replace => true);
BEGIN;
SELECT kafka.create_stream('new', 'INSERT INTO target SELECT id FROM orders', replace => true);
SELECT name, owner FROM defined WHERE name = 'new';
ROLLBACK;

-- Who replaces a stream of a role that he may act for need not be one who can own streams.
SET ROLE regress_setting_group;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', workers => 2, replace => true);
RESET ROLE;

-- As it is now, also in an old snapshot.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workers FROM defined;
SELECT kafka.alter_stream('s', max_poll_records => 3);
COMMIT;
SELECT workers, settings FROM defined;

-- What cannot be given is not taken from the table either.
BEGIN;
SAVEPOINT a;
UPDATE kafka.streams SET settings = '{"on_error": "retry"}' WHERE name = 's';
SELECT kafka.alter_stream('s', max_poll_records => 3);
ROLLBACK TO a;
UPDATE kafka.streams SET settings = '{"max_poll_records": -5}' WHERE name = 's';
SELECT kafka.alter_stream('s', max_poll_bytes => 3);
ROLLBACK TO a;
UPDATE kafka.streams SET settings = '{"park_timeout": "0 s"}' WHERE name = 's';
SELECT kafka.alter_stream('s', max_poll_bytes => 3);
ROLLBACK;

SELECT kafka.drop_stream('s');
SET client_min_messages = warning;
DROP SERVER settings_test CASCADE;
DROP VIEW defined;
DROP TABLE target;
DROP PROCEDURE take;
DROP SCHEMA others CASCADE;
REVOKE EXECUTE ON FUNCTION kafka.create_stream FROM PUBLIC;
DROP ROLE regress_setting_owner, regress_setting_member, regress_setting_other, regress_setting_group;
