-- Change data: events in the shape that Debezium documents, as rows; with and without the schema beside them.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER changes_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

-- The events of a table: a snapshot, an insert, updates, a delete with its tombstone, an insert with NULLs, a truncate.
CREATE TABLE changes_events (n int, op text, id int, before json, after json);
INSERT INTO changes_events VALUES
  (1, 'r', 1001, 'null', '{"id":1001,"customer":"Sally","amount":"BOI=","weight":{"scale":3,"value":"AeJA"},"price":"12.50","ordered_on":19675,"created_at":1700000000123456,"updated_at":1700000000123,"shipped_at":"2023-11-15T08:00:00.5Z","pickup":34200000000,"tags":["a","b"],"doc":"{\"k\": 1}"}'),
  (2, 'c', 1002, 'null', '{"id":1002,"customer":"Jörg","amount":"/w==","weight":{"scale":0,"value":"AA=="},"price":"-0.01","ordered_on":-1,"created_at":-1,"updated_at":-1,"shipped_at":"1969-12-31T23:59:59.999999Z","pickup":0,"tags":[],"doc":"null"}'),
  (3, 'u', 1001, '{"id":1001,"customer":"Sally","amount":"BOI=","weight":{"scale":3,"value":"AeJA"},"price":"12.50","ordered_on":19675,"created_at":1700000000123456,"updated_at":1700000000123,"shipped_at":"2023-11-15T08:00:00.5Z","pickup":34200000000,"tags":["a","b"],"doc":"{\"k\": 1}"}',
                 '{"id":1001,"customer":"Sally M.","amount":"AIA=","weight":{"scale":-2,"value":"MDk="},"price":"1.28","ordered_on":19676,"created_at":1700000000123456,"updated_at":1700000100000,"shipped_at":null,"pickup":86400000000,"tags":null,"doc":null}'),
  (4, 'd', 1002, '{"id":1002,"customer":"Jörg","amount":"/w==","weight":null,"price":null,"ordered_on":-1,"created_at":-1,"updated_at":-1,"shipped_at":null,"pickup":0,"tags":null,"doc":null}', 'null'),
  (5, NULL, 1002, NULL, NULL),
  (6, 'c', 1003, 'null', '{"id":1003,"customer":null,"amount":null,"weight":null,"price":null,"ordered_on":null,"created_at":null,"updated_at":null,"shipped_at":null,"pickup":null,"tags":null,"doc":null}'),
  (7, 't', NULL, 'null', 'null');
CREATE VIEW changes_source AS SELECT n, '{"version":"3.0.5.Final","connector":"postgresql","name":"dbserver1","ts_ms":1700000000123,"snapshot":"' || CASE op WHEN 'r' THEN 'true' ELSE 'false' END ||
  '","db":"inventory","sequence":"[\"24023119\",\"24023128\"]","ts_us":1700000000123456,"ts_ns":1700000000123456000,"schema":"public","table":"orders","txId":' || 555 + n || ',"lsn":' || 24023128 + n || ',"xmin":null}' AS source FROM changes_events;
CREATE VIEW changes_payload AS SELECT n, format('{"before":%s,"after":%s,"source":%s,"transaction":null,"op":"%s","ts_ms":1700000000500,"ts_us":1700000000500000,"ts_ns":1700000000500000000}', before, after, source, op) AS payload
  FROM changes_events JOIN changes_source USING (n) WHERE op IS NOT NULL;
\set row '[{"type":"int32","optional":false,"default":0,"field":"id"},{"type":"string","optional":true,"field":"customer"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"field":"amount"},{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","version":1,"doc":"Variable scaled decimal","field":"weight"},{"type":"string","optional":true,"field":"price"},{"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1,"field":"ordered_on"},{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"created_at"},{"type":"int64","optional":true,"name":"io.debezium.time.Timestamp","version":1,"field":"updated_at"},{"type":"string","optional":true,"name":"io.debezium.time.ZonedTimestamp","version":1,"field":"shipped_at"},{"type":"int64","optional":true,"name":"io.debezium.time.MicroTime","version":1,"field":"pickup"},{"type":"array","items":{"type":"string","optional":true},"optional":true,"field":"tags"},{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"field":"doc"}]'
SELECT format('{"type":"struct","fields":[{"type":"struct","fields":%1$s,"optional":true,"name":"dbserver1.public.orders.Value","field":"before"},{"type":"struct","fields":%1$s,"optional":true,"name":"dbserver1.public.orders.Value","field":"after"},{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"}],"optional":false,"name":"dbserver1.public.orders.Envelope","version":2}', :'row') AS schema,
  '{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"id"}],"optional":false,"name":"dbserver1.public.orders.Key"}' AS key_schema \gset

\! kafka_tool create-topic --replace dbserver1.public.orders 1
\! kafka_tool create-topic --replace dbserver1.public.orders_plain 1
CREATE FUNCTION changes_produce(topic text, lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('COPY (SELECT replace(l, ''\'', ''\x5c'') FROM unnest(%L::text[]) WITH ORDINALITY AS u (l, i) ORDER BY i) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')',
                 lines, format('sed ''s/\\x5cN/\\N/g'' | kafka_tool produce %s -K "|"', topic));
END $$;
SELECT changes_produce('dbserver1.public.orders', array_agg(format('{"schema":%s,"payload":{"id":%s}}', :'key_schema', id) || '|' || coalesce('{"schema":' || :'schema' || ',"payload":' || payload || '}', '\N') ORDER BY n))
FROM changes_events LEFT JOIN changes_payload USING (n) WHERE op IS DISTINCT FROM 't';
SELECT changes_produce('dbserver1.public.orders_plain', array_agg(format('{"id":%s}', id) || '|' || coalesce(payload, '\N') ORDER BY n))
FROM changes_events LEFT JOIN changes_payload USING (n) WHERE op IS DISTINCT FROM 't';
-- a truncate has no key
SELECT format('COPY (SELECT %L) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')', payload, 'kafka_tool produce dbserver1.public.orders_plain') FROM changes_payload WHERE n = 7 \gexec
SELECT format('COPY (SELECT %L) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')', format('{"schema":%s,"payload":%s}', :'schema', payload), 'kafka_tool produce dbserver1.public.orders') FROM changes_payload WHERE n = 7 \gexec

-- The manual's table: schema and payload.
CREATE FOREIGN TABLE order_changes (
    id          int         OPTIONS (metadata 'key', key_field 'payload.id', field 'payload.after.id'),
    customer    text        OPTIONS (field 'payload.after.customer'),
    price       numeric     OPTIONS (field 'payload.after.price'),
    amount      text        OPTIONS (field 'payload.after.amount'),
    weight      jsonb       OPTIONS (field 'payload.after.weight'),
    ordered_on  date        OPTIONS (field 'payload.after.ordered_on', timestamp_format 'epoch_days'),
    created_at  timestamp   OPTIONS (field 'payload.after.created_at', timestamp_format 'epoch_us'),
    updated_at  timestamp   OPTIONS (field 'payload.after.updated_at', timestamp_format 'epoch_ms'),
    shipped_at  timestamptz OPTIONS (field 'payload.after.shipped_at'),
    pickup      time        OPTIONS (field 'payload.after.pickup', timestamp_format 'epoch_us'),
    tags        text[]      OPTIONS (field 'payload.after.tags'),
    doc         text        OPTIONS (field 'payload.after.doc'),
    old         jsonb       OPTIONS (field 'payload.before'),
    op          text        OPTIONS (field 'payload.op'),
    changed_at  timestamptz OPTIONS (field 'payload.source.ts_ms', timestamp_format 'epoch_ms'),
    lsn         bigint      OPTIONS (field 'payload.source.lsn'),
    _offset     bigint      OPTIONS (metadata 'offset'),
    _tombstone  boolean     OPTIONS (metadata 'tombstone')
) SERVER changes_test OPTIONS (topic 'dbserver1.public.orders', key_format 'json');
SELECT _offset, op, id, customer, price, ordered_on, created_at, _tombstone FROM order_changes ORDER BY _offset;
SELECT _offset, updated_at, shipped_at, pickup, tags, doc::jsonb, old->>'customer' AS old_customer, changed_at, lsn FROM order_changes ORDER BY _offset;

-- Without schemas nothing stands around the envelope.
CREATE FOREIGN TABLE order_changes_plain (
    id         int         OPTIONS (metadata 'key', key_field 'id', field 'after.id'),
    customer   text        OPTIONS (field 'after.customer'),
    price      numeric     OPTIONS (field 'after.price'),
    op         text,
    created_at timestamp   OPTIONS (field 'after.created_at', timestamp_format 'epoch_us'),
    _offset    bigint      OPTIONS (metadata 'offset'),
    _tombstone boolean     OPTIONS (metadata 'tombstone')
) SERVER changes_test OPTIONS (topic 'dbserver1.public.orders_plain', key_format 'json');
SELECT * FROM order_changes_plain ORDER BY _offset;

-- Decimals: as strings above, as Connect's bytes here; the scale is the column's, or in the value, or in the schema.
SELECT id, kafka.connect_decimal(amount, 2) AS amount,
       kafka.connect_decimal(weight->>'value', (weight->>'scale')::int) AS weight
FROM order_changes WHERE op <> 'd';
ALTER FOREIGN TABLE order_changes ADD schema jsonb OPTIONS (field 'schema');
SELECT _offset, kafka.connect_decimal(amount, (jsonb_path_query_first(schema, '$.fields[*] ? (@.field == "after").fields[*] ? (@.field == "amount").parameters.scale')->>0)::int) AS amount
FROM order_changes WHERE amount IS NOT NULL ORDER BY _offset;
-- what Java's BigDecimal and Base64 say
SELECT d, kafka.connect_decimal(bytes, scale) AS read, kafka.connect_decimal(bytes, scale)::text = d AS same
FROM (VALUES ('12.50', 'BOI=', 2), ('-0.01', '/w==', 2), ('0.00', 'AA==', 2), ('-128', 'gA==', 0), ('127', 'fw==', 0), ('128', 'AIA=', 0), ('-129', '/38=', 0), ('92233720368547758.07', 'f/////////8=', 2),
  ('-92233720368547758.08', 'gAAAAAAAAAA=', 2), ('92233720368547758.08', 'AIAAAAAAAAAA', 2), ('1234567890123456789012345678.90', 'AY7pD/bDc+DuTj8K0g==', 2),
  ('-1701411834604692317316873037158841.05728', 'gAAAAAAAAAAAAAAAAAAAAA==', 5), ('1234500', 'MDk=', -2), ('0', 'AAAAAAAAAAAAAAAA', 0), ('-1', '////////////////', 0)) AS v (d, bytes, scale);
SELECT kafka.connect_decimal(NULL, 2), kafka.connect_decimal('AA==', NULL);
SELECT kafka.connect_decimal('', 2);
SELECT kafka.connect_decimal('12.50', 2);
SELECT kafka.connect_decimal('AA==', 1001);
SELECT kafka.connect_decimal('AA==', -2147483648);
SELECT kafka.connect_decimal(encode(convert_to(repeat('x', 4097), 'UTF8'), 'base64'), 0);
SELECT length(kafka.connect_decimal(encode(convert_to(repeat('x', 4096), 'UTF8'), 'base64'), 0)::text);
SELECT bool_and(kafka.connect_decimal(encode(decode(lpad(to_hex(i), 16, '0'), 'hex'), 'base64'), 3) = i / 1000.0 AND kafka.connect_decimal(encode(decode(lpad(to_hex(-i), 18, 'f'), 'hex'), 'base64'), 3) = -i / 1000.0)
FROM (SELECT hashint8extended(n, 1) >> (n % 63 + 1) & 9223372036854775807 AS i FROM generate_series(1, 1000) n) n WHERE i > 0;

-- Events that are none.
\! printf '{"schema":{},"payload":{"id":1}}|{"schema":{},"payload":"not an envelope"}\n{"schema":{},"payload":{"id":"x"}}|\\N\nnot JSON|\\N\n' | kafka_tool produce dbserver1.public.orders -K '|'
SELECT _offset, id, op FROM order_changes WHERE _offset = 7;
SELECT id FROM order_changes WHERE _offset = 8;
SELECT id FROM order_changes WHERE _offset = 9;
SELECT op, _tombstone FROM order_changes WHERE _offset = 9;

DROP FUNCTION changes_produce;
DROP TABLE changes_events CASCADE;
DROP SERVER changes_test CASCADE;
