-- A batch counts as read: what a plan would leave of it, or count once where it comes twice, is refused. No worker
-- runs here: a stream is created and rolled back.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
CREATE SCHEMA stream_losses;
SET search_path = stream_losses;
CREATE SERVER losses_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE src (id int, n int) SERVER losses_test OPTIONS (topic 'losses');
CREATE TABLE target (id int PRIMARY KEY, n int);
CREATE TABLE other (id int, n int);
CREATE FUNCTION taken() RETURNS SETOF src LANGUAGE sql STABLE AS 'SELECT * FROM src LIMIT 1';
CREATE FUNCTION every() RETURNS SETOF src LANGUAGE sql STABLE AS 'SELECT * FROM src';
CREATE FUNCTION hidden() RETURNS SETOF src LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT * FROM src; END';
CREATE VIEW few AS SELECT * FROM src LIMIT 3;

-- What create_stream says of each statement, where it says anything.
CREATE FUNCTION says(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM kafka.create_stream('s', statement);
    RAISE sqlstate 'ZZZZZ';
EXCEPTION
    WHEN sqlstate 'ZZZZZ' THEN RETURN 'runs';
    WHEN OTHERS THEN RETURN sqlerrm;
END $$;
CREATE TABLE said (statement text, says text);

-- A count of rows may not drop records: wherever it stands, whatever the rows went through.
WITH s AS (INSERT INTO said SELECT q, says(q) FROM unnest(ARRAY[
    'INSERT INTO other SELECT id FROM src FETCH FIRST ROW ONLY',
    'INSERT INTO other SELECT id FROM src ORDER BY id FETCH FIRST 2 ROWS WITH TIES',
    'INSERT INTO other SELECT id FROM src ORDER BY id OFFSET (SELECT count(*) FROM target)',
    'INSERT INTO other SELECT id FROM taken()',
    'INSERT INTO other SELECT id FROM every() LIMIT 5',
    'INSERT INTO other SELECT id FROM few',
    'INSERT INTO other SELECT id FROM target WHERE id IN (SELECT id FROM src) LIMIT 5',
    'INSERT INTO other SELECT id FROM target WHERE n > 0 OR id IN (SELECT id FROM src) LIMIT 5',
    'INSERT INTO other SELECT id FROM target t WHERE EXISTS (SELECT FROM src WHERE id = t.id) LIMIT 5',
    'INSERT INTO other SELECT id FROM target t WHERE NOT EXISTS (SELECT FROM src WHERE id = t.id) LIMIT 5',
    'INSERT INTO other SELECT t.id FROM target t CROSS JOIN LATERAL (SELECT id FROM src WHERE id = t.id LIMIT 1) s',
    'INSERT INTO other SELECT id FROM target WHERE id = (SELECT id FROM src LIMIT 1)',
    'INSERT INTO other SELECT id FROM target WHERE id = (SELECT max(id) FROM (SELECT id FROM src LIMIT 1) s)',
    'INSERT INTO other SELECT DISTINCT id FROM src LIMIT 5',
    'INSERT INTO other SELECT id FROM src GROUP BY id LIMIT 5',
    'INSERT INTO other SELECT id, row_number() OVER () FROM src LIMIT 5',
    'INSERT INTO other SELECT 1 UNION SELECT id FROM src LIMIT 1',
    'INSERT INTO other SELECT id FROM target EXCEPT SELECT id FROM src LIMIT 1',
    'INSERT INTO other SELECT id FROM target UNION ALL SELECT id FROM src LIMIT 1',
    'INSERT INTO other SELECT id, generate_series(1, n) FROM src LIMIT 1',
    'INSERT INTO other WITH s AS MATERIALIZED (SELECT * FROM src) SELECT id FROM s LIMIT 1',
    'INSERT INTO other WITH s AS MATERIALIZED (SELECT * FROM src) SELECT a.id FROM s a WHERE a.id IN (SELECT id FROM s LIMIT 1)',
    'INSERT INTO other WITH RECURSIVE r AS (SELECT id FROM src UNION ALL SELECT id - 1 FROM r WHERE id > 0) SELECT id FROM r LIMIT 9',
    'INSERT INTO other WITH RECURSIVE r AS (SELECT id FROM src UNION ALL (SELECT id - 1 FROM r WHERE id > 0 LIMIT 1)) SELECT id FROM r',
    'WITH i AS (INSERT INTO other SELECT id FROM src RETURNING id) INSERT INTO other SELECT id FROM i LIMIT 1',
    'WITH s AS (SELECT id FROM src LIMIT 1) DELETE FROM target USING s WHERE s.id = target.id',
    'MERGE INTO target t USING (SELECT id FROM src LIMIT 1) s ON t.id = s.id WHEN MATCHED THEN DELETE',
    'INSERT INTO other SELECT s.id FROM src s JOIN target t ON t.id = s.id FOR UPDATE OF t SKIP LOCKED',
    'INSERT INTO other SELECT s.id FROM src s JOIN (SELECT id FROM target FOR UPDATE SKIP LOCKED) t ON t.id = s.id',
    'INSERT INTO other SELECT s.id FROM src s JOIN target t ON t.id = s.id FOR UPDATE OF t NOWAIT',
    'INSERT INTO other SELECT id FROM hidden()'
    ]) AS q RETURNING *) TABLE s;

-- A condition may, and an aggregate has seen all of them.
SET client_min_messages = error;
WITH s AS (INSERT INTO said SELECT q, says(q) FROM unnest(ARRAY[
    'INSERT INTO other SELECT id FROM src LIMIT ALL OFFSET NULL',
    'INSERT INTO other SELECT id FROM every()',
    'INSERT INTO other SELECT id, count(*) FROM src GROUP BY id ORDER BY 2 DESC LIMIT 3',
    'INSERT INTO other SELECT id FROM src GROUP BY id HAVING count(*) > 1 LIMIT 3',
    'INSERT INTO other SELECT DISTINCT ON (id) id, n FROM src ORDER BY id, n',
    'INSERT INTO other SELECT DISTINCT 1 FROM src',
    'INSERT INTO other SELECT id, n FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY n DESC) AS r FROM src) s WHERE r = 1',
    'INSERT INTO other SELECT max(id) FROM (SELECT id FROM target UNION ALL SELECT id FROM src) u',
    'INSERT INTO other SELECT s.id, t.n FROM src s, LATERAL (SELECT n FROM target WHERE id = s.id LIMIT 1) t',
    'INSERT INTO other SELECT id FROM target WHERE id IN (SELECT id FROM src)',
    'INSERT INTO other SELECT id FROM target WHERE id = (SELECT max(id) FROM src) LIMIT 1',
    'INSERT INTO other SELECT 1 WHERE EXISTS (SELECT FROM src LIMIT 1)',
    'WITH s AS MATERIALIZED (SELECT * FROM src), t AS (SELECT count(*) FROM s) INSERT INTO other SELECT id FROM target WHERE id > (TABLE t) LIMIT 1',
    'WITH i AS (INSERT INTO other SELECT id FROM src) INSERT INTO other SELECT id FROM target LIMIT 1'
    ]) AS q RETURNING *) TABLE s;
RESET client_min_messages;

-- Common table expressions that each read the one before twice
SELECT says(format('WITH c0 AS MATERIALIZED (SELECT id FROM %s), %s INSERT INTO other SELECT id FROM src WHERE id IN (SELECT id FROM c60 LIMIT 1)',
    first, string_agg(format('c%s AS (SELECT a.id FROM c%s a JOIN c%s b USING (id))', i, i - 1, i - 1), ', ' ORDER BY i)))
FROM unnest(ARRAY['target', 'src']) first, generate_series(1, 60) i GROUP BY first ORDER BY first;

-- Of several records that meet a row, UPDATE takes one, and DELETE returns one.
WITH s AS (INSERT INTO said SELECT q, says(q) FROM unnest(ARRAY[
    'UPDATE target t SET n = t.n + 1 FROM src s WHERE s.id = t.id',
    'UPDATE target t SET n = t.n + 1 FROM src s JOIN other o USING (id) WHERE o.n = t.n',
    'UPDATE target t SET n = t.n + s.n FROM every() s WHERE s.id = t.id',
    'UPDATE target t SET n = t.n + s.n FROM (SELECT id, sum(n) OVER (PARTITION BY id) AS n FROM src) s WHERE s.id = t.id',
    'WITH s AS MATERIALIZED (SELECT * FROM src) UPDATE target t SET n = s.n FROM s WHERE s.id = t.id',
    'WITH i AS (INSERT INTO other SELECT id FROM src RETURNING id) UPDATE target t SET n = t.n + 1 FROM i WHERE i.id = t.id',
    'UPDATE target t SET n = t.n + 1 FROM (SELECT id FROM src UNION ALL SELECT id FROM other) s WHERE s.id = t.id',
    'WITH d AS (DELETE FROM target t USING src s WHERE s.id = t.id RETURNING t.id, s.n) INSERT INTO other SELECT id, n FROM d',
    'WITH d AS (DELETE FROM target t USING (SELECT id, n + 1 AS n FROM src) s WHERE s.id = t.id RETURNING abs(s.n) AS n) INSERT INTO other SELECT n, n FROM d',
    'DELETE FROM target t USING src s WHERE s.id = t.id RETURNING s'
    ]) AS q RETURNING *) TABLE s;
SELECT kafka.create_stream('s', 'UPDATE target t SET n = t.n + 1 FROM src s WHERE s.id = t.id');
SELECT kafka.create_stream('s', 'WITH d AS (DELETE FROM target t USING src s WHERE s.id = t.id RETURNING s.n) INSERT INTO other SELECT n, n FROM d');
SET client_min_messages = error;
WITH s AS (INSERT INTO said SELECT q, says(q) FROM unnest(ARRAY[
    'UPDATE target t SET n = t.n + s.n FROM (SELECT id, sum(n) AS n FROM src GROUP BY id) s WHERE s.id = t.id',
    'UPDATE target t SET n = s.n FROM (SELECT DISTINCT ON (id) id, n FROM src ORDER BY id, n) s WHERE s.id = t.id',
    'UPDATE target t SET n = 1 FROM (SELECT id FROM src GROUP BY id) s WHERE s.id = t.id',
    'UPDATE target t SET n = 1 FROM (SELECT id FROM src UNION SELECT id FROM other) s WHERE s.id = t.id',
    'UPDATE target SET n = n + 1 WHERE id IN (SELECT id FROM src)',
    'UPDATE target t SET n = n + 1 WHERE EXISTS (SELECT FROM src WHERE id = t.id)',
    'UPDATE target t SET n = n + 1 WHERE NOT EXISTS (SELECT FROM src WHERE id = t.id)',
    'UPDATE target t SET n = (SELECT sum(n) FROM src WHERE id = t.id)',
    'UPDATE target t SET n = n + 1 WHERE id > (SELECT count(*) FROM src)',
    'DELETE FROM target t USING src s WHERE s.id = t.id',
    'WITH d AS (DELETE FROM target t USING src s WHERE s.id = t.id RETURNING t.*) INSERT INTO other SELECT id, n FROM d',
    'WITH d AS (DELETE FROM target t USING (SELECT id, sum(n) AS n FROM src GROUP BY id) s WHERE s.id = t.id RETURNING t.id, s.n) INSERT INTO other SELECT id, n FROM d',
    'INSERT INTO target SELECT id, n FROM src ON CONFLICT (id) DO UPDATE SET n = target.n + 1',
    'MERGE INTO target t USING src s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = t.n + 1'
    ]) AS q RETURNING *) TABLE s;
RESET client_min_messages;

-- The same whatever plan is chosen.
DO $$
DECLARE
    setting text;
    before said;
    now text;
BEGIN
    SET LOCAL client_min_messages = error;
    FOREACH setting IN ARRAY ARRAY['hashagg', 'hashjoin', 'nestloop', 'mergejoin', 'sort', 'material', 'memoize', 'indexscan', 'seqscan'] LOOP
        PERFORM set_config('enable_' || setting, 'off', true);
        FOR before IN TABLE said LOOP
            now := says(before.statement);
            IF now <> before.says THEN
                RAISE WARNING 'without %: %: %', setting, before.statement, now;
            END IF;
        END LOOP;
        IF setting NOT IN ('hashagg', 'hashjoin') THEN
            PERFORM set_config('enable_' || setting, 'on', true);
        END IF;
    END LOOP;
END $$;

-- A crash empties an unlogged table, and no position goes back with it.
CREATE UNLOGGED TABLE unlogged (id int);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE logged_part PARTITION OF parts FOR VALUES FROM (0) TO (9);
SELECT says('INSERT INTO unlogged SELECT id FROM src');
SELECT says('WITH i AS (INSERT INTO unlogged SELECT id FROM src RETURNING id) INSERT INTO other SELECT id FROM i');
SELECT says('DELETE FROM unlogged USING src WHERE src.id = unlogged.id');
SELECT says('INSERT INTO parts SELECT id FROM src');
SELECT says('INSERT INTO other SELECT id FROM src JOIN unlogged USING (id)');
CREATE UNLOGGED TABLE unlogged_part PARTITION OF parts FOR VALUES FROM (9) TO (99);
SELECT kafka.create_stream('s', 'INSERT INTO parts SELECT id FROM src');

-- A stream does not feed itself, also not by another table of its topic.
CREATE FOREIGN TABLE same_topic (id int, n int) SERVER losses_test OPTIONS (topic 'losses');
CREATE FOREIGN TABLE other_topic (id int, n int) SERVER losses_test OPTIONS (topic 'losses_other');
CREATE TABLE topic_parts (id int, n int) PARTITION BY RANGE (id);
SELECT kafka.create_stream('s', 'INSERT INTO src SELECT id FROM src');
SELECT says('INSERT INTO same_topic SELECT id FROM src');
SELECT says('WITH i AS (INSERT INTO same_topic SELECT id FROM src) INSERT INTO other SELECT 1');
ALTER TABLE topic_parts ATTACH PARTITION other_topic FOR VALUES FROM (0) TO (9);
SELECT says('INSERT INTO topic_parts SELECT id FROM src');
ALTER TABLE topic_parts ATTACH PARTITION same_topic FOR VALUES FROM (9) TO (99);
SELECT says('INSERT INTO topic_parts SELECT id FROM src');
-- nor by another server of its cluster: one that names a broker of the source's
CREATE SERVER losses_again FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE FOREIGN TABLE again (id int, n int) SERVER losses_again OPTIONS (topic 'losses');
SELECT says('INSERT INTO again SELECT id FROM src');
CREATE FUNCTION says_of(source text, target text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER SERVER losses_test OPTIONS (SET bootstrap_servers %L)', source);
    EXECUTE format('ALTER SERVER losses_again OPTIONS (SET bootstrap_servers %L)', target);
    RETURN says('INSERT INTO again SELECT id FROM src');
END $$;
SET client_min_messages = warning;
SELECT source, target, says_of(source, target) FROM (VALUES
    ('a:1', 'a:1'), ('a:1,b:2', ' c:3 , B:02 '), ('a:1', 'b:1'), ('a:1', 'a:2'), ('a:1', 'aa:1'), ('a', 'a:9092'), ('a', 'b'),
    ('[::1]:9', '[::1]:9'), ('[::1]', '[::1]:9092'), ('[::1]:1', '[::2]:1')) v (source, target);

DROP SERVER losses_again CASCADE;
DROP SERVER losses_test CASCADE;
DROP SCHEMA stream_losses CASCADE;
