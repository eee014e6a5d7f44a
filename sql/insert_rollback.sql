-- Records are held until COMMIT: what is rolled back is never sent.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER insert_rollback_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace insert_rollback 1
CREATE FOREIGN TABLE insert_rollback (id int, filler text) SERVER insert_rollback_test OPTIONS (topic 'insert_rollback');
CREATE FUNCTION insert_rows(first int, last int, width int) RETURNS void LANGUAGE sql AS
  $$ INSERT INTO insert_rollback SELECT g, repeat('x', width) FROM generate_series(first, last) AS g $$;
CREATE VIEW insert_summary AS
  SELECT count(*), count(DISTINCT id) AS ids, min(id), max(id), sum(length(filler)) AS bytes FROM insert_rollback;

BEGIN;
SELECT insert_rows(1, 3, 1);
ROLLBACK;
BEGIN;
SELECT insert_rows(1, 3, 1);
SELECT 1 / 0;
COMMIT;
INSERT INTO insert_rollback SELECT 1 / (g - 3), '' FROM generate_series(1, 5) AS g;
\! kafka_tool consume insert_rollback -c

-- Savepoints, nested, released, rolled back.
BEGIN;
SELECT insert_rows(1, 1, 1);
SAVEPOINT a;
SELECT insert_rows(2, 2, 1);
SAVEPOINT b;
SELECT insert_rows(3, 3, 1);
ROLLBACK TO b;
SELECT insert_rows(4, 4, 1);
RELEASE b;
SAVEPOINT c;
SELECT insert_rows(5, 5, 1);
RELEASE c;
ROLLBACK TO a;
SELECT insert_rows(6, 6, 1);
SAVEPOINT d;
SAVEPOINT e;
SELECT insert_rows(7, 7, 1);
RELEASE d;
SAVEPOINT f;
ROLLBACK TO f;
SELECT insert_rows(8, 8, 1);
\! kafka_tool consume insert_rollback -c
COMMIT;
SELECT string_agg(id::text, ' ' ORDER BY id) FROM insert_rollback;
DO $$
BEGIN
  INSERT INTO insert_rollback VALUES (9);
  BEGIN
    INSERT INTO insert_rollback VALUES (10);
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN
    INSERT INTO insert_rollback VALUES (11);
  END;
END $$;
\! kafka_tool consume insert_rollback -f ov

-- More than work_mem goes to a temporary file; a savepoint cuts it there, and it grows again.
\! kafka_tool create-topic --replace insert_rollback 1
SET work_mem = '64kB';
BEGIN;
SELECT insert_rows(1, 200, 1000);
SAVEPOINT a;
SELECT insert_rows(1001, 1200, 1000);
ROLLBACK TO a;
SELECT insert_rows(201, 205, 1000);
SAVEPOINT b;
SELECT insert_rows(1201, 1400, 1500);
ROLLBACK TO a;
SELECT insert_rows(206, 210, 1000);
SELECT insert_rows(211, 400, 777);
SAVEPOINT c;
SELECT insert_rows(401, 600, 1000);
RELEASE c;
COMMIT;
TABLE insert_summary;
SELECT count(*) FILTER (WHERE id > 600) AS rolled_back, count(*) FILTER (WHERE length(filler) = 777) AS narrow FROM insert_rollback;
BEGIN;
SAVEPOINT a;
SELECT insert_rows(2001, 2200, 1000);
ROLLBACK TO a;
COMMIT;
BEGIN;
SELECT insert_rows(2001, 2200, 1000);
ROLLBACK;
-- One record larger than memory.
SELECT insert_rows(601, 602, 200000);
TABLE insert_summary;
SELECT bool_and(filler = repeat('x', length(filler))) AS intact FROM insert_rollback;

-- What the temporary file had no room for is gone with its savepoint.
\! kafka_tool create-topic --replace insert_rollback 1
SET temp_file_limit = '100kB';
\set VERBOSITY sqlstate
BEGIN;
SELECT insert_rows(1, 1, 0);
SAVEPOINT a;
SELECT insert_rows(1000, 1200, 1000);
ROLLBACK TO a;
SELECT insert_rows(2, 60, 1000);
SAVEPOINT b;
SELECT insert_rows(1000, 1200, 1000);
ROLLBACK TO b;
SELECT insert_rows(61, 70, 1000);
COMMIT;
\set VERBOSITY default
RESET temp_file_limit;
SELECT count(*), min(id), max(id) FROM insert_rollback;

-- COMMIT AND CHAIN, COMMIT in a procedure, SELECT before COMMIT.
\! kafka_tool create-topic --replace insert_rollback 1
RESET work_mem;
BEGIN;
SELECT insert_rows(1, 1, 0);
COMMIT AND CHAIN;
SELECT count(*) FROM insert_rollback;
SELECT insert_rows(2, 2, 0);
SELECT count(*) FROM insert_rollback;
ROLLBACK AND CHAIN;
SELECT insert_rows(3, 3, 0);
COMMIT;
DO $$
BEGIN
  FOR i IN 4 .. 7 LOOP
    INSERT INTO insert_rollback VALUES (i);
    IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
  END LOOP;
END $$;
SELECT string_agg(id::text, ' ' ORDER BY id) FROM insert_rollback;

-- A constraint that is checked at COMMIT fails before anything is sent.
CREATE TABLE insert_parent (id int PRIMARY KEY);
CREATE TABLE insert_child (id int REFERENCES insert_parent DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO insert_child VALUES (1);
SELECT insert_rows(100, 100, 0);
COMMIT;
\! kafka_tool consume insert_rollback -c

DROP VIEW insert_summary;
DROP FUNCTION insert_rows;
DROP TABLE insert_child, insert_parent;

SET client_min_messages = warning;
DROP SERVER insert_rollback_test CASCADE;
