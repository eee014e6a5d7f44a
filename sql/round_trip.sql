-- What INSERT writes, SELECT reads back equal, whatever the settings of the two sessions.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE EXTENSION hstore;
RESET client_min_messages;
CREATE SERVER round_trip_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

CREATE TYPE round_trip_pair AS (i int, t text, at timestamptz, j jsonb);
CREATE TYPE round_trip_mood AS ENUM ('fine', 'so "so"');
CREATE DOMAIN round_trip_percent AS numeric(5, 2) CHECK (value <= 100);
CREATE DOMAIN round_trip_tags AS hstore;
CREATE DOMAIN round_trip_list AS int[];
CREATE DOMAIN round_trip_doc AS jsonb;
CREATE TYPE round_trip_nested AS (a int[], p round_trip_pair, ps round_trip_pair[], h hstore, d round_trip_tags, js json[], "a b" text);
CREATE DOMAIN round_trip_known AS round_trip_nested CHECK ((value).a IS NOT NULL);
CREATE TABLE round_trip_values (id serial, type text, value text);
INSERT INTO round_trip_values (type, value) VALUES
  ('boolean', 'true'), ('boolean', 'false'), ('smallint', '-32768'), ('int', '2147483647'), ('bigint', '9007199254740993'),
  ('real', '0.1'), ('real', '3.4028235e38'), ('float8', '0.30000000000000004'), ('float8', '5e-324'), ('float8', '-0'),
  ('float8', 'NaN'), ('float8', '-Infinity'), ('numeric', '123456789012345678901234567890.00000000000000000000000000010'),
  ('numeric', 'NaN'), ('numeric', '-Infinity'), ('numeric(5,2)', '1.5'), ('money', '-1234.56'), ('round_trip_percent', '99.5'),
  ('text', ''), ('text', E'"\\\b\f\n\r\t\x01\x7f/ ä € 😀'), ('text', 'null'), ('text', '{"a":1}'), ('varchar(3)', 'abc'),
  ('char(5)', 'ab'), ('"char"', 'x'), ('"char"', ''), ('"char"', '\303'), ('name', 'n'), ('bytea', ''), ('bytea', '\x00ff5c'),
  ('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), ('date', '2024-02-29'), ('date', '0044-03-15 BC'), ('date', 'infinity'),
  ('date', '5874897-12-31'), ('time', '23:59:59.999999'), ('time', '24:00:00'), ('timetz', '12:00:00+05:30'), ('time(0)', '12:00:01'),
  ('timestamp', '2024-02-03 12:34:56.789012'), ('timestamp', '-infinity'), ('timestamp', '0044-03-15 12:00:00 BC'),
  ('timestamptz', '2024-10-27 01:30:00+00'), ('timestamptz', '0044-03-15 12:00:00+00 BC'), ('timestamptz', 'infinity'),
  ('timestamptz', '294276-12-31 23:59:59+00'), ('interval', '1 year -2 mons +3 days -04:05:06.789'), ('interval', '-1 day +00:00:01'),
  ('json', '{"b":  1, "a": [1.0], "b": null}'), ('json', 'null'), ('json', '"s"'), ('json', '"\u0000"'),
  ('jsonb', '{"b": 1, "a": [1.0]}'), ('jsonb', 'null'), ('jsonb', '"s"'), ('jsonb', '12345678901234567890.10'),
  ('jsonpath', '$.a[*] ? (@ > 1)'), ('xml', '<a b="c">&amp;</a>'), ('xml', 'no root'), ('inet', '::1/64'), ('cidr', '10.0.0.0/8'),
  ('macaddr', '08:00:2b:01:02:03'), ('macaddr8', '08:00:2b:01:02:03:04:05'), ('bit(3)', '101'), ('varbit', ''),
  ('tsvector', '''a'':1A ''b c'''), ('tsquery', '''a'' & !''b'''), ('point', '(0.1,-2e300)'), ('line', '{1,2,3}'),
  ('lseg', '[(0,0),(1,1)]'), ('box', '(1,1),(0,0)'), ('path', '((0,0),(1,0))'), ('polygon', '((0,0),(1,0),(1,1))'),
  ('circle', '<(0.1,0),2>'), ('pg_lsn', 'FF/ABC'), ('oid', '4294967295'), ('xid8', '12'), ('tid', '(1,2)'),
  ('regclass', 'pg_class'), ('regtype', 'timestamptz'), ('regprocedure', 'now()'), ('int4range', '[1,10)'),
  ('int4range', 'empty'), ('tstzrange', '["2024-02-03 00:00:00+00",)'), ('numrange', '(,1.5]'),
  ('datemultirange', '{[2024-02-03,2024-02-10),[2025-02-03,)}'), ('round_trip_mood', 'so "so"'),
  ('round_trip_pair', '(1,"a ""b"", c","2024-02-03 12:00:00+00","{""k"": 1}")'), ('round_trip_pair', '(,,,)'),
  ('int[]', '{}'), ('int[]', '{1,NULL,3}'), ('int[]', '{{1,2},{3,4}}'), ('int[]', '[0:1]={1,2}'), ('int2vector', '1 2'),
  ('text[]', '{NULL,"NULL","","a,b","{}","\"\\"}'), ('float8[]', '{NaN,0.1,-Infinity}'),
  ('timestamptz[]', '{"2024-02-03 12:00:00+00",infinity}'), ('bytea[]', '{"\\x00"}'), ('jsonb[]', '{"{\"a\": 1}",NULL}'),
  ('round_trip_percent[]', '{1.50,NULL}'), ('round_trip_mood[]', '{fine}'), ('date[]', '{2024-02-03,"0044-03-15 BC"}'),
  ('round_trip_pair[]', '{"(1,x,,)",NULL}'), ('int4range[]', '{"[1,2)"}'), ('interval[]', '{"1 mon -1 days"}'),
  -- whose JSON is not what they are read from
  ('hstore', '"a"=>"1", "b"=>NULL, "q"=>"\"x\""'), ('hstore', ''), ('round_trip_tags', '"a"=>"1"'), ('hstore[]', '{"\"a\"=>\"1\"",NULL}'),
  ('round_trip_tags[]', '{"\"a\"=>NULL"}'),
  -- JSON in arrays and composites: null is not NULL, an array is no dimension, escapes stay
  ('json[]', '{"null",NULL}'), ('jsonb[]', '{"null",NULL,"1"}'), ('jsonb[]', '{NULL,NULL}'), ('json[]', '{"[1, 2]","[3]"}'),
  ('jsonb[]', '{"[1, 2]","[3, 4]"}'), ('jsonb[]', '{"[]","{\"a\": [1]}"}'), ('json[]', '{"{\"a\":  [1]}"}'), ('json[]', '{"\"\\u0000\""}'),
  ('json[]', '{"\"\\ud800\"","{\"k\": \"\\u0000\"}"}'), ('json[]', '{"\"\\/\"","\"s\"",1.0}'), ('jsonb[]', '{{"1","{\"a\": 2}"},{NULL,"3"}}'),
  ('round_trip_doc', 'null'), ('round_trip_doc[]', '{"null","\"\""}'), ('round_trip_pair', '(,,,null)'), ('round_trip_pair', '(1,,,"[1, null]")'),
  ('round_trip_pair[]', '{"(,,,null)",NULL,"(1,x,,)"}'),
  -- what JSON arrays cannot tell
  ('int[]', '[2:3][0:1]={{1,2},{3,4}}'), ('text[]', '{{a,NULL},{"",c}}'), ('round_trip_list', '{1,2}'), ('round_trip_list', '[5:5]={1}'),
  ('round_trip_list[]', '{"{1,2}","{3}",NULL,"{}"}'), ('round_trip_list[]', '{"{1,2}","{3,4}"}'), ('"char"[]', '{x,NULL,""}'),
  ('round_trip_nested', '("[0:1]={1,2}","(1,""a,b"",,null)","{""(,,,null)""}","""a""=>""1""","""b""=>NULL","{""\\""\\\\u0000\\""""}",)'),
  ('round_trip_nested', '("{{1},{2}}","(,,,)",{},,,"{1,NULL}","")'), ('round_trip_nested', '(,,,,,,)'),
  ('round_trip_nested[]', '{"(\"[3:3]={1}\",,,,,\"{null}\",)",NULL}'), ('round_trip_known', '({},,,,,"{""null""}",x)'),
  ('boolean', NULL), ('text', NULL), ('json', NULL), ('jsonb', NULL), ('int[]', NULL), ('timestamptz', NULL), ('round_trip_pair', NULL);

-- A column for each value: a table that holds them, one that gets them back, and the topic.
SELECT string_agg(format('c%s %s', id, type), ', ' ORDER BY id) AS columns,
       string_agg(format('%L', value), ', ' ORDER BY id) AS values
FROM round_trip_values \gset
CREATE TABLE round_trip (:columns);
SET datestyle = 'ISO, YMD';
INSERT INTO round_trip VALUES (:values);
CREATE TABLE round_trip_back (:columns);
CREATE FOREIGN TABLE round_trip_topic (:columns) SERVER round_trip_test OPTIONS (topic 'round_trip');
CREATE FUNCTION round_trip_differences() RETURNS TABLE (type text, written text, read_back text) LANGUAGE plpgsql AS $$
DECLARE v record;
BEGIN
  FOR v IN SELECT * FROM round_trip_values ORDER BY id LOOP
    EXECUTE format('SELECT c%s::text FROM round_trip', v.id) INTO written;
    EXECUTE format('SELECT c%s::text FROM round_trip_back', v.id) INTO read_back;
    type := v.type;
    IF written IS DISTINCT FROM read_back THEN RETURN NEXT; END IF;
  END LOOP;
END $$;

\! kafka_tool create-topic --replace round_trip 1
SET datestyle = 'German';
SET timezone = 'America/New_York';
SET intervalstyle = 'sql_standard';
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SET xmloption = 'document';
SET search_path = pg_catalog, pg_temp, public;
INSERT INTO public.round_trip_topic SELECT * FROM public.round_trip;
SHOW datestyle;
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kathmandu';
SET intervalstyle = 'iso_8601';
SET search_path = pg_temp;
INSERT INTO public.round_trip_back SELECT * FROM public.round_trip_topic;
SHOW timezone;
RESET ALL;
SELECT count(*) FROM round_trip_back;
SELECT * FROM round_trip_differences();

DROP FUNCTION round_trip_differences;
DROP TABLE round_trip_values, round_trip, round_trip_back;
SET client_min_messages = warning;
DROP SERVER round_trip_test CASCADE;
DROP DOMAIN round_trip_known;
DROP TYPE round_trip_nested, round_trip_pair, round_trip_mood;
DROP DOMAIN round_trip_percent, round_trip_tags, round_trip_list, round_trip_doc;
DROP EXTENSION hstore;
