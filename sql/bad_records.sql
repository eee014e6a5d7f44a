-- Records that cannot be decoded: on_error says what becomes of them.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER bad_records_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace bad_records 1
\! printf '1|{"id": 1, "t": "a"}\n2|{"id": "x", "t": "b"}\n3|{"id"\nx|{"id": 4, "t": "d"}\n5|\\xff\n6|{"id": 6, "t": "f"}\n7|{"id": 7, "t": "too long"}\n' | kafka_tool produce bad_records -K '|'
CREATE FOREIGN TABLE bad_records (
  k int OPTIONS (metadata 'key'), id int, t varchar(3), o bigint OPTIONS (metadata 'offset'), value bytea OPTIONS (metadata 'value'),
  error text OPTIONS (metadata 'error')
) SERVER bad_records_test OPTIONS (topic 'bad_records');

-- stop: only what the query uses is judged; all of it where the error is asked for.
SELECT o, id FROM bad_records WHERE o = 0;
SELECT id FROM bad_records;
SELECT count(*) FROM bad_records;
SELECT o, error FROM bad_records WHERE o = 0;
SELECT o, error FROM bad_records;

-- set_null: the row stays, and says why.
ALTER FOREIGN TABLE bad_records OPTIONS (ADD on_error 'set_null');
SELECT k, id, t, o, encode(value, 'escape') AS value, error FROM bad_records;
SELECT count(*), count(id), count(error) FROM bad_records;
SELECT o FROM bad_records WHERE error IS NOT NULL;

-- ignore: it goes, whatever the query looks at.
ALTER FOREIGN TABLE bad_records OPTIONS (SET on_error 'ignore');
SELECT k, id, t, o, error FROM bad_records;
SELECT count(*) FROM bad_records;
SELECT o FROM bad_records;
CREATE FUNCTION bad_records_counts(query text, OUT records int, OUT errors int) LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
  records := plan #>> '{0,Plan,Records Read}';
  errors := plan #>> '{0,Plan,Decode Errors}';
END $$;
SELECT * FROM bad_records_counts('SELECT o FROM bad_records');
DROP FUNCTION bad_records_counts;

-- reject_limit: so many, and not one more.
ALTER FOREIGN TABLE bad_records OPTIONS (ADD reject_limit '4');
SELECT count(*) FROM bad_records;
ALTER FOREIGN TABLE bad_records OPTIONS (SET reject_limit '5');
SELECT count(*) FROM bad_records;
-- Each scan of its own.
SELECT count(*) FROM generate_series(1, 3) i, LATERAL (SELECT o FROM bad_records WHERE o >= i OFFSET 0) r;

-- What is refused.
ALTER FOREIGN TABLE bad_records OPTIONS (DROP on_error);
ALTER FOREIGN TABLE bad_records OPTIONS (DROP reject_limit, SET on_error 'dead_letter');
ALTER FOREIGN TABLE bad_records OPTIONS (SET reject_limit '0');
ALTER FOREIGN TABLE bad_records OPTIONS (SET on_error 'skip');
INSERT INTO bad_records (id, error) VALUES (8, 'x');
CREATE FOREIGN TABLE bad_records_column (id int, error int OPTIONS (metadata 'error')) SERVER bad_records_test OPTIONS (topic 'bad_records');
SELECT * FROM bad_records_column;
DROP FOREIGN TABLE bad_records_column;

-- What is not of the record ends the query: a cancel, a missing table.
CREATE FUNCTION bad_records_check(v int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
  IF v = 4 THEN
    PERFORM set_config('bad_records.seen', 'four', false);
    RAISE 'four is no number';
  ELSIF v = 6 THEN
    RETURN EXISTS (SELECT FROM bad_records_missing);
  END IF;
  RETURN v IS DISTINCT FROM 7;
END $$;
CREATE DOMAIN bad_records_id AS int CHECK (bad_records_check(VALUE));
CREATE TYPE bad_records_pair AS (a int, b int);
CREATE FOREIGN TABLE bad_records_domain (id bad_records_id, o bigint OPTIONS (metadata 'offset'), error text OPTIONS (metadata 'error'))
  SERVER bad_records_test OPTIONS (topic 'bad_records', on_error 'set_null');
SELECT * FROM bad_records_domain WHERE o <= 4;
-- What a failed check did is undone.
SELECT current_setting('bad_records.seen', true) IS DISTINCT FROM 'four' AS undone;
SELECT * FROM bad_records_domain;
CREATE TABLE bad_records_missing AS SELECT 1;
SELECT * FROM bad_records_domain;
CREATE OR REPLACE FUNCTION bad_records_check(v int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_cancel_backend(pg_backend_pid()); RETURN true; END $$;
SELECT count(*) FROM bad_records_domain;
-- A range whose bounds are compared by a function that anybody may write.
CREATE FUNCTION bad_records_compare(a int, b int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  $$ BEGIN RETURN (SELECT CASE WHEN b = 13 THEN (1 / (b - 13)) ELSE btint4cmp(a, b) END); END $$;
CREATE OPERATOR CLASS bad_records_ops FOR TYPE int USING btree AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 bad_records_compare(int, int);
CREATE TYPE bad_records_range AS RANGE (SUBTYPE = int, SUBTYPE_OPCLASS = bad_records_ops);
\! kafka_tool create-topic --replace bad_records_ranges 1
\! printf '{"r": "[1,2)"}\n{"r": "[1,13)"}\n{"r": "[3,4)"}\n' | kafka_tool produce bad_records_ranges
CREATE FOREIGN TABLE bad_records_ranges (r bad_records_range, error text OPTIONS (metadata 'error'))
  SERVER bad_records_test OPTIONS (topic 'bad_records_ranges', on_error 'set_null');
SELECT * FROM bad_records_ranges;
DROP FOREIGN TABLE bad_records_ranges;
DROP TYPE bad_records_range;
DROP OPERATOR FAMILY bad_records_ops USING btree;
DROP FUNCTION bad_records_compare;

-- A null, and a field that is not there, are values of a domain only if it allows that; a record without a value has none.
CREATE DOMAIN bad_records_present AS int NOT NULL;
CREATE DOMAIN bad_records_named AS text CHECK (VALUE IS NOT NULL);
\! kafka_tool create-topic --replace bad_records_given 1
\! printf '{"id": 1, "name": "a"}\n{"id": null, "name": "a"}\n{"name": "a"}\n{"id": 1, "name": null}\n{"id": 5, "name": "b"}\n' | kafka_tool produce bad_records_given
\! printf 'k=\\N\n' | kafka_tool produce bad_records_given -K =
CREATE FOREIGN TABLE bad_records_given (id bad_records_present, name bad_records_named, o bigint OPTIONS (metadata 'offset'), error text OPTIONS (metadata 'error'))
  SERVER bad_records_test OPTIONS (topic 'bad_records_given', on_error 'set_null');
SELECT * FROM bad_records_given;
SELECT o, name FROM bad_records_given WHERE error IS NULL;
ALTER FOREIGN TABLE bad_records_given OPTIONS (SET on_error 'stop');
SELECT id FROM bad_records_given;
DROP FOREIGN TABLE bad_records_given;
DROP DOMAIN bad_records_present, bad_records_named;

-- A domain that gets a check while it is read: what a failed one did is undone, too.
CREATE FUNCTION bad_records_thirds(i int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 / (i % 3) FROM pg_class;
  RETURN true;
END $$;
CREATE DOMAIN bad_records_number AS int CHECK (VALUE > 0);
\! kafka_tool create-topic --replace bad_records_numbers 1
\! seq 0 7 | kafka_tool produce bad_records_numbers
CREATE FOREIGN TABLE bad_records_numbers (n bad_records_number)
  SERVER bad_records_test OPTIONS (topic 'bad_records_numbers', format 'text', on_error 'ignore');
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM bad_records_numbers;
FETCH 2 FROM c;
ALTER DOMAIN bad_records_number ADD CONSTRAINT thirds CHECK (bad_records_thirds(VALUE));
FETCH 2 FROM c;
ALTER DOMAIN bad_records_number DROP CONSTRAINT thirds;
FETCH 1 FROM c;
ALTER DOMAIN bad_records_number ADD CHECK (bad_records_thirds(VALUE));
FETCH 2 FROM c;
COMMIT;
DROP FOREIGN TABLE bad_records_numbers;
DROP DOMAIN bad_records_number;
DROP FUNCTION bad_records_thirds;
\! kafka_tool delete-topic bad_records_numbers

-- Types of every kind, in records that are bad for each.
\! kafka_tool create-topic --replace bad_records 1
\! { printf '{"p": {"a": 1, "b": "x"}}\n{"p": "(1,x)"}\n{"a": [1, "y"]}\n{"a": 5}\n{"r": "[2,1)"}\n{"e": "no"}\n{"d": "2024-02-30"}\n{"m": "a lot"}\n{"j": "\\x5cu0000"}\n{"p": {"a": 1, "b": 2}, "a": [1], "r": "[1,2)", "e": "yes", "d": "2024-02-29", "m": "1.50", "j": {}}\n{"j": '; head -c 100000 /dev/zero | tr '\0' '['; echo '}'; } | kafka_tool produce bad_records
\! printf '\\x00\\x00\\x00\\x00\\x07\\x02' | kafka_tool produce bad_records
CREATE TYPE bad_records_enum AS ENUM ('yes');
CREATE FOREIGN TABLE bad_records_types (
  p bad_records_pair, a int[], r int4range, e bad_records_enum, d date, m money, j jsonb,
  o bigint OPTIONS (metadata 'offset'), error text OPTIONS (metadata 'error')
) SERVER bad_records_test OPTIONS (topic 'bad_records', on_error 'set_null');
SELECT o, regexp_replace(error, ' exceeded: .*', ' exceeded') AS error FROM bad_records_types;
SELECT p, a, r, e, d, m::numeric, j FROM bad_records_types WHERE error IS NULL;

-- Types that name types, which are pinned while they are read.
\! kafka_tool create-topic --replace bad_records_reg 1
\! printf '{"t": "numeric(9999)"}\n{"t": "text"}\n{"t": "varchar(0)"}\n' | kafka_tool produce bad_records_reg
CREATE FOREIGN TABLE bad_records_reg (t regtype, o bigint OPTIONS (metadata 'offset'), error text OPTIONS (metadata 'error'))
  SERVER bad_records_test OPTIONS (topic 'bad_records_reg', on_error 'set_null');
SELECT o, t, error FROM bad_records_reg;
\! kafka_tool delete-topic bad_records_reg

-- Other formats; the schema id of a registry.
CREATE FOREIGN TABLE bad_records_text (v int, o bigint OPTIONS (metadata 'offset'), error text OPTIONS (metadata 'error'))
  SERVER bad_records_test OPTIONS (topic 'bad_records', format 'text', on_error 'set_null');
SELECT o, v, left(error, 60) FROM bad_records_text WHERE o >= 9;
ALTER FOREIGN TABLE bad_records_text OPTIONS (SET on_error 'stop');
SELECT v FROM bad_records_text WHERE o = 11;
ALTER FOREIGN TABLE bad_records_text OPTIONS (SET on_error 'set_null', SET format 'csv');
SELECT o, v, left(error, 60) FROM bad_records_text WHERE o >= 9;
\! kafka_tool delete-topic bad_records
SET client_min_messages = warning;
DROP SERVER bad_records_test CASCADE;
DROP FUNCTION bad_records_check CASCADE;
DROP TYPE bad_records_pair, bad_records_enum;
DROP TABLE bad_records_missing;
