# A stream's worker is killed with -9, again and again, and its server stopped in every way: each record's result
# is there exactly once, also in a topic.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_cluster('main', conf => "restart_after_crash = on\nfsync = off\nkafka_fdw.max_workers = 4");
my $topic = new_topic(4);
my $results = new_topic(2);
my $seed = $ENV{KAFKA_FDW_SEED} // int(rand(1 << 31));
srand($seed);
note("KAFKA_FDW_SEED=$seed");

$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE customers AS SELECT i AS customer_id, 'customer ' || i AS name FROM generate_series(0, 99) i;
	CREATE FOREIGN TABLE orders (id int, customer_id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE enriched (id int, name text);
	SELECT kafka.create_stream('enrich', 'INSERT INTO enriched SELECT id, name FROM orders JOIN customers USING (customer_id)',
		workers => 2, max_poll_records => 500);
	CREATE FOREIGN TABLE forwarded (id int) SERVER k OPTIONS (topic '$results', delivery 'outbox');
	CREATE TABLE logged (id int);
	SELECT kafka.create_stream('forward', 'WITH o AS MATERIALIZED (SELECT id FROM orders WHERE id % 3 = 0), l AS (INSERT INTO logged SELECT id FROM o)
		INSERT INTO forwarded SELECT id FROM o', max_poll_records => 500);
	EOF

sub worker_pid
{
	my ($ok, $pid) = (0, '');
	poll_until(sub {
		eval { $pid = $node->safe_psql('postgres', "SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'") };
		return $pid;
	}, 30) or die "no worker\n";
	return $pid;
}

my $generator = start_generator($topic, '-r', 2000, '-m', '{"id":{i},"customer_id":{i%110}}');
my $slowest = 0;
foreach my $round (1 .. 8)
{
	sleep(0.1 + rand(0.7));
	kill9(worker_pid());
	my $began = Time::HiRes::time();
	worker_pid();
	my $seconds = Time::HiRes::time() - $began;
	$slowest = $seconds if $seconds > $slowest;
}
cmp_ok($slowest, '<', 10, 'workers are back within seconds of a crash');

foreach my $mode (qw(fast immediate fast))
{
	sleep(rand(0.5));
	$node->stop($mode);
	$node->start;
}
ok(worker_pid(), 'workers start with the server');

# pg_terminate_backend and pg_cancel_backend are survived, too
foreach my $function (qw(pg_terminate_backend pg_cancel_backend) x 3)
{
	sleep(rand(0.3));
	$node->safe_psql('postgres', "SELECT $function(pid) FROM pg_stat_activity WHERE backend_type LIKE 'kafka_fdw %'");
}

# When pausing has committed, so has the last batch: nothing is written until the stream is resumed.
my $moved = 0;
foreach my $round (1 .. 5)
{
	$node->safe_psql('postgres', "SELECT kafka.pause_stream('enrich')");
	my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM enriched');
	sleep(0.1);
	$moved++ if $node->safe_psql('postgres', 'SELECT count(*) FROM enriched') != $count;
	$node->safe_psql('postgres', "SELECT kafka.resume_stream('enrich')");
	sleep(0.2);
}
is($moved, 0, 'a paused stream writes nothing');
my $produced = stop_generator($generator);

ok($node->poll_query_until('postgres', 'SELECT min(n), max(n) FROM (SELECT sum(next_offset) AS n FROM kafka.offsets GROUP BY group_id) g', "$produced|$produced"), 'all records are read')
  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_streams'));
my $expected = $node->safe_psql('postgres', 'SELECT count(*), sum(id) FROM orders JOIN customers USING (customer_id)');
is($node->safe_psql('postgres', 'SELECT count(*), sum(id) FROM enriched'), $expected, 'every result is there');
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT id FROM enriched GROUP BY id HAVING count(*) > 1) twice'), '0', 'none is there twice');
$expected = $node->safe_psql('postgres', 'SELECT count(*), sum(id), count(*) FROM orders WHERE id % 3 = 0');
is($node->safe_psql('postgres', 'SELECT count(*), sum(id), count(DISTINCT id) FROM logged'), $expected, 'a statement that writes a table and a topic has each result in the one');
becomes($node, 'postgres', 'SELECT sum(unsent) FROM kafka.stat_outbox', '0', 'all is published');
is($node->safe_psql('postgres', 'SELECT count(*), sum(id), count(DISTINCT id) FROM forwarded'), $expected, 'and in the other');
note("$produced records, results: $expected");

done_testing();
