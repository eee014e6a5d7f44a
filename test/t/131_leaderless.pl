# A partition without a leader keeps nobody from reading the others, nor does a topic without any; and a group whose
# coordinator is away is looked at all the same.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = KafkaFdw::Broker->new(brokers => 3, 'offsets.topic.replication.factor' => 1);
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap);
my $session = KafkaSession->new($node);

# each partition at a broker of its own
$broker->kafka_tool('create-topic', 't', 3, 1);
$broker->kafka_tool('generate', 't', '-n', 1000, '-s', 1000 * $_, '-p', $_, '-m', '{"id":{i}}') foreach 0 .. 2;
$session->run(<<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '3000');
	CREATE FOREIGN TABLE t (id int, _partition int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic 't');
	CREATE FOREIGN TABLE feed (id int, _partition int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic 't', group_id 'g');
	CREATE TABLE running (id int, partition int);
	CREATE TABLE begun (id int, partition int);
	SELECT kafka.create_stream('running', 'INSERT INTO running SELECT id, _partition FROM t');
	EOF

# The leaders of a topic's partitions
sub leaders { return map { (split /\t/)[1] } split /\n/, $broker->kafka_tool('replicas', @_); }

# A topic of one partition, with ten records, led by the broker that will be killed or by another one
sub make_topic
{
	my ($name, $by_second) = @_;
	my $leader;
	do
	{
		$broker->kafka_tool('create-topic', '--replace', $name, 1, 1);
		poll_until(sub { ($leader) = leaders($name); defined $leader && $leader >= 0 });
	} until ($leader == 2) == $by_second;
	$broker->kafka_tool('generate', $name, '-n', 10, '-m', '{"id":{i}}');
	return;
}

# The name of a group whose coordinator is the second broker, by the hash of its name
sub find_group
{
	my @leaders = leaders('__consumer_offsets');
	foreach my $name (map { "g$_" } 1 .. 1000)
	{
		my $hash = 0;
		$hash = (31 * $hash + ord) & 0xffffffff foreach split //, $name;
		return $name if $leaders[ ($hash & 0x7fffffff) % @leaders ] == 2;
	}
	die "no such group\n";
}
make_topic('gone', 1);
make_topic('there', 0);
ok(poll_until(sub { eval { find_group() } }), 'the second broker is the coordinator of a group');
my $group = find_group();
my $columns = q{(id int, _topic text OPTIONS (metadata 'topic')) SERVER k OPTIONS};
$session->run(<<~"EOF");
	CREATE FOREIGN TABLE list $columns (topic 'gone,there');
	CREATE FOREIGN TABLE list_feed $columns (topic 'gone,there', group_id '$group');
	CREATE FOREIGN TABLE gone_feed $columns (topic 'gone', group_id '$group');
	CREATE TABLE listed (id int, topic text);
	SELECT kafka.create_stream('listed', 'INSERT INTO listed SELECT id, _topic FROM list');
	EOF
becomes($node, 'postgres', 'SELECT count(*) FROM listed', 20, 'a stream reads two topics');
$broker->kafka_tool('group-commit', $group, $_, 0, 5) foreach 'gone', 'there';
is($session->run("SELECT topic, reported_offset FROM kafka.lag('list_feed') ORDER BY topic", 20), "gone|5\nthere|5", 'what Kafka has of the group is shown');

is($session->run('SELECT count(*), count(DISTINCT _partition) FROM t'), '3000|3', 'three partitions have records');
becomes($node, 'postgres', 'SELECT count(*) FROM running', 3000, 'a stream has them, too');
my @counts = map { $session->run("SELECT count(*) FROM t WHERE _partition = $_", 20) } 0 .. 2;

$broker->kill9(2);
my ($dead, @healthy);
foreach my $partition (0 .. 2)
{
	my $count = $session->run("SELECT count(*) FROM t WHERE _partition = $partition", 20);
	if ($session->error eq '')
	{
		push @healthy, $partition;
		is($count, $counts[$partition], "partition $partition, whose leader lives, is read");
		next;
	}
	$dead = $partition;
	like($session->error, qr/could not reach the leader of topic "t", partition $partition/, 'the partition without a leader is named');
	cmp_ok($session->seconds, '<', 8, 'in time');
}
is(scalar @healthy, 2, 'two partitions have a leader');
$session->run('SELECT count(*) FROM t', 20);
like($session->error, qr/topic "t", partition $dead/, 'a scan of all partitions names it');
is($session->run("SELECT count(*) FROM t a JOIN t b USING (id) WHERE a._partition = $healthy[0] AND b._partition = $healthy[0]", 20),
	$counts[ $healthy[0] ], 'a join of what can be read');

# consuming is no different
is($session->run("SELECT count(*) FROM feed WHERE _partition = $healthy[1]", 20), $counts[ $healthy[1] ], 'a partition is consumed');
$session->run('SELECT count(*) FROM feed', 20);
like($session->error, qr/topic "t", partition $dead/, 'all of them cannot be');

# streams go on with what answers: one that was running, and one that begins now
$session->run("SELECT kafka.create_stream('begun', 'INSERT INTO begun SELECT id, _partition FROM t')");
$session->run("INSERT INTO t SELECT 10000 + 10 * $_ + i, $_ FROM generate_series(0, 9) i", 20) foreach @healthy;
is($session->error, '', 'records are written to partitions that have a leader');
becomes($node, 'postgres', 'SELECT count(*) FROM running WHERE id >= 10000', 20, 'a stream goes on');
becomes($node, 'postgres', 'SELECT count(*) FROM begun', 2020, 'a stream begins');
foreach my $stream ('begun', 'running')
{
	becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = '$stream' AND last_error ~ 'leader of topic \"t\", partition $dead'",
		'stalled', "what it does not read is shown: $stream");
}

# a topic of which no partition has a leader is no different
is($session->run("SELECT count(*) FROM list WHERE _topic = 'there'", 20), 10, 'of two topics the one that has a leader is read');
$session->run('SELECT count(*) FROM list', 20);
like($session->error, qr/could not reach the leader of topic "gone", partition 0/, 'a scan of both names the other one');
is($session->run("SELECT count(*) FROM list_feed WHERE _topic = 'there'", 20), 10, 'it is consumed');
$session->run("SELECT kafka.seek('list_feed', 'earliest', topic => 'there')", 20);
is($session->error, '', 'its position is moved');
is($session->run("SELECT topic, next_offset, high_watermark, lag, reported_offset FROM kafka.lag('list_feed') ORDER BY topic", 60),
	"gone||||\nthere|0|10|10|", 'kafka.lag() shows both, and nothing of what does not answer');
is($session->run("SELECT topic, partition, low_watermark, lag, reported_offset FROM kafka.lag('gone_feed')", 60), 'gone|0|||', 'or of one that is alone');
$session->run("SELECT kafka.alter_stream('listed', max_poll_records => 7)");
$broker->kafka_tool('generate', 'there', '-n', 10, '-s', 100, '-m', '{"id":{i}}');
becomes($node, 'postgres', 'SELECT count(*) FROM listed', 30, 'a stream that begins anew goes on with it');
becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = 'listed' AND last_error ~ 'leader of topic \"gone\", partition 0'",
	'stalled', 'and shows what it does not read');

$broker->restart;
becomes($node, 'postgres', 'SELECT count(*) FROM begun', 3020, 'with its leader back, the stream reads the rest');
becomes($node, 'postgres', "SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", '3', 'and none has trouble');
$broker->kafka_tool('generate', 'gone', '-n', 10, '-s', 100, '-m', '{"id":{i}}');
becomes($node, 'postgres', 'SELECT count(*), count(DISTINCT (topic, id)) FROM listed', '40|40', 'the topic that had none is read again, too');
is($session->run('SELECT count(*) FROM t', 60), 3020, 'with its leader back, all is read');
$broker->kafka_tool('generate', 't', '-n', 10, '-s', 20000, '-p', $dead, '-m', '{"id":{i}}');
becomes($node, 'postgres', 'SELECT count(*) FROM running WHERE id >= 20000', 10, 'the other stream reads it again, too');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM running'), '3030|3030', 'nothing is lost or there twice');
ok(!crashed($node), 'no process crashed');
$node->stop;
done_testing();
