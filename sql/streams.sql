-- What create_stream takes and refuses, and who may change a stream. No worker runs here: a stream is created
-- and paused in one transaction.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE ROLE regress_stream_owner LOGIN;
CREATE ROLE regress_stream_other LOGIN;
CREATE ROLE regress_stream_group NOLOGIN;
CREATE SCHEMA "Stream test";
GRANT USAGE ON SCHEMA "Stream test" TO PUBLIC;
SET search_path = "Stream test", public;
CREATE SERVER streams_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
RESET client_min_messages;
CREATE FOREIGN TABLE orders (id int, customer_id int, _offset bigint OPTIONS (metadata 'offset'))
  SERVER streams_test OPTIONS (topic 'streams');
CREATE FOREIGN TABLE payments (id int) SERVER streams_test OPTIONS (topic 'streams_payments');
CREATE FOREIGN TABLE feed (id int) SERVER streams_test OPTIONS (topic 'streams', group_id 'app');
CREATE TABLE customers (customer_id int, name text);
CREATE TABLE target (id int, name text);
CREATE VIEW recent AS SELECT id, customer_id FROM orders WHERE id > 100;
CREATE PROCEDURE take() LANGUAGE sql AS 'SELECT 1';

-- What can run
SELECT kafka.create_stream('s', 'SELECT id FROM orders');
SELECT kafka.create_stream('s', 'CREATE TABLE x AS SELECT id FROM orders');
SELECT kafka.create_stream('s', '');
SELECT kafka.create_stream('s', 'DELETE FROM target; DELETE FROM target');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT nothing FROM orders');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT customer_id FROM customers');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT $1 FROM orders');
BEGIN;
ALTER FOREIGN TABLE orders ADD key int OPTIONS (metadata 'key', key_field 'id');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
ROLLBACK;
SELECT kafka.create_stream('s', 'INSERT INTO target VALUES (1)', source => 'orders');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', source => 'payments');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM feed');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders JOIN payments USING (id)');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT a.id FROM orders a JOIN orders b USING (id)');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders WHERE id IN (SELECT id FROM payments)');
SELECT kafka.create_stream('s', 'CALL take()');
SELECT kafka.create_stream('s', 'CALL take()', source => 'customers');
SELECT kafka.create_stream('s', 'CALL take()', source => 99999999);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', source => 99999999);
SELECT kafka.create_stream(NULL, 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.create_stream('s', NULL);
SELECT kafka.pause_stream(NULL), kafka.resume_stream(NULL), kafka.drop_stream(NULL), kafka.adopt_instance(NULL);
SELECT kafka.create_stream('', 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.create_stream(repeat('s', 64), 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', workers => 0);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', workers => 1000000);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', max_poll_records => 0);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', max_poll_bytes => 0);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', commit_interval => '-1 s');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', commit_interval => '1 month');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', max_records_per_second => 0);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', on_error => 'ignore');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', reject_limit => 5);
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', on_error => 'dead_letter', reject_limit => 0);
CREATE TEMP TABLE scratch (id int);
SELECT kafka.create_stream('s', 'INSERT INTO scratch SELECT id FROM orders');
CREATE FOREIGN TABLE pg_temp.passing (id int) SERVER streams_test OPTIONS (topic 'orders');
SELECT kafka.create_stream('s', 'CALL take()', source => 'pg_temp.passing');

-- A batch counts as read: no limit may leave records of it.
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders LIMIT 1');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders ORDER BY id OFFSET 1');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders FETCH FIRST ROW ONLY', source => 'orders');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM (SELECT id FROM recent) o LIMIT 1');
SELECT kafka.create_stream('s', 'WITH o AS (SELECT * FROM orders) INSERT INTO target SELECT id FROM (WITH o AS (SELECT * FROM o) SELECT * FROM o LIMIT 1) o');
SELECT kafka.create_stream('s', 'DELETE FROM target WHERE id = (SELECT id FROM orders LIMIT 1)');
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT 1 UNION SELECT id FROM orders LIMIT 1');
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT kafka.create_stream('all', 'INSERT INTO target SELECT id FROM orders LIMIT ALL OFFSET NULL');
SELECT kafka.create_stream('other', 'INSERT INTO target SELECT o.id, c.name FROM orders o, LATERAL (SELECT name FROM customers WHERE customer_id = o.customer_id LIMIT 1) c');
SELECT kafka.create_stream('most', 'INSERT INTO target SELECT customer_id FROM (SELECT customer_id, count(*) AS n FROM orders GROUP BY 1) o ORDER BY n DESC LIMIT 3');
ROLLBACK;

-- The order is the topic's, an order that was asked for, or the statement's.
BEGIN;
SELECT kafka.create_stream('plain', 'INSERT INTO target SELECT id, name FROM orders JOIN customers USING (customer_id)');
SELECT kafka.create_stream('left', 'INSERT INTO target SELECT id, name FROM orders LEFT JOIN customers USING (customer_id)');
SELECT kafka.create_stream('comma', 'INSERT INTO target SELECT id, name FROM customers c, orders o WHERE o.customer_id = c.customer_id');
SELECT kafka.create_stream('sorted', 'INSERT INTO target SELECT id FROM orders ORDER BY id');
SELECT kafka.create_stream('right', 'INSERT INTO target SELECT id, name FROM orders RIGHT JOIN customers USING (customer_id)');
SELECT kafka.create_stream('grouped', 'INSERT INTO target SELECT count(*) FROM orders GROUP BY customer_id');
SELECT kafka.create_stream('with', 'WITH o AS (SELECT * FROM orders) INSERT INTO target SELECT id FROM o');
SELECT kafka.create_stream('view', 'INSERT INTO target SELECT id FROM recent');
SELECT kafka.create_stream('updating', 'UPDATE target t SET name = c.name FROM (SELECT DISTINCT ON (id) id, customer_id FROM orders ORDER BY id, _offset DESC) o JOIN customers c USING (customer_id) WHERE t.id = o.id');
SELECT kafka.create_stream('deleting', 'DELETE FROM target t USING orders o WHERE t.id = o.id');
SELECT kafka.create_stream('merging', 'MERGE INTO target t USING orders o ON t.id = o.id WHEN NOT MATCHED THEN INSERT VALUES (o.id)');
SELECT kafka.create_stream('calling', 'CALL take()', source => 'orders');
SELECT kafka.create_stream('to_topic', 'INSERT INTO payments SELECT id FROM orders');
SELECT count(*) FROM kafka.streams WHERE source = 'orders'::regclass;
SELECT kafka.create_stream('plain', 'INSERT INTO target SELECT id FROM orders');
ROLLBACK;

-- Who may: the function, then the tables, then the stream.
SET ROLE regress_stream_owner;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
RESET ROLE;
GRANT EXECUTE ON FUNCTION kafka.create_stream TO regress_stream_owner, regress_stream_group;
SET ROLE regress_stream_owner;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
RESET ROLE;
GRANT INSERT ON target TO regress_stream_owner;
SET ROLE regress_stream_owner;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
RESET ROLE;
GRANT SELECT ON orders TO regress_stream_owner;
SET ROLE regress_stream_owner;
BEGIN;
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders', workers => 2, max_poll_records => 5);
SELECT kafka.pause_stream('s');
COMMIT;
RESET ROLE;
REVOKE SELECT ON orders FROM regress_stream_owner;
SET ROLE regress_stream_owner;
SELECT kafka.create_stream('t', 'CALL take()', source => 'orders');
RESET ROLE;
GRANT SELECT ON orders TO regress_stream_owner;
REVOKE EXECUTE ON PROCEDURE take() FROM PUBLIC;
SET ROLE regress_stream_owner;
SELECT kafka.create_stream('t', 'CALL take()', source => 'orders');
SELECT name, owner, statement, search_path, source, workers, settings, enabled FROM kafka.streams WHERE name = 's';
SELECT stream, worker, state, pid, records_in, last_error FROM kafka.stat_streams WHERE stream = 's';
SELECT kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
UPDATE kafka.streams SET enabled = true;
SET ROLE regress_stream_other;
SELECT kafka.pause_stream('s');
SELECT kafka.resume_stream('s');
SELECT kafka.drop_stream('s');
SELECT kafka.adopt_instance('keep');
SET ROLE regress_stream_owner;
SELECT kafka.drop_stream('none');
SELECT kafka.drop_stream('s');
SELECT count(*) FROM kafka.streams;
RESET ROLE;
SELECT kafka.adopt_instance('maybe');

-- Nothing changes in a read-only transaction.
BEGIN READ ONLY;
SELECT kafka.create_stream('new', 'INSERT INTO target SELECT id FROM orders');
ROLLBACK;
BEGIN READ ONLY;
SELECT kafka.drop_stream('s');
ROLLBACK;
BEGIN READ ONLY;
SELECT kafka.skip_record('s');
ROLLBACK;
BEGIN READ ONLY;
SELECT kafka.adopt_instance('new');
ROLLBACK;
BEGIN READ ONLY;
SELECT kafka.alter_group_owner('streams_test', 'app', current_user::regrole);
ROLLBACK;

-- The group of other consumers is not taken over.
INSERT INTO kafka.offsets (server, group_id, topic, partition, next_offset) VALUES ('streams_test', 'app', 'streams', 0, 7);
SET ROLE regress_stream_owner;
SELECT kafka.create_stream('app', 'INSERT INTO target SELECT id FROM orders');
RESET ROLE;
SELECT next_offset FROM kafka.offsets WHERE group_id = 'app';
BEGIN;
DELETE FROM kafka.offsets WHERE group_id = 'app';
SELECT kafka.create_stream('app', 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.create_stream('app', 'INSERT INTO target SELECT id FROM orders');
ROLLBACK;
DELETE FROM kafka.offsets WHERE group_id = 'app';

-- One whose source was dropped says so.
CREATE FOREIGN TABLE orders_gone (id int) SERVER streams_test OPTIONS (topic 'streams');
BEGIN;
SELECT kafka.create_stream('sourceless', 'INSERT INTO target SELECT id FROM orders_gone');
SELECT kafka.pause_stream('sourceless');
COMMIT;
DROP FOREIGN TABLE orders_gone;
SELECT * FROM kafka.lag(stream => 'sourceless');
SELECT kafka.reset_stream('sourceless', 'latest');
SELECT kafka.retry_dead_letters('sourceless');
SELECT kafka.explain_stream('sourceless');
SELECT kafka.drop_stream('sourceless');

-- What a statement does to its own stream it cannot do where dead letters are run again either.
BEGIN;
CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO target SELECT id FROM orders;
  PERFORM kafka.drop_stream('ends');
END $$;
SELECT kafka.create_stream('ends', 'CALL ends()', source => 'orders');
INSERT INTO kafka.stored_dead_letters (stream, server, group_id, _topic, _partition, _offset, value, stage, sqlstate, error, failed_at)
  VALUES ('ends', 'streams_test', 'ends', 'streams', 0, 9, '{"id": 1}', 'statement', '23514', 'failed', now());
SAVEPOINT a;
SELECT kafka.retry_dead_letters('ends');
ROLLBACK TO a;
SELECT kafka.drop_stream('ends');
SELECT count(*) FROM kafka.dead_letters WHERE stream = 'ends';
ROLLBACK;

-- No name is too long to be asked for.
DO $$
BEGIN
	PERFORM kafka.pause_stream(repeat('"', 1000000));
EXCEPTION WHEN undefined_object THEN
	RAISE NOTICE '% characters', length(SQLERRM);
END $$;

-- An owner must be able to log in, which later versions do not ask for.
SELECT current_setting('server_version_num')::int < 170000 AS must_log_in \gset
\if :must_log_in
SET ROLE regress_stream_group;
DO $$
BEGIN
  PERFORM kafka.create_stream('s', 'INSERT INTO target SELECT id FROM orders');
  RAISE 'such a role owns a stream';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
  ASSERT SQLERRM LIKE '%cannot own a stream, as it may not log in';
END $$;
RESET ROLE;
\endif

-- A name may be any text, and objects of the user's do not get in between.
CREATE FUNCTION "Stream test".hijack(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked'; END $$;
CREATE OPERATOR "Stream test".= (LEFTARG = text, RIGHTARG = text, FUNCTION = "Stream test".hijack);
SET search_path = "Stream test", pg_catalog, public;
BEGIN;
SELECT kafka.create_stream(E'it''s "a"\n%s name', 'INSERT INTO target SELECT id FROM orders');
SELECT kafka.pause_stream(E'it''s "a"\n%s name');
SELECT search_path FROM kafka.streams;
SELECT kafka.resume_stream(E'it''s "a"\n%s name');
SELECT kafka.drop_stream(E'it''s "a"\n%s name');
COMMIT;
RESET search_path;

SET client_min_messages = warning;
DROP SERVER streams_test CASCADE;
DROP SCHEMA "Stream test" CASCADE;
DROP OWNED BY regress_stream_owner, regress_stream_other, regress_stream_group;
DROP ROLE regress_stream_owner, regress_stream_other, regress_stream_group;
