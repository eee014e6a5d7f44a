# What three brokers do to records: a leader that dies, also with a relay, followers that are slow, and too few of them.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $broker = KafkaFdw::Broker->new(brokers => 3, 'broker.session.timeout.ms' => 6000);
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap, conf => 'restart_after_crash = on');
my $session = KafkaSession->new($node);
my $other = KafkaSession->new($node);
$broker->kafka_tool('create-topic', 't', 1, 3, 'min.insync.replicas=2');
$broker->kafka_tool('create-topic', 'strict', 1, 3, 'min.insync.replicas=3');
my $columns = "(id int, k text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS";
$session->run(<<~"EOSQL");
	CREATE FOREIGN TABLE synced $columns (topic 't');
	CREATE FOREIGN TABLE sent $columns (topic 't', delivery 'async');
	CREATE FOREIGN TABLE one_ack $columns (topic 't', acks '1');
	CREATE FOREIGN TABLE strict $columns (topic 'strict', delivery_timeout_ms '1500');
	CREATE FOREIGN TABLE strict_sent $columns (topic 'strict', delivery 'async', delivery_timeout_ms '1500');
	CREATE FOREIGN TABLE strict_one_ack $columns (topic 'strict', acks '1');
	EOSQL
poll_until(sub { $broker->in_sync('t') && $broker->in_sync('strict') }) or die "replicas are not in sync\n";

sub leader { my ($topic) = @_; return (split /\t/, $broker->kafka_tool('replicas', $topic))[1]; }
sub follower { my ($topic) = @_; my $leader = leader($topic); return $leader % 3 + 1; }
my $ids = "SELECT string_agg(id::text, ' ' ORDER BY o) FROM synced WHERE id";

# a leader that dies with records on their way to it
$session->run('INSERT INTO sent SELECT generate_series(1, 100)');
my $leader = leader('t');
$broker->kill9($leader);
$session->run('INSERT INTO sent SELECT generate_series(101, 200)');
is($session->error, '', 'records are taken while there is no leader');
is($session->run('SELECT count(*) FROM kafka.flush()', 60), 0, 'async: all of them reach the next one');
is($session->run("$ids <= 200", 60), join(' ', 1 .. 200), 'once and in order');
$session->run('INSERT INTO synced SELECT generate_series(201, 300)', 60);
is($session->error, '', 'sync: the next one takes records, too');
$broker->restart($leader);
poll_until(sub { $broker->in_sync('t') && $broker->in_sync('strict') }) or die "replicas are not in sync again\n";

# a follower that is slow, until it is none any more
$session->run('INSERT INTO synced VALUES (301); INSERT INTO one_ack VALUES (302)');
my $slow = follower('t');
$broker->pause($slow);
$session->start('INSERT INTO synced VALUES (303)');
$session->await_active(20);
$other->run('INSERT INTO one_ack VALUES (304)');
is($other->error, '', 'acks 1 does not wait for a follower');
ok(!$session->is_done, 'acks all does');
$session->finish(60);
is($session->error, '', 'until it is not in sync any more');
$broker->resume($slow);
is($session->run('SELECT count(DISTINCT id), count(*) FROM synced WHERE id BETWEEN 301 AND 304', 60), '4|4', 'all are there');
poll_until(sub { $broker->in_sync('strict') }) or die "replicas are not in sync again\n";

# too few replicas that are in sync
$session->run("INSERT INTO strict VALUES (1); INSERT INTO strict_sent VALUES (2); SELECT kafka.flush(); INSERT INTO strict_one_ack VALUES (3)");
is($session->error, '', 'with all replicas records are written');
my $gone = follower('strict');
$broker->stop($gone);
ok(poll_until(sub { !$broker->in_sync('strict') }), 'a replica is gone');
$session->run('INSERT INTO strict VALUES (4)', 60);
like($session->error, qr/ERROR:  could not deliver a record to topic "strict", partition 0/, 'sync: too few replicas are an error');
$session->run("INSERT INTO strict_sent VALUES (5, 'key')");
like($session->run("SELECT _topic, _partition, convert_from(key, 'UTF8'), error FROM kafka.flush()", 60), qr/^strict\|0\|key\|./, 'async: flush() tells');
$session->run('INSERT INTO strict_one_ack VALUES (6)', 60);
is($session->error, '', 'acks 1 asks for the leader only');
$broker->restart($gone);
poll_until(sub { $broker->in_sync('strict') }) or die "replicas are not in sync again\n";
$session->run('INSERT INTO strict VALUES (7)', 60);
is($session->error, '', 'with all replicas back it goes on');
like($session->run('SELECT string_agg(id::text, \' \' ORDER BY o) FROM strict', 60), qr/^1 2 3 (?:4 )?(?:5 )?6 7$/, 'nothing is lost that was reported as written');

ok(!crashed($node), 'no process crashed');

# A relay that is killed, each time with another broker: the leader, or who keeps its transactions, or its position
$broker->kafka_tool('create-topic', 'published', 3, 3);
$session->run("CREATE FOREIGN TABLE published (id int, k int OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
	SERVER k OPTIONS (topic 'published', delivery 'outbox')");
foreach my $killed (1 .. 3)
{
	$session->run("DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP INSERT INTO published SELECT g, g % 7 FROM generate_series(($killed - 1) * 10000 + i * 200 - 199, ($killed - 1) * 10000 + i * 200) g; COMMIT; END LOOP; END \$\$");
	is($session->error, '', 'records are stored');
	$broker->kill9($killed);
	crash($node, $node->safe_psql('postgres', 'SELECT pid FROM kafka.stat_outbox'));
	$session = KafkaSession->new($node);
	ok($node->poll_query_until('postgres', 'SELECT unsent, state FROM kafka.stat_outbox', '0|idle'), "relay and broker $killed killed: all is published")
	  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_outbox'));
	$broker->restart($killed);
	poll_until(sub { $broker->in_sync('published') && $broker->in_sync('__consumer_offsets') && $broker->in_sync('__transaction_state') }) or die "replicas are not in sync\n";
}
is($session->run('SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE back) FROM (SELECT id, id < lag(id) OVER (PARTITION BY k ORDER BY o) AS back FROM published) x'),
	'30000|30000|0', 'once, and in the order of each key');

$session->close;
$other->close;
$node->stop;
done_testing();
