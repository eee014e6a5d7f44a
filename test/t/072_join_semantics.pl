# What a stream's statement means: Kafka Streams' truth table of joins of a stream with a table, and all that SQL can join.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query);
use Test::More;

my $node = new_cluster('main');
my $events = new_topic(3);
my $orders = new_topic(2);
my $forwarded = new_topic(1);
my $mixed = new_topic(1);

query(<<~"EOF");
	-- waits until these streams have worked on so many records, of which no partition is the last to get one
	CREATE PROCEDURE await(records bigint, VARIADIC streams text[]) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR i IN 1 .. 6000 LOOP
			IF (SELECT bool_and(coalesce((SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = s), 0) >= records) FROM unnest(streams) s) THEN
				RETURN;
			END IF;
			PERFORM pg_sleep(0.01);
		END LOOP;
		RAISE 'streams % have not done % records', streams, records;
	END \$\$;

	CREATE FOREIGN TABLE events (v text, k int OPTIONS (metadata 'key'), gone bool OPTIONS (metadata 'tombstone'),
		p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$events');
	CREATE TABLE side (k int PRIMARY KEY, v text);
	CREATE TABLE inner_joined (o bigint, l text, r text);
	CREATE TABLE left_joined (LIKE inner_joined);
	SELECT kafka.create_stream('inner', 'INSERT INTO inner_joined SELECT o, e.v, s.v FROM events e JOIN side s USING (k) WHERE NOT gone');
	SELECT kafka.create_stream('left', 'INSERT INTO left_joined SELECT o, e.v, s.v FROM events e LEFT JOIN side s USING (k) WHERE NOT gone');
	EOF

# The table: a record of the stream or a change of the table (NULL: a tombstone, which deletes), and what comes of it. All
# are in one partition; the others stay empty and hold up nothing. The last ones have no key: KIP-962 has a left join keep
# them.
query(<<~'EOF');
	CREATE TABLE truth (t int, k int, side char, v text, inner_result text, left_result text);
	INSERT INTO truth VALUES
		( 1, 1,    'L', NULL, NULL,    NULL),
		( 2, 1,    'R', NULL, NULL,    NULL),
		( 3, 1,    'L', 'A',  NULL,    '[A,null]'),
		( 4, 1,    'R', 'a',  NULL,    NULL),
		( 5, 1,    'L', 'B',  '[B,a]', '[B,a]'),
		( 6, 1,    'R', 'b',  NULL,    NULL),
		( 7, 1,    'L', NULL, NULL,    NULL),
		( 8, 1,    'R', NULL, NULL,    NULL),
		( 9, 1,    'L', 'C',  NULL,    '[C,null]'),
		(10, 1,    'R', 'c',  NULL,    NULL),
		(11, 1,    'R', NULL, NULL,    NULL),
		(12, 1,    'L', NULL, NULL,    NULL),
		(13, 1,    'R', NULL, NULL,    NULL),
		(14, 1,    'R', 'd',  NULL,    NULL),
		(15, 1,    'L', 'D',  '[D,d]', '[D,d]'),
		(16, NULL, 'L', 'E',  NULL,    '[E,null]'),
		(17, 2,    'L', 'F',  NULL,    '[F,null]');
	CREATE PROCEDURE play() LANGUAGE plpgsql AS $$
	DECLARE
		step truth;
		sent int := 0;
	BEGIN
		FOR step IN SELECT * FROM truth ORDER BY t LOOP
			IF step.side = 'R' AND step.v IS NULL THEN
				DELETE FROM side WHERE k = step.k;
			ELSIF step.side = 'R' THEN
				INSERT INTO side VALUES (step.k, step.v) ON CONFLICT (k) DO UPDATE SET v = EXCLUDED.v;
			ELSE
				INSERT INTO events (k, v, gone, p) VALUES (step.k, step.v, step.v IS NULL, 1);
				sent := sent + 1;
			END IF;
			COMMIT;
			CALL await(sent, 'inner', 'left');
		END LOOP;
	END $$;
	CALL play();
	EOF
my $wrong = <<~'EOF';
	SELECT s.t, s.expected, s.got FROM (
		SELECT t, CASE WHEN '%1$s' = 'inner' THEN inner_result ELSE left_result END AS expected,
			(SELECT string_agg(format('[%%s,%%s]', j.l, coalesce(j.r, 'null')), '') FROM %1$s_joined j
				WHERE j.o = (SELECT count(*) FROM truth b WHERE b.side = 'L' AND b.t < truth.t) AND side = 'L') AS got
		FROM truth) s WHERE s.expected IS DISTINCT FROM s.got
	EOF
foreach my $kind (qw(inner left))
{
	is(query(sprintf($wrong, $kind)), '', "the truth table of the $kind join");
}
is(query('SELECT (SELECT count(*) FROM inner_joined), (SELECT count(*) FROM left_joined)'), '2|6', 'and nothing else has come');

# The same stream in another database has positions of its own.
query('CREATE DATABASE other');
$node->safe_psql('other', <<~"EOF");
	CREATE EXTENSION kafka_fdw;
	CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '@{[bootstrap()]}');
	CREATE FOREIGN TABLE events (v text) SERVER k OPTIONS (topic '$events');
	CREATE TABLE copied (v text);
	SELECT kafka.create_stream('inner', 'INSERT INTO copied SELECT v FROM events');
	EOF
becomes($node, 'other', 'SELECT count(*), count(v) FROM copied', '9|6', 'a stream of the same name in another database reads all records');
is(query('SELECT count(*) FROM inner_joined'), '2', 'and takes none of the other one');

# Tables of all kinds, joined in all ways
query(<<~"EOF");
	CREATE FOREIGN TABLE orders (id int, customer int, item text, amount int, at timestamptz OPTIONS (metadata 'timestamp'),
		gone bool OPTIONS (metadata 'tombstone'), _key text OPTIONS (metadata 'key')) SERVER k OPTIONS (topic '$orders');
	CREATE FOREIGN TABLE forwarded (id int, name text) SERVER k OPTIONS (topic '$forwarded', delivery 'outbox');
	CREATE FOREIGN TABLE mixed (id int) SERVER k OPTIONS (topic '$mixed', delivery 'outbox');

	CREATE TABLE customers (customer int PRIMARY KEY, name text, country text) PARTITION BY HASH (customer);
	CREATE TABLE customers_0 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE customers_1 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO customers VALUES (1, 'Ada', 'uk'), (2, 'Blaise', 'fr'), (3, 'Carl', NULL);
	CREATE TABLE countries (country text PRIMARY KEY, full_name text);
	INSERT INTO countries VALUES ('uk', 'United Kingdom'), ('fr', 'France');
	CREATE VIEW european AS SELECT customer, name FROM customers WHERE country IS NOT NULL;
	CREATE MATERIALIZED VIEW french AS SELECT customer FROM customers WHERE country = 'fr';
	CREATE TABLE empty (customer int, note text);
	CREATE TABLE tags (item text, tag text);
	INSERT INTO tags VALUES ('tea', 'hot'), ('tea', 'green');
	CREATE TABLE prices (item text, since timestamptz, price int);
	INSERT INTO prices VALUES ('tea', '2024-01-01', 10), ('tea', '2024-02-01', 20), ('tea', '2024-03-01', 30);

	CREATE TABLE several (id int, name text, country text, full_name text, european text, note text);
	CREATE TABLE computed (key text, gone bool, name text);
	CREATE TABLE as_of (id int, price int);
	CREATE TABLE tagged (id int, tag text);
	CREATE TABLE only_french (id int);
	CREATE TABLE not_french (id int);
	CREATE TABLE counts (customer int, month date, n int, total int, PRIMARY KEY (customer, month));
	CREATE TABLE newest (id int PRIMARY KEY, amount int);
	CREATE TABLE called (id int, name text);
	CREATE TABLE call_log (n int);
	CREATE TABLE logged (id int CHECK (id <> 5));
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER counting AFTER INSERT ON called FOR EACH ROW EXECUTE FUNCTION nothing();

	CREATE PROCEDURE take() LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO called SELECT id, name FROM orders JOIN customers USING (customer);
		INSERT INTO forwarded SELECT id, name FROM orders LEFT JOIN customers USING (customer) WHERE NOT gone;
		INSERT INTO call_log SELECT count(*) FROM orders;
	END \$\$;

	SELECT kafka.create_stream('several', 'INSERT INTO several SELECT o.id, c.name, c.country, n.full_name, e.name, x.note FROM orders o
		LEFT JOIN customers c USING (customer) LEFT JOIN countries n ON n.country = lower(c.country) LEFT JOIN european e ON e.customer = o.customer
		LEFT JOIN empty x ON x.customer = o.customer WHERE NOT gone');
	SELECT kafka.create_stream('computed', 'INSERT INTO computed SELECT upper(_key), gone, c.name FROM orders o
		LEFT JOIN customers c ON c.customer = o.customer + length(o.item) - 3');
	SELECT kafka.create_stream('as_of', 'INSERT INTO as_of SELECT id, p.price FROM orders o LEFT JOIN LATERAL
		(SELECT price FROM prices p WHERE p.item = o.item AND p.since <= o.at ORDER BY since DESC LIMIT 1) p ON true WHERE NOT gone');
	SELECT kafka.create_stream('tagged', 'INSERT INTO tagged SELECT id, tag FROM orders JOIN tags USING (item)');
	SELECT kafka.create_stream('only_french', 'INSERT INTO only_french SELECT id FROM orders o WHERE EXISTS (SELECT FROM french f WHERE f.customer = o.customer)');
	SELECT kafka.create_stream('not_french', 'INSERT INTO not_french SELECT id FROM orders o WHERE NOT EXISTS (SELECT FROM french f WHERE f.customer = o.customer) AND NOT gone');
	SELECT kafka.create_stream('counts', 'INSERT INTO counts SELECT customer, date_trunc(''month'', at), count(*), sum(amount) FROM orders WHERE customer IS NOT NULL GROUP BY 1, 2
		ON CONFLICT (customer, month) DO UPDATE SET n = counts.n + EXCLUDED.n, total = counts.total + EXCLUDED.total');
	SELECT kafka.create_stream('newest', 'MERGE INTO newest n USING (SELECT _key::int AS id, (array_agg(amount ORDER BY at DESC))[1] AS amount,
		(array_agg(gone ORDER BY at DESC))[1] AS gone FROM orders GROUP BY 1) o ON n.id = o.id
		WHEN MATCHED AND gone THEN DELETE WHEN MATCHED THEN UPDATE SET amount = o.amount WHEN NOT MATCHED AND NOT gone THEN INSERT VALUES (o.id, o.amount)');
	SELECT kafka.create_stream('call', 'CALL take()', source => 'orders');
	SELECT kafka.create_stream('mixed', 'WITH l AS (INSERT INTO logged SELECT id FROM orders WHERE NOT gone RETURNING id) INSERT INTO mixed SELECT id FROM l', on_error => 'dead_letter');
	EOF
my @streams = qw(several computed as_of tagged only_french not_french counts newest call mixed);
my $await = join(', ', map { "'$_'" } @streams);

query(<<~"EOF");
	INSERT INTO orders (_key, id, customer, item, amount, at) VALUES
		('1', 1, 1, 'tea', 5, '2024-02-10'), ('2', 2, 2, 'tea', 7, '2024-01-10'), ('3', 3, NULL, 'cup', 9, '2024-02-11'), ('4', 4, 9, 'tea', 1, '2023-12-31');
	INSERT INTO orders (_key, gone, at) VALUES ('4', true, '2024-02-12');
	EOF
query("CALL await(5, $await)");
query(<<~"EOF");
	UPDATE customers SET name = 'Ada L.' WHERE customer = 1;
	DELETE FROM customers WHERE customer = 2;
	INSERT INTO empty VALUES (1, 'vip');
	REFRESH MATERIALIZED VIEW french;
	INSERT INTO prices VALUES ('tea', '2024-02-05', 25);
	INSERT INTO orders (_key, id, customer, item, amount, at) VALUES
		('1', 5, 1, 'tea', 6, '2024-02-20'), ('2', 6, 2, 'tea', 8, '2024-03-10'), ('6', 7, 3, 'cup', 2, '2024-02-21');
	EOF
query("CALL await(8, $await)");

sub result_is
{
	my ($table, $expected, $name) = @_;
	is(query("SELECT string_agg(format('%s', r), ' ' ORDER BY r) FROM $table r"), $expected, $name);
	return;
}

result_is('several', '(1,Ada,uk,"United Kingdom",Ada,) (2,Blaise,fr,France,Blaise,) (3,,,,,) (4,,,,,)' .
	' (5,"Ada L.",uk,"United Kingdom","Ada L.",vip) (6,,,,,) (7,Carl,,,,)',
	'several tables, partitioned, empty, behind a view, by a key of the row before: each batch sees them as they are, NULL matches nothing');
result_is('computed', '(1,f,Ada) (1,f,"Ada L.") (2,f,Blaise) (2,f,) (3,f,) (4,f,) (4,t,) (6,f,Carl)',
	'the key of a join may be an expression, also where it meets a tombstone');
result_is('as_of', '(1,20) (2,10) (3,) (4,) (5,25) (6,30) (7,)', 'LATERAL finds the version of the time of a record, as a versioned table has');
result_is('tagged', '(1,green) (1,hot) (2,green) (2,hot) (4,green) (4,hot) (5,green) (5,hot) (6,green) (6,hot)', 'a record has a row for each match');
result_is('only_french', '(2)', 'a semi join with a materialized view');
result_is('not_french', '(1) (3) (4) (5) (6) (7)', 'an anti join, which keeps NULL');
result_is('counts', '(1,2024-02-01,2,11) (2,2024-01-01,1,7) (2,2024-03-01,1,8) (3,2024-02-01,1,2) (9,2023-12-01,1,1)', 'counts by key and window');
result_is('newest', '(1,6) (2,8) (3,9) (6,2)', 'MERGE: the newest of each key, and none of one that is gone');

# A procedure, and topics as targets
result_is('called', '(1,Ada) (2,Blaise) (5,"Ada L.") (7,Carl)', 'a procedure writes a table');
is(query('SELECT sum(n) FROM call_log'), '8', 'and another one, each batch in full');
becomes($node, 'postgres', 'SELECT sum(unsent) FROM kafka.stat_outbox', '0', 'what is for topics is published');
result_is('forwarded', '(1,Ada) (2,Blaise) (3,) (4,) (5,"Ada L.") (6,) (7,Carl)', 'and a topic');
result_is('logged', '(1) (2) (3) (4) (6) (7)', 'a statement that writes a table and a topic writes the one');
result_is('mixed', '(1) (2) (3) (4) (6) (7)', 'and the other: neither of a record that fails');
is(query("SELECT convert_from(value, 'UTF8')::jsonb->>'id' FROM kafka.dead_letters WHERE stream = 'mixed'"), '5', 'which is a dead letter');

# How it was done
my $plan = query("SELECT kafka.explain_stream('left')");
like($plan, qr/^Batch  \(records=\d+ time=[\d.]+ ms done=.*\)\nInsert on left_joined .*actual time=.*Foreign Scan on events .*actual time=.*Kafka Topic: $events\n +Records Read: 1\n/s,
	'the plan of a batch has times and rows');
unlike($plan, qr/Partitions Read/, 'and nothing of a topic that is read');
like(query("SELECT kafka.explain_stream('call')"), qr/Insert on called .*Trigger counting: time=.*Insert on forwarded .*Aggregate .*actual/s, 'of a procedure there are its queries');
$plan = query("SELECT kafka.topology(format => 'mermaid')");
like($plan, qr/\["mixed"\].*\(\["$mixed"\]\)/s, 'all streams are drawn');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
