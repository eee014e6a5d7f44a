# A stream's broker restarts, hangs and comes back; what stops a worker stops it also while the broker is silent.
# What is told of it: in the log, by NOTIFY, in pg_stat_activity.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $broker = KafkaFdw::Broker->new;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap);
$broker->kafka_tool('create-topic', 'orders', 2);

$node->safe_psql('postgres', <<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '3000');
	CREATE FOREIGN TABLE orders (id int) SERVER k OPTIONS (topic 'orders');
	CREATE TABLE copied (id int);
	EOF
my $listener = KafkaSession->new($node);
$listener->run('LISTEN kafka_fdw');
$node->safe_psql('postgres', "SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM orders')");

# What was notified since the last time, in short
sub heard
{
	my @payloads = $listener->run('SELECT 1') =~ /notification "kafka_fdw" with payload "(.*)" received/g;
	return join(' ', map { /^\{"stream": "copy", "worker": (\w+), "state": "(\w+)", "error": ("\w+"|null)\}$/ ? "$1 $2 $3" : $_ } @payloads);
}

# What the log has about the stream from a position on
sub logged
{
	my ($position) = @_;
	return join('', map { "$_\n" } slurp_file($node->logfile, $position) =~ /LOG:  stream "copy", worker 0, (.*)/g);
}

# produces records with these numbers and waits for their results
my $number = 0;
sub produced_arrive
{
	my ($name) = @_;
	$broker->kafka_tool('generate', 'orders', '-n', 100, '-s', $number, '-m', '{"id":{i}}');
	$number += 100;
	ok($node->poll_query_until('postgres', 'SELECT count(*), count(DISTINCT id) FROM copied', "$number|$number"), $name)
	  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_streams'));
	return;
}

sub state_becomes
{
	my ($state, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT state FROM kafka.stat_streams WHERE stream = 'copy'", $state), $name)
	  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_streams'));
	return;
}

# How many clients of the library a process has
sub clients_of
{
	my ($pid) = @_;
	return scalar(grep { slurp_file($_) eq "rdk:main\n" } glob("/proc/$pid/task/*/comm"));
}

# runs a function and checks that it takes less than 6 seconds
sub is_quick
{
	my ($name, $function) = @_;
	my $began = time();
	$function->();
	my $seconds = time() - $began;
	cmp_ok($seconds, '<', 6, "$name within seconds") and note("$name: $seconds s");
	return;
}

# The first batch, while it waits
state_becomes('idle', 'a stream waits for records');
is(heard(), '0 running null', 'it is told that it runs');
my $session = KafkaSession->new($node);
$session->run('BEGIN; LOCK TABLE copied');
$broker->kafka_tool('generate', 'orders', '-n', 1, '-s', $number++, '-p', 1, '-m', '{"id":{i}}');
state_becomes('running', 'a batch begins');
is($node->safe_psql('postgres', "SELECT application_name, query FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'"),
	'stream copy|stream copy, worker 0: batch of 1 records of topic "orders": partition 1 offsets 0 to 0', 'pg_stat_activity shows stream, worker and batch');
is($node->safe_psql('postgres', 'SELECT lag, lag_seconds > 0 FROM kafka.stat_streams'), '1|t', 'how far it is behind is known in the first batch');
$session->run('COMMIT');
produced_arrive('records arrive');
is(heard(), '', 'nothing is told of batches');
$node->safe_psql('postgres', "BEGIN; SELECT kafka.pause_stream('copy'); SELECT kafka.resume_stream('copy'); COMMIT");
my $told = '';
ok(poll_until(sub { ($told .= ' ' . heard()) =~ /running/ }), 'a stream that was resumed at once tells that it runs');
like($told, qr/^ *null paused null *0 running null$/, 'after it was paused');
my $pid = backend_pid($node, "backend_type = 'kafka_fdw stream'");
$broker->restart;
produced_arrive('records arrive after a restart of the broker');
heard();
my $log = -s $node->logfile;
$broker->kill9;
state_becomes('stalled', 'a stream whose broker is gone is stalled');
is(heard(), '0 stalled "08006"', 'which is told');
sleep(3);
like(logged($log), qr/^is stalled: .*\n$/, 'and logged once');
like($node->safe_psql('postgres', 'SELECT last_error FROM kafka.stat_streams'), qr/@{[$broker->bootstrap]}/, 'and names it');
$broker->restart;
state_becomes('idle', 'when the broker is back, the stream is idle');
produced_arrive('and goes on');
is(heard(), '0 running null', 'which is told, too');
like(logged($log), qr/^is stalled: .*\ngoes on\n$/, 'and logged');
is(backend_pid($node, "backend_type = 'kafka_fdw stream'"), $pid, 'in the same process');
ok(poll_until(sub { clients_of($pid) == 1 }), 'whose clients that met trouble are gone');

# A broker that takes connections and never answers
$broker->pause;
sleep(5);
is_quick('pausing', sub { $node->safe_psql('postgres', "SELECT kafka.pause_stream('copy')") });
is(heard() =~ s{^0 stalled "08006" }{}r, 'null paused null', 'that it is paused is told');
is_quick('resuming', sub { $node->safe_psql('postgres', "SELECT kafka.resume_stream('copy')") });
is_quick('dropping the extension', sub { $node->safe_psql('postgres', 'BEGIN; DROP EXTENSION kafka_fdw CASCADE; ROLLBACK') });
is_quick('stopping the server', sub { $node->stop('fast') });
$node->start;
sleep(2);
is_quick('stopping the server soon after its start', sub { $node->stop('fast') });
$broker->resume;
$node->start;
produced_arrive('a broker that was silent is heard again');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
