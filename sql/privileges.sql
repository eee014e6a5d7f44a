-- Who may read, consume and write.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER privileges_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace privileges 1
\! seq 1 9 | kafka_tool produce privileges
CREATE FOREIGN TABLE privileges_topic (v text) SERVER privileges_test OPTIONS (topic 'privileges', format 'text');
CREATE FOREIGN TABLE privileges_feed (v text) SERVER privileges_test OPTIONS (topic 'privileges', format 'text', group_id 'privileges');
CREATE VIEW privileges_view AS SELECT v FROM privileges_feed LIMIT 1;
CREATE ROLE regress_kafka_reader;

SET ROLE regress_kafka_reader;
SELECT count(*) FROM privileges_topic;
SELECT count(*) FROM privileges_feed;
INSERT INTO privileges_topic VALUES ('x');
RESET ROLE;
GRANT SELECT ON privileges_topic, privileges_feed, privileges_view TO regress_kafka_reader;

-- SELECT is enough for a topic; consuming it takes UPDATE too; EXPLAIN consumes nothing.
SET ROLE regress_kafka_reader;
SELECT count(*) FROM privileges_topic;
SELECT v FROM privileges_feed LIMIT 1;
EXPLAIN (COSTS OFF) SELECT v FROM privileges_feed;
DO $$ BEGIN PERFORM v FROM privileges_feed; EXCEPTION WHEN insufficient_privilege THEN RAISE NOTICE 'refused'; END $$;
INSERT INTO privileges_topic VALUES ('x');
SELECT count(*) FROM kafka.offsets WHERE group_id = 'privileges';
-- A view reads with its owner's rights.
SELECT * FROM privileges_view;
RESET ROLE;
CREATE VIEW privileges_invoker WITH (security_invoker) AS SELECT v FROM privileges_feed LIMIT 1;
GRANT SELECT ON privileges_invoker TO regress_kafka_reader;
SET ROLE regress_kafka_reader;
SELECT * FROM privileges_invoker;
RESET ROLE;

-- With both it works, without any right to write positions.
GRANT UPDATE ON privileges_feed TO regress_kafka_reader;
SET ROLE regress_kafka_reader;
SELECT v FROM privileges_feed LIMIT 1;
SELECT * FROM privileges_invoker;
SELECT next_offset FROM kafka.offsets WHERE group_id = 'privileges';
UPDATE kafka.offsets SET next_offset = 0;
DELETE FROM kafka.offsets;
SELECT current_user;
-- Nor any to the database's default schema.
SET search_path = '';
SELECT v FROM public.privileges_feed LIMIT 1;
RESET search_path;
RESET ROLE;

-- Security definer functions, and a role that changes in the middle.
CREATE FUNCTION privileges_next() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT v FROM privileges_feed LIMIT 1';
REVOKE UPDATE ON privileges_feed FROM regress_kafka_reader;
SET ROLE regress_kafka_reader;
SELECT privileges_next();
SELECT v FROM privileges_feed LIMIT 1;
RESET ROLE;
GRANT INSERT ON privileges_topic TO regress_kafka_reader;
SET ROLE regress_kafka_reader;
INSERT INTO privileges_topic VALUES ('ten');
RESET ROLE;
SELECT count(*) FROM privileges_topic;

-- A table of one's own takes the right to use the server.
GRANT CREATE ON SCHEMA public TO regress_kafka_reader;
SET ROLE regress_kafka_reader;
CREATE FOREIGN TABLE privileges_own (v text) SERVER privileges_test OPTIONS (topic 'privileges');
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM regress_kafka_reader;

-- A view uses its owner's credentials; whoever selects from it needs none.
CREATE SERVER privileges_sasl FOREIGN DATA WRAPPER kafka_fdw
    OPTIONS (bootstrap_servers 'localhost:1', security_protocol 'sasl_plaintext', sasl_mechanism 'PLAIN');
CREATE USER MAPPING FOR CURRENT_USER SERVER privileges_sasl OPTIONS (sasl_username 'owner', sasl_password 'secret');
CREATE FOREIGN TABLE privileges_secured (v text, p int OPTIONS (metadata 'partition'))
    SERVER privileges_sasl OPTIONS (topic 'privileges', format 'text');
CREATE VIEW privileges_secured_view AS SELECT v FROM privileges_secured WHERE p = 0;
GRANT SELECT ON privileges_secured_view TO regress_kafka_reader;
SET ROLE regress_kafka_reader;
EXPLAIN (COSTS OFF) SELECT * FROM privileges_secured_view;
RESET ROLE;

DROP FUNCTION privileges_next;
SET client_min_messages = warning;
DROP SERVER privileges_test CASCADE;
DROP SERVER privileges_sasl CASCADE;
DROP ROLE regress_kafka_reader;
