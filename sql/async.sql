-- Delivery "async": records leave at once, whatever becomes of the transaction.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER async_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace async 2
CREATE FOREIGN TABLE async_events (id int, filler text, _key text OPTIONS (metadata 'key'), _partition int OPTIONS (metadata 'partition'),
  _offset bigint OPTIONS (metadata 'offset')) SERVER async_test OPTIONS (topic 'async', delivery 'async');
CREATE FOREIGN TABLE async_held (id int, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
  SERVER async_test OPTIONS (topic 'async');
SELECT * FROM kafka.flush();

INSERT INTO async_events VALUES (1, 'x', 'a key', 0), (2, NULL, NULL, 0);
COPY async_events (id, _partition) FROM STDIN;
3	0
\.
SELECT * FROM kafka.flush();
SELECT id, filler, _key, _offset FROM async_events ORDER BY _offset;

-- ROLLBACK does not call back what left, and PREPARE TRANSACTION has nothing to hold.
BEGIN;
INSERT INTO async_events (id, _partition) VALUES (4, 0);
SAVEPOINT s;
INSERT INTO async_events (id, _partition) VALUES (5, 0);
ROLLBACK TO s;
SELECT count(*) FROM kafka.flush();
SELECT id, _offset FROM async_events WHERE _offset > 2 ORDER BY _offset;
ROLLBACK;
BEGIN;
INSERT INTO async_events (id, _partition) VALUES (6, 0);
PREPARE TRANSACTION 'async_test';
COMMIT PREPARED 'async_test';

-- What is sent at once and what is held follow what is in the background.
BEGIN;
INSERT INTO async_held VALUES (11, 0);
INSERT INTO async_events (id, _partition) VALUES (7, 0);
INSERT INTO async_events (id, _partition) VALUES (8, 0) RETURNING _offset;
INSERT INTO async_events (id, _partition) VALUES (9, 0);
SELECT _offset FROM kafka.produce('async_events', '{"id": 10}', partition => 0);
INSERT INTO async_held VALUES (12, 0);
COMMIT;
-- So do tables with other settings.
ALTER FOREIGN TABLE async_events OPTIONS (ADD linger_ms '1000');
INSERT INTO async_events (id, _partition) VALUES (13, 0);
ALTER FOREIGN TABLE async_events OPTIONS (DROP linger_ms);
INSERT INTO async_events (id, _partition) VALUES (14, 0);
ALTER SERVER async_test OPTIONS (ADD client_id 'another');
INSERT INTO async_events (id, _partition) VALUES (15, 0);
SELECT * FROM kafka.flush();
SELECT string_agg(id::text, ' ' ORDER BY _offset) FROM async_events WHERE _offset > 5;
-- And so do records of other settings in one COMMIT, and in one statement.
\! kafka_tool create-topic --replace async_order 1
CREATE FOREIGN TABLE async_held_0 (id int, _offset bigint OPTIONS (metadata 'offset')) SERVER async_test OPTIONS (topic 'async_order');
CREATE FOREIGN TABLE async_held_1 (id int) SERVER async_test OPTIONS (topic 'async_order', compression_type 'gzip');
DO $$ BEGIN FOR i IN 1..20 LOOP EXECUTE format('INSERT INTO async_held_%s VALUES (%s)', i % 2, i); END LOOP; END $$;
CREATE TABLE async_parts (id int, kind int) PARTITION BY LIST (kind);
CREATE FOREIGN TABLE async_part_0 PARTITION OF async_parts FOR VALUES IN (0) SERVER async_test OPTIONS (topic 'async_order', delivery 'async');
CREATE FOREIGN TABLE async_part_1 PARTITION OF async_parts FOR VALUES IN (1)
  SERVER async_test OPTIONS (topic 'async_order', delivery 'async', compression_type 'gzip');
INSERT INTO async_parts SELECT i, i / 3 % 2 FROM generate_series(21, 40) i;
SELECT * FROM kafka.flush();
SELECT string_agg(id::text, ' ' ORDER BY _offset) FROM async_held_0;
DROP TABLE async_parts;

-- What can be known at once is an error of the statement.
INSERT INTO async_events (id, _partition) VALUES (1, 2);
INSERT INTO async_events (id, filler) VALUES (1, repeat('x', 1100000));
\! kafka_tool delete-topic --if-exists async_unknown
CREATE FOREIGN TABLE async_unknown (id int) SERVER async_test OPTIONS (topic 'async_unknown', delivery 'async');
DO $$ BEGIN INSERT INTO async_unknown VALUES (1); EXCEPTION WHEN fdw_table_not_found THEN RAISE NOTICE 'unknown topic'; END $$;
SELECT count(*) FROM kafka.flush();

-- What only the broker refuses does not concern other records; a warning of it may come before.
SET client_min_messages = error;
\! kafka_tool create-topic --replace async_small 1 max.message.bytes=2000
CREATE FOREIGN TABLE async_small (id int, filler text, _key text OPTIONS (metadata 'key')) SERVER async_test OPTIONS (topic 'async_small', delivery 'async');
INSERT INTO async_small VALUES (1, '', 'a');
SELECT * FROM kafka.flush();
INSERT INTO async_small VALUES (2, repeat('x', 3000), 'b');
SELECT _topic, _partition, convert_from(key, 'UTF8') AS key, error FROM kafka.flush();
INSERT INTO async_small VALUES (3, '', 'c'), (4, repeat('x', 3000), NULL), (5, '', 'd');
SELECT _topic, _partition, convert_from(key, 'UTF8') AS key, error FROM kafka.flush();
SELECT * FROM kafka.flush();
RESET client_min_messages;
\! kafka_tool consume async_small -f k

-- A table and a server that are dropped leave their records on the way.
\! kafka_tool create-topic --replace async_dropped 1
CREATE SERVER async_dropped FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE async_dropped (id int) SERVER async_dropped OPTIONS (topic 'async_dropped', delivery 'async', linger_ms '500');
BEGIN;
INSERT INTO async_dropped VALUES (1);
DROP FOREIGN TABLE async_dropped;
DROP SERVER async_dropped;
COMMIT;
SELECT * FROM kafka.flush();
\! kafka_tool consume async_dropped -c

-- A topic that is created again is found again.
\! kafka_tool create-topic --replace async_again 1
CREATE FOREIGN TABLE async_again (id int) SERVER async_test OPTIONS (topic 'async_again', delivery 'async');
INSERT INTO async_again SELECT generate_series(1, 100);
SELECT * FROM kafka.flush();
\! kafka_tool create-topic --replace async_again 2
INSERT INTO async_again SELECT generate_series(1, 100);
SELECT * FROM kafka.flush();
\! kafka_tool consume async_again -c
\! kafka_tool delete-topic async_again
DO $$ BEGIN INSERT INTO async_again VALUES (1); EXCEPTION WHEN fdw_table_not_found THEN RAISE NOTICE 'unknown topic'; END $$;
\! kafka_tool create-topic async_again 1
INSERT INTO async_again SELECT generate_series(1, 100);
SELECT * FROM kafka.flush();
\! kafka_tool consume async_again -c

-- A stream cannot commit together with what is in the background.
\! kafka_tool create-topic --replace async_source 1
CREATE FOREIGN TABLE async_source (id int) SERVER async_test OPTIONS (topic 'async_source');
SELECT kafka.create_stream('async_stream', 'INSERT INTO async_events (id) SELECT id FROM async_source');

-- The manual's examples.
\! kafka_tool create-topic --replace page_views 1
CREATE FOREIGN TABLE page_views (url text, seen_at timestamptz)
    SERVER async_test OPTIONS (topic 'page_views', delivery 'async', compression_type 'lz4');
INSERT INTO page_views VALUES ('/index.html', '2024-02-03 04:05:06Z');
SELECT * FROM kafka.flush();
\! kafka_tool consume page_views
CREATE FUNCTION public.by_country(key bytea, partition_count int) RETURNS int IMMUTABLE LANGUAGE sql
AS $$ SELECT CASE WHEN key IS NULL THEN 0 ELSE get_byte(key, 0) % partition_count END $$;
ALTER FOREIGN TABLE async_events OPTIONS (ADD partitioner 'public.by_country');
INSERT INTO async_events (id, _key) VALUES (20, 'a'), (21, 'b'), (22, NULL);
SELECT * FROM kafka.flush();
SELECT id, _key, _partition FROM async_events WHERE id >= 20 ORDER BY id;

SET client_min_messages = warning;
DROP FUNCTION public.by_country;
DROP SERVER async_test CASCADE;
