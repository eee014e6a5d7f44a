-- kafka.options() lists all options, or those of a table and where they come from.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;

-- Without a table: what there is.
SELECT option, allowed, used_for, valid_values, default_value, client_property, kafka_default FROM kafka.options()
  WHERE option IN ('bootstrap_servers', 'sasl_password', 'format', 'acks', 'buffer_memory', 'max_poll_records',
                   'socket_keepalive_enable', 'metadata');
SELECT option, description FROM kafka.options() WHERE description ~ '\(' ORDER BY option COLLATE "C";
SELECT count(*) FILTER (WHERE value IS NOT NULL OR set_where IS NOT NULL) AS set,
       count(*) FILTER (WHERE description IS NULL OR allowed IS NULL) AS unexplained,
       count(*) - count(DISTINCT option) AS duplicates FROM kafka.options();

-- With a table: the nearest place counts, and an option set by another name is shown by its own.
CREATE ROLE regress_kafka_list;
CREATE SERVER option_list FOREIGN DATA WRAPPER kafka_fdw
  OPTIONS (bootstrap_servers 'localhost:9092', acks '1', compression_type 'ZSTD');
CREATE USER MAPPING FOR regress_kafka_list SERVER option_list OPTIONS (sasl_username 'app', sasl_password 'secret');
CREATE FOREIGN TABLE option_list (a int, b int OPTIONS (field 'c')) SERVER option_list
  OPTIONS (topic 't', acks '0', message_timeout_ms '2000', buffer_memory '3000000');
CREATE VIEW table_options AS
  SELECT option, value, set_where, default_value FROM kafka.options('option_list')
  WHERE set_where IS NOT NULL OR option IN ('sasl_username', 'enable_idempotence', 'format', 'max_poll_records');
TABLE table_options;
SELECT DISTINCT allowed FROM kafka.options('option_list') ORDER BY 1;

-- Idempotence follows acks until it is set.
ALTER FOREIGN TABLE option_list OPTIONS (SET acks 'all');
SELECT value, set_where FROM kafka.options('option_list') WHERE option = 'enable_idempotence';
ALTER SERVER option_list OPTIONS (ADD enable_idempotence 'off');
SELECT value, set_where FROM kafka.options('option_list') WHERE option = 'enable_idempotence';

-- Options that exclude each other can be looked at.
ALTER FOREIGN TABLE option_list OPTIONS (DROP message_timeout_ms, ADD linger_ms '5000');
ALTER SERVER option_list OPTIONS (ADD delivery_timeout_ms '4000');
EXPLAIN (COSTS OFF) INSERT INTO option_list VALUES (1);
EXPLAIN (COSTS OFF) SELECT * FROM option_list;
SELECT option, value, set_where FROM kafka.options('option_list') WHERE option IN ('linger_ms', 'delivery_timeout_ms');

-- A mapping's values are not shown, and only that of the current user is looked at.
SET ROLE regress_kafka_list;
SELECT option, value, set_where FROM kafka.options('option_list') WHERE allowed = 'user mapping';
RESET ROLE;
SELECT option, value, set_where FROM kafka.options('option_list') WHERE allowed = 'user mapping';
CREATE USER MAPPING FOR PUBLIC SERVER option_list OPTIONS (ssl_key_password 'secret');
SELECT option, value, set_where FROM kafka.options('option_list') WHERE value = '********';

-- Other relations.
SELECT * FROM kafka.options('pg_class');
SELECT * FROM kafka.options(0);

DROP SERVER option_list CASCADE;
DROP ROLE regress_kafka_list;
DROP EXTENSION kafka_fdw;
