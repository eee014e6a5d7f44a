-- COPY, in both directions, and partitioned tables that have topics as partitions.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER copy_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace copy 2
CREATE FOREIGN TABLE copy_topic (id int, name text, p int OPTIONS (metadata 'partition')) SERVER copy_test OPTIONS (topic 'copy');
COPY copy_topic FROM STDIN;
1	one	0
2	\N	0
3		1
\.
COPY copy_topic (p, name) FROM STDIN (FORMAT csv, HEADER);
p,name
1,"a ""quoted"" one"
\.
\! kafka_tool consume copy -f pv
-- A line that is wrong: nothing of it is sent.
COPY copy_topic FROM STDIN;
4	four	0
five	five	0
\.
COPY copy_topic FROM STDIN WHERE id > 6;
6	six	0
7	seven	0
\.
COPY (SELECT id, name FROM copy_topic ORDER BY id) TO STDOUT;
COPY copy_topic TO STDOUT;

-- A partitioned table of a local partition and topics; columns in another order and dropped ones.
\! kafka_tool create-topic --replace copy_events 1
\! kafka_tool create-topic --replace copy_rest 1
CREATE TABLE copy_events (kind text, gone int, id int, body text) PARTITION BY LIST (kind);
ALTER TABLE copy_events DROP gone;
CREATE TABLE copy_events_local PARTITION OF copy_events FOR VALUES IN ('local');
CREATE FOREIGN TABLE copy_events_topic (body text, id int, kind text OPTIONS (metadata 'key')) SERVER copy_test OPTIONS (topic 'copy_events');
ALTER TABLE copy_events ATTACH PARTITION copy_events_topic FOR VALUES IN ('topic');
CREATE FOREIGN TABLE copy_events_rest PARTITION OF copy_events DEFAULT SERVER copy_test OPTIONS (topic 'copy_rest');
INSERT INTO copy_events VALUES ('local', 1, 'a'), ('topic', 2, 'b'), ('other', 3, 'c'), ('local', 4, 'd'), ('topic', 5, 'e');
COPY copy_events FROM STDIN;
topic	6	f
local	7	g
\N	8	h
\.
SELECT tableoid::regclass, * FROM copy_events ORDER BY id;
SELECT * FROM copy_events WHERE kind = 'local' ORDER BY id;
\! kafka_tool consume copy_events -f kv
\! kafka_tool consume copy_rest -f kv

-- All or nothing, over local and foreign partitions.
COPY copy_events FROM STDIN;
topic	9	f
local	nine	g
\.
BEGIN;
INSERT INTO copy_events VALUES ('topic', 9, 'x'), ('local', 9, 'x');
ROLLBACK;
SELECT count(*) FROM copy_events WHERE id = 9;

-- What cannot be routed to a topic.
INSERT INTO copy_events VALUES ('topic', 10, 'x') RETURNING id;
INSERT INTO copy_events VALUES ('local', 11, 'x') RETURNING id;
INSERT INTO copy_events VALUES ('topic', 12, 'x') ON CONFLICT DO NOTHING;
UPDATE copy_events SET kind = 'topic' WHERE id = 11;
UPDATE copy_events_local SET kind = 'topic' WHERE id = 11;
DELETE FROM copy_events WHERE kind = 'local' AND id = 11;
SELECT count(*) FROM copy_events;
DROP TABLE copy_events;

SET client_min_messages = warning;
DROP SERVER copy_test CASCADE;
