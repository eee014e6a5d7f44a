-- Cursors and loops over a consuming table.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER consume_cursors_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace consume_cursors 1
\! seq 1 20 | kafka_tool produce consume_cursors
CREATE FOREIGN TABLE feed (v int) SERVER consume_cursors_test OPTIONS (topic 'consume_cursors', format 'text', group_id 'g');
CREATE FOREIGN TABLE other_feed (v int) SERVER consume_cursors_test OPTIONS (topic 'consume_cursors', format 'text', group_id 'consume_cursors_other');

-- What was fetched is consumed, whether the cursor is closed or not.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 2 FROM c;
CLOSE c;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
ROLLBACK;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT v FROM feed;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
COMMIT;
SELECT next_offset FROM kafka.offsets WHERE server = 'consume_cursors_test';

-- While it is open, nothing else reads what it reads.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
SAVEPOINT a;
SELECT v FROM feed;
ROLLBACK TO a;
SELECT min(v) FROM other_feed;
FETCH 1 FROM c;
COMMIT;

-- It cannot outlive its transaction.
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT v FROM feed;
ROLLBACK;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT v FROM other_feed WHERE v > (SELECT min(v) FROM feed);
ROLLBACK;
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT v FROM feed LOOP
    COMMIT;
  END LOOP;
END $$;
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT v FROM feed LOOP
    ROLLBACK;
  END LOOP;
END $$;

-- A bounded read and then COMMIT, again and again.
DO $$
DECLARE got int[];
BEGIN
  FOR i IN 1 .. 2 LOOP
    SELECT array_agg(v) INTO got FROM (SELECT v FROM feed LIMIT 2) batch;
    RAISE NOTICE '%', got;
    COMMIT;
  END LOOP;
END $$;

-- A cursor does not read ahead.
DO $$
DECLARE
  c CURSOR FOR SELECT v FROM feed;
  got int;
BEGIN
  OPEN c;
  FETCH c INTO got;
  RAISE NOTICE '%', got;
END $$;
SELECT next_offset FROM kafka.offsets WHERE server = 'consume_cursors_test' AND group_id = 'g';
SELECT v FROM feed LIMIT 1;
SELECT v FROM feed;

-- Nor can a loop that has read all of it, in a sort, an aggregate, a function or a subquery.
CREATE FOREIGN TABLE loop_feed (v int) SERVER consume_cursors_test OPTIONS (topic 'consume_cursors', format 'text', group_id 'loops', max_poll_records '3');
CREATE TABLE loop_done (v int);
CREATE FUNCTION loop_sql() RETURNS SETOF int LANGUAGE sql VOLATILE AS 'SELECT v FROM loop_feed';
CREATE FUNCTION loop_next(c refcursor, n int) RETURNS int LANGUAGE plpgsql AS 'DECLARE r int; BEGIN FETCH c INTO r; RETURN r; END';
CREATE FUNCTION loop_plpgsql() RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  FOR r IN SELECT * FROM loop_sql() LOOP
    RETURN NEXT r.loop_sql;
  END LOOP;
END $$;
CREATE PROCEDURE loop_over(query text, is_commit bool) LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  FOR r IN EXECUTE query LOOP
    INSERT INTO loop_done VALUES (r.v);
    IF is_commit THEN COMMIT; ELSE ROLLBACK; END IF;
  END LOOP;
END $$;
\set VERBOSITY terse
CALL loop_over('SELECT v FROM loop_feed ORDER BY v', true);
CALL loop_over('SELECT v FROM loop_feed ORDER BY v', false);
CALL loop_over('SELECT v, count(*) FROM loop_feed GROUP BY v', true);
CALL loop_over('SELECT count(*)::int AS v FROM loop_feed', true);
CALL loop_over('WITH c AS MATERIALIZED (SELECT v FROM loop_feed) SELECT v FROM c', true);
CALL loop_over('SELECT v FROM (VALUES (0), (1)) a (v) WHERE v < (SELECT max(v) FROM loop_feed)', true);
CALL loop_over('SELECT 0 AS v UNION ALL SELECT v FROM loop_feed', true);
CALL loop_over('SELECT v FROM loop_sql() AS f (v)', true);
CALL loop_over('SELECT v FROM loop_sql() AS f (v)', false);
CALL loop_over('SELECT loop_sql() AS v', true);
CALL loop_over('SELECT v FROM loop_plpgsql() AS f (v)', true);
CALL loop_over('SELECT loop_plpgsql() AS v', true);
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM loop_sql();
FETCH 1 FROM c;
COMMIT;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM loop_plpgsql();
COMMIT;
DO $$
DECLARE
  c refcursor := 'c';
  r record;
BEGIN
  OPEN c FOR SELECT v FROM loop_feed;
  FETCH c INTO r;
  FOR r IN SELECT loop_next(c, n) FROM generate_series(1, 2) n LOOP
    COMMIT;
  END LOOP;
END $$;
SELECT * FROM loop_done;
SELECT count(*) FROM kafka.offsets WHERE group_id = 'loops';

-- What is no loop over it may go on: one over something else, one that is over, a cursor that was closed or has handed out all.
DO $$
DECLARE
  c CURSOR FOR SELECT v FROM loop_feed ORDER BY v;
  r record;
  got int;
BEGIN
  INSERT INTO loop_done SELECT v FROM loop_feed;
  FOR r IN SELECT v FROM loop_done ORDER BY v LOOP
    SELECT max(loop_sql) INTO got FROM loop_sql();
    RAISE NOTICE '%, %', r.v, got;
    COMMIT;
  END LOOP;
  FOR r IN SELECT v FROM loop_feed ORDER BY v LOOP
    RAISE NOTICE '%', r.v;
  END LOOP;
  COMMIT;
  OPEN c;
  FETCH c INTO got;
  CLOSE c;
  FOR r IN SELECT v FROM loop_done WHERE v < 2 LOOP
    RAISE NOTICE '%, %', r.v, got;
    ROLLBACK;
  END LOOP;
END $$;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM loop_sql();
FETCH ALL FROM c;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
\set VERBOSITY default
SELECT next_offset FROM kafka.offsets WHERE group_id = 'loops';
DROP PROCEDURE loop_over;
DROP FUNCTION loop_sql, loop_plpgsql, loop_next;
DROP TABLE loop_done;

-- A transaction that is made read only while one is open may write the position of what it read.
CREATE FOREIGN TABLE last_feed (v int) SERVER consume_cursors_test OPTIONS (topic 'consume_cursors', format 'text', group_id 'last');
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM last_feed;
FETCH 2 FROM c;
SET TRANSACTION READ ONLY;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM last_feed;
FETCH 1 FROM c;
SET TRANSACTION READ ONLY;
FETCH 1 FROM c;
CLOSE c;
SELECT v FROM last_feed LIMIT 1;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM last_feed;
FETCH 1 FROM c;
SET TRANSACTION READ ONLY;
CLOSE c;
SHOW transaction_read_only;
COMMIT;
SELECT next_offset FROM kafka.offsets WHERE group_id = 'last';
SELECT server FROM kafka.groups WHERE group_id = 'last';

-- Its server cannot be renamed while one is open, whose position is not written yet.
CREATE SERVER consume_cursors_named FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE named_feed (v int) SERVER consume_cursors_named OPTIONS (topic 'consume_cursors', partitions '0', format 'text', group_id 'named');
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM named_feed;
FETCH 3 FROM c;
ALTER SERVER consume_cursors_named RENAME TO consume_cursors_renamed;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM named_feed;
SAVEPOINT s;
FETCH 2 FROM c;
ROLLBACK TO s;
CLOSE c;
DECLARE c CURSOR FOR SELECT v FROM named_feed;
FETCH 1 FROM c;
SAVEPOINT s;
ALTER SERVER consume_cursors_named RENAME TO consume_cursors_renamed;
ROLLBACK TO s;
FETCH 1 FROM c;
SAVEPOINT s;
CLOSE c;
ALTER SERVER consume_cursors_named RENAME TO consume_cursors_renamed;
ROLLBACK TO s;
ALTER SERVER consume_cursors_named RENAME TO consume_cursors_renamed;
SELECT v FROM named_feed LIMIT 1;
COMMIT;
SELECT server, next_offset FROM kafka.offsets WHERE group_id = 'named';
SELECT server FROM kafka.groups WHERE group_id = 'named';
-- The name of one that read nothing yet is that of its first FETCH.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM named_feed;
ALTER SERVER consume_cursors_renamed RENAME TO consume_cursors_named;
FETCH 1 FROM c;
COMMIT;
SELECT server, next_offset FROM kafka.offsets WHERE group_id = 'named';

SET client_min_messages = warning;
DROP SERVER consume_cursors_named CASCADE;
DROP SERVER consume_cursors_test CASCADE;
