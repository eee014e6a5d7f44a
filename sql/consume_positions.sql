-- Where a group starts, and what happens when its position is not in the topic.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER consume_positions_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace consume_positions 2
\! printf '0|1\n0|2\n1|3\n' | kafka_tool produce consume_positions -P '|'
CREATE FOREIGN TABLE feed (v text) SERVER consume_positions_test OPTIONS (topic 'consume_positions', format 'text', group_id 'early');
CREATE VIEW positions AS SELECT partition, next_offset FROM kafka.offsets
  WHERE server = 'consume_positions_test' AND group_id = 'early' ORDER BY partition;

-- auto_offset_reset: none is an error, latest starts behind what is there.
ALTER FOREIGN TABLE feed OPTIONS (ADD auto_offset_reset 'none');
SELECT v FROM feed;
CREATE FOREIGN TABLE feed_late (v text) SERVER consume_positions_test
  OPTIONS (topic 'consume_positions', format 'text', group_id 'late', auto_offset_reset 'latest');
SELECT v FROM feed_late;
SELECT partition, next_offset FROM kafka.offsets WHERE server = 'consume_positions_test' ORDER BY 1;
ALTER FOREIGN TABLE feed OPTIONS (SET auto_offset_reset 'earliest');
SELECT v FROM feed ORDER BY v;
\! printf '1|4\n' | kafka_tool produce consume_positions -P '|'
SELECT v FROM feed_late;

-- New partitions are read from their beginning, also by a group that started late.
\! kafka_tool add-partitions consume_positions 3
\! printf '2|5\n' | kafka_tool produce consume_positions -P '|'
SELECT v FROM feed ORDER BY v;
SELECT v FROM feed_late;
TABLE positions;

-- Retention passed the position.
\! printf '0|6\n0|7\n0|8\n' | kafka_tool produce consume_positions -P '|'
\! kafka_tool delete-records consume_positions 0 4
SELECT v FROM feed;
TABLE positions;
ALTER FOREIGN TABLE feed OPTIONS (ADD on_offset_out_of_range 'earliest');
SELECT v FROM feed;
TABLE positions;
SELECT v FROM feed_late;
ALTER FOREIGN TABLE feed_late OPTIONS (ADD on_offset_out_of_range 'latest');
SELECT v FROM feed_late;
\! printf '0|9\n' | kafka_tool produce consume_positions -P '|'
SELECT v FROM feed_late;
-- All that retention removed was read: nothing is lost.
ALTER FOREIGN TABLE feed OPTIONS (DROP on_offset_out_of_range);
SELECT v FROM feed;
\! kafka_tool delete-records consume_positions 0 -1
SELECT v FROM feed;

-- A topic that was recreated with less in it.
\! kafka_tool create-topic --replace consume_positions 3
\! printf '0|new\n' | kafka_tool produce consume_positions -P '|'
\set VERBOSITY sqlstate
SELECT v FROM feed;
\set VERBOSITY default
-- how it is said depends on whether the client library tells the ids of topics
SELECT regexp_replace(:'LAST_ERROR_MESSAGE', 'is (out of range in|one of an earlier) topic', 'is not in topic') AS message;
ALTER FOREIGN TABLE feed OPTIONS (ADD on_offset_out_of_range 'earliest');
SELECT v FROM feed;
TABLE positions;

-- Another cluster under the same name, and a position that was changed by hand.
UPDATE kafka.offsets SET cluster_id = 'another' WHERE server = 'consume_positions_test' AND group_id = 'early';
DO $$ BEGIN PERFORM v FROM feed; EXCEPTION WHEN no_data_found THEN RAISE NOTICE 'another cluster'; END $$;
SELECT kafka.seek('feed', 'earliest');
SELECT v FROM feed;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM feed;
\! printf '0|more\n' | kafka_tool produce consume_positions -P '|'
FETCH 1 FROM c;
UPDATE kafka.offsets SET generation = generation + 1 WHERE server = 'consume_positions_test' AND group_id = 'early' AND partition = 0;
CLOSE c;
ROLLBACK;
SELECT v FROM feed;

-- An empty topic has no positions to write.
\! kafka_tool create-topic --replace consume_positions 3
CREATE FOREIGN TABLE feed_empty (v text) SERVER consume_positions_test OPTIONS (topic 'consume_positions', format 'text', group_id 'empty');
SELECT v FROM feed_empty;
SELECT count(*) FROM kafka.offsets WHERE group_id = 'empty';

-- A topic that was recreated with fewer partitions: when it has more again, these are read from their beginning.
\! kafka_tool create-topic --replace consume_positions 3
\! printf '0|1\n1|1\n2|1\n' | kafka_tool produce consume_positions -P '|'
SELECT v FROM feed;
\! kafka_tool create-topic --replace consume_positions 1
SELECT kafka.seek('feed', shift_by => 0);
TABLE positions;
SELECT kafka.seek('feed', 'earliest');
TABLE positions;
\! kafka_tool add-partitions consume_positions 3
\! printf '0|new\n1|second\n2|third\n' | kafka_tool produce consume_positions -P '|'
SELECT v FROM feed ORDER BY v;
TABLE positions;
\! kafka_tool create-topic --replace consume_positions 2
SELECT v FROM feed;
TABLE positions;
\! kafka_tool add-partitions consume_positions 3
\! printf '2|once more\n' | kafka_tool produce consume_positions -P '|'
SELECT v FROM feed;

DROP VIEW positions;

SET client_min_messages = warning;
DROP SERVER consume_positions_test CASCADE;
