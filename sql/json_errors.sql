-- JSON values that cannot be read: the error names record and column, and nothing crashes.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER json_errors_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

CREATE FOREIGN TABLE json_errors (a int, t text, j json, jb jsonb, c varchar(2)) SERVER json_errors_test OPTIONS (topic 'json_errors');
CREATE FOREIGN TABLE json_errors_feed (a int, t text) SERVER json_errors_test OPTIONS (topic 'json_errors', group_id 'json_errors');

-- A table of one column of what a new topic holds
CREATE FUNCTION json_errors_of(value text, column_name text DEFAULT 'a') RETURNS TABLE (sqlstate text, message text, context text)
LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace json_errors 1';
  EXECUTE format('COPY (SELECT %L) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x02'')',
                 value, 'kafka_tool produce json_errors');
  BEGIN
    EXECUTE format('SELECT %I::text FROM json_errors', column_name) INTO result;
    RETURN QUERY SELECT 'no error', result, NULL;
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY SELECT SQLSTATE, SQLERRM, substring(context FROM 'topic "[^\n]*');
  END;
END $$;

-- No JSON, no object.
SELECT v, e.* FROM unnest('{"",x,"{",NULL,"{\"a\": 1","{\"a\": 1} x","[{\"a\": 1}]",5,"null","\"a\"","{\"a\" 1}","{''a'': 1}","{\"a\": 01}"}'::text[]) AS v, json_errors_of(v) e;
-- A value that does not suit the column.
SELECT v, e.* FROM unnest('{"{\"a\": \"x\"}","{\"a\": 2147483648}","{\"a\": 1.5}","{\"a\": true}","{\"a\": \"\"}","{\"a\": [1]}","{\"a\": {\"b\": 1}}"}'::text[]) AS v, json_errors_of(v) e;
SELECT * FROM json_errors_of('{"c": "abc"}', 'c');

-- Bytes: invalid UTF-8, zero bytes, half a surrogate pair, a schema registry's header.
SELECT v, e.* FROM unnest(ARRAY['{"t": "\xff"}', '{"t": "\xc3"}', '{"t": "a\x00b"}', '{"t": "\x5cu0000"}', '{"t": "\x5cud83d"}', '\x00\x00\x00\x00\x07{"t": 1}', '\x00{']) AS v,
  json_errors_of(v, 't') e;
SELECT * FROM json_errors_of('{"jb": "\x5cu0000"}', 'jb');
SELECT * FROM json_errors_of('{"j": "\x5cu0000", "a": 1}', 'j');
SELECT * FROM json_errors_of('\xef\xbb\xbf{"a": 1}');
\! kafka_tool create-topic --replace json_errors 1
\! printf '\\x00\\x00\\x00\\x00\\x07\\x02' | kafka_tool produce json_errors
SELECT * FROM json_errors;

-- Deep JSON ends at the stack's limit, not in a crash; large values are read.
\set VERBOSITY sqlstate
\! kafka_tool create-topic --replace json_errors 1
\! { printf '{"a": 1, "j": '; head -c 100000 /dev/zero | tr '\0' '['; head -c 100000 /dev/zero | tr '\0' ']'; echo '}'; } | kafka_tool produce json_errors
SELECT a FROM json_errors;
\! kafka_tool create-topic --replace json_errors 1
\! { printf '{"a": 1, "j": '; for i in $(seq 20000); do printf '{"a":'; done; } | kafka_tool produce json_errors
SELECT a FROM json_errors;
DO $$ BEGIN
  EXECUTE format('CREATE FOREIGN TABLE json_errors_path (a int OPTIONS (field %L)) SERVER json_errors_test OPTIONS (topic ''json_errors'')',
                 repeat('a.', 300000) || 'a');
END $$;
SELECT a FROM json_errors_path;
INSERT INTO json_errors_path VALUES (1);
DROP FOREIGN TABLE json_errors_path;
\set VERBOSITY default
\! kafka_tool create-topic --replace json_errors 1
\! { printf '{"t": "'; head -c 900000 /dev/zero | tr '\0' 'x'; echo '"}'; } | kafka_tool produce json_errors
SELECT length(t) FROM json_errors;

-- A record that cannot be read is not consumed.
\! echo '{"a": "x"}' | kafka_tool produce json_errors
SELECT a FROM json_errors_feed;
SELECT a FROM json_errors_feed;
SELECT count(*) FROM json_errors_feed;

DROP FUNCTION json_errors_of;

SET client_min_messages = warning;
DROP SERVER json_errors_test CASCADE;
