-- INSERT: what arrives at the broker.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER insert_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace insert 3
CREATE FOREIGN TABLE insert_topic (
  id int DEFAULT 7, name text, doc jsonb, city text OPTIONS (field 'address.city'), zip int OPTIONS (field 'address.zip'),
  customer text           OPTIONS (metadata 'key', field 'customer'),
  _partition int          OPTIONS (metadata 'partition'),
  _timestamp timestamptz  OPTIONS (metadata 'timestamp'),
  _headers kafka.header[] OPTIONS (metadata 'headers'),
  _tombstone boolean      OPTIONS (metadata 'tombstone'),
  _offset bigint          OPTIONS (metadata 'offset')
) SERVER insert_test OPTIONS (topic 'insert');

INSERT INTO insert_topic (id, name, customer, _partition) VALUES (1, 'ä "q"', 'c1', 0);
INSERT INTO insert_topic (id, doc, city, zip, _partition) VALUES (2, '{"b": 1, "a": null}', 'Bern', 3000, 0), (3, 'null', NULL, NULL, 0);
INSERT INTO insert_topic (name, _partition, _timestamp, _headers) VALUES
  ('default', 1, '2023-11-14 22:13:20.123+00', ARRAY[('h', 'v1'), ('h', '\x00ff'), ('', ''), ('none', NULL)]::kafka.header[]);
INSERT INTO insert_topic (id, _partition, _headers) VALUES (8, 1, '{}');
INSERT INTO insert_topic (id, customer, _partition, _tombstone) VALUES (NULL, 'c1', 1, true), (9, 'c2', 1, false);
INSERT INTO insert_topic (_partition, id) SELECT 2, g FROM generate_series(1, 3) AS g;
INSERT INTO insert_topic (_partition, id) SELECT 2, 100 + id FROM insert_topic WHERE _partition = 2;
INSERT INTO insert_topic (id) SELECT 0 WHERE false;
\! kafka_tool consume insert
\! kafka_tool consume insert -p 1 -o 0 -f ot | head -1
SELECT id, name, doc, city, zip, customer, _partition, _offset, _headers, _tombstone FROM insert_topic ORDER BY _partition, _offset;

-- A key chooses the partition as Java's producers do (murmur2); rows keep their order in it.
\! kafka_tool create-topic --replace insert 3
INSERT INTO insert_topic (id, customer) SELECT g, 'key' || g % 4 FROM generate_series(1, 12) AS g;
SELECT customer, _partition, string_agg(id::text, ' ' ORDER BY _offset) FROM insert_topic GROUP BY 1, 2 ORDER BY 1;
\! seq 0 3 | sed 's/.*/key&={}/' | kafka_tool produce insert -K = -X partitioner=murmur2_random
SELECT customer, count(DISTINCT _partition) AS partitions FROM insert_topic GROUP BY 1 ORDER BY 1;

-- Columns that come, go and are generated.
\! kafka_tool create-topic --replace insert 3
ALTER FOREIGN TABLE insert_topic DROP zip, DROP city, DROP doc, ADD twice int GENERATED ALWAYS AS (id * 2) STORED;
INSERT INTO insert_topic (id, customer) VALUES (21, 'k');
\! kafka_tool consume insert -f kv

-- acks
\! kafka_tool create-topic --replace insert 1
CREATE FOREIGN TABLE insert_acks (v text) SERVER insert_test OPTIONS (topic 'insert', format 'text', acks '0');
INSERT INTO insert_acks VALUES ('acks 0');
ALTER FOREIGN TABLE insert_acks OPTIONS (SET acks '1');
INSERT INTO insert_acks VALUES ('acks 1');
ALTER FOREIGN TABLE insert_acks OPTIONS (SET acks 'all', ADD compression_type 'gzip');
INSERT INTO insert_acks VALUES ('acks all, compressed');
\! kafka_tool consume insert -f v | sort

-- Several topics and servers in one transaction.
\! kafka_tool create-topic --replace insert 1
\! kafka_tool create-topic --replace insert_two 1
CREATE SERVER insert_second FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers', client_id 'second');
CREATE FOREIGN TABLE insert_two (v text) SERVER insert_second OPTIONS (topic 'insert_two', format 'text');
BEGIN;
INSERT INTO insert_acks VALUES ('a');
INSERT INTO insert_two VALUES ('b');
INSERT INTO insert_acks VALUES ('c');
WITH x AS (INSERT INTO insert_two VALUES ('d')) INSERT INTO insert_acks VALUES ('e');
SELECT count(*) FROM insert_acks;
COMMIT;
\! kafka_tool consume insert -f ov
\! kafka_tool consume insert_two -f ov

-- More producers in one transaction than a session keeps open.
\! kafka_tool create-topic --replace insert_two 1
DO $$
BEGIN
    FOR i IN 1 .. 12 LOOP
        EXECUTE format('CREATE FOREIGN TABLE insert_many_%s (v text) SERVER insert_second
            OPTIONS (topic ''insert_two'', format ''text'', linger_ms %L)', i, i);
    END LOOP;
END $$;
DO $$
BEGIN
    FOR i IN 1 .. 12 LOOP
        EXECUTE format('INSERT INTO insert_many_%s SELECT %L || g FROM generate_series(1, 1100) g', i, i || '/');
    END LOOP;
END $$;
SELECT count(*), count(DISTINCT v) FROM insert_two;
INSERT INTO insert_many_1 VALUES ('again');
SELECT count(*) FROM insert_two;

SET client_min_messages = warning;
DROP SERVER insert_second CASCADE;

SET client_min_messages = warning;
DROP SERVER insert_test CASCADE;
