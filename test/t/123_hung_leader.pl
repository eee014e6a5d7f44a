# One of three brokers hangs: its connections stay open, and nobody answers. What it led is written and read again
# soon after the others have noticed (broker.session.timeout.ms, 3 s here, and longer where the machine is busy), by the
# default settings. The same where it is the replica near to the client, which the library would not leave for minutes.
# One replica in sync is enough, as a busy machine may have the others miss a heartbeat, too.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;
use Time::HiRes qw(time);

my $brokers = KafkaFdw::Broker->new(brokers => 3, 'replica.selector.class' => 'org.apache.kafka.common.replica.RackAwareReplicaSelector');
my $node = new_cluster('main', bootstrap_servers => $brokers->bootstrap);
my ($writer, $reader) = map { KafkaSession->new($node) } 1 .. 2;
my $soon = 5 + 4;    # one answer waited for in vain, and the machine may be busy

$brokers->kafka_tool('create-topic', 'hung', 6, 3, 'min.insync.replicas=1');
$node->safe_psql('postgres', <<~'EOF');
	CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic 'hung');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic 'hung', group_id 'g');
	EOF

# Records without a key go to all partitions in turn, so each INSERT meets each leader
my $records = 0;
sub insert
{
	my ($session) = @_;
	$records += 10000;
	return $session->start("INSERT INTO t SELECT g FROM generate_series(1, 10000) g");
}
insert($writer);
$writer->finish;
is($writer->error, '', 'three brokers are written to');
is($reader->run('SELECT count(*) FROM t'), $records, 'and read');

# The time until others lead what a broker led
sub seconds_to_notice
{
	my ($hung) = @_;
	my $began = time();
	poll_until(sub { !grep { (split /\t/)[1] == $hung } split /\n/, $brokers->kafka_tool('replicas', 'hung') }) or die "it still leads\n";
	return time() - $began;
}

foreach my $hung (1 .. 3)
{
	$brokers->pause($hung);
	my $before = $records;
	insert($writer);
	$reader->start("SELECT count(*) >= $before FROM t");
	my $noticed = seconds_to_notice($hung);
	is($reader->finish(60), 't', "broker $hung hangs: all records are read");
	cmp_ok($reader->seconds, '<', $noticed + $soon, 'soon');
	$writer->finish(60);
	is($writer->error, '', "broker $hung hangs: a COMMIT in flight succeeds");
	cmp_ok($writer->seconds, '<', $noticed + $soon, 'soon');
	is(KafkaSession->new($node)->run('SELECT count(*) FROM t'), $records, 'a new session reads, too');
	$brokers->resume($hung);
	ok(poll_until(sub { $brokers->in_sync('hung') }), "broker $hung has caught up");
	# it may say for a moment that it leads, and what it knew then of the ends
	ok(poll_until(sub { $reader->run('SELECT count(*) FROM t', 60) eq $records }), "broker $hung is back");
	is($reader->error, '', 'without an error');
}
is($reader->run('SELECT count(*) FROM feed', 60), $records, 'each record is there once');

$brokers->kafka_tool('create-topic', 'near', 1, 3, 'min.insync.replicas=1');
$brokers->kafka_tool('generate', 'near', '-n', 200000, '-m', '{"id": {i}, "pad": "' . 'x' x 300 . '"}');
my $near = (split /\t/, $brokers->kafka_tool('replicas', 'near'))[1] % 3 + 1;
my $servers = $brokers->bootstrap;
$node->safe_psql('postgres', <<~"EOF");
	CREATE SERVER near FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers', client_rack 'rack$near');
	CREATE FOREIGN TABLE near (id int) SERVER near OPTIONS (topic 'near');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM near');
	EOF
becomes($node, 'postgres', 'SELECT count(*) FROM copied', 200000, 'a stream reads from a replica that is near');
$reader->run('SELECT count(*) FROM near; BEGIN; DECLARE c CURSOR FOR SELECT id FROM near; MOVE 1 FROM c');
is($reader->error, '', 'so does a cursor');
$brokers->pause($near);
$brokers->kafka_tool('generate', 'near', '-n', 10, '-s', 200000, '-m', '{"id": {i}}', '-a', 1);
$reader->run('MOVE ALL FROM c; COMMIT', 60);
is($reader->error, '', 'the replica hangs: the cursor reads all');
is($reader->run('SELECT count(*) FROM near', 60), 200010, 'and so does the next statement');
ok(poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM copied') eq '200010|200010' }, 120),
	'and the stream goes on, long before the library would');
$brokers->resume($near);

$node->stop;
done_testing();
