-- Kafka's transactions: what was committed is seen, markers and aborted records are not.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER markers_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

CREATE FOREIGN TABLE markers (v text, o bigint OPTIONS (metadata 'offset'))
  SERVER markers_test OPTIONS (topic 'markers', format 'text');
CREATE FOREIGN TABLE markers_all (v text, o bigint OPTIONS (metadata 'offset'))
  SERVER markers_test OPTIONS (topic 'markers', format 'text', isolation_level 'read_uncommitted');
CREATE FOREIGN TABLE markers_feed (v text, o bigint OPTIONS (metadata 'offset'))
  SERVER markers_test OPTIONS (topic 'markers', format 'text', group_id 'markers');

-- Offsets: 0 c1, 1 marker, 2 a1, 3 a2, 4 marker.  The tail is markers; a scan ends there, and at once.
\! kafka_tool create-topic --replace markers 1
\! printf 'c1\n' | kafka_tool produce markers -x commit
\! printf 'a1\na2\n' | kafka_tool produce markers -x abort
SET statement_timeout = '10s';
SELECT * FROM markers ORDER BY o;
SELECT * FROM markers_all ORDER BY o;
SELECT * FROM markers_feed;
SELECT next_offset FROM kafka.offsets WHERE group_id = 'markers';

-- An open transaction holds back what comes after it.
\! printf 'x1\n' | kafka_tool produce markers -x open -i markers-open -t 60000
\! printf 'p1\n' | kafka_tool produce markers
SELECT * FROM markers ORDER BY o;
SELECT * FROM markers_all ORDER BY o;
SELECT * FROM markers_feed;
SELECT next_offset FROM kafka.offsets WHERE group_id = 'markers';
-- The next producer of that id aborts it.
\! printf 'c2\n' | kafka_tool produce markers -x commit -i markers-open
SELECT * FROM markers ORDER BY o;
SELECT * FROM markers_feed;
SELECT next_offset = (SELECT max(o) + 2 FROM markers) AS behind_the_marker FROM kafka.offsets WHERE group_id = 'markers';

-- Nothing but aborted records.
\! kafka_tool create-topic --replace markers 1
\! seq 2000 | kafka_tool produce markers -x abort
SELECT count(*) FROM markers;
SELECT count(*) FROM markers_all;
SELECT count(*) FROM markers a JOIN markers_all b USING (v);

-- What retention removed, some and all.
\! kafka_tool create-topic --replace markers 1
\! printf '1\n2\n3\n4\n' | kafka_tool produce markers
\! kafka_tool delete-records markers 0 2
SELECT * FROM markers ORDER BY o;
\! kafka_tool delete-records markers 0 -1
SELECT * FROM markers;

SET client_min_messages = warning;
DROP SERVER markers_test CASCADE;
