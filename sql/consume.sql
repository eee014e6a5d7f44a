-- A consuming table: COMMIT moves its position, ROLLBACK moves it back.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER consume_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace consume 2
\! printf '0|1\n0|2\n0|3\n1|4\n' | kafka_tool produce consume -P '|'
CREATE FOREIGN TABLE consume_feed (v text, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
  SERVER consume_test OPTIONS (topic 'consume', format 'text', group_id 'consume');
CREATE VIEW consume_positions AS
  SELECT partition, next_offset, generation FROM kafka.offsets WHERE server = 'consume_test' ORDER BY group_id, topic, partition;
CREATE TABLE consume_got (v text);

-- ROLLBACK
BEGIN;
SELECT v FROM consume_feed ORDER BY v;
SELECT v FROM consume_feed ORDER BY v;
TABLE consume_positions;
ROLLBACK;
TABLE consume_positions;
-- COMMIT
BEGIN;
INSERT INTO consume_got SELECT v FROM consume_feed;
TABLE consume_positions;
COMMIT;
TABLE consume_positions;
SELECT * FROM consume_got ORDER BY v;
SELECT v FROM consume_feed;
-- Each statement goes on where the one before it ended.
\! printf '0|5\n' | kafka_tool produce consume -P '|'
BEGIN;
SELECT * FROM consume_feed;
\! printf '1|6\n' | kafka_tool produce consume -P '|'
SELECT * FROM consume_feed;
COMMIT;
SELECT * FROM consume_feed;
TABLE consume_positions;

-- An error takes everything back.
\! printf '0|seven\n' | kafka_tool produce consume -P '|'
INSERT INTO consume_got SELECT (v::int)::text FROM consume_feed;
SELECT * FROM consume_feed;

-- Conditions and aggregates consume what they look at.
\! printf '0|8\n1|9\n' | kafka_tool produce consume -P '|'
SELECT v FROM consume_feed WHERE v = '9';
SELECT count(*) FROM consume_feed;
\! printf '0|10\n1|11\n' | kafka_tool produce consume -P '|'
SELECT count(*) FROM consume_feed;
SELECT count(*) FROM consume_feed;
-- So do other statements that read it.
\! printf '0|12\n' | kafka_tool produce consume -P '|'
COPY (SELECT v FROM consume_feed) TO STDOUT;
\! printf '0|13\n' | kafka_tool produce consume -P '|'
CREATE TABLE consume_as AS SELECT v FROM consume_feed;
TABLE consume_as;
\! printf '0|14\n' | kafka_tool produce consume -P '|'
UPDATE consume_got SET v = f.v FROM consume_feed f WHERE consume_got.v = '1';
SELECT count(*) FROM consume_got WHERE v = '14';
\! printf '0|15\n' | kafka_tool produce consume -P '|'
DO $$ DECLARE r record; BEGIN FOR r IN SELECT v FROM consume_feed LOOP RAISE NOTICE '%', r.v; END LOOP; END $$;
SELECT v FROM consume_feed FOR UPDATE;

-- Other groups have positions of their own; a topic table of the same topic moves none.
CREATE FOREIGN TABLE consume_other (v text) SERVER consume_test OPTIONS (topic 'consume', format 'text', group_id 'consume_other');
CREATE FOREIGN TABLE consume_plain (v text) SERVER consume_test OPTIONS (topic 'consume', format 'text');
SELECT count(*) FROM consume_other;
SELECT count(*) FROM consume_plain;
SELECT count(*) FROM consume_plain;
SELECT count(*), count(DISTINCT cluster_id) AS clusters FROM kafka.offsets WHERE server = 'consume_test';

-- A transaction that may not write cannot consume; another isolation level can.
BEGIN READ ONLY;
SELECT v FROM consume_feed;
ROLLBACK;
\! printf '0|16\n' | kafka_tool produce consume -P '|'
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT v FROM consume_feed;
SELECT v FROM consume_feed;
\! printf '0|17\n' | kafka_tool produce consume -P '|'
SELECT v FROM consume_feed;
COMMIT;
\! printf '1|18\n' | kafka_tool produce consume -P '|'
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT v FROM consume_feed;
COMMIT;
SELECT v FROM consume_feed;

-- A server that is renamed in the transaction of a group's first use takes positions and group along.
CREATE SERVER consume_named FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE consume_named (v text) SERVER consume_named OPTIONS (topic 'consume', partitions '1', format 'text', group_id 'consume_named');
CREATE VIEW consume_names AS
  SELECT o.server, next_offset, g.server AS group_server FROM kafka.offsets o LEFT JOIN kafka.groups g USING (server, group_id) WHERE group_id = 'consume_named';
BEGIN;
SELECT v FROM consume_named;
ALTER SERVER consume_named RENAME TO consume_renamed;
COMMIT;
TABLE consume_names;

-- What a server has left that was dropped is there for another one that gets its name, but for groups that this one has.
CREATE FOREIGN TABLE consume_left (v text) SERVER consume_renamed OPTIONS (topic 'consume', partitions '1', format 'text', group_id 'consume_left');
SELECT count(*) > 1 AS read FROM consume_left;
DROP SERVER consume_renamed CASCADE;
\! printf '1|19\n' | kafka_tool produce consume -P '|'
CREATE SERVER consume_new FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE consume_left (v text) SERVER consume_new OPTIONS (topic 'consume', partitions '1', format 'text', group_id 'consume_left');
CREATE FOREIGN TABLE consume_named (v text) SERVER consume_new OPTIONS (topic 'consume', partitions '1', format 'text', group_id 'consume_named');
SELECT kafka.seek('consume_named', 'earliest');
ALTER SERVER consume_new RENAME TO consume_renamed;
SELECT group_id, generation, server FROM kafka.offsets JOIN kafka.groups USING (server, group_id) WHERE group_id IN ('consume_named', 'consume_left') ORDER BY 1;
SELECT v FROM consume_left;
SELECT count(*) > 1 AS all_again FROM consume_named;

DROP VIEW consume_positions, consume_names;
DROP TABLE consume_got, consume_as;

SET client_min_messages = warning;
DROP SERVER consume_test, consume_renamed CASCADE;
