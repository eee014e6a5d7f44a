-- What streams read and write, in rows and drawn, and the plan of one that has run no batch. No worker runs here: each
-- stream is created and paused in one transaction (takes shared_preload_libraries).
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE ROLE regress_topology_owner LOGIN;
CREATE ROLE regress_topology_other;
CREATE SCHEMA topology_test;
GRANT ALL ON SCHEMA topology_test TO regress_topology_owner;
CREATE SERVER topology_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
GRANT USAGE ON FOREIGN SERVER topology_test TO regress_topology_owner;
GRANT EXECUTE ON FUNCTION kafka.create_stream TO regress_topology_owner;
SET ROLE regress_topology_owner;
SET search_path = topology_test;
CREATE FOREIGN TABLE orders (id int, customer_id int) SERVER topology_test OPTIONS (topic 'topology_orders,topology_more_orders');
CREATE FOREIGN TABLE enriched (id int, name text) SERVER topology_test OPTIONS (topic 'topology_enriched', delivery 'outbox');
CREATE FOREIGN TABLE enriched_read (id int, name text) SERVER topology_test OPTIONS (topic 'topology_enriched');
CREATE TABLE customers (customer_id int, name text) PARTITION BY LIST (customer_id);
CREATE TABLE others PARTITION OF customers DEFAULT;
CREATE VIEW named AS SELECT * FROM customers WHERE name IS NOT NULL;
CREATE MATERIALIZED VIEW vips AS SELECT 1 AS customer_id;
CREATE TABLE log (id int);
CREATE TABLE names (id int, name text);
CREATE PROCEDURE take() LANGUAGE sql AS 'SELECT 1';
BEGIN;
SELECT kafka.create_stream('join', 'WITH o AS (INSERT INTO log SELECT id FROM orders RETURNING id)
  INSERT INTO enriched SELECT id, name FROM o JOIN named ON customer_id = id WHERE id NOT IN (SELECT customer_id FROM vips)');
SELECT kafka.create_stream('names', 'INSERT INTO names SELECT id, name FROM enriched_read');
SELECT kafka.create_stream('call "it" <now>', 'CALL take()', source => 'orders');
SELECT kafka.create_stream('broken', 'INSERT INTO log SELECT id FROM orders JOIN names USING (id)', wait_for => '{names,join}');
SELECT kafka.pause_stream(name) FROM kafka.streams WHERE owner = 'regress_topology_owner'::regrole::oid;
COMMIT;

SELECT * FROM kafka.topology();
SELECT kafka.topology(format => 'mermaid');
SELECT * FROM kafka.topology('names');
SELECT kafka.topology(format => 'mermaid', name => 'names');
SELECT * FROM kafka.topology('none');
SELECT kafka.topology(format => 'dot');

-- What the workers of a stream would find counts: neither the tables nor the path of who looks, nor what is not there any more.
RESET ROLE;
SET search_path = pg_catalog;
CREATE TEMP TABLE customers (customer_id int, name text);
CREATE TEMP TABLE names (id int);
DROP TABLE topology_test.names;
SELECT * FROM kafka.topology();
SELECT kafka.topology(format => 'mermaid', name => 'broken');
SET ROLE regress_topology_other;
SELECT waits_for, note FROM kafka.topology('broken');
RESET ROLE;
DROP TABLE pg_temp.customers, pg_temp.names;

-- Nobody's code is run by looking, and no lock is kept.
SET ROLE regress_topology_owner;
CREATE FUNCTION topology_test.spy() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'run as %', current_user; END $$;
CREATE TABLE topology_test.names (id int, name text);
CREATE OR REPLACE VIEW topology_test.named AS SELECT customer_id, name FROM topology_test.customers WHERE name IS NOT NULL AND topology_test.spy() > 0;
SET ROLE regress_topology_other;
BEGIN;
SELECT stream, reads, note FROM kafka.topology('join');
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'topology_test'::regnamespace;
COMMIT;

-- The plan, before there is a batch; for the owner only.
SELECT kafka.explain_stream('names');
SET ROLE regress_topology_owner;
SELECT regexp_replace(line, ' *\(cost.*', '') AS line FROM kafka.explain_stream('names') line WHERE line ~ 'No batch|Insert on|Kafka Topic';
SELECT kafka.explain_stream('call "it" <now>');
SELECT kafka.explain_stream('none');
SELECT kafka.explain_stream(NULL);
RESET ROLE;
SELECT kafka.explain_stream('join');
DROP TABLE topology_test.names;
SELECT kafka.explain_stream('names');
SELECT current_user = session_user AS is_self, current_setting('search_path');

SET client_min_messages = warning;
SELECT kafka.drop_stream(name) FROM kafka.streams WHERE owner = 'regress_topology_owner'::regrole::oid;
RESET search_path;
DROP SERVER topology_test CASCADE;
DROP SCHEMA topology_test CASCADE;
DROP OWNED BY regress_topology_owner, regress_topology_other;
DROP ROLE regress_topology_owner, regress_topology_other;
