# A lock on the table of streams in one database holds up nothing in another, and ends no stream.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('main');
my $topic = new_topic(1);
my $bootstrap = bootstrap();

sub create_stream
{
	my ($database) = @_;
	my $began = time();
	$node->safe_psql($database, <<~"EOF");
		CREATE EXTENSION IF NOT EXISTS kafka_fdw;
		CREATE SERVER IF NOT EXISTS k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
		CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
		CREATE TABLE copied (id int);
		SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
		EOF
	my $idle = poll_until(sub { $node->safe_psql($database, 'SELECT state FROM kafka.stat_streams') eq 'idle' }, 20);
	ok($idle, "a stream starts in $database") or diag($node->safe_psql($database, 'TABLE kafka.stat_streams'));
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE locked');
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_stream('locked');

# a renaming that fails has a scout look again
my $session = KafkaSession->new($node, 'locked');
$session->run('BEGIN; LOCK TABLE kafka.streams');
my ($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE locked RENAME TO other');
like($err, qr/database "other" already exists/, 'a scout is sent into a database whose streams are locked');
create_stream('other');
$session->run('COMMIT');
ok($node->poll_query_until('locked', 'SELECT state FROM kafka.stat_streams', 'idle'), 'the stream of the first database goes on, too');
like(slurp_file($node->logfile), qr/canceling statement due to lock timeout/, 'the scout has given up');

# A table that was rewritten is not empty for the scout that waited for its lock.
my $scouts = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'kafka_fdw scout'";
$session->run('BEGIN; ALTER TABLE kafka.streams SET UNLOGGED');
$node->psql('postgres', 'ALTER DATABASE locked RENAME TO other');
becomes($node, 'postgres', "$scouts AND wait_event_type = 'Lock'", '1', 'a scout waits for a table that is rewritten');
$session->run('COMMIT; ALTER TABLE kafka.streams SET LOGGED');
becomes($node, 'postgres', $scouts, '0', 'it has looked');
produce($topic, "{\"id\":1}\n");
becomes($node, 'locked', 'SELECT count(*) FROM copied', '1', 'and the stream goes on');

# Nor does a database into which a scout cannot even connect, as one of its catalogs is locked.
$node->safe_psql('postgres', 'CREATE DATABASE closed');
$session = KafkaSession->new($node, 'closed');
$session->run('BEGIN; LOCK TABLE pg_class');
my $ended = () = slurp_file($node->logfile) =~ /canceling statement due to lock timeout/g;
$node->safe_psql('postgres', 'ALTER DATABASE closed CONNECTION LIMIT 50');
$node->safe_psql('other', "SELECT kafka.alter_stream('copy', max_poll_records => 1)");
produce($topic, "{\"id\":2}\n{\"id\":3}\n");
becomes($node, 'other', 'SELECT count(*), (SELECT batches FROM kafka.stat_streams) > 2 FROM copied', '3|t', 'a change of a stream in another database takes effect');
cmp_ok(scalar(() = slurp_file($node->logfile) =~ /canceling statement due to lock timeout/g), '>', $ended, 'as its scout does not wait for long');
$session->run('ROLLBACK');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
