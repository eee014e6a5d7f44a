-- Keys: as text, bytes, JSON and what Java's serializers write; a column that is in key and value.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER keys_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

-- A topic with a record for each key, and what a table with options reads of its keys.
CREATE FUNCTION keys_produce(VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace keys 1';
  EXECUTE format('COPY (SELECT l FROM unnest(%L::text[]) AS l) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')',
                 lines, 'kafka_tool produce keys -K =');
END $$;
CREATE FUNCTION keys_table(columns text, key_format text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DROP FOREIGN TABLE IF EXISTS keys_topic;
  EXECUTE format('CREATE FOREIGN TABLE keys_topic (%s) SERVER keys_test OPTIONS (topic ''keys'', format ''raw'', key_format %L)',
                 columns || ', _value bytea', key_format);
END $$;
CREATE FUNCTION keys_try(type text, key_format text, key text, OUT state text, OUT result text, OUT context text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM keys_table(format('k %s OPTIONS (metadata ''key'')', type), key_format);
  PERFORM keys_produce(key || '=');
  state := '00000';
  SELECT coalesce(k::text, 'NULL') INTO result FROM keys_topic;
EXCEPTION WHEN OTHERS THEN
  state := SQLSTATE;
  result := SQLERRM;
  GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
  context := substring(context FROM 'topic "[^\n]*');
END $$;
SET client_min_messages = warning;

-- The bytes that kafka-clients 4.1.1's IntegerSerializer, LongSerializer, ... write; read, and written again.
CREATE TABLE keys_java (type text, value text, bytes bytea);
INSERT INTO keys_java VALUES ('int', '0', '\x00000000'), ('int', '1', '\x00000001'), ('int', '-1', '\xffffffff'), ('int', '42', '\x0000002a'),
  ('int', '-2147483648', '\x80000000'), ('int', '2147483647', '\x7fffffff'), ('bigint', '1', '\x0000000000000001'),
  ('bigint', '-1', '\xffffffffffffffff'), ('bigint', '-9223372036854775808', '\x8000000000000000'), ('bigint', '1234567890123', '\x0000011f71fb04cb'),
  ('smallint', '1', '\x0001'), ('smallint', '-2', '\xfffe'), ('smallint', '-32768', '\x8000'), ('float8', '0.1', '\x3fb999999999999a'),
  ('float8', '-1.5', '\xbff8000000000000'), ('float8', 'NaN', '\x7ff8000000000000'), ('float8', '-Infinity', '\xfff0000000000000'),
  ('float8', '-0', '\x8000000000000000'), ('real', '0.1', '\x3dcccccd'), ('real', '-1.5', '\xbfc00000'), ('real', 'NaN', '\x7fc00000'),
  ('boolean', 'true', '\x01'), ('boolean', 'false', '\x00'),
  ('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\x61306565626339392d396330622d346566382d626236642d366262396264333830613131'),
  ('text', 'ä€', '\xc3a4e282ac'), ('varchar(2)', 'ä€', '\xc3a4e282ac'), ('text', '', '\x'), ('bytea', '\x00ff', '\x00ff');
CREATE FUNCTION keys_round_trip(type text, value text, bytes bytea) RETURNS TABLE (read boolean, written boolean) LANGUAGE plpgsql AS $$
DECLARE hex text := regexp_replace(encode(bytes, 'hex'), '..', '\\x\&', 'g');
BEGIN
  DROP FOREIGN TABLE IF EXISTS keys_typed;
  EXECUTE format('CREATE FOREIGN TABLE keys_typed (k %s OPTIONS (metadata ''key''), v %1$s, o bigint OPTIONS (metadata ''offset''))
                  SERVER keys_test OPTIONS (topic ''keys'', format ''kafka'', key_format ''kafka'')', type);
  PERFORM keys_produce(hex || '=' || hex);
  EXECUTE format('SELECT (k::text, v::text) = (t, t) FROM keys_typed, CAST(%L::%s AS text) t', value, type) INTO read;
  EXECUTE format('INSERT INTO keys_typed VALUES (%L, %1$L) RETURNING o', value);
  SELECT (k, v) = (keys_round_trip.bytes, keys_round_trip.bytes) INTO written FROM keys_bytes WHERE o = 1;
  RETURN NEXT;
END $$;
CREATE FOREIGN TABLE keys_bytes (k bytea OPTIONS (metadata 'key'), v bytea, o bigint OPTIONS (metadata 'offset'))
  SERVER keys_test OPTIONS (topic 'keys', format 'raw', key_format 'raw');
SELECT t.type, t.value, r.* FROM keys_java t, keys_round_trip(t.type, t.value, t.bytes) r;

-- Bytes that are no such value, and types that have no serializer.
SELECT t.*, r.* FROM (VALUES ('int', 'kafka', ''), ('int', 'kafka', '\x00\x00\x01'), ('int', 'kafka', '12345678'), ('bigint', 'kafka', '\x00\x00\x00\x01'),
  ('boolean', 'kafka', '\x02'), ('uuid', 'kafka', 'x'), ('text', 'kafka', '\xff'), ('text', 'kafka', 'a\x00'), ('varchar(1)', 'kafka', 'ab'), ('float8', 'kafka', '0.1'),
  ('numeric', 'kafka', 'x'), ('timestamptz', 'kafka', 'x'), ('int', 'kafka', '\N'), ('text', 'raw', 'x'), ('bytea', 'raw', '\x00'), ('bytea', 'text', '\x00'),
  ('int', 'text', 'x'), ('int', 'text', '1'),
  ('int', 'json', '1'), ('int', 'json', ' "1" '), ('int', 'json', '"x"'), ('int', 'json', '{"id": 1}'), ('text', 'json', '"a\x5cnb"'), ('text', 'json', ' {"id":  1} '),
  ('jsonb', 'json', ' [1] '), ('json', 'json', ' [1]  '), ('jsonb', 'json', 'null'), ('text', 'json', 'null'), ('int', 'json', ''), ('int', 'json', 'x'), ('int', 'json', '1 2'),
  ('jsonb', 'json', '\x00\x00\x00\x00\x07\x02'), ('jsonb', 'json', '"\xff"'), ('int[]', 'json', '[1, 2]'), ('boolean', 'json', 'true'), ('jsonb', 'json', '\N')) AS t (type, key_format, key), keys_try(type, key_format, key) r;

-- Domains are checked.
CREATE DOMAIN keys_positive AS int CHECK (value > 0);
SELECT r.* FROM unnest(ARRAY['\x00\x00\x00\x01', '\x00\x00\x00\x00']) AS key, keys_try('keys_positive', 'kafka', key) r;

-- Fields of a JSON key, beside the whole of it.
SELECT keys_table('_key text OPTIONS (metadata ''key''), id int OPTIONS (metadata ''key'', key_field ''id''), region text OPTIONS (metadata ''key'', key_field ''at.region'')', 'json');
SELECT keys_produce('{"id": 1, "at": {"region": "eu"}}=a', ' {"at": {}} =b', '{"id": null, "more": [1]}=c', '{}=d');
COPY (SELECT 'no key') TO PROGRAM 'kafka_tool produce keys';
SELECT _key, id, region, convert_from(_value, 'UTF8') AS v FROM keys_topic;
SELECT region FROM keys_topic WHERE id = 1;
SELECT keys_produce('5=scalar');
SELECT _key FROM keys_topic;
SELECT id FROM keys_topic;
INSERT INTO keys_topic VALUES ('{}', 1, 'x', '');
ALTER FOREIGN TABLE keys_topic DROP _key;
COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace keys 1';
INSERT INTO keys_topic (id, region, _value) VALUES (1, 'eu', 'a'), (2, NULL, 'b'), (NULL, 'x "y"', 'c'), (NULL, NULL, 'd');
\! kafka_tool consume keys -f kv
SELECT id, region FROM keys_topic;

-- The whole key as JSON, written: JSON null is not NULL.
SELECT keys_table('k jsonb OPTIONS (metadata ''key'')', 'json');
COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace keys 1';
INSERT INTO keys_topic VALUES ('{"id": 1}', '1'), ('"x"', '2'), ('null', '3'), (NULL, '4'), ('[]', '5');
\! kafka_tool consume keys -f kv
SELECT k, k IS NULL AS "null" FROM keys_topic;
SELECT keys_table('k text OPTIONS (metadata ''key'')', 'json');
COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace keys 1';
INSERT INTO keys_topic VALUES ('a"b', '1'), ('', '2'), (NULL, '3'), ('null', '4');
\! kafka_tool consume keys -f kv
SELECT k, k IS NULL AS "null" FROM keys_topic;

-- In key and value: the value counts, the key where the value is NULL or lacks the field; written to both.
CREATE FOREIGN TABLE keys_both (id int OPTIONS (metadata 'key', field 'id', key_field 'k'), part text OPTIONS (metadata 'key', key_field 'part'), n text,
  _tombstone boolean OPTIONS (metadata 'tombstone')) SERVER keys_test OPTIONS (topic 'keys', key_format 'json');
SELECT keys_produce('{"k": 1, "part": "a"}={"id": 2, "n": "both"}', '{"k": 3}={"n": "lacks it"}', '{"k": 4}=\N', '{"k": 5}={"id": null, "n": "null"}', '{}={"n": "neither"}');
COPY (SELECT '{"id": 6}') TO PROGRAM 'kafka_tool produce keys';
SELECT * FROM keys_both;
-- a key that is not asked for is not looked at
SELECT keys_produce('broken={"id": 2}');
SELECT id, n FROM keys_both;
SELECT part FROM keys_both;
SELECT id, part FROM keys_both;
COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace keys 1';
INSERT INTO keys_both VALUES (1, 'a', 'x', false), (2, NULL, NULL, false), (NULL, NULL, 'no key', NULL), (3, 'gone', NULL, true);
INSERT INTO keys_both (n, _tombstone) VALUES (NULL, true);
\! kafka_tool consume keys -f kv
SELECT * FROM keys_both;
CREATE FOREIGN TABLE keys_both_kafka (id bigint OPTIONS (metadata 'key', field 'id'), n text) SERVER keys_test OPTIONS (topic 'keys', key_format 'kafka');
SELECT keys_produce('\x00\x00\x00\x00\x00\x00\x00\x07={"id": 8, "n": "a"}', '\x00\x00\x00\x00\x00\x00\x00\x07={"n": "b"}', 'short={"id": 9}', '\x00\x00\x00\x00\x00\x00\x00\x07=\N');
SELECT * FROM keys_both_kafka;
INSERT INTO keys_both_kafka VALUES (10, 'c'), (NULL, 'd');
\! kafka_tool consume keys -o 4 -f kv
SELECT keys_produce('short={"n": "c"}');
SELECT * FROM keys_both_kafka;

-- As Java's producers, by these bytes the partitioner chooses.
\! kafka_tool create-topic --replace keys_int 7
CREATE FOREIGN TABLE keys_int (k int OPTIONS (metadata 'key'), v int, _partition int OPTIONS (metadata 'partition')) SERVER keys_test OPTIONS (topic 'keys_int', key_format 'kafka');
INSERT INTO keys_int (k, v) SELECT i, i FROM generate_series(1, 8) i;
SELECT k, _partition FROM keys_int ORDER BY k;

-- The manual's examples: fields of the key, and what a Kafka Streams application counts.
CREATE FOREIGN TABLE stock (
    item_id    int     OPTIONS (metadata 'key', key_field 'id', field 'item.id'),
    warehouse  text    OPTIONS (metadata 'key', key_field 'warehouse'),
    pieces     bigint,
    _tombstone boolean OPTIONS (metadata 'tombstone')
) SERVER keys_test OPTIONS (topic 'keys', key_format 'json');
CREATE FOREIGN TABLE word_counts (
    word       text    OPTIONS (metadata 'key'),
    count      bigint
) SERVER keys_test OPTIONS (topic 'keys', key_format 'kafka', format 'kafka');
SELECT keys_produce('{"id": 1, "warehouse": "north"}={"item": {"id": 1}, "pieces": 12}', '{"id": 1, "warehouse": "north"}=\N');
SELECT * FROM stock;
SELECT keys_produce('the=\x00\x00\x00\x00\x00\x00\x00\x02', 'end=\x00\x00\x00\x00\x00\x00\x00\x01');
SELECT * FROM word_counts;

-- Options
ALTER FOREIGN TABLE keys_int OPTIONS (SET key_format 'csv');
ALTER FOREIGN TABLE keys_int OPTIONS (SET key_format 'avro');
ALTER FOREIGN TABLE keys_int ALTER v OPTIONS (key_field 'v');
ALTER FOREIGN TABLE keys_int ALTER _partition OPTIONS (key_field 'v');
ALTER FOREIGN TABLE keys_int ALTER k OPTIONS (key_field '');
ALTER FOREIGN TABLE keys_int ALTER k OPTIONS (key_field 'a..b');
ALTER FOREIGN TABLE keys_int ALTER k OPTIONS (key_field 'a.b');
SELECT k FROM keys_int;
INSERT INTO keys_int (k) VALUES (1);
ALTER FOREIGN TABLE keys_int OPTIONS (SET key_format 'json');
ALTER FOREIGN TABLE keys_int ALTER k OPTIONS (SET key_field 'a'), ADD k2 int OPTIONS (metadata 'key', key_field 'a.b');
INSERT INTO keys_int (k, k2) VALUES (1, 2);
ALTER FOREIGN TABLE keys_int ALTER k OPTIONS (DROP key_field), ALTER k2 OPTIONS (DROP key_field);
SELECT k FROM keys_int;
ALTER FOREIGN TABLE keys_int OPTIONS (ADD key_deserializer 'IntegerDeserializer');
SELECT option, value, valid_values FROM kafka.options('keys_int') WHERE option = 'key_format';

DROP FUNCTION keys_produce, keys_table, keys_try, keys_round_trip;
DROP TABLE keys_java;
DROP SERVER keys_test CASCADE;
DROP DOMAIN keys_positive;
