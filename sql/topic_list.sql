-- A table of several topics: their rows together, positions for each.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER topic_list_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace list_a 2
\! kafka_tool create-topic --replace list_b 1
\! kafka_tool create-topic --replace list_c 3
\! printf '0|a1\n0|a2\n1|a3\n' | kafka_tool produce list_a -P '|' -T 1000
\! printf '0|b1\n' | kafka_tool produce list_b -P '|' -T 2000
\! printf '2|c1\n2|c2\n' | kafka_tool produce list_c -P '|' -T 3000
CREATE FOREIGN TABLE topic_list (v text, t text OPTIONS (metadata 'topic'), p int OPTIONS (metadata 'partition'),
    o bigint OPTIONS (metadata 'offset'), ms bigint OPTIONS (metadata 'timestamp'))
  SERVER topic_list_test OPTIONS (topic 'list_b, list_a,list_c', format 'text');
CREATE FUNCTION topic_list_partitions(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
  RETURN plan->0->'Plan'->'Partitions Read';
END $$;

SELECT * FROM topic_list ORDER BY t, p, o;
SELECT count(*) FROM topic_list JOIN topic_list other USING (t, p, o);
-- Conditions choose among topics, partitions and offsets.
SELECT v FROM topic_list WHERE t = 'list_a' AND p = 0 AND o >= 1;
SELECT v, topic_list_partitions(format('SELECT * FROM topic_list WHERE %s', v))
  FROM (VALUES ('true'), ('t = ''list_a'''), ('''list_b'' = t'), ('t <> ''list_a'''), ('t IN (''list_a'', ''list_c'')'),
    ('t = ANY (''{list_b,NULL}'')'), ('t NOT IN (''list_b'', NULL)'), ('t = ''list_a'' AND p = 1'), ('p = 0'),
    ('t = ''list_a'' OR p = 2'), ('t = NULL'), ('t = ''nowhere'''), ('t = (SELECT ''list_b'')'),
    ('t LIKE ''list_a'''), ('t > ''list_a'''), ('t COLLATE "C" = ''list_c''')) x (v);
SELECT v FROM topic_list WHERE t > 'list_a' AND o = 0 ORDER BY v;
PREPARE topic_list_of(text) AS SELECT v FROM topic_list WHERE t = $1 ORDER BY v;
SET plan_cache_mode = force_generic_plan;
EXECUTE topic_list_of('list_a');
EXECUTE topic_list_of(NULL);
RESET plan_cache_mode;
-- A type or collation that does not compare whole names filters.
CREATE COLLATION topic_list_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT v FROM topic_list WHERE t COLLATE topic_list_blind = 'LIST_B';
CREATE FOREIGN TABLE topic_list_name (v text, t name OPTIONS (metadata 'topic'))
  SERVER topic_list_test OPTIONS (topic 'list_b,list_a', format 'text');
SELECT v FROM topic_list_name WHERE t = 'list_b';
-- Times are found in each topic.
\! printf '0|b2\n' | kafka_tool produce list_b -P '|' -T 4000
SELECT v FROM topic_list WHERE ms >= 3000 ORDER BY v;

-- What is read together with the table of one topic is the same.
CREATE FOREIGN TABLE topic_list_a (v text, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
  SERVER topic_list_test OPTIONS (topic 'list_a', format 'text');
CREATE FUNCTION topic_list_add() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  COPY (SELECT '0|a4') TO PROGRAM 'kafka_tool produce list_a -P "|"';
  RETURN 1;
END $$;
SELECT (SELECT count(*) FROM topic_list_a) AS before, topic_list_add(), (SELECT count(*) FROM topic_list WHERE t = 'list_a') AS after;

-- Consumed, each topic has positions of its own.
CREATE FOREIGN TABLE topic_list_feed (v text, t text OPTIONS (metadata 'topic'))
  SERVER topic_list_test OPTIONS (topic 'list_a,list_b,list_c', format 'text', group_id 'topic_list');
CREATE VIEW topic_list_positions AS
  SELECT group_id, topic, partition, next_offset FROM kafka.offsets WHERE server = 'topic_list_test' ORDER BY 1, 2, 3;
SELECT count(*) FROM topic_list_feed WHERE t = 'list_b';
TABLE topic_list_positions;
BEGIN;
SELECT v FROM topic_list_feed ORDER BY v;
SAVEPOINT s;
\! printf '0|b3\n' | kafka_tool produce list_b -P '|'
SELECT * FROM topic_list_feed;
ROLLBACK TO s;
SELECT * FROM topic_list_feed;
COMMIT;
TABLE topic_list_positions;
SELECT * FROM topic_list_feed;
-- A table of one of the topics is in the same group.
\! printf '0|a5\n' | kafka_tool produce list_a -P '|'
CREATE FOREIGN TABLE topic_list_feed_a (v text) SERVER topic_list_test OPTIONS (topic 'list_a', format 'text', group_id 'topic_list');
BEGIN;
DECLARE topic_list_cursor CURSOR FOR SELECT v FROM topic_list_feed;
FETCH topic_list_cursor;
SELECT * FROM topic_list_feed_a;
ROLLBACK;
SELECT * FROM topic_list_feed_a;
SELECT * FROM topic_list_feed;
-- One by one, over all topics.
\! printf '0|a6\n1|a7\n' | kafka_tool produce list_a -P '|'
\! printf '0|b4\n' | kafka_tool produce list_b -P '|'
SELECT count(*) FROM (SELECT v FROM topic_list_feed LIMIT 2) x;
SELECT count(*) FROM topic_list_feed;
-- A group that begins at the ends does so in each topic, when it comes to it.
CREATE FOREIGN TABLE topic_list_latest (v text, t text OPTIONS (metadata 'topic'))
  SERVER topic_list_test OPTIONS (topic 'list_a,list_b', format 'text', group_id 'topic_list_latest', auto_offset_reset 'latest');
SELECT * FROM topic_list_latest WHERE t = 'list_a';
SELECT * FROM topic_list_positions WHERE group_id = 'topic_list_latest';
\! printf '1|a8\n' | kafka_tool produce list_a -P '|'
\! printf '0|b5\n' | kafka_tool produce list_b -P '|'
SELECT v FROM topic_list_latest LIMIT 1;
SELECT * FROM topic_list_positions WHERE group_id = 'topic_list_latest';
ALTER FOREIGN TABLE topic_list_latest OPTIONS (SET topic 'list_a,list_b,list_c');
BEGIN;
SELECT * FROM topic_list_latest WHERE t <> 'list_c';
SELECT * FROM topic_list_latest;
COMMIT;
SELECT * FROM topic_list_positions WHERE group_id = 'topic_list_latest';
SELECT count(*) FROM topic_list_latest;

-- What cannot be decoded is set aside by topic, too.
CREATE FOREIGN TABLE topic_list_numbers (v int) SERVER topic_list_test
  OPTIONS (topic 'list_c,list_b', format 'text', group_id 'topic_list_latest', on_error 'dead_letter');
\! printf '0|1\n0|b6\n' | kafka_tool produce list_b -P '|'
\! printf '0|c3\n0|2\n1|c4\n' | kafka_tool produce list_c -P '|'
BEGIN;
SELECT count(v), sum(v) FROM topic_list_numbers;
SAVEPOINT s;
\! printf '0|c5\n' | kafka_tool produce list_c -P '|'
SELECT count(v) FROM topic_list_numbers;
ROLLBACK TO s;
COMMIT;
SELECT _topic, _partition, _offset, convert_from(value, 'UTF8') FROM kafka.dead_letters WHERE group_id = 'topic_list_latest' ORDER BY 1, 2, 3;
DELETE FROM kafka.dead_letters WHERE group_id = 'topic_list_latest';

-- Bad cases.
INSERT INTO topic_list (v) VALUES ('x');
COPY topic_list (v) FROM PROGRAM 'echo x';
SELECT kafka.produce('topic_list', value => 'x'::text);
CREATE FOREIGN TABLE topic_list_bad (v text) SERVER topic_list_test OPTIONS (topic 'list_a,list_a', format 'text');
CREATE FOREIGN TABLE topic_list_bad (v text) SERVER topic_list_test OPTIONS (topic 'list_a,,list_b', format 'text');
CREATE FOREIGN TABLE topic_list_bad (v text) SERVER topic_list_test OPTIONS (topic 'list_a,', format 'text');
CREATE FOREIGN TABLE topic_list_bad (v text) SERVER topic_list_test OPTIONS (topic 'list_a,list b', format 'text');
CREATE FOREIGN TABLE topic_list_bad (v text) SERVER topic_list_test OPTIONS (topic 'list_a,list_nowhere', format 'text');
\set VERBOSITY sqlstate
SELECT * FROM topic_list_bad;
\set VERBOSITY default
SELECT kafka.create_stream('topic_list_stream', 'INSERT INTO topic_list (v) SELECT v FROM topic_list_a');

\! kafka_tool delete-topic list_a list_b list_c
DELETE FROM kafka.offsets WHERE server = 'topic_list_test';
DELETE FROM kafka.groups WHERE server = 'topic_list_test';
DROP FUNCTION topic_list_partitions, topic_list_add;
DROP COLLATION topic_list_blind;
SET client_min_messages = warning;
DROP VIEW topic_list_positions;
DROP SERVER topic_list_test CASCADE;
