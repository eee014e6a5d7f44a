# A partition without a leader keeps nobody from reading the others.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = KafkaFdw::Broker->new(brokers => 3);
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap);
my $session = KafkaSession->new($node);

# each partition at a broker of its own
$broker->kafka_tool('create-topic', 't', 3, 1);
$broker->kafka_tool('generate', 't', '-n', 1000, '-s', 1000 * $_, '-p', $_, '-m', '{"id":{i}}') foreach 0 .. 2;
$session->run(<<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '3000');
	CREATE FOREIGN TABLE t (id int, _partition int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic 't');
	EOF
is($session->run('SELECT count(*), count(DISTINCT _partition) FROM t'), '3000|3', 'three partitions have records');
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

$broker->restart;
is($session->run('SELECT count(*) FROM t', 60), 3000, 'with its leader back, all is read');
ok(!crashed($node), 'no process crashed');
$node->stop;
done_testing();
