# What a stream's workers remember: a failure until the server starts again, counters as long as the stream is the same.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_cluster('main', conf => "restart_after_crash = on");
my $topic = new_topic(1);
my $bootstrap = bootstrap();
my $create = "SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids')";
my $counters = "SELECT state, batches > 0, records_in, last_error IS NULL FROM kafka.stat_streams";

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id int CHECK (id < 100));
	$create;
	EOF
produce($topic, "{\"id\":1}\n{\"id\":2}\n");
becomes($node, 'postgres', $counters, 'idle|t|2|t', 'a stream counts');

# The same name is not the same stream. In one transaction no scout can look in between.
$node->safe_psql('postgres', "BEGIN; SELECT kafka.drop_stream('copy'); SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT -id FROM ids'); SELECT kafka.pause_stream('copy'); COMMIT");
is($node->safe_psql('postgres', 'SELECT batches, records_in FROM kafka.stat_streams'), '0|0', 'a successor of its name begins at 0');
$node->safe_psql('postgres', "SELECT kafka.resume_stream('copy')");
becomes($node, 'postgres', $counters, 'idle|t|2|t', 'and counts its own records');
$node->safe_psql('postgres', <<~"EOF");
	BEGIN;
	DROP EXTENSION kafka_fdw CASCADE;
	CREATE EXTENSION kafka_fdw;
	CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	$create;
	COMMIT;
	EOF
becomes($node, 'postgres', $counters, 'idle|t|2|t', 'so does one after DROP and CREATE EXTENSION');

# A failure is believed until somebody changes something, or the server starts: then it is tried once.
produce($topic, "{\"id\":100}\n");
becomes($node, 'postgres', 'SELECT state FROM kafka.stat_streams', 'failed', 'a stream fails');
my $log = -s $node->logfile;
my $error = $node->safe_psql('postgres', 'SELECT last_error FROM kafka.stat_streams');
my $lag = 'SELECT state, partitions, lag, last_error FROM kafka.stat_streams WHERE pid IS NOT NULL';
my $behind = 1;
foreach my $signal (qw(cancel terminate))
{
	my $pid = $node->safe_psql('postgres', 'SELECT pid FROM kafka.stat_streams');
	$node->safe_psql('postgres', "SELECT pg_${signal}_backend($pid)");
	becomes($node, 'postgres', "SELECT pid <> $pid FROM kafka.stat_streams", 't', 'another process takes over') if $signal eq 'terminate';
	produce($topic, "{\"id\":10}\n");
	$behind++;
	becomes($node, 'postgres', $lag, "failed|1|$behind|$error", "pg_${signal}_backend() ends no look at how far behind it is");
}
$node->safe_psql('postgres', 'CREATE DATABASE other TEMPLATE template0');
$node->psql('postgres', 'ALTER DATABASE postgres RENAME TO other');
$node->reload;
is($node->safe_psql('postgres', 'SELECT state FROM kafka.stat_streams'), 'failed', 'it stays so');
$node->safe_psql('postgres', 'ALTER TABLE copied DROP CONSTRAINT copied_id_check');
is($node->safe_psql('postgres', 'SELECT state FROM kafka.stat_streams'), 'failed', 'also when its cause is mended');
unlike(slurp_file($node->logfile, $log), qr/has failed/, 'and was not tried');
kill9(backend_pid($node, "backend_type = 'kafka_fdw launcher'"));
ok(poll_until(sub { my $max = eval { $node->safe_psql('postgres', 'SELECT max(id) FROM copied') }; ($max // '') eq '100' }, 60),
	'after a crash it is tried again');

# A statement that ends its own process is tried more and more seldom: after 0.1 s, 0.2 s, 0.4 s ...
my $began = time();
$node->safe_psql('postgres', "SELECT kafka.create_stream('suicidal', 'INSERT INTO copied SELECT id FROM ids WHERE pg_terminate_backend(pg_backend_pid())')");
becomes($node, 'postgres', "SELECT restarts >= 6 FROM kafka.stat_streams WHERE stream = 'suicidal'", 't', 'a stream that ends its process is started again');
cmp_ok(time() - $began, '>=', 3, 'after longer and longer pauses');
becomes($node, 'postgres', "SELECT state, problem, to_do FROM kafka.status WHERE name LIKE 'suicidal%'",
	"stalled|its process was ended while it ran a batch|The server's log says by what. What it runs must not end its own process.", 'and that is said');
$node->safe_psql('postgres', "SELECT kafka.drop_stream('suicidal')");

# DROP EXTENSION while the workers of a server that just started are on their way
$log = -s $node->logfile;
foreach my $pause (0, 0.1, 0.2, 0.3)
{
	$node->restart;
	sleep($pause);
	$node->safe_psql('postgres', <<~"EOF");
		SET client_min_messages = warning;
		DROP EXTENSION kafka_fdw CASCADE;
		CREATE EXTENSION kafka_fdw;
		CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
		CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
		$create;
		EOF
	becomes($node, 'postgres', 'SELECT state FROM kafka.stat_streams', 'idle', 'a stream after DROP EXTENSION soon after a start');
}
unlike(slurp_file($node->logfile, $log), qr/ERROR/, 'no worker fails by it');

$node->stop;
done_testing();
