-- kafka.wait(): returns when there is something to read, and holds nothing until then.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER wait_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace wait 2
CREATE FOREIGN TABLE feed (v text) SERVER wait_test OPTIONS (topic 'wait', format 'text', group_id 'wait_group');
CALL kafka.wait('feed', '0 s');
CALL kafka.wait('feed', '0 s', NULL);
\! echo a | kafka_tool produce wait
CALL kafka.wait('feed', '60 s');
CALL kafka.wait('feed', '60 s', NULL);
-- Also without end, and where an offset was read but not all.
CALL kafka.wait('feed');
\! echo b | kafka_tool produce wait -p 0; echo c | kafka_tool produce wait -p 1
SELECT count(*) FROM (SELECT v FROM feed LIMIT 2) x;
CALL kafka.wait('feed', '60 s', NULL);
SELECT count(*) FROM feed;
CALL kafka.wait('feed', '0.2 s', NULL);

-- In a procedure: what was done before is committed, and the loop begins a transaction of now.
CREATE TABLE wait_log (v text, at timestamptz DEFAULT now());
CREATE PROCEDURE wait_loop() LANGUAGE plpgsql AS $$
DECLARE
  is_ready bool;
  began timestamptz := now();
BEGIN
  LOOP
    CALL kafka.wait('feed', '0 s', is_ready);
    EXIT WHEN NOT is_ready;
    INSERT INTO wait_log (v) SELECT v FROM feed;
    CALL kafka.wait('feed', '0.1 s');
  END LOOP;
  RAISE NOTICE 'a later transaction: %', now() > began;
  ROLLBACK;
END $$;
\! echo d | kafka_tool produce wait
CALL wait_loop();
SELECT v FROM wait_log;
-- A partition that came meanwhile, a position that was moved, a group that begins at the ends.
\! kafka_tool add-partitions wait 3; echo e | kafka_tool produce wait -p 2
CALL kafka.wait('feed', '60 s', NULL);
SELECT v FROM feed;
SELECT kafka.seek('feed', shift_by => -1);
CALL kafka.wait('feed', '60 s', NULL);
CREATE FOREIGN TABLE feed_late (v text) SERVER wait_test
  OPTIONS (topic 'wait', format 'text', group_id 'wait_late', auto_offset_reset 'latest');
CALL kafka.wait('feed_late', '60 s', NULL);
SELECT v FROM feed_late;
CALL kafka.wait('feed_late', '0 s', NULL);

-- What cannot be.
BEGIN;
CALL kafka.wait('feed', '1 s');
ROLLBACK;
CALL kafka.wait('feed', '-1 s');
CALL kafka.wait(NULL, '1 s');
CALL kafka.wait('wait_log', '1 s');
CREATE FOREIGN TABLE written (v text) SERVER wait_test OPTIONS (topic 'wait', format 'text');
CALL kafka.wait('written', '1 s');
CREATE FOREIGN TABLE feed_nowhere (v text) SERVER wait_test OPTIONS (topic 'wait_nowhere', format 'text', group_id 'wait_group');
\set VERBOSITY sqlstate
CALL kafka.wait('feed_nowhere', '1 s');
\set VERBOSITY default
CREATE ROLE wait_reader;
SET ROLE wait_reader;
CALL kafka.wait('feed', '1 s');
RESET ROLE;

SET client_min_messages = warning;
DROP TABLE wait_log;
DROP PROCEDURE wait_loop;
DROP SERVER wait_test CASCADE;
DELETE FROM kafka.groups WHERE server = 'wait_test';
DELETE FROM kafka.offsets WHERE server = 'wait_test';
DROP ROLE wait_reader;
