# On a standby no stream runs; after its promotion it goes on exactly where the primary was, into a table and into a topic.
# What replication has lost, with the position, is read again.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary', conf => "wal_level = replica\nmax_wal_senders = 4\nhot_standby = on");
my ($topic, $forwarded) = (new_topic(2), new_topic(1));

# A standby of a server, for which that keeps what it has not got yet
sub standby_of
{
	my ($server, $name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$server->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('$name', true)");
	$server->backup($name);
	$standby->init_from_backup($server, $name, has_streaming => 1);
	$standby->append_conf('postgresql.conf', "primary_slot_name = '$name'");
	$standby->start;
	return $standby;
}

query(<<~"EOF");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE forwarded (id int) SERVER k OPTIONS (topic '$forwarded', delivery 'outbox');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
	SELECT kafka.create_stream('forward', 'INSERT INTO forwarded SELECT id FROM ids');
	EOF
my $counts = 'SELECT count(*), count(DISTINCT id)';
kafka_tool('generate', $topic, '-n', 1000, '-m', '{"id":{i}}');
query_becomes("$counts FROM copied", '1000|1000', 'streams run on the primary');

# A synchronous standby: the primary dies in the middle, and nothing is lost or repeated.
my $standby = standby_of($primary, 'standby');
query("ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
query_becomes('SELECT sync_state FROM pg_stat_replication', 'sync', 'a standby is synchronous');
my $generator = start_generator($topic, '-r', 1000, '-m', '{"id":{i}}', '-s', 1000);
ok($standby->poll_query_until('postgres', 'SELECT count(*) > 1500 FROM copied'), 'results are replicated');
is($standby->safe_psql('postgres', "SELECT DISTINCT state, last_error FROM kafka.stat_streams"), 'paused|this server is a standby', 'a standby says why it runs none');
is($standby->safe_psql('postgres', "SELECT kind, state, problem, to_do FROM kafka.status WHERE kind <> 'outbox'"),
	"server|paused|this server is a standby|They run on its primary, and here when it is promoted.\nstream|paused||\nstream|paused||", 'and what will make it run some');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'kafka%'"), 0, 'and has no process of streams');
$primary->stop('immediate');
$standby->promote;
my $produced = 1000 + stop_generator($generator);
becomes($standby, 'postgres', "$counts FROM copied", "$produced|$produced", 'once promoted it runs the stream, each record once');
becomes($standby, 'postgres', "$counts FROM forwarded", "$produced|$produced", 'and the one into a topic');

# An asynchronous one that lacks the last batches when its primary dies
$standby->safe_psql('postgres', "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()");
my $late = standby_of($standby, 'late');
becomes($standby, 'postgres', 'SELECT unsent FROM kafka.stat_outbox', 0, 'all is published');
$standby->wait_for_catchup($late, 'replay', $standby->lsn('insert'));
$late->stop;
kafka_tool('generate', $topic, '-n', 1000, '-m', '{"id":{i}}', '-s', $produced);
my $first_lost = $produced;
$produced += 1000;
becomes($standby, 'postgres', "$counts FROM copied", "$produced|$produced", 'the primary goes on without it');
becomes($standby, 'postgres', "$counts FROM forwarded", "$produced|$produced", 'and publishes');
$standby->stop('immediate');
$late->start;
is($late->safe_psql('postgres', "$counts FROM copied"), "$first_lost|$first_lost", 'what came last is lost with the primary');
$late->promote;
becomes($late, 'postgres', "$counts FROM copied", "$produced|$produced", 'the promoted standby reads it again, each record once');
becomes($late, 'postgres', "SELECT state, last_error ~ 'Kafka is ahead of the outbox' FROM kafka.stat_outbox", 'failed|t', 'its relay finds that it was published');
becomes($late, 'postgres', "SELECT unsent FROM kafka.stat_outbox", 1000, 'and keeps what is made again');
is($late->safe_psql('postgres', "SELECT kafka.resolve_outbox('k', 'skip')"), '', 'until it is told');
becomes($late, 'postgres', 'SELECT state, unsent FROM kafka.stat_outbox', 'idle|0', 'which it then is');
kafka_tool('generate', $topic, '-n', 10, '-m', '{"id":{i}}', '-s', $produced);
$produced += 10;
becomes($late, 'postgres', "$counts FROM forwarded", "$produced|$produced", 'so that the topic has each result once');
$late->stop;
ok(!crashed($late), 'no process crashed');

done_testing();
