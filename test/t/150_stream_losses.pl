# A stream loses no record of a batch: what a plan would leave of it, or count once, is an error.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);

produce($topic, join('', map { "{\"id\":" . ($_ % 10) . ",\"n\":$_}\n" } 1 .. 100));
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE src (id int, n int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE target (id int PRIMARY KEY, n int);
	CREATE TABLE copied (id int, n int);
	INSERT INTO target SELECT i, 0 FROM generate_series(0, 9) i;
	EOF

# Records that meet in one row of the table
my $hint = qr/a second time.*HINT:  Let one row of the batch meet each row of the table/s;
stream_fails($node, 'upsert', 'INSERT INTO target SELECT id, n FROM src ON CONFLICT (id) DO UPDATE SET n = target.n + 1',
	qr/ON CONFLICT DO UPDATE command cannot affect row $hint/, 'ON CONFLICT');
stream_fails($node, 'merge', 'MERGE INTO target t USING src s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = t.n + 1',
	qr/MERGE command cannot affect row $hint/, 'MERGE');
stream_fails($node, 'update', 'UPDATE target t SET n = t.n + s.n FROM (SELECT id, n % 3, count(*) AS n FROM src GROUP BY 1, 2) s WHERE s.id = t.id',
	qr/updates a row of table "target" $hint/, 'UPDATE by another key than the aggregate\'s');
stream_fails($node, 'delete', 'WITH d AS (DELETE FROM target t USING (SELECT id, n % 3 AS k, count(*) AS n FROM src GROUP BY 1, 2) s WHERE s.id = t.id RETURNING t.id, s.n) INSERT INTO copied SELECT id, n FROM d',
	qr/deletes a row of table "target" $hint/, 'DELETE by another key than the aggregate\'s, with RETURNING');
stream_fails($node, 'rows', 'INSERT INTO target SELECT id, (SELECT o.n FROM copied c RIGHT JOIN target o ON true) FROM src',
	qr/more than one row returned by a subquery(?!.*Let one row of the batch)/s, 'a sub-select with several rows');
$node->safe_psql('postgres', q(SELECT kafka.create_stream('sums',
	'UPDATE target t SET n = t.n + s.n FROM (SELECT id, count(*) AS n FROM src GROUP BY id) s WHERE s.id = t.id')));
becomes($node, 'postgres', 'SELECT sum(n), min(n) FROM target', '100|10', 'aggregated records all count');

# What changes after create_stream is seen with the next batch.
$node->safe_psql('postgres', <<~'EOF');
	TRUNCATE copied;
	CREATE FUNCTION chosen() RETURNS SETOF src LANGUAGE sql STABLE AS 'SELECT * FROM src WHERE n > 100';
	CREATE TABLE parts (id int, n int) PARTITION BY RANGE (n);
	CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (1000);
	SELECT kafka.create_stream('chosen', 'INSERT INTO copied SELECT id, n FROM chosen()');
	SELECT kafka.create_stream('parts', 'INSERT INTO parts SELECT id, n FROM src');
	CREATE TABLE sent_parts (id int, n int) PARTITION BY RANGE (n);
	CREATE TABLE sent_part PARTITION OF sent_parts FOR VALUES FROM (0) TO (101);
	SELECT kafka.create_stream('sends_parts', 'INSERT INTO sent_parts SELECT id, n FROM src');
	EOF
my ($sent, $sent_part) = (new_topic(1), new_topic(1));
$node->safe_psql('postgres', qq(CREATE FOREIGN TABLE sent (id int) SERVER k OPTIONS (topic '$sent', delivery 'outbox');
	SELECT kafka.create_stream('sends', 'INSERT INTO sent SELECT id FROM src')));
becomes($node, 'postgres', "SELECT count(*) FROM kafka.offsets WHERE next_offset = 100 AND group_id IN ('chosen', 'parts', 'sends', 'sends_parts')", 4, 'four streams have read all');
becomes($node, 'postgres', 'SELECT count(*) FROM sent', 100, 'and one has sent it');
$node->safe_psql('postgres', qq(CREATE TABLE sent_others PARTITION OF sent_parts FOR VALUES FROM (101) TO (2000) PARTITION BY RANGE (n);
	CREATE FOREIGN TABLE sent_other PARTITION OF sent_others FOR VALUES FROM (101) TO (2000) SERVER k OPTIONS (topic '$sent_part', delivery 'async')));
$node->safe_psql('postgres', q(CREATE OR REPLACE FUNCTION chosen() RETURNS SETOF src LANGUAGE sql STABLE AS 'SELECT * FROM src LIMIT 1';
	ALTER TABLE part SET UNLOGGED; ALTER FOREIGN TABLE sent OPTIONS (SET delivery 'async')));
produce($topic, "{\"id\":1,\"n\":101}\n{\"id\":2,\"n\":102}\n");
becomes($node, 'postgres', "SELECT last_error ~ 'under a LIMIT or OFFSET' FROM kafka.stat_streams WHERE stream = 'chosen'", 't', 'a function that takes a LIMIT later');
becomes($node, 'postgres', "SELECT last_error ~ 'cannot write unlogged table \"part\"' FROM kafka.stat_streams WHERE stream = 'parts'", 't', 'a partition that is unlogged later');
becomes($node, 'postgres', "SELECT last_error ~ 'cannot write table \"sent\" with delivery \"async\"' FROM kafka.stat_streams WHERE stream = 'sends'", 't',
	'a topic that is sent to at once later');
becomes($node, 'postgres', "SELECT last_error ~ 'cannot write table \"sent_other\" with delivery \"async\"' FROM kafka.stat_streams WHERE stream = 'sends_parts'", 't',
	'a partition that is such a topic');
is($node->safe_psql('postgres', 'SELECT count(*), (SELECT count(*) FROM sent) FROM copied'), '0|100', 'nothing is taken, and nothing was sent');
is(kafka_tool('consume', $sent_part, '-c'), 0, 'to the partition neither');
$node->safe_psql('postgres', q(CREATE OR REPLACE FUNCTION chosen() RETURNS SETOF src LANGUAGE sql STABLE AS 'SELECT * FROM src';
	ALTER TABLE part SET LOGGED; ALTER FOREIGN TABLE sent OPTIONS (SET delivery 'outbox'); SELECT kafka.resume_stream(s) FROM unnest(ARRAY['chosen', 'parts', 'sends']) s));
becomes($node, 'postgres', 'SELECT count(*), (SELECT count(*) FROM parts), (SELECT count(*) FROM sent) FROM copied', '2|102|102', 'and nothing is lost when they are as before');

# What a foreign server changes by itself meets no records; rows that it is told to change one by one count as others
SKIP:
{
	skip('postgres_fdw is not installed', 6) unless $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'");
	$node->safe_psql('postgres', <<~"EOF");
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${\($node->host)}', port '${\($node->port)}', dbname 'postgres');
		CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '${\($node->safe_psql('postgres', 'SELECT current_user'))}');
		CREATE TABLE far_rows AS SELECT i AS id, 0 AS n FROM generate_series(0, 9) i;
		CREATE TABLE far_parts AS SELECT i AS id, 0 AS n FROM generate_series(0, 4) i;
		CREATE FOREIGN TABLE far_target (id int, n int) SERVER far OPTIONS (table_name 'far_rows');
		CREATE TABLE mixed (id int, n int) PARTITION BY RANGE (id);
		CREATE TABLE near_part PARTITION OF mixed FOR VALUES FROM (5) TO (10);
		CREATE FOREIGN TABLE far_part PARTITION OF mixed FOR VALUES FROM (0) TO (5) SERVER far OPTIONS (table_name 'far_parts');
		INSERT INTO mixed SELECT i, 0 FROM generate_series(5, 9) i;
		EOF
	foreach my $change ([ 'far_target', 'UPDATE far_target SET n = 1' ], [ 'mixed', 'UPDATE mixed SET n = 1' ], [ 'mixed', 'DELETE FROM mixed' ])
	{
		my ($table, $command) = @$change;
		my $rows = "(SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table WHERE n = 0)";
		$node->safe_psql('postgres', qq(TRUNCATE copied; UPDATE $table SET n = 0;
			SELECT kafka.create_stream('far', 'WITH u AS ($command WHERE id > 1 RETURNING id) INSERT INTO copied SELECT id, (SELECT count(*) FROM u) FROM src')));
		becomes($node, 'postgres', "SELECT count(*), $rows FROM copied", '102|0 1', "$command RETURNING");
		$node->safe_psql('postgres', "SELECT kafka.drop_stream('far')");
	}
	stream_fails($node, 'far', 'UPDATE mixed t SET n = t.n + s.n FROM (SELECT id, n % 3, count(*) AS n FROM src WHERE id < 5 GROUP BY 1, 2) s WHERE s.id = t.id',
		qr/updates a row of table "mixed" $hint/, 'UPDATE of rows that are met twice elsewhere');
}

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
