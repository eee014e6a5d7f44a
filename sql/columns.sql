-- Metadata columns: which types they may have, which options a column may have.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER columns_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace columns 1
\! echo 'k={"a": 1}' | kafka_tool produce columns -K = -T 1700000000123 -H h=v
CREATE FOREIGN TABLE columns_topic (a int, m text) SERVER columns_test OPTIONS (topic 'columns');

-- Every kind with a type that cannot hold it.
CREATE FUNCTION columns_try(kind text, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  DROP FOREIGN TABLE IF EXISTS columns_try;
  EXECUTE format('CREATE FOREIGN TABLE columns_try (a int, m %s OPTIONS (metadata %L)) SERVER columns_test OPTIONS (topic ''columns'')', type, kind);
  EXECUTE 'SELECT m FROM columns_try' INTO result;
  RETURN coalesce(result, 'NULL');
EXCEPTION WHEN fdw_invalid_data_type OR data_exception OR check_violation THEN
  RETURN SQLERRM;
END $$;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
SELECT kind, type, columns_try(kind, type)
FROM (VALUES ('topic', '{text,varchar,varchar(3),name,char(7),int,jsonb}'),
             ('partition', '{int,bigint,smallint,numeric,text,oid}'),
             ('offset', '{bigint,int,numeric,text}'),
             ('timestamp', '{timestamptz,timestamptz(0),bigint,timestamp,date,text}'),
             ('timestamp_type', '{text,varchar,boolean}'),
             ('key', '{text,varchar,bytea,char(1),int}'),
             ('value', '{text,varchar,bytea,json,jsonb,int}'),
             ('headers', '{kafka.header[],kafka.header,text[],jsonb}'),
             ('tombstone', '{boolean,int,text}')) AS k (kind, types),
     unnest(types::text[]) AS type;

-- Domains are as their base types, and are checked.
CREATE DOMAIN columns_partition AS int CHECK (value > 0);
CREATE DOMAIN columns_key AS text CHECK (value <> 'k');
CREATE DOMAIN columns_offset AS bigint;
SELECT columns_try('offset', 'columns_offset');
SELECT columns_try('partition', 'columns_partition');
SELECT columns_try('key', 'columns_key');

-- The message in full; it comes also when the column is not used.
RESET client_min_messages;
ALTER FOREIGN TABLE columns_topic ALTER m OPTIONS (metadata 'timestamp');
SELECT a FROM columns_topic;
EXPLAIN (COSTS OFF) SELECT a FROM columns_topic;
INSERT INTO columns_topic VALUES (1);
ALTER FOREIGN TABLE columns_topic ALTER m TYPE bigint;
SELECT * FROM columns_topic;

-- Two of a kind.
ALTER FOREIGN TABLE columns_topic ADD b bigint OPTIONS (metadata 'timestamp');
SELECT a FROM columns_topic;
ALTER FOREIGN TABLE columns_topic ALTER b OPTIONS (SET metadata 'offset');
SELECT a, m, b FROM columns_topic;

-- Columns come, go and change; a table may have none.
ALTER FOREIGN TABLE columns_topic DROP m;
SELECT * FROM columns_topic;
ALTER FOREIGN TABLE columns_topic ADD "A b" text OPTIONS (field 'a') DEFAULT 'x';
SELECT * FROM columns_topic;
ALTER FOREIGN TABLE columns_topic RENAME a TO c;
SELECT * FROM columns_topic;
ALTER FOREIGN TABLE columns_topic DROP b, DROP c, DROP "A b";
SELECT FROM columns_topic;
SELECT count(*) FROM columns_topic;

-- A producer may have set a time before 1970.
\! echo '{"a": 2}' | kafka_tool produce columns -T -5000
ALTER FOREIGN TABLE columns_topic ADD t timestamptz OPTIONS (metadata 'timestamp');
SELECT t AT TIME ZONE 'UTC' AS t FROM columns_topic ORDER BY t;

-- Or one that no timestamp holds.
\! echo '{"a": 2}' | kafka_tool produce columns -T -300000000000000
SELECT t FROM columns_topic;

DROP FUNCTION columns_try;
SET client_min_messages = warning;
DROP SERVER columns_test CASCADE;
DROP DOMAIN columns_partition, columns_key, columns_offset;
