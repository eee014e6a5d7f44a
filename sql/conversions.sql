-- What is converted without its type's input function is what that would make of it, errors too.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE SERVER conversions_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
SET timezone = 'GMT';
SET datestyle = 'ISO, MDY';
SET lc_messages = 'C';

CREATE TABLE conversions_texts AS
SELECT row_number() OVER () AS n, t, written FROM (
  SELECT true AS written, unnest(ARRAY['', '-', '.', '0', '-0', '00', '007', '1', '-1', '+1', ' 1', '1 ', '1x', 'x', '1-', '--1', '32767', '32768', '999999999', '9999999999', '2147483647', '2147483648', '-2147483648',
    '-2147483649', '999999999999999999', '9999999999999999999', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '123456789012345678', '1234567890123456789',
    '0.1', '.1', '1.', '-.5', '1.5', '1.50', '-0.00', '-0.01', '123.456', '99999.99', '100000.00', '999.999', '0.005', '123456789.123456789', '1234567890.12345678', '12345678901.12345678', '1e3', '1.5e-3', 'NaN', 'Infinity',
    '-inf', '1.2.3', '1,5', '0000000000000000000000000001.5', '000.10', '1.000000000000000000',
    '123456789012345', '1234567890123456', '0.00000000000001', '9007199254740993', '4503599627370497.5', '12345678.9012345', 'true', 'false', 'TRUE', 'tru', 'f', 'no', 'grüße',
    '2024-02-29', '2023-02-29', '1900-02-29', '2000-02-29', '0001-01-01', '0000-01-01', '9999-12-31', '10000-01-01', '2024-13-01', '2024-00-01', '2024-01-00', '2024-01-32', '2024-04-31', '24-01-01', '2024-1-1', '20240229',
    '2024/02/29', '02-29-2024', '2024-02-29 BC', '2024-02-29x', ' 2024-02-29', '2024-02-29 ', '2024-02-', '2024-02', 'infinity', 'epoch', 'January 8, 1999',
    '2024-02-29 12:34:56', '2024-02-29T12:34:56', '2024-02-29t12:34:56', '2024-02-29  12:34:56', '2024-02-29 12:34', '2024-02-29 24:00:00', '2024-02-29 24:00:01', '2024-02-29 23:59:60', '2024-02-29 12:60:00', '2024-02-29 25:00:00',
    '2024-02-29 12:34:56.', '2024-02-29 12:34:56.7', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.7890123', '2024-02-29 12:34:56.999999', '2024-02-29 12:34:56.9999999', '2024-02-29 12:34:56.x',
    '2024-02-29 12:34:56Z', '2024-02-29T12:34:56.5Z', '2024-02-29 12:34:56z', '2024-02-29 12:34:56+00', '2024-02-29 12:34:56+05:30', '2024-02-29 12:34:56-05:30', '2024-02-29 12:34:56+0530', '2024-02-29 12:34:56+5', '2024-02-29 12:34:56+14:00',
    '2024-02-29 12:34:56+15:59', '2024-02-29 12:34:56+16:00', '2024-02-29 12:34:56-08:60', '2024-02-29 12:34:56+', '2024-02-29 12:34:56+00:', '2024-02-29 12:34:56+00:00:30', '2024-02-29 12:34:56 America/New_York', '2024-02-29 12:34:56 PM',
    '0001-01-01 00:00:00+14', '9999-12-31 23:59:59.999999-14', '2024-02-29 12:34:56Zx', '2024-02-29 1:34:56', '1999-12-31 23:59:59.999999', '2000-01-01 00:00:00', '2024-12-31T23:59:59+00:00']) AS t
  UNION ALL SELECT false, trunc(hashint8extended(i, 1) % (10::numeric ^ (i % 20)))::text FROM generate_series(1, 40) i
  UNION ALL SELECT false, round(hashint8extended(i, 2) / 10::numeric ^ (i % 19), i % 10)::text FROM generate_series(1, 40) i
  UNION ALL SELECT false, to_char(timestamp '2000-01-01' + hashint8extended(i, 3) % 200000000000 * interval '1 ms', (ARRAY['YYYY-MM-DD', 'YYYY-MM-DD HH24:MI:SS', 'YYYY-MM-DD"T"HH24:MI:SS.MS', 'YYYY-MM-DD HH24:MI:SS.US"Z"', 'YYYY-MM-DD HH24:MI:SS"-03:30"'])[i % 5 + 1])
  FROM generate_series(1, 40) i) t;

-- The text of a value, or its error.
CREATE FUNCTION conversions_cast(t text, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  EXECUTE format('SELECT CAST(%L AS %s)::text', t, type) INTO result;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  RETURN 'ERROR ' || SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE FUNCTION conversions_read(record bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  SELECT v::text INTO result FROM conversions_topic WHERE p = 1 AND o = record;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  RETURN 'ERROR ' || SQLSTATE || ': ' || SQLERRM;
END $$;
-- Texts that are read as a type otherwise than they are cast: the good ones are in partition 0, the bad ones in 1.
CREATE FUNCTION conversions_differences(type text, OUT good int, OUT bad int, OUT differences text) LANGUAGE plpgsql AS $$
BEGIN
  DROP FOREIGN TABLE IF EXISTS conversions_topic;
  EXECUTE format('CREATE FOREIGN TABLE conversions_topic (v %s, n bigint, p int OPTIONS (metadata ''partition''), o bigint OPTIONS (metadata ''offset'')) SERVER conversions_test OPTIONS (topic ''conversions'')', type);
  DROP TABLE IF EXISTS conversions_expected;
  CREATE TABLE conversions_expected AS
    SELECT n, t, expected, (expected LIKE 'ERROR%')::int AS p, row_number() OVER (PARTITION BY expected LIKE 'ERROR%' ORDER BY n) - 1 AS o
    FROM conversions_texts, conversions_cast(t, type) AS expected
    -- of the bad ones those that look a little like it
    WHERE expected NOT LIKE 'ERROR%' OR (written AND (t ~ '[0-9][-/][0-9]') = (type ~ 'date|time'));
  COPY (SELECT) TO PROGRAM 'kafka_tool create-topic --replace conversions 2';
  COPY (SELECT p || '|' || json_build_object('v', t, 'n', n) FROM conversions_expected ORDER BY p, o) TO PROGRAM 'kafka_tool produce conversions -P "|"' (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02', ESCAPE E'\x03');
  DROP TABLE IF EXISTS conversions_values;
  CREATE TABLE conversions_values AS
    SELECT n, v::text AS read FROM conversions_topic WHERE p = 0
    UNION ALL SELECT n, conversions_read(o) FROM conversions_expected WHERE p = 1;
  SELECT count(*) FILTER (WHERE p = 0), count(*) FILTER (WHERE p = 1),
    string_agg(format('%L: %s, not %s', t, read, expected), '; ') FILTER (WHERE read IS DISTINCT FROM expected)
  INTO good, bad, differences FROM conversions_expected LEFT JOIN conversions_values USING (n);
END $$;
SELECT type, d.* FROM unnest(ARRAY['smallint', 'int', 'bigint', 'double precision', 'boolean', 'varchar', 'numeric', 'numeric(5,2)', 'numeric(20,9)', 'date', 'timestamp', 'timestamp(3)', 'timestamptz', 'timestamptz(0)']) AS type, conversions_differences(type) d;

DROP FUNCTION conversions_cast, conversions_read, conversions_differences;
DROP TABLE conversions_texts, conversions_expected, conversions_values;
DROP SERVER conversions_test CASCADE;
