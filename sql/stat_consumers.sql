-- kafka.stat_consumers: what tables have consumed.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER stat_consumers_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace stat_consumers 2
\! printf '0|k=abc\n0|k=de\n1|k=f\n' | kafka_tool produce stat_consumers -P '|' -K =
CREATE FOREIGN TABLE feed (v text) SERVER stat_consumers_test OPTIONS (topic 'stat_consumers', format 'text', group_id 'stat_group');
CREATE VIEW stats AS SELECT group_id, "table", records, bytes, commits, rollbacks, last_commit_at > stats_since AS later
  FROM kafka.stat_consumers WHERE server = 'stat_consumers_test';

TABLE stats;
BEGIN;
SELECT count(*) FROM feed;
TABLE stats;
ROLLBACK;
TABLE stats;
SELECT v FROM feed LIMIT 1;
SELECT count(*) FROM feed;
SELECT count(*) FROM feed;
TABLE stats;
SELECT v FROM feed WHERE v::int = 0;
SELECT kafka.seek('feed', 'earliest');
SELECT v FROM feed WHERE v::int = 0;
TABLE stats;
-- What a statement reads again counts once.
SELECT kafka.seek('feed', 'earliest');
SELECT count(*) FROM feed a JOIN feed b ON a.v <> b.v || 'x';
TABLE stats;
CREATE ROLE stat_consumers_user;
SET ROLE stat_consumers_user;
SELECT records FROM kafka.stat_consumers WHERE server = 'stat_consumers_test';
RESET ROLE;
-- Without our validator a table may have any options; they are nothing to those who look.
CREATE FOREIGN DATA WRAPPER stat_consumers_lax HANDLER kafka.kafka_fdw_handler;
CREATE SERVER stat_consumers_lax FOREIGN DATA WRAPPER stat_consumers_lax OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE lax_feed (v text) SERVER stat_consumers_lax OPTIONS (topic 'stat_consumers', format 'text', group_id 'lax_group');
SELECT count(*) FROM lax_feed;
ALTER FOREIGN TABLE lax_feed OPTIONS (ADD no_such_option '1');
\set VERBOSITY terse
SELECT count(*) FROM lax_feed;
\set VERBOSITY default
SELECT group_id, "table", records FROM kafka.stat_consumers WHERE server = 'stat_consumers_lax';
DROP FOREIGN TABLE feed;
TABLE stats;

SET client_min_messages = warning;
DROP VIEW stats;
DROP SERVER stat_consumers_test CASCADE;
DROP FOREIGN DATA WRAPPER stat_consumers_lax CASCADE;
DELETE FROM kafka.offsets WHERE server IN ('stat_consumers_test', 'stat_consumers_lax');
DELETE FROM kafka.groups WHERE server IN ('stat_consumers_test', 'stat_consumers_lax');
DROP ROLE stat_consumers_user;
