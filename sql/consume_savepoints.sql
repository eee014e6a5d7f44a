-- What a rolled back savepoint read is read again.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER consume_savepoints_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace consume_savepoints 1
\! seq 1 9 | kafka_tool produce consume_savepoints
CREATE FOREIGN TABLE feed (v int) SERVER consume_savepoints_test OPTIONS (topic 'consume_savepoints', format 'text', group_id 'g');

-- Statements.
BEGIN;
SELECT v FROM feed LIMIT 1;
SAVEPOINT a;
SELECT v FROM feed LIMIT 2;
ROLLBACK TO a;
SELECT v FROM feed LIMIT 1;
SAVEPOINT b;
SELECT v FROM feed LIMIT 1;
RELEASE b;
ROLLBACK TO a;
SAVEPOINT c;
SELECT v FROM feed LIMIT 1;
RELEASE c;
COMMIT;
SELECT next_offset FROM kafka.offsets WHERE topic = 'consume_savepoints';

-- An exception block is a savepoint.
DO $$
DECLARE got int;
BEGIN
  BEGIN
    SELECT v INTO STRICT got FROM feed LIMIT 1;
    RAISE NOTICE 'got %', got;
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN
    SELECT v INTO STRICT got FROM feed LIMIT 1;
    RAISE NOTICE 'got % again', got;
  END;
END $$;

-- A cursor whose rows were rolled back cannot go on: it says so, and nothing is lost.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
SAVEPOINT a;
FETCH 2 FROM c;
ROLLBACK TO a;
FETCH 1 FROM c;
ROLLBACK TO a;
CLOSE c;
SELECT v FROM feed LIMIT 1;
COMMIT;

-- Also when the savepoint is its first FETCH.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
SAVEPOINT a;
FETCH 2 FROM c;
ROLLBACK TO a;
SAVEPOINT b;
FETCH 1 FROM c;
ROLLBACK TO b;
SELECT v FROM feed LIMIT 1;
ROLLBACK TO b;
CLOSE c;
SELECT v FROM feed LIMIT 1;
COMMIT;

-- A cursor that is left open at the end, its rows rolled back.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
SAVEPOINT a;
FETCH 1 FROM c;
ROLLBACK TO a;
COMMIT;

-- A cursor that is closed inside keeps what was read outside.
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
SAVEPOINT a;
CLOSE c;
ROLLBACK TO a;
SELECT v FROM feed LIMIT 1;
COMMIT;
SELECT v FROM feed;
SELECT next_offset FROM kafka.offsets WHERE topic = 'consume_savepoints';

-- A partition that was first read inside.
\! kafka_tool create-topic --replace consume_savepoints 2
\! printf '0|1\n0|2\n0|3\n1|4\n1|5\n' | kafka_tool produce consume_savepoints -P '|'
CREATE FOREIGN TABLE parts (v int, p int OPTIONS (metadata 'partition'))
  SERVER consume_savepoints_test OPTIONS (topic 'consume_savepoints', format 'text', group_id 'parts');
SELECT v FROM parts WHERE p = 1 LIMIT 1;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM parts WHERE p = 0 UNION ALL SELECT v FROM parts WHERE p = 1;
FETCH 1 FROM c;
SAVEPOINT a;
FETCH 3 FROM c;
ROLLBACK TO a;
COMMIT;
SELECT partition, next_offset FROM kafka.offsets WHERE group_id = 'parts' ORDER BY 1;

-- What is kept of a subtransaction goes with it.
\! kafka_tool create-topic --replace consume_savepoints 50
\! seq 1 2000 | kafka_tool produce consume_savepoints
CREATE FOREIGN TABLE many (v int) SERVER consume_savepoints_test OPTIONS (topic 'consume_savepoints', format 'text', group_id 'many');
CREATE FUNCTION kept() RETURNS bigint LANGUAGE sql AS
  $$ SELECT sum(used_bytes)::bigint FROM pg_backend_memory_contexts WHERE name = 'kafka_fdw consumption' $$;
DO $$
DECLARE
  c CURSOR FOR SELECT v FROM many;
  got int;
  before bigint;
BEGIN
  OPEN c;
  FOR i IN 1 .. 2000 LOOP
    BEGIN
      FETCH c INTO got;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
    IF i = 10 THEN before := kept(); END IF;
  END LOOP;
  RAISE NOTICE 'grown by %', kept() - before;
END $$;
DROP FUNCTION kept;

SET client_min_messages = warning;
DROP SERVER consume_savepoints_test CASCADE;
