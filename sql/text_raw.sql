-- The formats text and raw: one column is the whole value.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER text_raw_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace text_raw 1
\! printf 'a=plain\nb=\nc=\\N\n=\\x00\\xff\n' | kafka_tool produce text_raw -K =
CREATE FOREIGN TABLE text_lines (line text, k text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset'))
  SERVER text_raw_test OPTIONS (topic 'text_raw', format 'text');
CREATE FOREIGN TABLE raw_values (o bigint OPTIONS (metadata 'offset'), k bytea OPTIONS (metadata 'key'), bytes bytea)
  SERVER text_raw_test OPTIONS (topic 'text_raw', format 'raw');

-- An empty value is no tombstone.  Text is UTF-8, and zero bytes are none.
SELECT o, k, bytes, bytes IS NULL AS "null" FROM raw_values ORDER BY o;
SELECT * FROM text_lines;
SELECT o, k FROM text_lines ORDER BY o;
SELECT count(*) FROM text_lines;

-- Any type may be the column of text.
\! kafka_tool create-topic --replace text_raw 1
\! printf '2024-02-29 12:00:00+00\n2024-02-29 13:00:00+01\n' | kafka_tool produce text_raw
CREATE FOREIGN TABLE text_times (at timestamptz) SERVER text_raw_test OPTIONS (topic 'text_raw', format 'text');
SELECT count(*), min(at) = max(at) AS same FROM text_times;
CREATE FOREIGN TABLE text_ints (i int) SERVER text_raw_test OPTIONS (topic 'text_raw', format 'text');
SELECT * FROM text_ints;
\! kafka_tool create-topic --replace text_raw 1
\! printf '{"a": [1, 2]}\n[3]\n' | kafka_tool produce text_raw
CREATE FOREIGN TABLE text_json (j jsonb) SERVER text_raw_test OPTIONS (topic 'text_raw', format 'text');
SELECT j FROM text_json ORDER BY j;

-- Written and read back: text and bytes, empty or not, with and without a key.
\! kafka_tool create-topic --replace text_raw 1
INSERT INTO text_lines (line, k) VALUES ('ä €', 'ö'), ('', ''), (E'two\nlines', NULL);
INSERT INTO raw_values (bytes, k) VALUES ('\x00ff00', '\x00'), ('', '');
SELECT o, k, bytes FROM raw_values ORDER BY o;
\! kafka_tool consume text_raw

-- The value cannot be NULL, except as a tombstone; and it is one column.
INSERT INTO text_lines VALUES (NULL, 'k');
INSERT INTO raw_values (bytes) VALUES (NULL);
ALTER FOREIGN TABLE text_lines ADD second int;
SELECT * FROM text_lines;
INSERT INTO text_lines VALUES ('x');
ALTER FOREIGN TABLE text_lines DROP line, DROP second;
SELECT count(*) FROM text_lines;
ALTER FOREIGN TABLE raw_values ALTER bytes TYPE text;
SELECT count(*) FROM raw_values;

SET client_min_messages = warning;
DROP SERVER text_raw_test CASCADE;
