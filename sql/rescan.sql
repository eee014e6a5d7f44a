-- All scans of a topic in one statement see the same records; cursors go back and forth.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER rescan_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace rescan 2
\! printf '0|{"id": 1}\n0|{"id": 2}\n1|{"id": 3}\n' | kafka_tool produce rescan -P '|'
CREATE FOREIGN TABLE rescan (id int) SERVER rescan_test OPTIONS (topic 'rescan');
CREATE TABLE rescan_local (id int);
INSERT INTO rescan_local VALUES (1), (2), (2), (4);

-- Self joins.
SELECT a.id, b.id FROM rescan a JOIN rescan b USING (id) ORDER BY 1;
SELECT count(*) FROM rescan a, rescan b, rescan c;

-- A nested loop starts the inner scan again and again.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
EXPLAIN (COSTS OFF) SELECT l.id, r.id FROM rescan_local l LEFT JOIN rescan r ON l.id = r.id;
SELECT l.id, r.id FROM rescan_local l LEFT JOIN rescan r ON l.id = r.id ORDER BY 1;
SELECT count(*) FROM rescan a JOIN rescan b ON a.id <= b.id;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;
SELECT l.id, r.n FROM rescan_local l, LATERAL (SELECT count(*) AS n FROM rescan r WHERE r.id >= l.id) r ORDER BY 1;
SELECT l.id, r.id FROM rescan_local l, LATERAL (SELECT id FROM rescan r WHERE r.id > l.id ORDER BY id LIMIT 1) r ORDER BY 1;
SELECT l.id, (SELECT max(id) FROM rescan r WHERE r.id < l.id) FROM rescan_local l ORDER BY 1, 2;

-- What arrives while the statement runs is in none of its scans, also one that starts later.
CREATE FUNCTION rescan_add() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  COPY (SELECT '{"id": 10}') TO PROGRAM 'kafka_tool produce rescan -p 1';
  RETURN 0;
END $$;
SELECT (SELECT count(*) FROM rescan a) AS before, rescan_add() AS added, (SELECT count(*) FROM rescan b WHERE g > 0) AS after
FROM generate_series(1, 2) AS g;
SELECT count(*) FROM rescan;

-- Cursors.
BEGIN;
DECLARE forth CURSOR FOR SELECT id FROM rescan WHERE id < 3;
FETCH 1 FROM forth;
FETCH 2 FROM forth;
FETCH 1 FROM forth;
CLOSE forth;
DECLARE back SCROLL CURSOR FOR SELECT id FROM rescan WHERE id < 3;
FETCH ALL FROM back;
FETCH BACKWARD ALL FROM back;
FETCH LAST FROM back;
FETCH FIRST FROM back;
CLOSE back;
DECLARE only_forth NO SCROLL CURSOR FOR SELECT id FROM rescan WHERE id < 3;
FETCH 2 FROM only_forth;
FETCH PRIOR FROM only_forth;
ROLLBACK;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM rescan WHERE id < 3;
FETCH 1 FROM held;
COMMIT;
FETCH ALL FROM held;
CLOSE held;

-- Loops that stop early and commit.
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT id FROM rescan WHERE id < 3 LOOP
    COMMIT;
    EXIT;
  END LOOP;
END $$;

DROP TABLE rescan_local;
DROP FUNCTION rescan_add;

SET client_min_messages = warning;
DROP SERVER rescan_test CASCADE;
