-- Delivery "outbox": records are stored by the transaction, and published by a relay (takes shared_preload_libraries).
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER outbox FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace outbox 1
\! kafka_tool create-topic --replace outbox_other 1
CREATE FOREIGN TABLE outbox (v text) SERVER outbox OPTIONS (topic 'outbox', format 'text', delivery 'outbox');
CREATE FOREIGN TABLE outbox_too (v text, k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'),
  h kafka.header[] OPTIONS (metadata 'headers'), t timestamptz OPTIONS (metadata 'timestamp'),
  dead bool OPTIONS (metadata 'tombstone'))
  SERVER outbox OPTIONS (topic 'outbox', format 'text', delivery 'outbox');
CREATE FOREIGN TABLE outbox_other (v text) SERVER outbox OPTIONS (topic 'outbox_other', format 'text', delivery 'outbox');
CREATE FUNCTION await_outbox(topic regclass, records int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE found text[];
BEGIN
  FOR i IN 1 .. 3000 LOOP
    EXECUTE format('SELECT array_agg(v) FROM %s', topic) INTO found;
    EXIT WHEN cardinality(found) >= records;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RETURN QUERY SELECT unnest(found);
END $$;
CREATE PROCEDURE await_empty_outbox(last int DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM kafka.stat_outbox WHERE server ~ '^(outbox|k$)' AND (unsent > 0 OR state <> 'idle'));
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;

INSERT INTO outbox VALUES ('a'), ('b');
SELECT await_outbox('outbox', 2);
-- Several tables of a topic keep the order of the transaction; what was rolled back is never stored.
BEGIN;
INSERT INTO outbox VALUES ('c');
INSERT INTO outbox_too (v) VALUES ('d');
INSERT INTO outbox_other VALUES ('x');
SAVEPOINT s;
INSERT INTO outbox VALUES ('never');
ROLLBACK TO s;
INSERT INTO outbox VALUES ('e');
INSERT INTO outbox_too VALUES ('f', 'key', 0, '{"(one,\"\\\\x01\")","(two,)"}', '2020-01-01 00:00+00');
INSERT INTO outbox_too (k, dead) VALUES ('gone', true);
SELECT records FROM kafka.outbox WHERE topic = 'outbox_other';
COMMIT;
BEGIN;
INSERT INTO outbox VALUES ('never');
ROLLBACK;
SELECT await_outbox('outbox', 7) OFFSET 2;
SELECT v, k, h, CASE WHEN NOT dead THEN t AT TIME ZONE 'UTC' END AS t, dead FROM outbox_too WHERE k IS NOT NULL;
SELECT await_outbox('outbox_other', 1);
CALL await_empty_outbox();
SELECT server, role, unsent, oldest, state, last_error FROM kafka.stat_outbox WHERE server = 'outbox';

-- Any size: many records in a row of the table, and a row for a large one.
INSERT INTO outbox_other SELECT i || repeat('x', 1000) FROM generate_series(1, 5000) i;
INSERT INTO outbox_other VALUES (repeat('y', 1000000));
CALL await_empty_outbox();
SELECT count(*), count(DISTINCT v), sum(length(v)) FROM await_outbox('outbox_other', 5002) v;

-- Triggers, COPY.
CREATE TABLE outbox_orders (id int);
CREATE FUNCTION outbox_publish() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO outbox VALUES (TG_OP || ' ' || NEW.id); RETURN NULL; END $$;
CREATE TRIGGER publish AFTER INSERT OR UPDATE ON outbox_orders FOR EACH ROW EXECUTE FUNCTION outbox_publish();
INSERT INTO outbox_orders VALUES (1);
UPDATE outbox_orders SET id = 2;
COPY outbox FROM stdin;
copied
\.
SELECT await_outbox('outbox', 10) OFFSET 7;

-- All deliveries in one transaction, and a savepoint.
\! kafka_tool create-topic --replace outbox_mixed 1
CREATE FOREIGN TABLE mixed (v text) SERVER outbox OPTIONS (topic 'outbox_mixed', format 'text');
CREATE FOREIGN TABLE mixed_async (v text) SERVER outbox OPTIONS (topic 'outbox_mixed', format 'text', delivery 'async');
CREATE FOREIGN TABLE mixed_transactional (v text) SERVER outbox OPTIONS (topic 'outbox_mixed', format 'text', delivery 'transactional');
CREATE FOREIGN TABLE mixed_outbox (v text) SERVER outbox OPTIONS (topic 'outbox_mixed', format 'text', delivery 'outbox');
CREATE PROCEDURE insert_mixed(what text) LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mixed VALUES ('sync ' || what);
  INSERT INTO mixed_async VALUES ('async ' || what);
  INSERT INTO mixed_transactional VALUES ('transactional ' || what);
  INSERT INTO mixed_outbox VALUES ('outbox ' || what);
END $$;
BEGIN;
CALL insert_mixed('a');
SAVEPOINT s;
CALL insert_mixed('b, taken back');
ROLLBACK TO s;
CALL insert_mixed('c');
COMMIT;
BEGIN;
CALL insert_mixed('d, taken back');
ROLLBACK;
-- What was inserted before a transaction is made read only it commits, as it does other rows.
BEGIN;
CALL insert_mixed('e');
SET TRANSACTION READ ONLY;
COMMIT;
SELECT * FROM kafka.flush();
SELECT v FROM await_outbox('mixed', 14) v ORDER BY v COLLATE "C";
DROP PROCEDURE insert_mixed;

-- What it cannot do.
INSERT INTO outbox_too (v) VALUES ('never') RETURNING p;
SELECT _offset FROM kafka.produce('outbox', 'never');
BEGIN;
INSERT INTO outbox VALUES ('never');
PREPARE TRANSACTION 'kafka_outbox';
INSERT INTO outbox VALUES (repeat('x', 1048576));
BEGIN READ ONLY;
INSERT INTO outbox VALUES ('never');
ROLLBACK;
ALTER FOREIGN TABLE outbox OPTIONS (ADD linger_ms '10');
ALTER FOREIGN TABLE outbox OPTIONS (ADD acks '1');
ALTER SERVER outbox OPTIONS (ADD acks '1');
INSERT INTO outbox VALUES ('never');
ALTER SERVER outbox OPTIONS (DROP acks);
ALTER FOREIGN TABLE outbox OPTIONS (ADD partitioner 'random');
ALTER SERVER outbox OPTIONS (ADD partitioner 'round_robin');
INSERT INTO outbox VALUES ('never');
ALTER SERVER outbox OPTIONS (DROP partitioner);

-- A role publishes as itself; who may not log in has no relay.
CREATE ROLE regress_kafka_publisher LOGIN;
CREATE ROLE regress_kafka_no_login;
GRANT INSERT ON outbox TO regress_kafka_publisher, regress_kafka_no_login;
SET ROLE regress_kafka_publisher;
INSERT INTO outbox VALUES ('publisher');
SELECT server, role FROM kafka.stat_outbox WHERE server = 'outbox' ORDER BY role::text;
SELECT count(*) FROM kafka.outbox;
DELETE FROM kafka.outbox_relays;
SELECT kafka.resolve_outbox('outbox', 'skip', 'postgres');
RESET ROLE;
SELECT await_outbox('outbox', 11) OFFSET 10;
SELECT kafka.resolve_outbox('outbox', 'perhaps');
SELECT kafka.resolve_outbox('none', 'skip');
SELECT kafka.resolve_outbox(NULL, 'skip');
SELECT kafka.retry_outbox('none');
SELECT kafka.retry_outbox(NULL);
SELECT kafka.retry_outbox('outbox');
CALL await_empty_outbox();
DROP ROLE regress_kafka_publisher;
REVOKE INSERT ON outbox FROM regress_kafka_publisher;
DROP OWNED BY regress_kafka_publisher;
DROP ROLE regress_kafka_publisher;

-- A table may go before its records are published; a server may not.
CREATE SERVER outbox_down FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE outbox_down (v text) SERVER outbox_down OPTIONS (topic 'outbox', format 'text', delivery 'outbox');
INSERT INTO outbox_down VALUES ('unsent');
SELECT server, unsent, oldest <= now() AS has_oldest FROM kafka.stat_outbox WHERE server ~ 'down';
DROP FOREIGN TABLE outbox_down;
SELECT server, unsent FROM kafka.stat_outbox WHERE server ~ 'down';
DROP SERVER outbox_down;
DROP SERVER outbox_down CASCADE;
ALTER SERVER outbox_down RENAME TO outbox_up;
SELECT server, unsent FROM kafka.stat_outbox WHERE server ~ 'down|up';
ALTER SERVER outbox_up OPTIONS (SET bootstrap_servers :'servers');
SELECT await_outbox('outbox', 12) OFFSET 11;
CALL await_empty_outbox();
DROP SERVER outbox_up CASCADE;
SELECT server FROM kafka.stat_outbox WHERE server ~ 'down|up';

-- What is for brokers that are gone for ever can be discarded.
CREATE SERVER outbox_gone FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE outbox_gone (v text) SERVER outbox_gone OPTIONS (topic 'outbox', format 'text', delivery 'outbox');
INSERT INTO outbox_gone VALUES ('never'), ('never');
INSERT INTO outbox_gone VALUES ('never');
BEGIN;
SELECT kafka.resolve_outbox('outbox_gone', 'discard');
ROLLBACK;
SET ROLE regress_kafka_no_login;
SELECT kafka.resolve_outbox('outbox_gone', 'discard', 'postgres');
SELECT kafka.retry_outbox('outbox_gone', 'postgres');
RESET ROLE;
DROP SERVER outbox_gone CASCADE;
SELECT kafka.resolve_outbox('outbox_gone', 'discard');
SELECT unsent, oldest FROM kafka.stat_outbox WHERE server = 'outbox_gone';
DROP SERVER outbox_gone CASCADE;

-- A relay gets over options that it cannot work with.
ALTER SERVER outbox OPTIONS (ADD security_protocol 'sasl_plaintext', ADD sasl_mechanism 'PLAIN');
DO $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    EXIT WHEN EXISTS (SELECT FROM kafka.stat_outbox WHERE server = 'outbox' AND last_error ~ 'sasl_username');
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT split_part(last_error, E'\n', 1) FROM kafka.stat_outbox WHERE server = 'outbox';
SET ROLE regress_kafka_no_login;
SELECT last_error, hint FROM kafka.stat_outbox WHERE server = 'outbox';
SELECT state, problem, to_do FROM kafka.status WHERE name ~ '^outbox of';
RESET ROLE;
ALTER SERVER outbox OPTIONS (DROP security_protocol, DROP sasl_mechanism);
INSERT INTO outbox VALUES ('mended');
SELECT await_outbox('outbox', 13) OFFSET 12;

-- Records that are held when their server is renamed go along with it; when it is dropped, the transaction fails.
CREATE SERVER outbox_held FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE outbox_held (v text) SERVER outbox_held OPTIONS (topic 'outbox', format 'text', delivery 'outbox');
BEGIN;
INSERT INTO outbox_held VALUES ('renamed');
ALTER SERVER outbox_held RENAME TO outbox_moved;
COMMIT;
SELECT await_outbox('outbox', 14) OFFSET 13;
CALL await_empty_outbox();
SELECT server FROM kafka.stat_outbox WHERE server ~ 'held|moved';
BEGIN;
INSERT INTO outbox_held VALUES ('never');
DROP SERVER outbox_moved CASCADE;
COMMIT;
DROP SERVER outbox_moved CASCADE;
SELECT server FROM kafka.stat_outbox WHERE server ~ 'held|moved';

-- The manual's examples.
\! kafka_tool create-topic --replace customer_events 1
\! kafka_tool create-topic --replace payment_events 1
CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE TABLE customers AS SELECT 7 AS id, 'Augusta' AS name;
CREATE FOREIGN TABLE customer_events (id bigint, name text, _key text OPTIONS (metadata 'key'))
  SERVER k OPTIONS (topic 'customer_events', delivery 'outbox');
BEGIN;
UPDATE customers SET name = 'Ada' WHERE id = 7;
INSERT INTO customer_events VALUES (7, 'Ada', '7');
COMMIT;
ALTER FOREIGN TABLE customer_events RENAME name TO v;
ALTER FOREIGN TABLE customer_events ALTER v OPTIONS (field 'name');
SELECT await_outbox('customer_events', 1);
SELECT * FROM customer_events;
CREATE FOREIGN TABLE payment_events (id bigint, amount numeric, _key text OPTIONS (metadata 'key'))
  SERVER k OPTIONS (topic 'payment_events', delivery 'transactional');
INSERT INTO payment_events VALUES (1, 9.99, '1');
CALL await_empty_outbox();

DROP TABLE outbox_orders, customers;
DROP FUNCTION outbox_publish, await_outbox;
DROP PROCEDURE await_empty_outbox;
DROP ROLE regress_kafka_no_login;
REVOKE INSERT ON outbox FROM regress_kafka_no_login;
DROP ROLE regress_kafka_no_login;
SET client_min_messages = warning;
DROP SERVER outbox CASCADE;
DROP SERVER k CASCADE;
