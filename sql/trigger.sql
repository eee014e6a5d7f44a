-- Triggers that publish, and triggers on a topic table.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER trigger_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace trigger 1
CREATE FOREIGN TABLE trigger_events (id int OPTIONS (metadata 'key', field 'id'), op text, name text) SERVER trigger_test OPTIONS (topic 'trigger');
CREATE TABLE trigger_customers (id int PRIMARY KEY, name text);
CREATE FUNCTION trigger_publish() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO trigger_events VALUES (coalesce(NEW.id, OLD.id), TG_OP, NEW.name);
  IF NEW.name = 'fail' THEN RAISE 'refused'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER publish AFTER INSERT OR UPDATE OR DELETE ON trigger_customers FOR EACH ROW EXECUTE FUNCTION trigger_publish();

INSERT INTO trigger_customers VALUES (1, 'a'), (2, 'b');
UPDATE trigger_customers SET name = name || '!' WHERE id = 2;
DELETE FROM trigger_customers WHERE id = 1;
-- An error of the trigger, or a rollback, publishes nothing.
INSERT INTO trigger_customers VALUES (3, 'c'), (4, 'fail');
BEGIN;
INSERT INTO trigger_customers VALUES (5, 'e');
ROLLBACK;
INSERT INTO trigger_customers VALUES (2, 'duplicate');
INSERT INTO trigger_customers VALUES (2, 'upsert') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name RETURNING name;
-- A deferred trigger runs at COMMIT, before the records are sent.
CREATE CONSTRAINT TRIGGER publish_late AFTER INSERT ON trigger_customers DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION trigger_publish();
BEGIN;
INSERT INTO trigger_customers VALUES (6, 'f');
COMMIT;
\! kafka_tool consume trigger

-- A topic that cannot be written to fails the statement that fires the trigger.
\! kafka_tool delete-topic --if-exists trigger_unknown
ALTER FOREIGN TABLE trigger_events OPTIONS (SET topic 'trigger_unknown');
DO $$ BEGIN INSERT INTO trigger_customers VALUES (7, 'g'); EXCEPTION WHEN fdw_table_not_found THEN RAISE NOTICE 'unknown topic'; END $$;
ALTER FOREIGN TABLE trigger_events OPTIONS (SET topic 'trigger');
SELECT count(*) FROM trigger_customers WHERE id = 7;

-- Triggers on the topic table itself.
\! kafka_tool create-topic --replace trigger 1
CREATE FUNCTION trigger_on_topic() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE '% %: %', TG_WHEN, TG_LEVEL, NEW;
  IF NEW.op = 'skip' THEN RETURN NULL; END IF;
  NEW.name := upper(NEW.name);
  RETURN NEW;
END $$;
CREATE TRIGGER before_row BEFORE INSERT ON trigger_events FOR EACH ROW EXECUTE FUNCTION trigger_on_topic();
CREATE TRIGGER after_row AFTER INSERT ON trigger_events FOR EACH ROW EXECUTE FUNCTION trigger_on_topic();
CREATE TRIGGER after_statement AFTER INSERT ON trigger_events FOR EACH STATEMENT EXECUTE FUNCTION trigger_on_topic();
INSERT INTO trigger_events VALUES (1, 'x', 'n'), (2, 'skip', 'n');
COPY trigger_events FROM STDIN;
3	y	m
\.
\! kafka_tool consume trigger

-- A view over it, with a check option.
CREATE VIEW trigger_view AS SELECT id, op FROM trigger_events WHERE op <> 'no' WITH CHECK OPTION;
INSERT INTO trigger_view VALUES (8, 'yes');
INSERT INTO trigger_view VALUES (9, 'no');
\! kafka_tool consume trigger -c

DROP TABLE trigger_customers;
SET client_min_messages = warning;
DROP SERVER trigger_test CASCADE;
DROP FUNCTION trigger_publish, trigger_on_topic;
