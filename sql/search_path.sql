-- Whatever a user puts into the search_path, our own statements use PostgreSQL's operators and our tables.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER search_path_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace search_path 1
\! printf '{"a": 1, "t": "x"}\n{"a": 2, "t": "y"}\n' | kafka_tool produce search_path
CREATE SCHEMA hijack;
CREATE FUNCTION hijack.fail(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack.fail(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack.fail(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR hijack.= (FUNCTION = hijack.fail, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR hijack.= (FUNCTION = hijack.fail, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR hijack.= (FUNCTION = hijack.fail, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR hijack.>= (FUNCTION = hijack.fail, LEFTARG = bigint, RIGHTARG = int4);
CREATE FUNCTION hijack.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack.json_populate_record(anyelement, json, boolean) RETURNS anyelement LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack.to_json(anyelement) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE TABLE hijack.offsets (LIKE kafka.offsets INCLUDING ALL);
CREATE DOMAIN hijack.text AS pg_catalog.text CHECK (value = 'never');
CREATE DOMAIN hijack.int8 AS pg_catalog.int8 CHECK (value = 0);
CREATE TYPE hijack.header AS (key pg_catalog.text, value pg_catalog.bytea);
CREATE FOREIGN TABLE search_path_topic (a pg_catalog.int4, t pg_catalog.text, l pg_catalog.int4[], k pg_catalog.text OPTIONS (metadata 'key'))
  SERVER search_path_test OPTIONS (topic 'search_path');
CREATE FOREIGN TABLE search_path_feed (a pg_catalog.int4) SERVER search_path_test OPTIONS (topic 'search_path', group_id 'search_path');

SET search_path = hijack, pg_catalog, public;
SELECT 'a'::pg_catalog.text = 'a'::pg_catalog.text;
SELECT a FROM search_path_feed LIMIT 1;
SELECT a FROM search_path_feed;
SELECT a FROM search_path_feed;
INSERT INTO search_path_topic VALUES (3, 'z', '{1,2}', 'k');
SELECT a, t, l, k FROM search_path_topic ORDER BY a;
SELECT a FROM search_path_feed;
SELECT next_offset FROM kafka.offsets WHERE group_id OPERATOR(pg_catalog.=) 'search_path';
SELECT pg_catalog.count(*) FROM hijack.offsets;

-- Headers are kafka.header[], not what has its name.
ALTER FOREIGN TABLE search_path_topic ADD h header[] OPTIONS (metadata 'headers');
SELECT a FROM search_path_topic;
RESET search_path;

-- Temporary tables come first in every search_path.
CREATE TEMPORARY TABLE offsets (LIKE kafka.offsets INCLUDING ALL);
\! echo '{"a": 4}' | kafka_tool produce search_path
SELECT a FROM search_path_feed;
SELECT count(*) FROM offsets;
SELECT next_offset FROM kafka.offsets WHERE group_id = 'search_path';

SET client_min_messages = warning;
DROP SERVER search_path_test CASCADE;
DROP SCHEMA hijack CASCADE;
