-- Points in time as numbers: the column option timestamp_format, read and written.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE SERVER times_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
SET timezone = 'America/New_York';

-- What a column of a type reads of a number; in JSON, csv and text alike.
CREATE FUNCTION times_try(type text, format text, number text, OUT result text, OUT state text, OUT context text) LANGUAGE plpgsql AS $$
DECLARE
  table_format text;
  results text[];
BEGIN
  FOREACH table_format IN ARRAY '{json,csv,text}'::text[] LOOP
    COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace times 1';
    EXECUTE format('COPY (SELECT %L) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')',
                   CASE table_format WHEN 'json' THEN format('{"t": %s}', number) ELSE trim('"' FROM number) END, 'kafka_tool produce times');
    DROP FOREIGN TABLE IF EXISTS times_one;
    EXECUTE format('CREATE FOREIGN TABLE times_one (t %s OPTIONS (timestamp_format %L)) SERVER times_test OPTIONS (topic ''times'', format %L)',
                   type, format, table_format);
    BEGIN
      SELECT coalesce(t::text, 'NULL'), '00000', NULL INTO result, state, context FROM times_one;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT, state = RETURNED_SQLSTATE, result = MESSAGE_TEXT;
      context := substring(context FROM 'topic "[^\n]*');
    END;
    results := array_append(results, concat(result, state, context));
  END LOOP;
  IF results[1] <> ALL (results) THEN result := results::text; END IF;
END $$;
SELECT t.*, r.* FROM (VALUES
  ('timestamptz', 'epoch_s', '1700000000'), ('timestamptz', 'epoch_ms', '1700000000123'), ('timestamptz', 'epoch_us', '1700000000123456'),
  ('timestamp', 'epoch_s', '1700000000'), ('timestamp', 'epoch_ms', '1700000000123'), ('timestamp', 'epoch_us', '1700000000123456'),
  ('timestamp', 'epoch_ms', '"1700000000123"'), ('timestamp', 'epoch_ms', '0'), ('timestamp', 'epoch_ms', '-0'), ('timestamp', 'epoch_ms', '-1'), ('timestamp', 'epoch_s', '-86400'),
  -- fractions and exponents
  ('timestamp', 'epoch_s', '1700000000.123456'), ('timestamp', 'epoch_s', '-0.5'), ('timestamp', 'epoch_ms', '1700000000123.4564'), ('timestamp', 'epoch_us', '0.5'),
  ('timestamp', 'epoch_s', '1.700000000123E9'), ('timestamp', 'epoch_s', '17e8'), ('timestamp', 'epoch_s', '0.9999999'), ('timestamp', 'epoch_s', '-0.0000001'), ('timestamp', 'epoch_s', '1e-300'),
  ('timestamp(0)', 'epoch_ms', '1500'), ('timestamptz(1)', 'epoch_us', '1499999'),
  -- dates and times of day
  ('date', 'epoch_days', '0'), ('date', 'epoch_days', '-1'), ('date', 'epoch_days', '19675'), ('date', 'epoch_ms', '1700000000123'), ('date', 'epoch_s', '-1'), ('date', 'epoch_s', '-86400.5'),
  ('date', 'epoch_us', '86399999999'), ('date', 'epoch_days', '1.5'), ('date', 'epoch_days', '2145031948'), ('time', 'epoch_us', '86399999999'), ('time', 'epoch_ms', '0'), ('time', 'epoch_s', '86400'), ('time(0)', 'epoch_ms', '1500'),
  -- the ends
  ('timestamp', 'epoch_us', '9224318015999999999'), ('timestamp', 'epoch_us', '9224318016000000000'), ('timestamp', 'epoch_us', '9223372036854775807'), ('timestamp', 'epoch_ms', '9224318015999999'), ('timestamp', 'epoch_ms', '9224318016000000'),
  ('timestamp', 'epoch_s', '-210866803200'), ('timestamp', 'epoch_s', '-210866803201'), ('date', 'epoch_days', '2145031949'), ('date', 'epoch_days', '-2440588'), ('date', 'epoch_days', '-2440589'),
  ('time', 'epoch_us', '86400000001'), ('time', 'epoch_us', '-1'), ('timestamp', 'epoch_s', '9223372036854775807'), ('timestamp', 'epoch_s', '1e300'), ('timestamp', 'epoch_s', '-1e999999'), ('timestamp', 'epoch_us', '-9223372036854775808'),
  -- what is no number
  ('timestamp', 'epoch_ms', '"2023-11-14 22:13:20"'), ('timestamp', 'epoch_ms', '"infinity"'), ('timestamp', 'epoch_ms', '"NaN"'), ('timestamp', 'epoch_ms', 'true'), ('timestamp', 'epoch_ms', '"0x10"'),
  ('timestamp', 'epoch_ms', '"1_000"'), ('timestamp', 'epoch_ms', '" 1"'), ('timestamp', 'epoch_ms', '"-"'), ('date', 'epoch_days', '"1e"'),
  -- text stays text
  ('timestamptz', 'iso', '"2023-11-14T22:13:20Z"'), ('date', 'iso', '"2023-11-14"')) AS t (type, format, number), times_try(type, format, number) r;
CREATE FOREIGN TABLE times_json (a timestamptz OPTIONS (timestamp_format 'epoch_ms'), b date OPTIONS (timestamp_format 'epoch_days')) SERVER times_test OPTIONS (topic 'times');
\! kafka_tool create-topic --replace times 1
\! printf '{"a": null, "b": 1}\n{}\n\\N\n{"a": ""}\n{"a": [1]}\n{"a": {"x": 1}}\n' | kafka_tool produce times
SELECT * FROM times_json LIMIT 3;
CREATE FOREIGN TABLE times_where (a timestamptz OPTIONS (timestamp_format 'epoch_ms'), _offset bigint OPTIONS (metadata 'offset')) SERVER times_test OPTIONS (topic 'times');
SELECT a FROM times_where WHERE _offset = 3;
SELECT a FROM times_where WHERE _offset = 4;
SELECT a FROM times_where WHERE _offset = 5;

-- A number without the option gets a hint.
CREATE FOREIGN TABLE times_text (a timestamptz, b date, _offset bigint OPTIONS (metadata 'offset')) SERVER times_test OPTIONS (topic 'times');
\! kafka_tool create-topic --replace times 1
\! printf '{"a": 1700000000123, "b": 19675}\n{"a": "2023-13-01"}\n{"a": "2023-11-14 22:13:20 Mars/Base"}\n' | kafka_tool produce times
SELECT a FROM times_text WHERE _offset = 0;
SELECT b FROM times_text WHERE _offset = 0;
SELECT a FROM times_text WHERE _offset = 1;
SELECT a FROM times_text WHERE _offset = 2;

-- Written: a fraction where there is one; read back equal.
CREATE FOREIGN TABLE times_written (
  s timestamptz OPTIONS (timestamp_format 'epoch_s'), ms timestamp OPTIONS (timestamp_format 'epoch_ms'), us timestamp OPTIONS (timestamp_format 'epoch_us'),
  d date OPTIONS (timestamp_format 'epoch_days'), dms date OPTIONS (timestamp_format 'epoch_ms'), t time OPTIONS (timestamp_format 'epoch_us'), i timestamptz OPTIONS (timestamp_format 'iso')
) SERVER times_test OPTIONS (topic 'times');
CREATE FOREIGN TABLE times_csv (
  s timestamptz OPTIONS (timestamp_format 'epoch_s'), ms timestamp OPTIONS (timestamp_format 'epoch_ms'), us timestamp OPTIONS (timestamp_format 'epoch_us'),
  d date OPTIONS (timestamp_format 'epoch_days'), dms date OPTIONS (timestamp_format 'epoch_ms'), t time OPTIONS (timestamp_format 'epoch_us'), i timestamptz OPTIONS (timestamp_format 'iso')
) SERVER times_test OPTIONS (topic 'times', format 'csv');
CREATE TABLE times_plain (s timestamptz, ms timestamp, us timestamp, d date, dms date, t time, i timestamptz);
INSERT INTO times_plain SELECT t, t AT TIME ZONE 'UTC', t AT TIME ZONE 'UTC', (t AT TIME ZONE 'UTC')::date, (t AT TIME ZONE 'UTC')::date, (t AT TIME ZONE 'UTC')::time, t
FROM unnest('{"2023-11-14 22:13:20Z","2023-11-14 22:13:20.123Z","2023-11-14 22:13:20.123456Z","1970-01-01 00:00:00Z","1969-12-31 23:59:59.5Z","1969-12-31 23:59:59.999999Z",
  "1969-12-31 23:59:58.25Z","0044-03-15 12:00:00Z BC","4713-01-01 00:00:00Z BC","290000-01-01 00:00:00.000001Z"}'::timestamptz[]) t;
INSERT INTO times_plain VALUES (NULL, NULL, NULL, NULL, NULL, '24:00', NULL), (NULL, NULL, NULL, '5874897-12-31', NULL, '00:00:00.000001', NULL);
\! kafka_tool create-topic --replace times 1
INSERT INTO times_written SELECT * FROM times_plain;
\! kafka_tool consume times -f v
SELECT * FROM times_written EXCEPT ALL SELECT * FROM times_plain;
SELECT count(*) FROM times_written;
\! kafka_tool create-topic --replace times 1
INSERT INTO times_csv SELECT * FROM times_plain;
\! kafka_tool consume times -f v
SELECT * FROM times_csv EXCEPT ALL SELECT * FROM times_plain;
SELECT count(*) FROM times_csv;

-- What has no such number.
INSERT INTO times_written (s) VALUES ('infinity');
INSERT INTO times_csv (ms) VALUES ('-infinity');
INSERT INTO times_written (d) VALUES ('infinity');
INSERT INTO times_written (dms) VALUES ('5874897-12-31');
INSERT INTO times_written (us) VALUES ('294276-12-31 23:59:59');
INSERT INTO times_written (ms) VALUES ('294276-12-31 23:59:59') RETURNING ms;

-- Keys and domains.
CREATE DOMAIN times_late AS timestamptz(0) CHECK (value > '1970-01-01 00:00:00+00');
CREATE FOREIGN TABLE times_keys (k times_late OPTIONS (metadata 'key', timestamp_format 'epoch_ms'), j timestamptz OPTIONS (timestamp_format 'epoch_s')) SERVER times_test OPTIONS (topic 'times');
\! kafka_tool create-topic --replace times 1
INSERT INTO times_keys VALUES ('2023-11-14 22:13:20.9Z', NULL);
\! printf '1400=\\N\n' | kafka_tool produce times -K =
\! kafka_tool consume times -f kv
SELECT * FROM times_keys;
\! printf '0=\\N\n' | kafka_tool produce times -K =
SELECT * FROM times_keys;

-- The manual's example.
CREATE FOREIGN TABLE clicks (
    user_id  bigint,
    at       timestamptz OPTIONS (timestamp_format 'epoch_ms'),
    day      date        OPTIONS (timestamp_format 'epoch_days')
) SERVER times_test OPTIONS (topic 'times');
\! kafka_tool create-topic --replace times 1
\! echo '{"user_id": 7, "at": 1700000000123, "day": 19675}' | kafka_tool produce times
SELECT * FROM clicks;

-- Options
CREATE FOREIGN TABLE times_options (a int OPTIONS (timestamp_format 'epoch_ms'), b timestamp, c timestamptz OPTIONS (metadata 'timestamp')) SERVER times_test OPTIONS (topic 'times');
SELECT b FROM times_options;
ALTER FOREIGN TABLE times_options ALTER a OPTIONS (SET timestamp_format 'iso');
SELECT b FROM times_options;
ALTER FOREIGN TABLE times_options ALTER a OPTIONS (DROP timestamp_format), ALTER b OPTIONS (timestamp_format 'epoch_days');
SELECT a FROM times_options;
ALTER FOREIGN TABLE times_options ALTER b OPTIONS (SET timestamp_format 'EPOCH_MS');
SELECT a FROM times_options;
ALTER FOREIGN TABLE times_options ALTER b OPTIONS (SET timestamp_format 'millis');
ALTER FOREIGN TABLE times_options ALTER c OPTIONS (timestamp_format 'epoch_ms');

DROP FUNCTION times_try;
DROP TABLE times_plain;
DROP SERVER times_test CASCADE;
DROP DOMAIN times_late;
