# A server that is renamed while a stream's first batch runs: the positions keep up with the name, and nothing is
# read twice.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my ($locker, $renamer) = map { KafkaSession->new($node) } 1 .. 2;
my $servers = bootstrap();

$node->safe_psql('postgres', <<~'EOF2');
	CREATE FUNCTION wait_for_lock() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
	EOF2

foreach my $reset ('earliest', 'latest')
{
	my $topic = new_topic(1);
	my $records = join('', map { "{\"id\":$_}\n" } 1 .. 10);
	produce($topic, $records);
	$node->safe_psql('postgres', <<~"EOF2");
		CREATE SERVER $reset FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
		CREATE FOREIGN TABLE ${reset}_topic (id int) SERVER $reset OPTIONS (topic '$topic', auto_offset_reset '$reset');
		CREATE TABLE ${reset}_target (id int);
		CREATE TRIGGER wait_for_lock BEFORE INSERT ON ${reset}_target EXECUTE FUNCTION wait_for_lock();
		EOF2
	$locker->run('SELECT pg_advisory_lock(1)');
	$node->safe_psql('postgres', "SELECT kafka.create_stream('$reset', 'INSERT INTO ${reset}_target SELECT id FROM ${reset}_topic')");
	if ($reset eq 'latest')
	{
		query_becomes("SELECT next_offset FROM kafka.offsets WHERE group_id = 'latest'", 10, 'the group begins at the end');
		produce($topic, $records);
	}
	ok( poll_until(sub { backend_pid($node, "application_name = 'stream $reset' AND wait_event_type = 'Lock'") }),
		"$reset: the first batch waits");
	$renamer->start("ALTER SERVER $reset RENAME TO ${reset}_renamed");
	ok(poll_until(sub { backend_pid($node, 'pid = ' . $renamer->pid . " AND wait_event_type = 'Lock'") }),
		"$reset: and ALTER SERVER for the batch");
	$locker->run('SELECT pg_advisory_unlock(1)');
	$renamer->finish(30);
	is($renamer->error, '', "$reset: renamed");
	produce($topic, "{\"id\":11}\n");
	query_becomes("SELECT array_agg(id ORDER BY id) FROM ${reset}_target", '{1,2,3,4,5,6,7,8,9,10,11}', "$reset: every record is there once");
	query_becomes("SELECT server, next_offset FROM kafka.offsets WHERE group_id = '$reset'",
		"${reset}_renamed|" . ($reset eq 'latest' ? 21 : 11), "$reset: the position has the new name");
	query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = '$reset'", 'idle', "$reset: the stream is well");
}

# A batch whose own statement renames the server could not write its position
my $topic = new_topic(1);
produce($topic, "{\"id\":1}\n");
$node->safe_psql('postgres', <<~"EOF2");
	CREATE SERVER own FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
	CREATE FOREIGN TABLE own_topic (id int) SERVER own OPTIONS (topic '$topic');
	CREATE TABLE own_target (id int);
	CREATE PROCEDURE rename_own() LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO own_target SELECT id FROM own_topic;
		ALTER SERVER own RENAME TO own_renamed;
	END \$\$;
	SELECT kafka.create_stream('own', 'CALL rename_own()', source => 'own_topic');
	EOF2
query_becomes("SELECT state, last_error ~ 'cannot rename server \"own\" in the statement of a stream' FROM kafka.stat_streams WHERE stream = 'own'", 'failed|t',
	'a stream cannot rename the server of its own source');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
