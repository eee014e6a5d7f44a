-- kafka.stat_scans shows scans from their first fetch to their last.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER stat_scans FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace stat_scans 2
\! kafka_tool generate stat_scans -n 3000 -p 0 -m '{"id":{i}}' >/dev/null
\! kafka_tool generate stat_scans -n 3000 -p 1 -m '{"id":{i}}' >/dev/null
CREATE FOREIGN TABLE stat_topic (id int, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
    SERVER stat_scans OPTIONS (topic 'stat_scans');
CREATE FOREIGN TABLE stat_feed (id int) SERVER stat_scans OPTIONS (topic 'stat_scans', group_id 'stat_scans');
CREATE VIEW running AS SELECT "table", records, bytes, share_done, role = session_user::regrole AS mine, leader_pid, wait_event, started_at <= clock_timestamp() AS started
    FROM kafka.stat_scans WHERE pid = pg_backend_pid() ORDER BY "table"::text;

TABLE running;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM stat_topic;
TABLE running;
MOVE 10 FROM c;
SELECT "table", records, bytes > 0 AS bytes, share_done > 0 AND share_done < 1 AS share, mine, leader_pid, wait_event, started FROM running;
-- another one, of a range
DECLARE d CURSOR FOR SELECT id FROM stat_topic WHERE _partition = 1 AND _offset BETWEEN 100 AND 104;
MOVE 2 FROM d;
SELECT "table", records, share_done = 1 AS all_fetched FROM running ORDER BY records;
MOVE ALL FROM d;
SELECT "table", records FROM running;
CLOSE c;
TABLE running;
DECLARE f CURSOR FOR SELECT id FROM stat_feed;
MOVE 7 FROM f;
SELECT "table", records, share_done > 0 AS share FROM running;
SAVEPOINT s;
DECLARE e CURSOR FOR SELECT id / (_offset - 7) FROM stat_topic WHERE _partition = 0;
MOVE 5 FROM e;
SELECT "table", records FROM running;
FETCH ALL FROM e;
ROLLBACK TO s;
SELECT "table", records FROM running;
ROLLBACK;
TABLE running;
SELECT count(*) FROM stat_topic;
TABLE running;

DROP VIEW running;
SET client_min_messages = warning;
DROP SERVER stat_scans CASCADE;
\! kafka_tool delete-topic stat_scans
