-- IMPORT FOREIGN SCHEMA: topics become tables, with one column for the value or with those that a sample shows.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER import_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE SCHEMA imported;

\! kafka_tool create-topic --replace import_orders 2
\! kafka_tool create-topic --replace import_plain 1
\! kafka_tool create-topic --replace import.Dotted-Name 1
\! kafka_tool create-topic --replace import_broken 1
\! printf '0|k1={"id": 1, "amount": 1.5, "Customer": "a", "at": "2026-01-02T03:04:05.6Z", "day": "2026-01-02", "tags": ["x"], "ok": true, "mixed": 1, "big": 99999999999999999999, "none": null}\n1|k2={"id": 2, "amount": 2, "customer": "b", "at": "2026-01-02 03:04:05+02:00", "day": "2024-02-29", "tags": {}, "ok": false, "mixed": "x", "big": 1, "only": {"a": 1}}\n' | kafka_tool produce import_orders -P '|' -K =
\! printf 'text\n{"a": 1\n[1, 2]\n"x"\n' | kafka_tool produce import_plain
\! printf '{"a.b": 1, "a b": 2, "A_B": 3, "_key": 4, "select": 5, "": 6, "back\\\\slash": 7, "\303\244\303\226": 8, "day": "2026-02-30", "at": "2026-01-02T25:00:00Z", "x23456789012345678901234567890123456789012345678901234567890123456789": 9, "x2345678901234567890123456789012345678901234567890123456789012345678X": 10}\n' | kafka_tool produce import.Dotted-Name
\! kafka_tool create-topic --replace import_system 1
\! printf '{"id": 1, "xmin": 2, "CTID": 3, "tableoid": 4, "xmin_2": 5}\n' | kafka_tool produce import_system
\! (printf '{"a": 1, "a": 2}\n{"b": "\377"}\n{"c": "\\\\u0000"}\nnull\n'; head -c 100000 /dev/zero | tr '\0' '['; echo) | kafka_tool produce import_broken
\! printf 'k~\\N\n' | kafka_tool produce import_broken -K '~'
\! for i in a b c; do kafka_tool create-topic --replace import_long_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx$i 1; done

IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders, import_plain) FROM SERVER import_test INTO imported;
\d imported.import_orders
SELECT value, _key, _topic, _partition, _offset, _timestamp_type, _headers, _tombstone FROM imported.import_orders ORDER BY _key;
SELECT count(*) FROM imported.import_plain;
DROP FOREIGN TABLE imported.import_orders, imported.import_plain;

IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders, import_plain, "import.Dotted-Name", import_broken) FROM SERVER import_test INTO imported
  OPTIONS (columns 'inferred');
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions, col_description(attrelid, attnum)
  FROM pg_attribute WHERE attrelid = 'imported.import_orders'::regclass AND attnum > 0 ORDER BY attnum;
SELECT id, amount, customer, at AT TIME ZONE 'UTC' AS at, day, tags, ok, mixed, big, none, "only", _partition FROM imported.import_orders ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions
  FROM pg_attribute WHERE attrelid = 'imported.import_plain'::regclass AND attnum > 0 AND attname NOT LIKE '\_%';
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions
  FROM pg_attribute WHERE attrelid = 'imported."import.Dotted-Name"'::regclass AND attnum > 0 AND attfdwoptions::text !~ 'metadata' ORDER BY attnum;
SELECT a_b, a_b_2, a_b_3, _key_2, "select", back_slash, day, at,
  x23456789012345678901234567890123456789012345678901234567890123 AS long, x234567890123456789012345678901234567890123456789012345_2 AS longer
  FROM imported."import.Dotted-Name";
SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
  FROM pg_attribute WHERE attrelid = 'imported.import_broken'::regclass AND attnum > 0 AND attname NOT LIKE '\_%';
-- Names of system columns are taken, too.
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_system) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred');
SELECT attname, attfdwoptions FROM pg_attribute WHERE attrelid = 'imported.import_system'::regclass AND attnum > 0 AND attname NOT LIKE '\_%' ORDER BY attnum;
SELECT id, xmin_2, ctid_2, tableoid_2, xmin_2_2 FROM imported.import_system;
DROP FOREIGN TABLE imported.import_system;
DROP FOREIGN TABLE imported.import_orders;
-- The newest records of each partition are the sample.
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred', sample_records '2');
SELECT count(*), col_description('imported.import_orders'::regclass, 1) FROM imported.import_orders;
-- As many of each as it has, without offsets that are none of records.
\! kafka_tool create-topic --replace import_uneven 4
\! for i in 1 2 3; do echo "{\"id\": $i, \"old\": $i}"; done | kafka_tool produce import_uneven -p 3
\! seq 4 12 | sed 's/.*/{"id": &, "day": "2023-02-29", "leap": "2024-02-29", "at": "1900-02-29T00:00:00Z"}/' | kafka_tool produce import_uneven -p 3
\! echo '{"id": 13}' | kafka_tool produce import_uneven -p 1
\! seq 50 | sed 's/.*/{"aborted": &}/' | kafka_tool produce import_uneven -p 3 -x abort
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_uneven) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred', sample_records '8');
SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
  FROM pg_attribute WHERE attrelid = 'imported.import_uneven'::regclass AND attnum > 0 AND attname NOT LIKE '\_%' ORDER BY attname;
SELECT count(*), count(day), count(at) FROM imported.import_uneven;
DROP FOREIGN TABLE imported.import_uneven;
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_uneven) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred');
SELECT attname, col_description(attrelid, attnum)
  FROM pg_attribute WHERE attrelid = 'imported.import_uneven'::regclass AND attnum > 0 AND attname NOT LIKE '\_%' ORDER BY attname;
DROP FOREIGN TABLE imported.import_uneven;

-- All but some; Kafka's own topics are left out, and a rollback takes everything back.
BEGIN;
DROP FOREIGN TABLE imported.import_orders, imported.import_plain, imported.import_broken;
IMPORT FOREIGN SCHEMA topics EXCEPT (import_plain, "import.Dotted-Name") FROM SERVER import_test INTO imported;
SELECT relname FROM pg_class WHERE relnamespace = 'imported'::regnamespace AND (relname LIKE 'import%' OR relname LIKE '\_\_%') ORDER BY relname COLLATE "C";
ROLLBACK;

-- Topics that begin alike, as far as names go.
BEGIN;
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_long_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, import_long_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_3) FROM SERVER import_test INTO imported;
SELECT relname, right(ftoptions::text, 12) AS topic FROM pg_foreign_table JOIN pg_class ON ftrelid = pg_class.oid WHERE relname LIKE 'import\_long%' ORDER BY 1;
ROLLBACK;

-- Fields that begin alike, as far as names go.
\! kafka_tool create-topic --replace import_alike 1
\! perl -e 'print "{", join(", ", map { sprintf q("%s%04d": 0), "n" x 60, $_ } 1 .. 1490), "}"' | kafka_tool produce import_alike
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_alike) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred');
SELECT count(*), max(substring(attname FROM '_(\d+)$')::int)
  FROM pg_attribute WHERE attrelid = 'imported.import_alike'::regclass AND attname LIKE 'nnn%';
DROP FOREIGN TABLE imported.import_alike;
\! kafka_tool delete-topic import_alike

-- Comments of a command that failed are none of a later one.
CREATE SCHEMA import_target;
CREATE TABLE import_target.import_uneven (id int);
COMMENT ON COLUMN import_target.import_uneven.id IS 'mine';
CREATE EVENT TRIGGER import_ended ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE') EXECUTE FUNCTION kafka.schema_imported();
BEGIN;
SAVEPOINT a;
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_uneven) FROM SERVER import_test INTO import_target OPTIONS (columns 'inferred');
ROLLBACK TO a;
CREATE SEQUENCE import_target.ids;
SELECT col_description('import_target.import_uneven'::regclass, 1);
ROLLBACK;
DROP EVENT TRIGGER import_ended;

-- Numbers that no numeric is, and a timestamp that is too long for PostgreSQL's parser, are text, as is what they are in.
\! kafka_tool create-topic --replace import_huge 1
\! printf '{"large": 1e200000, "fine": 1e-20000, "most": -1.5e131071, "least": 1e-16383, "nested": {"a": [1, [1e131072]]}, "mixed": 1, "listed": [1e+5], "after": 1, "long": "2026-01-02T03:04:05.%0150dZ", "quoted": "1e200000"}\n{"mixed": "x", "": 1e200000}\n{"mixed": 1e200000, "large": -1}\n' 0 | kafka_tool produce import_huge
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_huge) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred');
SELECT attname, format_type(atttypid, atttypmod)
  FROM pg_attribute WHERE attrelid = 'imported.import_huge'::regclass AND attnum > 0 AND attname NOT LIKE '\_%' ORDER BY attnum;
SELECT large, fine, length(most::text), length(least::text), nested, mixed, listed, after, length(long), quoted FROM imported.import_huge ORDER BY _offset;
DROP FOREIGN TABLE imported.import_huge;
\! kafka_tool delete-topic import_huge

-- What cannot be.
IMPORT FOREIGN SCHEMA other FROM SERVER import_test INTO imported;
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_nowhere) FROM SERVER import_test INTO imported;
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders) FROM SERVER import_test INTO imported;
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders) FROM SERVER import_test INTO imported OPTIONS (columns 'all');
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders) FROM SERVER import_test INTO imported OPTIONS (columns 'inferred', sample_records '0');
IMPORT FOREIGN SCHEMA topics LIMIT TO (import_orders) FROM SERVER import_test INTO imported OPTIONS (colums 'inferred');

SET client_min_messages = warning;
DROP SCHEMA imported, import_target CASCADE;
DROP SERVER import_test CASCADE;
