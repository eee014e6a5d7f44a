-- NOT NULL, CHECK, partition bounds, policies and check options hold for what is inserted: nobody behind the table checks them.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER insert_constraints_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');

\! kafka_tool create-topic --replace insert_constraints 1
CREATE FOREIGN TABLE insert_checked (
  id int NOT NULL, amount numeric CONSTRAINT positive CHECK (amount > 0), twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
  k text OPTIONS (metadata 'key'), gone boolean OPTIONS (metadata 'tombstone'),
  CONSTRAINT small CHECK (twice < 1000), CONSTRAINT keyed CHECK (k IS NOT NULL OR id < 100)
) SERVER insert_constraints_test OPTIONS (topic 'insert_constraints');

INSERT INTO insert_checked (id, amount) VALUES (1, 10);
INSERT INTO insert_checked (id, amount) VALUES (2, 10), (NULL, 10);
INSERT INTO insert_checked (id, amount) VALUES (2, 10), (3, 0);
INSERT INTO insert_checked (id, amount) SELECT g, 100 * g FROM generate_series(2, 7) AS g;
INSERT INTO insert_checked (id, amount) VALUES (100, 1);
INSERT INTO insert_checked (id, amount, k) VALUES (100, 1, 'k');
COPY insert_checked (id, amount) FROM STDIN;
4	10
\N	10
\.
COPY insert_checked (id, amount) FROM STDIN;
4	-1
\.
COPY insert_checked (id, amount) FROM STDIN;
4	10
\.
-- A NULL satisfies a CHECK; a tombstone has no fields.
INSERT INTO insert_checked (id) VALUES (5);
INSERT INTO insert_checked (k, gone) VALUES ('k', true);
-- In a subtransaction the rest goes on.
DO $$
BEGIN
  INSERT INTO insert_checked (id, amount) VALUES (6, 1);
  BEGIN
    INSERT INTO insert_checked (id, amount) VALUES (7, 1), (8, -1);
  EXCEPTION WHEN check_violation THEN
    INSERT INTO insert_checked (id, amount) VALUES (9, 1);
  END;
END $$;
\! kafka_tool consume insert_constraints -f okv

-- Partitions: bounds, however a row comes to them, and their own constraints.
\! kafka_tool create-topic --replace insert_constraints 1
CREATE TABLE insert_parent (id int, v text) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE insert_low PARTITION OF insert_parent (CONSTRAINT no_x CHECK (v <> 'x')) FOR VALUES FROM (1) TO (10)
  SERVER insert_constraints_test OPTIONS (topic 'insert_constraints');
INSERT INTO insert_parent VALUES (1, 'routed');
INSERT INTO insert_parent VALUES (2, 'x');
INSERT INTO insert_parent VALUES (20, 'nowhere');
INSERT INTO insert_low VALUES (3, 'direct');
INSERT INTO insert_low VALUES (20, 'outside');
COPY insert_low FROM STDIN;
20	outside
\.
COPY insert_parent FROM STDIN;
4	x
\.
CREATE FUNCTION insert_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id + 5; RETURN NEW; END $$;
CREATE TRIGGER moves BEFORE INSERT ON insert_low FOR EACH ROW EXECUTE FUNCTION insert_moves();
INSERT INTO insert_parent VALUES (4, 'moved');
INSERT INTO insert_parent VALUES (5, 'moved out');
\! kafka_tool consume insert_constraints -f ov
DROP TABLE insert_parent;
DROP FUNCTION insert_moves;

-- Policies of the table that a row is routed from.
\! kafka_tool create-topic --replace insert_constraints 1
CREATE TABLE insert_parent (id int, v text) PARTITION BY LIST (v);
CREATE FOREIGN TABLE insert_a PARTITION OF insert_parent FOR VALUES IN ('a')
  SERVER insert_constraints_test OPTIONS (topic 'insert_constraints');
CREATE TABLE insert_b PARTITION OF insert_parent FOR VALUES IN ('b');
CREATE ROLE insert_guest;
GRANT SELECT, INSERT ON insert_parent TO insert_guest;
ALTER TABLE insert_parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON insert_parent FOR SELECT USING (true);
CREATE POLICY writes ON insert_parent FOR INSERT WITH CHECK (id < 10);
SET ROLE insert_guest;
INSERT INTO insert_parent VALUES (1, 'a'), (2, 'b'), (7, 'a');
INSERT INTO insert_parent VALUES (8, 'a'), (10, 'a');
RESET ROLE;
\! kafka_tool consume insert_constraints -f ov
DROP TABLE insert_parent;
DROP ROLE insert_guest;

-- The check option of a view, before the record leaves.
\! kafka_tool create-topic --replace insert_constraints 1
CREATE FOREIGN TABLE insert_sent (id int, _offset bigint OPTIONS (metadata 'offset')) SERVER insert_constraints_test OPTIONS (topic 'insert_constraints');
CREATE VIEW insert_small AS SELECT * FROM insert_sent WHERE id < 10 WITH CHECK OPTION;
INSERT INTO insert_small (id) VALUES (1) RETURNING _offset;
INSERT INTO insert_small (id) VALUES (10) RETURNING _offset;
\! kafka_tool consume insert_constraints -f ov

SET client_min_messages = warning;
DROP SERVER insert_constraints_test CASCADE;
