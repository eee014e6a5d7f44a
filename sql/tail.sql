-- kafka.tail(): the newest records of each partition, as rows of the table; nothing moves.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER tail_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace tail 3
\! for i in 1 2 3 4 5; do printf "0|{\"id\":$i}\n"; done | kafka_tool produce tail -P '|'
\! printf '1|{"id":6}\n' | kafka_tool produce tail -P '|'
CREATE FOREIGN TABLE tail (gone int, id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
  SERVER tail_test OPTIONS (topic 'tail');
ALTER FOREIGN TABLE tail DROP COLUMN gone;
SELECT * FROM kafka.tail(NULL::tail, 2) ORDER BY p, o;
SELECT id, p FROM kafka.tail(NULL::tail, 1) ORDER BY p DESC;
SELECT count(*) FROM kafka.tail(NULL::tail);
SELECT count(*) FROM kafka.tail(NULL::tail, 2147483647);
SELECT count(*) FROM kafka.tail(NULL::tail, 0);
SELECT (kafka.tail(NULL::tail, 1)).id ORDER BY 1;
SELECT t.id, x.n FROM (VALUES (1), (2)) x (n), kafka.tail(NULL::tail, x.n) t WHERE t.p = 0 ORDER BY n, id;

-- Markers, what was aborted, and gaps count for nothing: it goes back until it has the records.
\! printf '1|{"id":7}\n' | kafka_tool produce tail -P '|' -x commit
\! for i in $(seq 1 150); do printf '1|{"id":-1}\n'; done | kafka_tool produce tail -P '|' -x abort
\! for i in 1 2 3 4 5 6 7 8 9 10 11 12; do printf '1|{"id":0}\n' | kafka_tool produce tail -P '|' -x abort; done
SELECT id, o FROM kafka.tail(NULL::tail, 2) WHERE p = 1;
SELECT id, o FROM kafka.tail(NULL::tail, 1) WHERE p = 1;
\! kafka_tool delete-records tail 0 4
SELECT id FROM kafka.tail(NULL::tail, 3) WHERE p = 0;
\! kafka_tool delete-records tail 0 -1
SELECT id FROM kafka.tail(NULL::tail, 3) WHERE p = 0;
ALTER FOREIGN TABLE tail OPTIONS (ADD isolation_level 'read_uncommitted');
SELECT count(*), min(id) FROM kafka.tail(NULL::tail, 100) WHERE p = 1;
ALTER FOREIGN TABLE tail OPTIONS (DROP isolation_level);
-- It reads what the table reads.
ALTER FOREIGN TABLE tail OPTIONS (ADD partitions '0,2');
SELECT count(*) FROM kafka.tail(NULL::tail);
ALTER FOREIGN TABLE tail OPTIONS (DROP partitions);

-- A consuming table's position stays; that needs no right to move it.
CREATE ROLE regress_tail;
CREATE FOREIGN TABLE tail_feed (id int, p int OPTIONS (metadata 'partition')) SERVER tail_test OPTIONS (topic 'tail', group_id 'tail');
GRANT SELECT ON tail_feed TO regress_tail;
SET ROLE regress_tail;
BEGIN READ ONLY;
SELECT * FROM kafka.tail(NULL::tail_feed, 1);
COMMIT;
SELECT * FROM kafka.tail(NULL::tail, 1);
RESET ROLE;
GRANT SELECT (id, p) ON tail TO regress_tail;
SET ROLE regress_tail;
SELECT * FROM kafka.tail(NULL::tail, 1);
RESET ROLE;
GRANT SELECT (o) ON tail TO regress_tail;
SET ROLE regress_tail;
SELECT * FROM kafka.tail(NULL::tail, 1);
RESET ROLE;
SELECT count(*) FROM kafka.offsets WHERE group_id = 'tail';
SELECT count(*) FROM tail_feed;

-- Bad cases.
CREATE TABLE tail_plain (id int);
SELECT * FROM kafka.tail(NULL::tail_plain, 1);
SELECT * FROM kafka.tail(1, 1);
SELECT * FROM kafka.tail(NULL::tail, -1);
SELECT * FROM kafka.tail(NULL::tail, NULL);
\! printf '2|{"id":"x"}\n' | kafka_tool produce tail -P '|'
SELECT * FROM kafka.tail(NULL::tail, 1);
-- A record that cannot be decoded is what on_error says; nothing is set aside.
ALTER FOREIGN TABLE tail OPTIONS (ADD on_error 'set_null');
SELECT id, p FROM kafka.tail(NULL::tail, 1) WHERE p = 2;
ALTER FOREIGN TABLE tail OPTIONS (SET on_error 'ignore');
SELECT id, p FROM kafka.tail(NULL::tail, 1) WHERE p = 2;
ALTER FOREIGN TABLE tail_feed OPTIONS (ADD on_error 'dead_letter');
SELECT id, p FROM kafka.tail(NULL::tail_feed, 1) WHERE p = 2;
SELECT count(*) FROM kafka.dead_letters WHERE _topic = 'tail';
ALTER FOREIGN TABLE tail OPTIONS (SET topic 'tail_nowhere');
\set VERBOSITY sqlstate
SELECT * FROM kafka.tail(NULL::tail, 1);
\set VERBOSITY default

\! kafka_tool delete-topic tail
DELETE FROM kafka.offsets WHERE server = 'tail_test';
DELETE FROM kafka.groups WHERE server = 'tail_test';
SET client_min_messages = warning;
DROP TABLE tail_plain;
DROP SERVER tail_test CASCADE;
DROP ROLE regress_tail;
