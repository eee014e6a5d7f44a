-- Records that are held go where they were inserted for, whatever becomes of table, server and user mapping.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
\! kafka_tool create-topic --replace insert_dropped 1
CREATE SERVER insert_dropped_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE USER MAPPING FOR PUBLIC SERVER insert_dropped_test;
CREATE FOREIGN TABLE insert_dropped (v text) SERVER insert_dropped_test OPTIONS (topic 'insert_dropped', format 'text');

BEGIN;
INSERT INTO insert_dropped VALUES ('before');
ALTER FOREIGN TABLE insert_dropped OPTIONS (SET topic 'insert_nowhere');
DROP USER MAPPING FOR PUBLIC SERVER insert_dropped_test;
ALTER SERVER insert_dropped_test OPTIONS (SET bootstrap_servers '127.0.0.1:1');
COMMIT;
\! kafka_tool consume insert_dropped -f v
ALTER FOREIGN TABLE insert_dropped OPTIONS (SET topic 'insert_dropped');
ALTER SERVER insert_dropped_test OPTIONS (SET bootstrap_servers :'servers');
BEGIN;
INSERT INTO insert_dropped VALUES ('the last');
DROP FOREIGN TABLE insert_dropped;
DROP SERVER insert_dropped_test;
COMMIT;
\! kafka_tool consume insert_dropped -f v
