-- RETURNING of what the broker says sends each record at once; without that, records are held as always.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
SET TimeZone = 'UTC';
CREATE SERVER sent_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace sent 2
CREATE FOREIGN TABLE sent_rows (
  id int CHECK (id > 0), v text, k text OPTIONS (metadata 'key'),
  _topic text OPTIONS (metadata 'topic'), _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'),
  _timestamp timestamptz OPTIONS (metadata 'timestamp'), _kind text OPTIONS (metadata 'timestamp_type')
) SERVER sent_test OPTIONS (topic 'sent');

INSERT INTO sent_rows (id, v, _partition) VALUES (1, 'a', 0), (2, 'b', 1), (3, 'c', 1) RETURNING id, v, _topic, _partition, _offset, _kind;
INSERT INTO sent_rows (id, _partition, _timestamp) VALUES (4, 0, '2024-02-03 04:05:06.789') RETURNING *;
INSERT INTO sent_rows (id, _partition) VALUES (5, 0) RETURNING now() - _timestamp BETWEEN '-1 min' AND '1 min' AS recent;
INSERT INTO sent_rows (id, k) VALUES (6, 'some key') RETURNING (sent_rows)._partition = (SELECT r._partition FROM sent_rows r WHERE r.id = 6) AS right_one;
WITH s AS (INSERT INTO sent_rows (id, _partition) SELECT g, g % 2 FROM generate_series(7, 8) AS g RETURNING id, _partition, _offset)
SELECT s.id, (r.id) = s.id AS found FROM s JOIN sent_rows r USING (_partition, _offset) ORDER BY s.id;
SELECT count(*) FROM sent_rows;

-- At once: it stays when the transaction, or a savepoint, rolls back; what is not sent at once does not.
BEGIN;
INSERT INTO sent_rows (id, v, _partition) VALUES (11, 'held', 0);
INSERT INTO sent_rows (id, v, _partition) VALUES (12, 'sent', 0) RETURNING _offset > 0 AS sent;
SELECT id, v FROM sent_rows WHERE id > 10;
INSERT INTO sent_rows (id, v, _partition) VALUES (13, 'held', 0) RETURNING id, v;
SAVEPOINT a;
INSERT INTO sent_rows (id, v, _partition) VALUES (14, 'sent', 0) RETURNING _partition;
ROLLBACK TO a;
ROLLBACK;
SELECT id, v FROM sent_rows WHERE id > 10 ORDER BY _partition, _offset;
BEGIN;
INSERT INTO sent_rows (id, v, _partition) VALUES (21, 'held', 0);
INSERT INTO sent_rows (id, v, _partition) VALUES (22, 'sent', 0) RETURNING _partition;
COMMIT;
SELECT id, v FROM sent_rows WHERE id > 20 ORDER BY _partition, _offset;
-- Of several rows those before an error are sent.
INSERT INTO sent_rows (id, _partition) VALUES (31, 0), (-1, 0), (32, 0) RETURNING _partition;
INSERT INTO sent_rows (id, _partition) VALUES (33, 0), (34, 7) RETURNING _partition;
SELECT id FROM sent_rows WHERE id > 30 ORDER BY id;
BEGIN;
INSERT INTO sent_rows (id, _partition) VALUES (41, 0) RETURNING _partition;
PREPARE TRANSACTION 'nothing_held';
ROLLBACK PREPARED 'nothing_held';

-- Triggers and views see it.
CREATE FUNCTION sent_tell() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE NOTICE '%: partition %, offset known: %', NEW.id, NEW._partition, NEW._offset IS NOT NULL; RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON sent_rows FOR EACH ROW EXECUTE FUNCTION sent_tell();
INSERT INTO sent_rows (id, _partition) VALUES (51, 1);
INSERT INTO sent_rows (id, _partition) VALUES (52, 1) RETURNING _partition, _kind;
CREATE VIEW sent_view AS SELECT id, _partition AS p FROM sent_rows;
INSERT INTO sent_view VALUES (53, 1) RETURNING p;
DROP FUNCTION sent_tell CASCADE;

-- The broker's own timestamp; the first and the last one; no acknowledgement, no offset.
\! kafka_tool create-topic --replace sent_stamped 1 message.timestamp.type=LogAppendTime
CREATE FOREIGN TABLE sent_stamped (v text, _timestamp timestamptz OPTIONS (metadata 'timestamp'), _kind text OPTIONS (metadata 'timestamp_type'))
  SERVER sent_test OPTIONS (topic 'sent_stamped', format 'text');
INSERT INTO sent_stamped VALUES ('x', '2001-01-01') RETURNING _timestamp > '2020-01-01' AS stamped, _kind;
\! kafka_tool create-topic --replace sent_stamped 1 message.timestamp.after.max.ms=9223372036854775807
INSERT INTO sent_stamped VALUES ('last', '294276-12-31 23:59:59.9999+00'), ('first', '1970-01-01 00:00:00.001+00'),
  ('before 2000', '1999-12-31 23:59:59.9999+00') RETURNING v, _timestamp AT TIME ZONE 'UTC' AS stamped, _kind;
INSERT INTO sent_stamped VALUES ('none', '1970-01-01 00:00:00.0009+00');
CREATE FOREIGN TABLE sent_blind (v text, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
  SERVER sent_test OPTIONS (topic 'sent', format 'text', acks '0');
INSERT INTO sent_blind VALUES ('x', 1) RETURNING _partition, _offset;

-- A row that is routed cannot.
CREATE TABLE sent_parent (id int, v text) PARTITION BY LIST (id);
CREATE FOREIGN TABLE sent_child PARTITION OF sent_parent FOR VALUES IN (1) SERVER sent_test OPTIONS (topic 'sent');
INSERT INTO sent_parent VALUES (1, 'x') RETURNING id;
DROP TABLE sent_parent;

EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO sent_rows (id) VALUES (1) RETURNING _offset;

SET client_min_messages = warning;
DROP SERVER sent_test CASCADE;
