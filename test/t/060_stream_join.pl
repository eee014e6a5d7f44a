# A stream joins a topic with a table: results and positions, order, joins, what may be its source.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(3);

# Two of the five statements are done: extension and server.
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE customers (customer_id int PRIMARY KEY, name text);
	INSERT INTO customers VALUES (1, 'Ada'), (2, 'Brian');
	CREATE FOREIGN TABLE orders (id int, customer_id int,
		p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
		SERVER k OPTIONS (topic '$topic');
	CREATE TABLE enriched (seq bigserial, id int, name text, p int, o bigint);
	SELECT kafka.create_stream('enrich',
		'INSERT INTO enriched (id, name, p, o) SELECT id, name, p, o FROM orders JOIN customers USING (customer_id)');
	EOF

produce($topic, join('', map { ($_ % 3) . ":{\"id\":$_,\"customer_id\":" . ($_ % 3) . "}\n" } 1 .. 30), '-P', ':');
query_becomes('SELECT count(*), min(id), max(id) FROM enriched', '20|1|29', 'records that match are joined');
query_becomes('SELECT sum(next_offset) FROM kafka.offsets', '30', 'positions are past all records');
is( $node->safe_psql('postgres', 'SELECT records_in, records_out, lag, state, partitions FROM kafka.stat_streams'),
	'30|20|0|idle|3', 'kafka.stat_streams counts them');

$node->safe_psql('postgres', "INSERT INTO customers VALUES (0, 'Cleo')");
produce($topic, "0:{\"id\":31,\"customer_id\":0}\n0:{\"id\":32,\"customer_id\":7}\n0:\\N\n0:{\"id\":33,\"customer_id\":null}\n", '-P', ':');
query_becomes('SELECT sum(next_offset) FROM kafka.offsets', '34', 'more records are read');
is($node->safe_psql('postgres', "SELECT string_agg(name, ',') FROM enriched WHERE id > 30"), 'Cleo',
	'a batch sees the table as it is then, and NULL matches nothing');

is($node->safe_psql('postgres', 'SELECT count(*) FROM orders'), '34', 'elsewhere the source is a plain topic table');
$node->safe_psql('postgres',
	"CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'enrich')");
my ($status, $out, $err) = $node->psql('postgres', 'SELECT * FROM feed');
like($err, qr/consumer group "enrich" belongs to the stream of that name/, 'nobody else consumes in the group of a stream');

# The order of the topic is kept whatever join is chosen: a nested loop has the bigger table outside here.
my $burst = new_topic(2);
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE big AS SELECT (i * 7919) % 100003 AS k, i AS v FROM generate_series(0, 100002) i;
	ANALYZE big;
	CREATE FOREIGN TABLE burst (k int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
		SERVER k OPTIONS (topic '$burst');
	CREATE TABLE ordered (seq bigserial, k int, v int, p int, o bigint);
	EOF
kafka_tool('generate', $burst, '-n', '4000', '-m', '{"k":{i}}');
foreach my $join (qw(hashjoin nestloop mergejoin))
{
	my $others = join(' ', map { $_ eq $join ? '' : "ALTER ROLE CURRENT_USER SET enable_$_ = off;" } qw(hashjoin nestloop mergejoin));
	$node->safe_psql('postgres', <<~"EOF");
		ALTER ROLE CURRENT_USER RESET ALL;
		$others
		TRUNCATE ordered;
		SELECT kafka.create_stream('order_$join', 'INSERT INTO ordered (k, v, p, o)
			SELECT k, v, p, o FROM big JOIN burst USING (k)');
		EOF
	query_becomes('SELECT count(*) FROM ordered', '4000', "all records are joined by $join");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT o, lag(o) OVER (PARTITION BY p ORDER BY seq) AS before FROM ordered) x WHERE o < before'),
		'0', "their order is kept by $join");
	$node->safe_psql('postgres', "SELECT kafka.drop_stream('order_$join')");
}
$node->safe_psql('postgres', 'ALTER ROLE CURRENT_USER RESET ALL');

# A LEFT JOIN keeps every record; a procedure sees the batch too; a topic as a target gets it at least once.
my $results = new_topic(1);
my @calls = $node->psql('postgres', <<~"EOF");
	CREATE TABLE kept (id int, name text);
	SELECT kafka.create_stream('keep', 'INSERT INTO kept SELECT id, name FROM orders LEFT JOIN customers USING (customer_id)');
	CREATE TABLE called (n bigint, ids int[]);
	CREATE PROCEDURE take() LANGUAGE sql AS 'INSERT INTO called SELECT count(*), array_agg(id ORDER BY id) FROM orders';
	SELECT kafka.create_stream('call', 'CALL take()', max_poll_records => 10, source => 'orders');
	CREATE FOREIGN TABLE results (id int, name text) SERVER k OPTIONS (topic '$results');
	SELECT kafka.create_stream('to_topic', 'INSERT INTO results SELECT id, name FROM orders JOIN customers USING (customer_id)');
	EOF
like($calls[2], qr/order of the stream's results is that of its statement.*reach the target topic at least once/s, 'notices say what is promised');
query_becomes('SELECT count(*), count(name), count(id) FROM kept', '34|31|33', 'LEFT JOIN keeps every record');
query_becomes('SELECT sum(n), max(n) FROM called', '34|10', 'a procedure reads the batch');
query_becomes('SELECT count(*) FROM results', '31', 'a stream writes into a topic');

# Pausing takes effect with its commit, and the counts stay.
$node->safe_psql('postgres', "SELECT kafka.pause_stream('enrich')");
produce($topic, "1:{\"id\":40,\"customer_id\":1}\n", '-P', ':');
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'keep' AND records_in = 35", 'idle', 'another stream of the topic goes on');
is($node->safe_psql('postgres', "SELECT state, records_in, pid FROM kafka.stat_streams WHERE stream = 'enrich'"), 'paused|34|', 'a paused one has no worker');
is($node->safe_psql('postgres', 'SELECT count(*) FROM enriched WHERE id = 40'), '0', 'and writes nothing');
$node->safe_psql('postgres', "SELECT kafka.resume_stream('enrich')");
query_becomes('SELECT count(*) FROM enriched WHERE id = 40', '1', 'a resumed one goes on where it was');

$node->safe_psql('postgres', "SELECT kafka.drop_stream('enrich')");
is($node->safe_psql('postgres', "SELECT count(*) FROM kafka.offsets WHERE group_id = 'enrich'"), '0', 'dropping a stream deletes its positions');
query_becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stream enrich'", '0', 'and ends its worker');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
