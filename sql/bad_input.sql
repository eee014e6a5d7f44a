-- What users meet in topics, in every format: the outcome of each is a row or an error that names the record.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE SERVER bad_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

-- Produces lines, key|value each (\N: none), into a new topic.
CREATE FUNCTION bad_produce(VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace bad 1';
  EXECUTE format('COPY (SELECT l FROM unnest(%L::text[]) WITH ORDINALITY AS u (l, n) ORDER BY n) TO PROGRAM %L (FORMAT csv, DELIMITER E''\x01'', QUOTE E''\x02'', ESCAPE E''\x03'')',
                 lines, 'kafka_tool produce bad -K "|" -X message.max.bytes=1048576');
END $$;
-- One column of a table of columns, the formats of value and key given, of a record.
CREATE FUNCTION bad_try(formats text, columns text, record text, OUT state text, OUT outcome text, OUT context text) LANGUAGE plpgsql AS $$
BEGIN
  DROP FOREIGN TABLE IF EXISTS bad_topic;
  EXECUTE format('CREATE FOREIGN TABLE bad_topic (%s) SERVER bad_test OPTIONS (topic ''bad'', format %L, key_format %L)',
                 columns, split_part(formats, ' ', 1), coalesce(nullif(split_part(formats, ' ', 2), ''), 'text'));
  PERFORM bad_produce(record);
  BEGIN
    state := '00000';
    EXECUTE format('SELECT (SELECT to_jsonb(t)::text FROM (SELECT * FROM bad_topic) t)') INTO outcome;
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT, state = RETURNED_SQLSTATE, outcome = MESSAGE_TEXT;
    context := coalesce(substring(context FROM 'topic "bad", ([^\n]*)'), 'no record');
  END;
  outcome := left(outcome, 75) || CASE WHEN length(outcome) > 75 THEN '...' || length(outcome) ELSE '' END;
END $$;

CREATE TYPE bad_pair AS (x int, y text);
SELECT what, formats, left(record, 44) AS record, r.*
FROM (VALUES
  -- json
  ('a value of another type', 'json', 'a int', 'k|{"a": "x"}'),
  ('an object for a number', 'json', 'a int', 'k|{"a": {"b": 1}}'),
  ('a number for an array', 'json', 'a int[]', 'k|{"a": 1}'),
  ('an array for an object', 'json', 'a bad_pair', 'k|{"a": [1]}'),
  ('an int in a string', 'json', 'a int', 'k|{"a": "42"}'),
  ('a fraction for an int', 'json', 'a int', 'k|{"a": 1.5}'),
  ('a number in exponents', 'json', 'a numeric', 'k|{"a": 1e400}'),
  ('too large for a float', 'json', 'a float8', 'k|{"a": 1e400}'),
  ('missing fields', 'json', 'a int, b text, j json', 'k|{}'),
  ('extra fields', 'json', 'a int', 'k|{"a": 1, "b": {"c": [1, 2]}, "a b": null}'),
  ('a field twice', 'json', 'a int', 'k|{"a": 1, "a": 2}'),
  ('broken off', 'json', 'a int', 'k|{"a": 1'),
  ('two objects', 'json', 'a int', 'k|{"a": 1}{"a": 2}'),
  ('not JSON', 'json', 'a int', 'k|a=1'),
  ('an array of objects', 'json', 'a int', 'k|[{"a": 1}]'),
  ('a NUL byte', 'json', 'a text', 'k|{"a": "x\x00y"}'),
  ('an escaped NUL', 'json', 'a text', 'k|{"a": "x\x5cu0000y"}'),
  ('no UTF-8', 'json', 'a text', 'k|{"a": "\xe4"}'),
  ('an empty payload', 'json', 'a int', 'k|'),
  ('spaces', 'json', 'a int', 'k|   '),
  ('a tombstone', 'json', 'a int, k text OPTIONS (metadata ''key'')', 'k|\N'),
  ('a schema id in front', 'json', 'a int', 'k|\x00\x00\x00\x00\x01{"a": 1}'),
  ('100,000 levels', 'json', 'a int', 'k|{"a": 1, "b": ' || repeat('[', 100000) || repeat(']', 100000) || '}'),
  ('100,000 levels, kept as text', 'json', 'a jsonb', 'k|{"a": "' || repeat('[', 100000) || repeat(']', 100000) || '"}'),
  ('1 MB', 'json', 'a text', 'k|{"a": "' || repeat('ä', 500000) || '"}'),
  ('a number of 1 MB', 'json', 'a int', 'k|{"a": ' || repeat('9', 1000000) || '}'),
  ('a name of 1 MB', 'json', 'a int', 'k|{"' || repeat('a', 1000000) || '": 1}'),
  ('1 MB of escapes', 'json', 'a text', 'k|{"a": "' || repeat('\x5cu00e4', 160000) || '"}'),
  -- csv
  ('a value of another type', 'csv', 'a int, b text', 'k|x,b'),
  ('an int in quotes', 'csv', 'a int, b text', 'k|"42",b'),
  ('missing fields', 'csv', 'a int, b text', 'k|1'),
  ('extra fields', 'csv', 'a int, b text', 'k|1,b,c'),
  ('cut off in quotes', 'csv', 'a int, b text', 'k|1,"b'),
  ('cut off after a delimiter', 'csv', 'a int, b text', 'k|1,'),
  ('quotes over line ends', 'csv', 'a int, b text', 'k|1,"two\x0d\x0alines"\x0a'),
  ('a line end without quotes', 'csv', 'a int, b text', 'k|1,two\x0alines'),
  ('two lines', 'csv', 'a int, b text', 'k|1,b\x0a2,c'),
  ('a NUL byte', 'csv', 'a int, b text', 'k|1,x\x00y'),
  ('no UTF-8', 'csv', 'a int, b text', 'k|1,\xe4'),
  ('an empty payload', 'csv', 'a int, b text', 'k|'),
  ('an empty payload of one field', 'csv', 'a int', 'k|'),
  ('a tombstone', 'csv', 'a int, b text', 'k|\N'),
  ('JSON', 'csv', 'a int, b text', 'k|{"a": 1, "b": "x"}'),
  ('1 MB', 'csv', 'a int, b text', 'k|1,' || repeat('x', 1000000)),
  ('1 MB of quotes', 'csv', 'a int, b text', 'k|1,"' || repeat('""', 500000) || '"'),
  ('1 MB of delimiters', 'csv', 'a int, b text', 'k|' || repeat(',', 1000000)),
  ('100,000 levels', 'csv', 'a int, b jsonb', 'k|1,' || repeat('[', 100000)),
  -- text, raw, kafka
  ('a value of another type', 'text', 'a int', 'k|x'),
  ('an empty payload', 'text', 'a text', 'k|'),
  ('an empty payload', 'text', 'a int', 'k|'),
  ('a NUL byte', 'text', 'a text', 'k|x\x00y'),
  ('no UTF-8', 'text', 'a text', 'k|\xe4'),
  ('a tombstone', 'text', 'a text', 'k|\N'),
  ('1 MB', 'text', 'a text', 'k|' || repeat('x', 1000000)),
  ('broken JSON', 'text', 'a jsonb', 'k|{"a": 1'),
  ('100,000 levels', 'text', 'a jsonb', 'k|' || repeat('[', 100000)),
  ('an empty payload', 'raw', 'a bytea', 'k|'),
  ('a NUL byte', 'raw', 'a bytea', 'k|x\x00y'),
  ('a tombstone', 'raw', 'a bytea', 'k|\N'),
  ('1 MB', 'raw', 'a bytea', 'k|' || repeat('x', 1000000)),
  ('an int as text', 'kafka', 'a int', 'k|42'),
  ('an int for a long', 'kafka', 'a bigint', 'k|\x00\x00\x00\x2a'),
  ('an empty payload', 'kafka', 'a int', 'k|'),
  ('a tombstone', 'kafka', 'a int', 'k|\N'),
  ('1 MB', 'kafka', 'a int', 'k|' || repeat('x', 1000000)),
  -- keys
  ('no key', 'raw text', 'k text OPTIONS (metadata ''key''), v bytea', '\N|v'),
  ('an empty key', 'raw text', 'k text OPTIONS (metadata ''key''), v bytea', '|v'),
  ('an empty key', 'raw json', 'k jsonb OPTIONS (metadata ''key''), v bytea', '|v'),
  ('an empty key', 'raw kafka', 'k int OPTIONS (metadata ''key''), v bytea', '|v'),
  ('a NUL byte', 'raw text', 'k text OPTIONS (metadata ''key''), v bytea', 'x\x00|v'),
  ('a value of another type', 'raw text', 'k int OPTIONS (metadata ''key''), v bytea', 'x|v'),
  ('broken JSON', 'raw json', 'k int OPTIONS (metadata ''key'', key_field ''id''), v bytea', '{"id": 1|v'),
  ('missing fields', 'raw json', 'k int OPTIONS (metadata ''key'', key_field ''id''), v bytea', '{}|v'),
  ('no object', 'raw json', 'k int OPTIONS (metadata ''key'', key_field ''id''), v bytea', '7|v'),
  ('an int in a string', 'raw json', 'k int OPTIONS (metadata ''key'', key_field ''id''), v bytea', '{"id": "7"}|v'),
  ('100,000 levels', 'raw json', 'k jsonb OPTIONS (metadata ''key''), v bytea', repeat('[', 100000) || repeat(']', 100000) || '|v'),
  ('1 MB', 'raw json', 'k int OPTIONS (metadata ''key'', key_field ''id''), v bytea', '{"x": "' || repeat('x', 1000000) || '", "id": 7}|v'),
  ('1 MB', 'raw text', 'k text OPTIONS (metadata ''key''), v bytea', repeat('x', 1000000) || '|v')
) AS v (what, formats, columns, record), bad_try(formats, columns, record) r;

-- A record of another schema in the middle: it is named, the others can be read, and it can be looked at.
CREATE FUNCTION bad_middle(format text, columns text, good text, bad text) RETURNS TABLE (query text, outcome text) LANGUAGE plpgsql AS $$
BEGIN
  DROP FOREIGN TABLE IF EXISTS bad_topic;
  EXECUTE format('CREATE FOREIGN TABLE bad_topic (%s, _offset bigint OPTIONS (metadata ''offset''), _value bytea OPTIONS (metadata ''value'')) SERVER bad_test OPTIONS (topic ''bad'', format %L)', columns, format);
  PERFORM bad_produce('k|' || good, 'k|' || bad, 'k|' || good);
  FOREACH query IN ARRAY ARRAY['sum(a) FROM bad_topic', 'count(*) FROM bad_topic', 'sum(a) FROM bad_topic WHERE _offset > 1', 'max(length(_value)) FROM bad_topic WHERE _offset = 1'] LOOP
    BEGIN
      EXECUTE 'SELECT ' || query INTO outcome;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS outcome = PG_EXCEPTION_CONTEXT;
      outcome := SQLERRM || ' (' || substring(outcome FROM 'topic "bad", ([^\n]*)') || ')';
    END;
    RETURN NEXT;
  END LOOP;
END $$;
SELECT format, r.* FROM (VALUES ('json', 'a int', '{"a": 1}', '{"a": {"value": 1}, "version": 2}'), ('csv', 'a int, b text', '1,x', '2023-11-14;1;x'), ('kafka', 'a int', '\x00\x00\x00\x01', '{"a": 1}'))
  AS v (format, columns, good, bad), bad_middle(format, columns, good, bad) r;

-- Headers: 10,000 of them, one with NUL bytes, one without a value.
CREATE FOREIGN TABLE bad_headers (a int, h kafka.header[] OPTIONS (metadata 'headers'), o bigint OPTIONS (metadata 'offset')) SERVER bad_test OPTIONS (topic 'bad');
\! kafka_tool create-topic --replace bad 1
\! echo '{"a": 1}' | kafka_tool produce bad $(seq -f '-Hname%g=value' 10000)
SELECT cardinality(h), h[1], h[10000], (SELECT count(DISTINCT (e).key) FROM unnest(h) e) AS names FROM bad_headers;
SELECT a FROM bad_headers;
INSERT INTO bad_headers SELECT 2, h || h || ARRAY[('nul', '\x00ff')::kafka.header, ('none', NULL)::kafka.header] FROM bad_headers RETURNING o;
SELECT cardinality(h), h[20001], h[20002] FROM bad_headers WHERE a = 2;

DROP FUNCTION bad_produce, bad_try, bad_middle;
DROP SERVER bad_test CASCADE;
DROP TYPE bad_pair;
