# The clock of the server is set back by an hour: streams, pauses, parked records and kafka.wait() do not wait for it to be
# as late again, and dead letters are retried.
use strict;
use warnings;

use File::Basename;
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $clock = PostgreSQL::Test::Utils::tempdir('clock') . '/ahead';
my $library = PostgreSQL::Test::Utils::tempdir('library') . '/clock.so';
run_command([ 'cc', '-shared', '-fPIC', '-O1', '-Wall', '-o', $library, dirname(__FILE__) . '/../lib/clock.c' ]);
append_to_file($clock, 3600);

my $node = new_cluster('main', start => 0);
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{CLOCK} = $clock;
	$node->start;
}
my ($topic, $quiet, $narrow) = (new_topic(1), new_topic(1), new_topic(1, 'max.message.bytes=1000'));
my $servers = bootstrap();
$node->safe_psql('postgres', <<~"EOF");
	CREATE EXTENSION kafka_fdw;
	CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE narrow (v text) SERVER k OPTIONS (topic '$narrow', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$quiet', group_id 'g');
	CREATE TABLE copied (id int);
	CREATE TABLE known (id int PRIMARY KEY);
	CREATE TABLE joined (id int);
	CREATE TABLE broken (id int);
	CREATE TABLE checked (id int CHECK (id > 9));
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'not now' USING ERRCODE = '57P03'; END \$\$;
	CREATE TRIGGER fail BEFORE INSERT ON broken FOR EACH STATEMENT EXECUTE FUNCTION fail();
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
	SELECT kafka.create_stream('check', 'INSERT INTO checked SELECT id FROM ids', on_error => 'dead_letter');
	INSERT INTO narrow VALUES (repeat('x', 2000));
	SELECT kafka.create_stream('break', 'INSERT INTO broken SELECT id FROM ids');
	SELECT kafka.create_join('join', 'ids', 'known', 'ids.id = known.id', 'joined', unmatched => 'park');
	EOF
my $ahead = $node->safe_psql('postgres', 'SELECT now()::timestamp');
produce($topic, "{\"id\":$_}\n") foreach 1 .. 3;
becomes($node, 'postgres', 'SELECT count(*) FROM copied', 3, 'a stream runs');
$node->safe_psql('postgres', 'INSERT INTO known VALUES (1)');
becomes($node, 'postgres', 'SELECT count(*) FROM joined', 1, 'parked records are looked at');
becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = 'break'", 'stalled', 'and a stream pauses after an error');
becomes($node, 'postgres', 'SELECT count(*) FROM kafka.dead_letters', 4, 'and records are set aside');
my $waiter = KafkaSession->new($node);
$waiter->start("CALL kafka.wait('feed', '5 s')");
$waiter->await_active;

unlink $clock;
is($node->safe_psql('postgres', "SELECT now()::timestamp < '$ahead'"), 't', 'the clock is set back');
is($node->safe_psql('postgres', "SELECT kafka.retry_dead_letters('check')"), 0, 'records that fail again are set aside again');
$node->safe_psql('postgres', 'ALTER TABLE checked DROP CONSTRAINT checked_id_check');
is($node->safe_psql('postgres', "SELECT kafka.retry_dead_letters('check')"), 3, 'records that were set aside are run again');
is($node->safe_psql('postgres', "SELECT kafka.retry_outbox('k')"), 1, 'or are published again');
$node->safe_psql('postgres', 'DROP TRIGGER fail ON broken; INSERT INTO known VALUES (2)');
produce($topic, "{\"id\":4}\n");
becomes($node, 'postgres', 'SELECT count(*) FROM copied', 4, 'the stream goes on');
becomes($node, 'postgres', 'SELECT count(*) FROM joined', 2, 'parked records are looked at again');
becomes($node, 'postgres', 'SELECT count(*) FROM broken', 4, 'a pause comes to its end');
$waiter->finish(60);
like($waiter->error, qr/there was nothing to read until the timeout/, 'so does kafka.wait()');

$node->stop;
done_testing();
