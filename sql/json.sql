-- JSON values as rows: fields, paths, types.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER json_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

CREATE FUNCTION json_topic(VARIADIC record_values text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace json 1';
  EXECUTE format('COPY (SELECT v FROM unnest(%L::text[]) AS v) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x02'')',
                 record_values, 'kafka_tool produce json -p 0');
END $$;
CREATE FOREIGN TABLE json_values (
  _offset bigint OPTIONS (metadata 'offset'), a int, t text, n numeric, b bool, j json, jb jsonb
) SERVER json_test OPTIONS (topic 'json');

-- Absent fields and null are NULL; json and jsonb keep null.  The last one of a name counts.
SELECT json_topic('{"a": 1, "t": "x", "n": 1.0, "b": true, "j": {"k": [1, 2]}, "jb": {"z": 1, "k": 2}}',
                  '{}', '{"a": null, "t": null, "n": null, "b": null, "j": null, "jb": null}',
                  '{"a": 1, "a": 2, "b": "no", "t": "x", "t": null}', ' {"unknown": {"a": 7}, "a": "8"} ');
SELECT * FROM json_values ORDER BY _offset;
SELECT _offset, j IS NULL AS j, jb IS NULL AS jb FROM json_values ORDER BY _offset;

-- Any JSON as text, or as JSON; strings are decoded.
SELECT json_topic('{"t": 1e2, "jb": 1e2, "j": 1e2}', '{"t": [1,  {"x": "y"}], "jb": "s", "j": "s"}', '{"t": true, "j": [1,  2]}',
                  '{"t": "tab\t \"quoted\" \\ \u00e4 \ud83d\ude00", "jb": "\u00e4", "j": "\u00e4"}', '{"t": ""}');
SELECT _offset, t, j, jb FROM json_values ORDER BY _offset;

-- Numbers without loss.
SELECT json_topic('{"n": 123456789012345678901234567890.123456789012345678901234567890, "a": 2147483647, "jb": 9007199254740993}',
                  '{"n": 1e-30, "a": -2147483648}', '{"n": -0.000}', '{"n": "12.50"}');
SELECT _offset, n, a, jb FROM json_values ORDER BY _offset;

-- Names: exact, else without regard to case; paths; names with a dot.
CREATE FOREIGN TABLE json_names (
  _offset bigint OPTIONS (metadata 'offset'), customerid int, "customerId" int, street text OPTIONS (field 'address.street'),
  address jsonb, dotted text OPTIONS (field 'a\.b'), deep int OPTIONS (field 'x.y.z'), exact int OPTIONS (field 'Exact')
) SERVER json_test OPTIONS (topic 'json');
SELECT json_topic('{"customerId": 1, "CUSTOMERID": 2}', '{"customerid": 3}', '{"CustomerID": 4, "customerid": 5}', '{"customerid": 5, "CustomerID": 4}',
                  '{"address": {"street": "s", "no": 1}, "a.b": "d", "x": {"y": {"z": 6}}}', '{"address": "none", "a": {"b": "not"}, "x": {"y": [{"z": 7}]}}',
                  '{"x": {"y": {"z": 1}}, "x": {"y": 2}}', '{"exact": 1, "EXACT": 2}', '{"Exact": 3}', '{"\u0045xact": 4, "street": "no"}');
SELECT * FROM json_names ORDER BY _offset;

-- Arrays and composites.
CREATE TYPE json_point AS (x int, y int);
CREATE FOREIGN TABLE json_nested (
  _offset bigint OPTIONS (metadata 'offset'), i int[], p json_point, ps json_point[], t text[], d date[]
) SERVER json_test OPTIONS (topic 'json');
SELECT json_topic('{"i": [1, null, 3], "p": {"x": 1, "y": 2}, "ps": [{"x": 3}, null], "t": ["a,b", "", null], "d": ["2024-02-29"]}',
                  '{"i": [[1, 2], [3, 4]], "p": null, "ps": [], "t": [1, true, {"a": 1}]}', '{"i": "{5,6}", "p": "(7,8)"}');
SELECT * FROM json_nested ORDER BY _offset;

-- A tombstone is a row of NULLs; what no column needs is not looked at.
SELECT json_topic('{"a": 1}', '\N', '{"a": "x"}');
SELECT a FROM json_values;
SELECT _offset, t FROM json_values ORDER BY 1;
SELECT count(*) FROM json_values;

DROP FUNCTION json_topic;
SET client_min_messages = warning;
DROP SERVER json_test CASCADE;
DROP TYPE json_point;
