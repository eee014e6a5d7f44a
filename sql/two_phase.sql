-- PREPARE TRANSACTION: consuming can be prepared, held records cannot (takes max_prepared_transactions).
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER two_phase_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace two_phase 1
\! seq 1 3 | kafka_tool produce two_phase
CREATE FOREIGN TABLE two_phase_feed (v text) SERVER two_phase_test OPTIONS (topic 'two_phase', format 'text', group_id 'two_phase');
CREATE FOREIGN TABLE two_phase_topic (v text) SERVER two_phase_test OPTIONS (topic 'two_phase', format 'text');
CREATE TABLE two_phase_got (v text);

BEGIN;
INSERT INTO two_phase_got SELECT v FROM two_phase_feed LIMIT 2;
PREPARE TRANSACTION 'kafka_two_phase';
-- Prepared, it holds its partition.
SELECT v FROM two_phase_feed;
COMMIT PREPARED 'kafka_two_phase';
TABLE two_phase_got;
BEGIN;
SELECT v FROM two_phase_feed;
PREPARE TRANSACTION 'kafka_two_phase';
ROLLBACK PREPARED 'kafka_two_phase';
-- An open cursor ends with the transaction.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM two_phase_feed;
FETCH 1 FROM c;
PREPARE TRANSACTION 'kafka_two_phase';
COMMIT PREPARED 'kafka_two_phase';
SELECT v FROM two_phase_feed;

BEGIN;
INSERT INTO two_phase_topic VALUES ('never');
PREPARE TRANSACTION 'kafka_two_phase';
-- What a savepoint took back is not held.
BEGIN;
SAVEPOINT a;
INSERT INTO two_phase_topic VALUES ('never');
ROLLBACK TO a;
PREPARE TRANSACTION 'kafka_two_phase';
COMMIT PREPARED 'kafka_two_phase';
SELECT v FROM two_phase_topic ORDER BY v;

-- Streams are not changed; their dead letters can be run again.
BEGIN;
SELECT kafka.create_stream('two_phase_copy', 'INSERT INTO two_phase_got SELECT v FROM two_phase_topic');
SELECT kafka.pause_stream('two_phase_copy');
COMMIT;
BEGIN;
SELECT kafka.resume_stream('two_phase_copy');
PREPARE TRANSACTION 'kafka_two_phase';
INSERT INTO kafka.stored_dead_letters (stream, server, group_id, _topic, _partition, _offset, value, stage, sqlstate, error, failed_at)
  VALUES ('two_phase_copy', 'two_phase_test', 'two_phase_copy', 'two_phase', 0, 9, 'again', 'decode', '22000', 'failed', now());
BEGIN;
SELECT kafka.retry_dead_letters('two_phase_copy');
PREPARE TRANSACTION 'kafka_two_phase';
SELECT count(*) FROM kafka.dead_letters WHERE stream = 'two_phase_copy';
COMMIT PREPARED 'kafka_two_phase';
SELECT count(*) FROM kafka.dead_letters WHERE stream = 'two_phase_copy';
TABLE two_phase_got;
SELECT kafka.drop_stream('two_phase_copy');
DROP TABLE two_phase_got;

-- Whose a new group is a prepared transaction leaves open.
\! kafka_tool create-topic --replace two_phase_new 2
\! printf '0|a\n1|b\n' | kafka_tool produce two_phase_new -P '|'
CREATE FOREIGN TABLE two_phase_new (v text, p int OPTIONS (metadata 'partition')) SERVER two_phase_test
  OPTIONS (topic 'two_phase_new', format 'text', group_id 'two_phase_new');
BEGIN;
SELECT v FROM two_phase_new WHERE p = 0;
PREPARE TRANSACTION 'kafka_two_phase';
SELECT v FROM two_phase_new WHERE p = 1;
COMMIT PREPARED 'kafka_two_phase';
SELECT v FROM two_phase_new WHERE p = 1;

SET client_min_messages = warning;
DROP SERVER two_phase_test CASCADE;
