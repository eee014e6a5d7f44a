# Workers of idle streams sleep, without a client, while a sentry watches what they read: they wake when something
# comes, when the sentry ends, when brokers are in trouble and when they are asked.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes stream_clients);
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = KafkaFdw::Broker->new;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap, conf => "max_worker_processes = 32\nkafka_fdw.max_workers = 16");

$broker->kafka_tool('create-topic', 'orders', 2);
$broker->kafka_tool('create-topic', 'others', 1);
query(<<~"EOF");
	CREATE FOREIGN TABLE orders (id int) SERVER k OPTIONS (topic 'orders');
	CREATE FOREIGN TABLE others (id int) SERVER k OPTIONS (topic 'others');
	CREATE FOREIGN TABLE sent (id int) SERVER k OPTIONS (topic 'others', delivery 'transactional');
	CREATE TABLE copied (id int);
	CREATE TABLE counted (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM orders', workers => 2);
	SELECT kafka.create_stream('count', 'INSERT INTO counted SELECT id FROM others');
	SELECT kafka.create_stream('other' || i, 'INSERT INTO counted SELECT id FROM others WHERE false') FROM generate_series(1, 5) i;
	EOF

sub all_sleep
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(poll_until(sub { stream_clients('%') == 0 }), $name) || diag(query('TABLE kafka.stat_streams'));
}

# produces a record with the next number
my $number = 0;
sub produce_one
{
	my ($topic, $partition) = @_;
	$broker->kafka_tool('generate', $topic, '-n', 1, '-s', ++$number, '-p', $partition, '-m', '{"id":{i}}');
	return $number;
}

sub arrives
{
	my ($table, $id, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return query_becomes("SELECT count(*) FROM $table WHERE id = $id", 1, $name);
}

my $sentry = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'kafka_fdw sentry'";
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", 8, 'eight workers wait');
ok(stream_clients('%') == 8, 'each with a client');
all_sleep('when nothing comes for some time they have none');
is(query("SELECT count(*), sum(lag) FROM kafka.stat_streams WHERE state = 'idle'"), '8|0', 'they are shown as before');

# Records, and a marker behind one
arrives('copied', produce_one('orders', 1), 'a record of one of them is read');
is(stream_clients('%'), 1, 'by the worker that it is for, and nobody else is woken');
query('INSERT INTO sent VALUES (0)');
query_becomes("SELECT count(*) FROM kafka.offsets WHERE topic = 'others' AND next_offset = 2", 6, 'positions move past the marker of a transaction');

# What is told to a sleeper, and asked of it
all_sleep('all sleep again');
query("SELECT kafka.alter_stream('other1', statement => 'INSERT INTO counted SELECT -id FROM others')");
query("SELECT kafka.pause_stream('other2'), kafka.alter_stream('other3', wait_for => '{copy}')");
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE stream = 'other2' AND pid IS NULL", 1, 'a sleeper can be paused');
my $id = produce_one('others', 0);
arrives('counted', $id, 'those that sleep read on');
arrives('counted', -$id, 'and do what they were told meanwhile');
query_becomes("SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 'other3'", 3, 'one that waits for a sleeper is answered');
query("SELECT kafka.resume_stream('other2')");

# Without the sentry
all_sleep('and again');
my $pid = query($sentry);
query("SELECT pg_terminate_backend($pid)");
ok(poll_until(sub { stream_clients('%') == 8 }), 'when the sentry is ended, all wake');
arrives('copied', produce_one('orders', 0), 'and read');
query_becomes("SELECT count(*) FROM ($sentry) s WHERE pid <> $pid", 1, 'another sentry comes');
all_sleep('and relieves them');
$broker->kafka_tool('add-partitions', 'orders', 3);
query_becomes("SELECT sum(partitions) FROM kafka.stat_streams WHERE stream = 'copy'", 3, 'a new partition is noticed asleep');

# One topic in trouble
$broker->kafka_tool('create-topic', 'lonely', 1);
query("CREATE FOREIGN TABLE lonely (id int) SERVER k OPTIONS (topic 'lonely'); SELECT kafka.create_stream('lone', 'INSERT INTO counted SELECT id FROM lonely')");
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'lone'", 'idle', 'another stream waits');
all_sleep('and sleeps');
my $log = -s $node->logfile;
$broker->kafka_tool('delete-topic', 'lonely');
query_becomes("SELECT state IN ('stalled', 'failed') FROM kafka.stat_streams WHERE stream = 'lone'", 't', 'that its topic is gone is noticed asleep');
unlike(slurp_file($node->logfile, $log), qr/stream "(?!lone")[^"]+", worker \d+, is stalled/, 'and concerns no other');
query("SELECT kafka.drop_stream('lone')");

# Brokers in trouble
$broker->kill9;
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE state = 'stalled'", 8, 'that the broker is gone is noticed asleep');
$broker->restart;
arrives('copied', produce_one('orders', $_), "a record of partition $_ is read when it is back") foreach 0 .. 2;
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", 8, 'all trouble is over');
is(query('SELECT count(*), count(DISTINCT id) FROM copied'), '5|5', 'nothing is lost or there twice');

# Options that are wrong for a while
$log = -s $node->logfile;
query("ALTER SERVER k OPTIONS (ADD security_protocol 'sasl_plaintext', ADD sasl_mechanism 'PLAIN')");
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE state = 'failed'", 8, 'that an option is missing is noticed');
ok(poll_until(sub { slurp_file($node->logfile, $log) =~ /CONTEXT:  sentry/ }), 'by the sentry, too');
query('ALTER SERVER k OPTIONS (DROP security_protocol, DROP sasl_mechanism); SELECT kafka.resume_stream(name) FROM kafka.streams');
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", 8, 'the streams are resumed');
query_becomes("SELECT count(*) FROM ($sentry) s", 1, 'and have a sentry again');

query("SELECT kafka.drop_stream('other' || i) FROM generate_series(1, 5) i");
query_becomes("SELECT count(*) FROM ($sentry) s", 0, 'few streams need no sentry');

# Without the server
query("SELECT kafka.create_stream('other' || i, 'INSERT INTO counted SELECT id FROM others WHERE false') FROM generate_series(1, 5) i");
query_becomes("SELECT count(*) FROM ($sentry) s", 1, 'as many as before need one');
query('DROP SERVER k CASCADE');
query_becomes("SELECT count(*) FROM ($sentry) s", 0, 'it goes with the server');
unlike(slurp_file($node->logfile, $log), qr/cache lookup failed/, 'without a word of it');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
