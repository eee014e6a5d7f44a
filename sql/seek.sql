-- kafka.seek(): moves the position of a group, in the transaction.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER seek_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace seek 2
CREATE FOREIGN TABLE written (v text, t timestamptz OPTIONS (metadata 'timestamp'), p int OPTIONS (metadata 'partition'))
  SERVER seek_test OPTIONS (topic 'seek', format 'text');
INSERT INTO written VALUES ('a', '2026-01-01 00:00 UTC', 0), ('b', '2026-01-02 00:00:00.001 UTC', 0),
  ('c', '2026-01-03 00:00 UTC', 0), ('d', '2026-01-02 12:00 UTC', 1);
CREATE FOREIGN TABLE feed (v text) SERVER seek_test OPTIONS (topic 'seek', format 'text', group_id 'seek_group');
CREATE VIEW positions AS SELECT partition, next_offset, generation FROM kafka.offsets
  WHERE server = 'seek_test' AND group_id = 'seek_group' ORDER BY partition;

-- A group that never read: it begins where it is told to, and belongs to the table's owner.
SELECT kafka.seek('feed', shift_by => 1);
SELECT kafka.seek('feed', 'committed');
SELECT kafka.seek('feed', 'latest');
TABLE positions;
SELECT owner::text = current_user AS mine FROM kafka.groups WHERE server = 'seek_test' AND group_id = 'seek_group';
SELECT v FROM feed;
SELECT kafka.seek('feed', 'earliest');
TABLE positions;
SELECT v FROM feed ORDER BY v;

-- It is as transactional as reading is.
BEGIN;
SELECT kafka.seek('feed', 'earliest', partition => 0);
SELECT v FROM feed ORDER BY v;
SAVEPOINT s;
SELECT kafka.seek('feed', 'earliest', partition => 1);
SELECT v FROM feed ORDER BY v;
ROLLBACK TO s;
SELECT v FROM feed ORDER BY v;
TABLE positions;
ROLLBACK;
TABLE positions;

-- By a time: the first record that is not before it; by a distance, within what there is; by an offset.
SELECT kafka.seek('feed', '2026-01-02 00:00 UTC'::timestamptz);
SELECT v FROM feed ORDER BY v;
SELECT kafka.seek('feed', timestamptz '2026-01-02 00:00:00.0011 UTC', partition => 0);
SELECT v FROM feed ORDER BY v;
SELECT kafka.seek('feed', '-infinity'::timestamptz), kafka.seek('feed', '1900-01-01 UTC'::timestamptz, 1),
  kafka.seek('feed', 'infinity'::timestamptz, 1);
SELECT v FROM feed ORDER BY v;
SELECT kafka.seek('feed', shift_by => -2);
SELECT v FROM feed ORDER BY v;
SELECT kafka.seek('feed', shift_by => -9223372036854775808);
SELECT kafka.seek('feed', shift_by => 2);
SELECT v FROM feed ORDER BY v;
SELECT kafka.seek('feed', shift_by => 9223372036854775807);
SELECT kafka.seek('feed', partition => 0, next_offset => 1);
TABLE positions;
SELECT v FROM feed ORDER BY v;

-- What cannot be.
SELECT kafka.seek('feed', partition => 0, next_offset => 4);
SELECT kafka.seek('feed', partition => 0, next_offset => -1);
SELECT kafka.seek('feed', partition => 2, next_offset => 0);
SELECT kafka.seek('feed', 'earliest', partition => -1);
SELECT kafka.seek('feed', next_offset => 0);
SELECT kafka.seek('feed');
SELECT kafka.seek('feed', 'earliest', shift_by => 1);
SELECT kafka.seek('feed', 'erliest');
SELECT kafka.seek('feed', NULL::timestamptz);
SELECT kafka.seek(NULL, 'earliest');
SELECT kafka.seek('written', 'earliest');
SELECT kafka.seek('positions', 'earliest');
SELECT kafka.reset_stream('seek_nobody', 'earliest');
BEGIN READ ONLY;
SELECT kafka.seek('feed', 'earliest');
ROLLBACK;
TABLE positions;

-- Not while a cursor reads.
BEGIN;
SELECT kafka.seek('feed', 'earliest');
DECLARE c CURSOR FOR SELECT v FROM feed;
FETCH 1 FROM c;
SELECT kafka.seek('feed', 'latest');
ROLLBACK;
-- What a cursor read counts, also where a savepoint took its end back.
BEGIN;
SELECT kafka.seek('feed', 'earliest', partition => 0);
DECLARE c CURSOR FOR SELECT v FROM feed LIMIT 1;
FETCH 1 FROM c;
SAVEPOINT s;
CLOSE c;
ROLLBACK TO s;
SELECT kafka.seek('feed', shift_by => 1, partition => 0);
COMMIT;
SELECT v FROM feed ORDER BY v;

-- What an application of the group committed in Kafka.
\! kafka_tool group-commit seek_group seek 0 2
SELECT kafka.seek('feed', 'committed');
SELECT v FROM feed ORDER BY v;
\! kafka_tool group-commit seek_group seek 0 1; kafka_tool group-commit seek_group seek 1 0
SELECT kafka.seek('feed', 'committed', partition => 1);
SELECT v FROM feed ORDER BY v;
SELECT kafka.seek('feed', 'committed');
SELECT v FROM feed ORDER BY v;

-- What retention removed is out of range, and a group that begins at the ends is placed as a whole.
CREATE FOREIGN TABLE feed_removed (v text) SERVER seek_test OPTIONS (topic 'seek', format 'text', group_id 'seek_removed');
SELECT kafka.seek('feed_removed', partition => 0, next_offset => 1);
\! kafka_tool delete-records seek 0 2
SELECT kafka.seek('feed', partition => 0, next_offset => 1);
SELECT kafka.seek('feed', 'committed');
ALTER FOREIGN TABLE feed OPTIONS (ADD on_offset_out_of_range 'earliest');
SELECT kafka.seek('feed', 'committed');
TABLE positions;
CREATE FOREIGN TABLE feed_late (v text) SERVER seek_test
  OPTIONS (topic 'seek', format 'text', group_id 'seek_late', auto_offset_reset 'latest');
SELECT kafka.seek('feed_late', 'earliest', partition => 1);
SELECT v FROM feed_late ORDER BY v;

-- A distance counts from a position that retention has passed, and ends at the first record.
BEGIN;
SELECT kafka.seek('feed_removed', shift_by => 1);
SELECT next_offset FROM kafka.offsets WHERE group_id = 'seek_removed';
ROLLBACK;
BEGIN;
SELECT kafka.seek('feed_removed', shift_by => 2);
SELECT next_offset FROM kafka.offsets WHERE group_id = 'seek_removed';
ROLLBACK;
BEGIN;
SELECT kafka.seek('feed_removed', shift_by => 1000);
SELECT next_offset FROM kafka.offsets WHERE group_id = 'seek_removed';
ROLLBACK;
BEGIN;
SELECT kafka.seek('feed_removed', shift_by => -1000);
SELECT next_offset FROM kafka.offsets WHERE group_id = 'seek_removed';
ROLLBACK;

-- A range that has no partition yet.
CREATE FOREIGN TABLE feed_none (v text) SERVER seek_test
  OPTIONS (topic 'seek', format 'text', partitions '2-', group_id 'seek_none');
SELECT kafka.seek('feed_none', 'earliest');
SELECT kafka.seek('feed_none', 'earliest', partition => 2);

-- Of several topics all are moved, or one.
\! kafka_tool create-topic --replace seek_other 1
\! printf 'x\ny\n' | kafka_tool produce seek_other
CREATE FOREIGN TABLE feed_both (v text) SERVER seek_test OPTIONS (topic 'seek,seek_other', format 'text', group_id 'seek_both');
SELECT kafka.seek('feed_both', 'latest');
SELECT kafka.seek('feed_both', 'earliest', topic => 'seek_other');
SELECT topic, partition, next_offset, lag FROM kafka.lag('feed_both') ORDER BY 1, 2;
SELECT v FROM feed_both ORDER BY v;
SELECT kafka.seek('feed_both', '-infinity'::timestamptz, partition => 1, topic => 'seek');
SELECT v FROM feed_both ORDER BY v;
SELECT kafka.seek('feed_both', 'earliest', topic => 'seek_nowhere');
SELECT kafka.seek('feed_both', partition => 1, next_offset => 0, topic => 'seek_other');
SELECT kafka.seek('feed_both', partition => 0, next_offset => 2);
SELECT kafka.seek('feed_both', partition => 0, next_offset => 2, topic => 'seek_other');
CALL kafka.wait('feed_both', '0 s', NULL);
\! printf 'z\n' | kafka_tool produce seek_other
CALL kafka.wait('feed_both', '60 s', NULL);
SELECT v FROM feed_both;

-- Who may: it takes UPDATE, as reading does, and the owner's right to the group.
CREATE ROLE seek_reader;
GRANT SELECT ON feed TO seek_reader;
SET ROLE seek_reader;
SELECT kafka.seek('feed', 'earliest');
RESET ROLE;
CREATE ROLE seek_owner;
SELECT kafka.alter_group_owner('seek_test', 'seek_group', 'seek_owner');
GRANT USAGE ON FOREIGN SERVER seek_test TO seek_reader;
ALTER FOREIGN TABLE feed OWNER TO seek_reader;
SELECT kafka.seek('feed', 'earliest');

-- A stream's position is moved by its name.
SET client_min_messages = warning;
CREATE TABLE seek_target (v text);
SELECT kafka.create_stream('seek_stream', 'INSERT INTO seek_target SELECT v FROM written');
SELECT kafka.pause_stream('seek_stream');
SELECT kafka.reset_stream('seek_stream', 'latest');
RESET client_min_messages;
SELECT partition, next_offset, generation FROM kafka.offsets WHERE group_id = 'seek_stream' ORDER BY partition;
SELECT kafka.seek('written', 'earliest');
CREATE FOREIGN TABLE feed_stream (v text) SERVER seek_test OPTIONS (topic 'seek', format 'text', group_id 'seek_stream');
SELECT kafka.seek('feed_stream', 'earliest');
GRANT SELECT ON written TO seek_reader;
SET ROLE seek_reader;
SELECT kafka.reset_stream('seek_stream', 'earliest');
RESET ROLE;
SELECT kafka.drop_stream('seek_stream');

SET client_min_messages = warning;
DROP TABLE seek_target;
DROP VIEW positions;
DROP SERVER seek_test CASCADE;
DELETE FROM kafka.groups WHERE server = 'seek_test';
DELETE FROM kafka.offsets WHERE server = 'seek_test';
DROP ROLE seek_reader, seek_owner;
