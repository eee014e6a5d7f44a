# A stream's broker restarts, hangs and comes back; what stops a worker stops it also while the broker is silent.
use strict;
use warnings;

use KafkaFdw;
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
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM orders');
	EOF

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

produced_arrive('records arrive');
my $pid = backend_pid($node, "backend_type = 'kafka_fdw stream'");
$broker->restart;
produced_arrive('records arrive after a restart of the broker');
$broker->kill9;
state_becomes('stalled', 'a stream whose broker is gone is stalled');
like($node->safe_psql('postgres', 'SELECT last_error FROM kafka.stat_streams'), qr/@{[$broker->bootstrap]}/, 'and names it');
$broker->restart;
state_becomes('idle', 'when the broker is back, the stream is idle');
produced_arrive('and goes on');
is(backend_pid($node, "backend_type = 'kafka_fdw stream'"), $pid, 'in the same process');

# A broker that takes connections and never answers
$broker->pause;
sleep(5);
is_quick('pausing', sub { $node->safe_psql('postgres', "SELECT kafka.pause_stream('copy')") });
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
