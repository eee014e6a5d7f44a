-- The JSON that other programs see: arrays, objects and ISO dates, and a type's own text form where JSON would lose something.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE EXTENSION hstore;
RESET client_min_messages;
CREATE SERVER json_written_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace json_written 1

CREATE TYPE json_written_point AS (x int, label text, doc jsonb);
CREATE FUNCTION json_written(type text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE FOREIGN TABLE json_written (v %s) SERVER json_written_test OPTIONS (topic ''json_written'')', type);
  EXECUTE format('INSERT INTO json_written VALUES (%L)', value);
  DROP FOREIGN TABLE json_written;
  RETURN type;
END $$;

SELECT json_written(type, value) FROM (VALUES
  ('boolean', 'true'), ('int', '1'), ('numeric', '1.50'), ('float8', 'NaN'), ('text', 'a "b"'), ('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  ('bytea', '\x00ff'), ('date', '2024-02-29'), ('timestamp', '2024-02-29 12:00:00.5'), ('timestamptz', '2024-02-29 12:00:00+01'), ('interval', '1 day'),
  ('jsonb', '{"a": [1, null]}'), ('jsonb', 'null'), ('jsonb', NULL), ('int', NULL),
  ('int[]', '{1,NULL,3}'), ('int[]', '{{1,2},{3,4}}'), ('int[]', '{{{1},{2}},{{3},{4}}}'), ('int[]', '{}'), ('text[]', '{a,"NULL",NULL}'), ('date[]', '{2024-02-29}'), ('jsonb[]', '{"{\"a\": 1}",NULL}'),
  ('json_written_point', '(1,a,"[1]")'), ('json_written_point', '(,,)'), ('json_written_point[]', '{"(1,,)",NULL}'),
  ('hstore', '"a"=>"1"'), ('hstore[]', '{"\"a\"=>\"1\""}'),
  ('int[]', '[0:1]={1,2}'), ('jsonb[]', '{"null",NULL}'), ('jsonb[]', '{"[1]"}'), ('json_written_point', '(1,,null)'), ('json_written_point[]', '{"(1,,null)","(2,,)"}')
) AS v (type, value);
\! kafka_tool consume json_written

DROP FUNCTION json_written;
SET client_min_messages = warning;
DROP SERVER json_written_test CASCADE;
DROP TYPE json_written_point;
DROP EXTENSION hstore;
