-- Cursors whose plan reads ahead: a sort, a hash or a materialization hands out nothing that a savepoint took back.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER consume_sorted_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace consume_sorted 1
\! seq 5 | sed 's/.*/{"id": &}/' | kafka_tool produce consume_sorted
CREATE FOREIGN TABLE feed (id int) SERVER consume_sorted_test OPTIONS (topic 'consume_sorted', group_id 'sorted');

-- a sort
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM feed ORDER BY id;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
FETCH ALL FROM c;
ROLLBACK;

-- backward, of a materialization
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM feed;
SAVEPOINT a;
FETCH 2 FROM c;
ROLLBACK TO a;
FETCH PRIOR FROM c;
ROLLBACK;

-- a hash
BEGIN;
DECLARE c CURSOR FOR SELECT id, count(*) FROM feed GROUP BY id;
SAVEPOINT a;
MOVE 1 FROM c;
ROLLBACK TO a;
MOVE 1 FROM c;
ROLLBACK;

-- a loop that goes on after an exception
CREATE FUNCTION read_on() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  c CURSOR FOR SELECT id FROM feed ORDER BY id;
  r record;
BEGIN
  OPEN c;
  BEGIN
    FETCH c INTO r;
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN
    NULL;
  END;
  FETCH c INTO r;
  RETURN r.id;
END $$;
SELECT read_on();

-- what was read before the savepoint stays read
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM feed ORDER BY id DESC;
FETCH 1 FROM c;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
FETCH 1 FROM c;
COMMIT;
SELECT partition, next_offset FROM kafka.offsets WHERE topic = 'consume_sorted';
SELECT count(*) FROM feed;

DROP FUNCTION read_on();
DELETE FROM kafka.offsets WHERE server = 'consume_sorted_test';
SET client_min_messages = warning;
DROP SERVER consume_sorted_test CASCADE;
\! kafka_tool delete-topic consume_sorted
