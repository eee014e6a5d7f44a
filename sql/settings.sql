-- Values are read under fixed settings; what a domain's function does to settings is seen by SHOW and counts, as anywhere.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER settings_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace settings 1

CREATE FUNCTION settings_note(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'timezone % means %, datestyle % means %', current_setting('timezone'), timestamptz '2024-07-01 00:00+00',
    current_setting('datestyle'), date '2024-07-01';
  RETURN true;
END $$;
CREATE FUNCTION settings_change(int) RETURNS boolean LANGUAGE sql AS $$ SELECT set_config('timezone', 'Asia/Tokyo', $1 = 1) IS NOT NULL $$;
CREATE DOMAIN settings_noted AS int CHECK (settings_note(value));
CREATE DOMAIN settings_changed AS int CHECK (settings_change(value));
CREATE TYPE settings_pair AS (a settings_changed[], b text);
CREATE FOREIGN TABLE settings_noting (a settings_noted, at timestamptz) SERVER settings_test OPTIONS (topic 'settings');
CREATE FOREIGN TABLE settings_changing (a settings_changed) SERVER settings_test OPTIONS (topic 'settings');
CREATE FOREIGN TABLE settings_changing_inside (p settings_pair) SERVER settings_test OPTIONS (topic 'settings');
CREATE FOREIGN TABLE settings_changing_partition (a int, p settings_changed OPTIONS (metadata 'partition')) SERVER settings_test OPTIONS (topic 'settings');
\! echo '{"a": 1, "at": "2024-07-01 12:00:00", "p": {"a": [2]}}' | kafka_tool produce settings

SET timezone = 'America/New_York';
SET datestyle = 'German';
SELECT * FROM settings_noting;
SHOW timezone;

-- local to the reading of the record
SELECT * FROM settings_changing;
SHOW timezone;
SELECT timestamptz '2024-07-01 00:00+00';
-- for the session
SELECT * FROM settings_changing_inside;
SHOW timezone;
SELECT timestamptz '2024-07-01 00:00+00';
SET timezone = 'America/New_York';
SELECT * FROM settings_changing_partition;
SHOW timezone;
SELECT timestamptz '2024-07-01 00:00+00';

-- after an error
SET timezone = 'America/New_York';
\! echo '{"a": "x"}' | kafka_tool produce settings
SELECT * FROM settings_changing;
SHOW timezone;
SELECT timestamptz '2024-07-01 00:00+00', date '2024-07-01';

RESET timezone;
RESET datestyle;

-- A function that says it is immutable may have settings of its own, which end with it, with an error too.
CREATE FUNCTION settings_year(timestamptz) RETURNS int LANGUAGE plpgsql IMMUTABLE SET timezone = 'Asia/Tokyo' SET bytea_output = 'escape' AS $$
BEGIN
  IF $1 < '2000-01-01' THEN RAISE EXCEPTION 'too early'; END IF;
  RETURN extract(year FROM $1);
END $$;
CREATE DOMAIN settings_young AS timestamptz CHECK (settings_year(value) > 1999);
CREATE FOREIGN TABLE settings_own (a settings_young, b timestamptz, c settings_young[]) SERVER settings_test OPTIONS (topic 'settings_own');
\! kafka_tool create-topic --replace settings_own 1
\! echo '{"a": "2020-01-01 12:00", "b": "2020-01-01 12:00", "c": ["2020-01-01 12:00", "2020-01-01 12:00"]}' | kafka_tool produce settings_own
SET timezone = 'America/New_York';
SELECT a AT TIME ZONE 'GMT' AS a, b AT TIME ZONE 'GMT' AS b, c[1] = b AND c[2] = b AS same FROM settings_own;
\! echo '{"a": "1999-01-01"}' | kafka_tool produce settings_own
SET bytea_output = 'escape';
SELECT * FROM settings_own;
SHOW bytea_output;
ALTER FOREIGN TABLE settings_own OPTIONS (on_error 'set_null');
SELECT a IS NULL AS bad FROM settings_own ORDER BY bad;
SHOW bytea_output;
SHOW timezone;
RESET timezone;
RESET bytea_output;

-- NULL is one in arrays of any format
SET array_nulls = off;
CREATE FOREIGN TABLE settings_arrays (a int[], t text[]) SERVER settings_test OPTIONS (topic 'settings_arrays', format 'csv');
\! kafka_tool create-topic --replace settings_arrays 1
INSERT INTO settings_arrays VALUES (ARRAY[1, NULL], ARRAY['a', NULL, 'NULL']);
SELECT a, t[2] IS NULL AS is_null, t[3] = 'NULL' AS is_text FROM settings_arrays;
SHOW array_nulls;
RESET array_nulls;
SET client_min_messages = warning;
DROP SERVER settings_test CASCADE;
DROP TYPE settings_pair;
DROP DOMAIN settings_noted, settings_changed, settings_young;
DROP FUNCTION settings_note, settings_change, settings_year;
