-- kafka.stat_producers: what was written to each table.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER stat_producers_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace stat_producers 2
CREATE FOREIGN TABLE stat_sync (v text, k text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset')) SERVER stat_producers_test
  OPTIONS (topic 'stat_producers', format 'text', compression_type 'lz4');
CREATE FOREIGN TABLE stat_async (v text) SERVER stat_producers_test OPTIONS (topic 'stat_producers', format 'text', delivery 'async');
CREATE FOREIGN TABLE stat_unused (v text) SERVER stat_producers_test OPTIONS (topic 'stat_producers');

INSERT INTO stat_sync SELECT repeat('x', 90), 'ten bytes!' FROM generate_series(1, 1000);
BEGIN;
INSERT INTO stat_sync VALUES ('rolled back');
INSERT INTO stat_async VALUES ('ten bytes!'), ('ten bytes!');
ROLLBACK;
INSERT INTO stat_sync VALUES ('at once') RETURNING k;
INSERT INTO stat_sync VALUES ('at once') RETURNING o >= 0;
SELECT count(*) FROM kafka.flush();
SELECT "table", records, bytes, in_flight, errors FROM kafka.stat_producers WHERE server = 'stat_producers_test' ORDER BY 1;
SELECT "table", batches BETWEEN 1 AND records AS batches, compression_ratio > 1 AS compressed, abs(records_per_batch - records / batches) < 1 AS per_batch,
  compression_ratio = bytes::float8 / bytes_sent AS ratio, since < now() AS since
  FROM kafka.stat_producers WHERE server = 'stat_producers_test' ORDER BY 1;

-- What the broker refuses is an error, of the one that holds and of the one that does not.
\! kafka_tool create-topic --replace stat_producers_small 1 max.message.bytes=2000
ALTER FOREIGN TABLE stat_sync OPTIONS (SET topic 'stat_producers_small', DROP compression_type);
ALTER FOREIGN TABLE stat_async OPTIONS (SET topic 'stat_producers_small', ADD batch_size '1000');
INSERT INTO stat_sync VALUES (repeat('x', 3000));
SET client_min_messages = error;
INSERT INTO stat_async VALUES (repeat('x', 3000)), ('small');
SELECT count(*) FROM kafka.flush();
RESET client_min_messages;
SELECT "table", records, in_flight, errors FROM kafka.stat_producers WHERE server = 'stat_producers_test' ORDER BY 1;

-- Tables that are gone are not shown.
DROP FOREIGN TABLE stat_async;
SELECT "table" FROM kafka.stat_producers WHERE server = 'stat_producers_test';
SET client_min_messages = warning;
DROP SERVER stat_producers_test CASCADE;
