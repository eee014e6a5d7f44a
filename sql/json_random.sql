-- JSON at random, whole and spoiled: what is JSON and what its fields are is as PostgreSQL's own type has it.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER json_random_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
\! kafka_tool create-topic --replace json_random 1

CREATE FUNCTION json_random_of(choices text[]) RETURNS text LANGUAGE sql
RETURN choices[1 + floor(random() * array_length(choices, 1))];

CREATE FUNCTION json_random_space() RETURNS text LANGUAGE sql
RETURN json_random_of(ARRAY['', '', '', '', '', '', ' ', E'\t', E'\n ', E'\r']);

CREATE FUNCTION json_random_string() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text := '';
BEGIN
  FOR i IN 1 .. floor(random() * 6) LOOP
    result := result || json_random_of(ARRAY['a', 'plain text', 'grüße 😀', '\"', '\\', '\/', '\b\f\n\r\t', '\u0061', '\u00fC', '\ud83d\ude00', '{', ']', ',', ':', '''',
      CASE WHEN random() < 0.02 THEN json_random_of(ARRAY['\u0000', '\ud83d', '\ude00\ud83d']) ELSE '' END]);
  END LOOP;
  RETURN '"' || result || '"';
END $$;

CREATE FUNCTION json_random_value(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  kind int := floor(random() * CASE WHEN depth > 0 THEN 8 ELSE 5 END);
  parts text[] := '{}';
BEGIN
  IF kind < 2 THEN
    RETURN json_random_string();
  ELSIF kind = 2 THEN
    RETURN json_random_of(ARRAY['true', 'false', 'null']);
  ELSIF kind < 5 THEN
    RETURN json_random_of(ARRAY['', '-']) || json_random_of(ARRAY['0', '7', '42', '18446744073709551616', repeat('9', 400)]) ||
      json_random_of(ARRAY['', '', '.0', '.50']) || json_random_of(ARRAY['', '', '', 'e5', 'E-07', 'e+400']);
  END IF;
  FOR i IN 1 .. floor(random() * 4) LOOP
    parts := parts || (json_random_space() ||
      CASE WHEN kind < 7 THEN json_random_of(ARRAY['"a"', '"a"', '"b"', '"o"', '"o"', '"\u0061"', '"A"', '"é\n"']) || json_random_space() || ':' ELSE '' END ||
      json_random_space() || json_random_value(depth - 1) || json_random_space());
  END LOOP;
  RETURN CASE WHEN kind < 7 THEN '{' ELSE '[' END || array_to_string(parts, ',') || json_random_space() || CASE WHEN kind < 7 THEN '}' ELSE ']' END;
END $$;

-- A character is left out, put in, or becomes another one
CREATE FUNCTION json_random_spoil(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  place int := 1 + floor(random() * (length(value) + 1));
BEGIN
  RETURN overlay(value PLACING json_random_of('{"","","{","}","[","]",":",",","\"","\\","0","1","-","+",".","e","u","t"," ","\t","","é"}'::text[])
    FROM place FOR floor(random() * 2)::int);
END $$;

SELECT setseed(0.5);
CREATE TABLE json_random AS
SELECT i, json_random_space() || CASE WHEN i % 2 = 0 THEN value ELSE json_random_spoil(value) END || json_random_space() AS value
FROM generate_series(1, 10000) i, LATERAL (SELECT CASE WHEN i % 10 = 0 THEN json_random_value(3)
  ELSE '{' || json_random_space() || json_random_of(ARRAY['"a"', '"o"']) || ':' || json_random_value(3) || ',"b":' || json_random_value(2) || ',"o":' || json_random_value(2) || '}' END AS value) made;

CREATE FOREIGN TABLE json_random_values (i int OPTIONS (metadata 'key'), value text OPTIONS (metadata 'value')) SERVER json_random_test OPTIONS (topic 'json_random');
INSERT INTO json_random_values SELECT i, value FROM json_random;
CREATE FOREIGN TABLE json_random_pieces (i int OPTIONS (metadata 'key'), a json OPTIONS (field 'a'), b json OPTIONS (field 'b'), oa json OPTIONS (field 'o.a'),
  error text OPTIONS (metadata 'error')) SERVER json_random_test OPTIONS (topic 'json_random', on_error 'set_null');
CREATE FOREIGN TABLE json_random_texts (i int OPTIONS (metadata 'key'), b text OPTIONS (field 'b')) SERVER json_random_test OPTIONS (topic 'json_random', on_error 'set_null');

CREATE FUNCTION json_random_is_object(value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN json_typeof(value::json) = 'object';
EXCEPTION WHEN invalid_text_representation THEN
  RETURN false;
END $$;

-- Where one string has an escape that is no character, PostgreSQL finds no field at all
CREATE FUNCTION json_random_fields(value json, OUT known boolean, OUT a text, OUT b text, OUT oa text, OUT b_text text) LANGUAGE plpgsql AS $$
BEGIN
  a := value -> 'a';
  b := value -> 'b';
  oa := value -> 'o' -> 'a';
  b_text := value ->> 'b';
  known := true;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
  known := false;
END $$;

CREATE TABLE json_random_read AS
SELECT r.i, r.value, p.error, p.a::text, p.b::text, p.oa::text, t.b AS b_text, json_random_is_object(r.value) AS is_object
FROM json_random r JOIN json_random_pieces p USING (i) JOIN json_random_texts t USING (i);

SELECT count(*), count(*) FILTER (WHERE is_object) > 4000 AS objects, count(*) FILTER (WHERE NOT is_object) > 2000 AS others,
  count(*) FILTER (WHERE oa IS NOT NULL) > 200 AS paths, count(*) FILTER (WHERE a = 'null') > 20 AS nulls FROM json_random_read;
SELECT value, error FROM json_random_read WHERE is_object <> (error IS NULL);
SELECT count(*) > 3500 AS compared FROM json_random_read r, json_random_fields(CASE WHEN r.is_object THEN r.value::json END) f WHERE r.is_object AND f.known;
SELECT r.value, r.a, f.a, r.b, f.b, r.oa, f.oa, r.b_text, f.b_text
FROM json_random_read r, json_random_fields(CASE WHEN r.is_object THEN r.value::json END) f
WHERE r.is_object AND f.known AND (r.a, r.b, r.oa, r.b_text) IS DISTINCT FROM (f.a, f.b, f.oa, f.b_text);

DROP TABLE json_random, json_random_read;
DROP FOREIGN TABLE json_random_values, json_random_pieces, json_random_texts;
DROP FUNCTION json_random_of(text[]), json_random_space(), json_random_string(), json_random_value(int), json_random_spoil(text), json_random_is_object(text), json_random_fields(json);
DROP SERVER json_random_test;
