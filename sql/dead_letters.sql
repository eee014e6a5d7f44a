-- Dead letters of a consuming table: written with the position, and taken back with it.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER dead_letters_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace dead_letters 2
\! printf '0|k0|1\n0|k1|x\n0|k2|3\n1|k3|\\xff\n1|\\N|5\n1|k5|y\n' | kafka_tool produce dead_letters -P '|' -K '|' -T 1700000000123 -H a=1 -H "$(printf 'b\377=2')"
CREATE FOREIGN TABLE dead_letters_feed (id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
  SERVER dead_letters_test OPTIONS (topic 'dead_letters', format 'text', group_id 'dead_letters', on_error 'dead_letter');
CREATE VIEW dead_letters_view AS
  SELECT _partition AS p, _offset AS o, stage, sqlstate, error FROM kafka.dead_letters
  WHERE group_id = 'dead_letters' ORDER BY _partition, _offset, failed_at;

-- In the transaction that reads.
BEGIN;
SELECT * FROM dead_letters_feed ORDER BY p, o;
TABLE dead_letters_view;
ROLLBACK;
TABLE dead_letters_view;

-- Not twice, however often the scans of a statement come to a record.
BEGIN;
SELECT count(*) FROM dead_letters_feed a JOIN dead_letters_feed b USING (p, o);
TABLE dead_letters_view;
ROLLBACK;
BEGIN;
SELECT count(*) FROM generate_series(1, 2) i, LATERAL (SELECT o FROM dead_letters_feed WHERE o >= i OFFSET 0) f;
TABLE dead_letters_view;
ROLLBACK;

-- Only what was read.
BEGIN;
SELECT * FROM dead_letters_feed WHERE p = 0 LIMIT 1;
TABLE dead_letters_view;
SELECT * FROM dead_letters_feed WHERE p = 0 LIMIT 1;
TABLE dead_letters_view;
ROLLBACK;

-- A savepoint takes back what was set aside in it.
BEGIN;
SELECT count(*) FROM dead_letters_feed WHERE p = 0;
SAVEPOINT a;
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
TABLE dead_letters_view;
ROLLBACK TO a;
TABLE dead_letters_view;
ROLLBACK;
-- Also of a cursor, of which what came before stays.
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM dead_letters_feed WHERE p = 0;
FETCH 1 FROM c;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
CLOSE c;
TABLE dead_letters_view;
SELECT p, o FROM dead_letters_feed WHERE p = 0 LIMIT 1;
TABLE dead_letters_view;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM dead_letters_feed WHERE p = 0;
FETCH 2 FROM c;
SAVEPOINT a;
CLOSE c;
TABLE dead_letters_view;
ROLLBACK TO a;
TABLE dead_letters_view;
COMMIT;
TABLE dead_letters_view;

-- Everything that it takes to do it again.
SELECT count(*) FROM dead_letters_feed;
SELECT stream, server, group_id, _topic, _partition, _offset, _timestamp AT TIME ZONE 'UTC' AS ts, _timestamp_type, key, value, headers, stage, sqlstate,
  error, failed_at BETWEEN now() - interval '1 min' AND now() + interval '1 min' AS failed
FROM kafka.dead_letters WHERE group_id = 'dead_letters' ORDER BY _partition, _offset;

-- What will be read again is none any more; what fails again comes back.
BEGIN;
SELECT kafka.seek('dead_letters_feed', partition => 1, next_offset => 1);
TABLE dead_letters_view;
SELECT count(*) FROM dead_letters_feed;
TABLE dead_letters_view;
ROLLBACK;
TABLE dead_letters_view;

-- Only in the partition that is moved, of its server.
BEGIN;
UPDATE kafka.stored_dead_letters SET _offset = 9 WHERE group_id = 'dead_letters' AND _partition = 0;
CREATE TEMP TABLE others ON COMMIT DROP AS SELECT * FROM kafka.dead_letters WHERE group_id = 'dead_letters';
UPDATE others SET server = 'dead_letters_other';
INSERT INTO kafka.stored_dead_letters TABLE others;
INSERT INTO kafka.offsets (server, group_id, topic, partition, next_offset)
  SELECT 'dead_letters_other', group_id, topic, partition, 0 FROM kafka.offsets WHERE group_id = 'dead_letters';
SELECT kafka.seek('dead_letters_feed', 'earliest', partition => 1);
SELECT server, _partition AS p, _offset AS o FROM kafka.dead_letters WHERE group_id = 'dead_letters' ORDER BY 1, 2, 3;
ROLLBACK;

-- A publication of all tables is in the way of nothing.
BEGIN;
SET LOCAL client_min_messages = error;
CREATE PUBLICATION dead_letters_published FOR ALL TABLES;
DELETE FROM kafka.dead_letters WHERE group_id = 'dead_letters' RETURNING _partition AS p, _offset AS o;
DELETE FROM kafka.parked WHERE stream = 'dead_letters';
SELECT c.oid::regclass AS not_identified FROM pg_class c
WHERE c.relnamespace = 'kafka'::regnamespace AND c.relkind = 'r' AND c.relreplident <> 'f'
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);
ROLLBACK;

-- Who may read and delete them: who may act for the owner of the group.
CREATE ROLE regress_kafka_letters;
CREATE ROLE regress_kafka_letters_member IN ROLE regress_kafka_letters;
SET ROLE regress_kafka_letters;
SELECT count(*) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
INSERT INTO kafka.dead_letters SELECT * FROM kafka.dead_letters;
UPDATE kafka.dead_letters SET value = NULL;
DELETE FROM kafka.dead_letters;
DELETE FROM kafka.stored_dead_letters;
-- Nobody keeps the workers of others waiting by a lock.
DO $$
DECLARE
  relation regclass;
BEGIN
  FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = 'kafka'::regnamespace AND relkind IN ('r', 'p', 'v') LOOP
    BEGIN
      EXECUTE format('LOCK TABLE %s IN ROW SHARE MODE', relation);
      RAISE NOTICE '% can be locked', relation;
    EXCEPTION WHEN insufficient_privilege THEN
    END;
  END LOOP;
END $$;
CREATE TEMP TABLE owners (owner regrole);
CREATE TRIGGER lock_roles AFTER DELETE ON owners FOR EACH ROW EXECUTE FUNCTION kafka.track_roles();
DROP TABLE owners;
RESET ROLE;
SELECT kafka.alter_group_owner('dead_letters_test', 'dead_letters', 'regress_kafka_letters');
SET ROLE regress_kafka_letters_member;
SELECT count(*) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
DELETE FROM kafka.dead_letters WHERE _partition = 0 AND group_id = 'dead_letters' RETURNING _offset, value, headers;
SELECT count(*) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
RESET ROLE;
-- They follow the server's name, and go with the group.
ALTER SERVER dead_letters_test RENAME TO dead_letters_renamed;
SET ROLE regress_kafka_letters;
SELECT DISTINCT server FROM kafka.dead_letters WHERE group_id = 'dead_letters';
RESET ROLE;
ALTER SERVER dead_letters_renamed RENAME TO dead_letters_test;
DROP OWNED BY regress_kafka_letters;
SELECT count(*) FROM kafka.dead_letters WHERE group_id = 'dead_letters';

-- As many as there are, in a file where they do not fit into memory.
\! seq -f '1|n%g' 50000 | kafka_tool produce dead_letters -P '|'
SET work_mem = '64kB';
BEGIN;
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
SELECT count(*), count(DISTINCT _offset) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
COMMIT;
RESET work_mem;
SELECT count(*) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
DELETE FROM kafka.dead_letters WHERE group_id = 'dead_letters';
-- Without room for that file it is an error, also to be caught, and they are read again.
\! (seq -f '1|x%g' 300; echo '1|7'; seq -f '1|y%g' 5000) | kafka_tool produce dead_letters -P '|'
SET work_mem = '64kB';
SET temp_file_limit = '200kB';
\set VERBOSITY sqlstate
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
DO $$ BEGIN
  PERFORM FROM dead_letters_feed WHERE p = 1;
EXCEPTION WHEN configuration_limit_exceeded THEN NULL;
END $$;
-- What a cursor read before the savepoint stays.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM dead_letters_feed WHERE p = 1;
FETCH 1 FROM c;
SAVEPOINT a;
MOVE ALL IN c;
ROLLBACK TO a;
COMMIT;
\set VERBOSITY default
RESET temp_file_limit;
SELECT count(*), max(convert_from(value, 'UTF8')) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
SELECT count(*), count(DISTINCT _offset) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
DELETE FROM kafka.dead_letters WHERE group_id = 'dead_letters';
-- What comes after the savepoint is also cut off from the file.
\! (seq -f '1|x%g' 3000; echo '1|8'; seq -f '1|y%g' 3000) | kafka_tool produce dead_letters -P '|'
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM dead_letters_feed WHERE p = 1;
FETCH 1 FROM c;
SAVEPOINT a;
MOVE ALL IN c;
ROLLBACK TO a;
COMMIT;
SELECT count(*), count(DISTINCT _offset), max(convert_from(value, 'UTF8')) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
SELECT count(*), count(DISTINCT _offset) FROM kafka.dead_letters WHERE group_id = 'dead_letters';
DELETE FROM kafka.dead_letters WHERE group_id = 'dead_letters';
RESET work_mem;
-- At every isolation level.
\! printf '0|s\n' | kafka_tool produce dead_letters -P '|'
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM dead_letters_feed WHERE p = 0;
COMMIT;
SELECT value FROM kafka.dead_letters WHERE group_id = 'dead_letters';
DELETE FROM kafka.dead_letters WHERE group_id = 'dead_letters';
-- The position stays where a limit stops the scan.
\! seq -f '1|n%g' 3 | kafka_tool produce dead_letters -P '|'
ALTER FOREIGN TABLE dead_letters_feed OPTIONS (ADD reject_limit '2');
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
ALTER FOREIGN TABLE dead_letters_feed OPTIONS (SET reject_limit '3');
SELECT count(*) FROM dead_letters_feed WHERE p = 1;
SELECT _partition, _offset, error, convert_from(value, 'UTF8') FROM kafka.dead_letters WHERE group_id = 'dead_letters' ORDER BY _offset;

\! kafka_tool delete-topic dead_letters
SET client_min_messages = warning;
DROP SERVER dead_letters_test CASCADE;
DROP VIEW dead_letters_view;
DELETE FROM kafka.dead_letters WHERE group_id = 'dead_letters';
DROP ROLE regress_kafka_letters, regress_kafka_letters_member;
