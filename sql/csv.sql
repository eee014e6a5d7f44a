-- The format csv: lines as COPY has them, read and written.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER csv_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE csv_topic (id int, _offset bigint OPTIONS (metadata 'offset'), name text, n numeric)
  SERVER csv_test OPTIONS (topic 'csv', format 'csv');

-- Each element of an array is the value of a record.
CREATE FUNCTION csv_produce(VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace csv 1';
  EXECUTE format('COPY (SELECT l FROM unnest(%L::text[]) AS l) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')',
                 lines, 'kafka_tool produce csv');
END $$;
CREATE FUNCTION csv_try(line text, column_name text DEFAULT 'id') RETURNS TABLE (sqlstate text, message text, context text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM csv_produce(line);
  EXECUTE format('SELECT %I::text FROM csv_topic', column_name) INTO message;
  RETURN QUERY SELECT '00000', message, NULL;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
  RETURN QUERY SELECT SQLSTATE, SQLERRM, substring(context FROM 'topic "[^\n]*');
END $$;

-- Quotes, empty and NULL; a line end behind the line, and one in quotes; a tombstone.
SELECT csv_produce('1,a,1.5', '2,"a ""b"", c",', '3,"",', '4,,7', '5, x ,8', '6,a"b,c"d,9', '7,"line\x0aend",1', '8,x,1\x0d\x0a', '\N', '9,"ä€",0');
SELECT id, _offset, name, name IS NULL AS "null", n FROM csv_topic ORDER BY _offset;
SELECT count(*), count(n) FROM csv_topic;

-- Bad lines. Fields that the query does not use are not converted, but counted.
SELECT l, e.* FROM unnest(ARRAY['', '1', '1,a', '1,a,1,', '1,a,1,2', '1,"a,1', '1,"a"",1', '1,a\x0ab,1', '1,a,1\x0a\x0a', 'x,a,1', '"",a,1', '1,a,x',
  '1,\xff,1', '1,\xc3,1', '1,a\x00b,1', '{"id": 1}', '\x00\x00\x00\x00\x07abc', '99999999999,a,1']) AS l, csv_try(l) e;
SELECT l, e.* FROM unnest(ARRAY['1,a,x', '1,a,1e999999', '1,a,"NaN"']) AS l, csv_try(l, 'n') e;

-- Other characters, as COPY's options.
CREATE FOREIGN TABLE csv_other (id int, name text, n numeric)
  SERVER csv_test OPTIONS (topic 'csv', format 'csv', delimiter ';', quote '''', escape E'\\', "null" 'NULL');
SELECT csv_produce('1;a,b;NULL', '2;\x27it\x5c\x27s \x5c\x5c\x27;3', '3;\x27NULL\x27;1', '4;;0');
SELECT id, name, name IS NULL AS "null", n FROM csv_other ORDER BY id;

-- Written: quotes only where they are needed; what is written reads back equal.
\! kafka_tool create-topic --replace csv 1
INSERT INTO csv_other VALUES (1, 'it''s; \ ', 1), (2, NULL, NULL), (3, 'NULL', 0), (4, '', 0), (5, E'a\nb', 0), (6, 'a,"b"', 0);
\! kafka_tool consume csv -f v
SELECT id, name, name IS NULL AS "null", n FROM csv_other ORDER BY id;
\! kafka_tool create-topic --replace csv 1
CREATE FOREIGN TABLE csv_types (k text OPTIONS (metadata 'key', field 'k'), a int[], at timestamptz, j jsonb, b boolean, f float8, d bytea, t text)
  SERVER csv_test OPTIONS (topic 'csv', format 'csv');
SET timezone = 'America/New_York';
SET datestyle = 'German';
INSERT INTO csv_types VALUES ('k1', '{1,NULL}', '2024-02-29 12:00:00.5+00', '{"a": "b,c"}', true, 0.1, '\x00ff', '\.'), ('k2', '[0:1]={1,2}', 'infinity', 'null', false, 'NaN', '', ''), ('k3', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
RESET datestyle;
RESET timezone;
\! kafka_tool consume csv
SET timezone = 'UTC';
SELECT * FROM csv_types ORDER BY k;
RESET timezone;
CREATE FOREIGN TABLE csv_one (t text) SERVER csv_test OPTIONS (topic 'csv', format 'csv');
\! kafka_tool create-topic --replace csv 1
INSERT INTO csv_one VALUES (NULL), (''), ('x');
SELECT t, t IS NULL AS "null" FROM csv_one;

-- Options
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'json', delimiter ';');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', "null" 'x');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', delimiter ';;');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', delimiter '');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', quote E'\n');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', escape 'ä');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', delimiter '"');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', "null" 'a,b');
CREATE FOREIGN TABLE csv_options (a int) SERVER csv_test OPTIONS (topic 'csv', format 'csv', "null" E'a\nb');
CREATE FOREIGN TABLE csv_options (a int OPTIONS (field 'b')) SERVER csv_test OPTIONS (topic 'csv', format 'csv', delimiter E'\t');
SELECT * FROM csv_options;
INSERT INTO csv_options VALUES (1);
SELECT option, value, set_where FROM kafka.options('csv_other') WHERE option IN ('delimiter', 'quote', 'escape', 'null') ORDER BY option;

DROP FUNCTION csv_produce, csv_try;
SET client_min_messages = warning;
DROP SERVER csv_test CASCADE;
