# Topics can be read where nothing can be written: on a standby and in a read-only transaction. Consuming is refused there.
# A standby that takes over goes on where the primary was, in reading and in writing.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main', conf => "wal_level = replica\nmax_wal_senders = 5\nhot_standby = on");
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
my $topic = new_topic(2);
my ($published, $transactional) = map { new_topic(1) } 1 .. 2;
kafka_tool('generate', $topic, '-n', 1000, '-m', '{"id": {i}}');
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE FOREIGN TABLE published (id text) SERVER k OPTIONS (topic '$published', delivery 'outbox', format 'text');
	CREATE FOREIGN TABLE transactional (id text) SERVER k OPTIONS (topic '$transactional', delivery 'transactional', format 'text', batch_size '1');
	EOF
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));

my $read_only = KafkaSession->new($node);
$read_only->run('SET default_transaction_read_only = on');
my %session = (standby => KafkaSession->new($standby), 'read-only transaction' => $read_only);
foreach my $where (sort keys %session)
{
	my $session = $session{$where};
	my $refused = qr/cannot execute .* in a read-only transaction/;

	is($session->run('SELECT count(*), sum(id) FROM t'), '1000|499500', "$where: a topic is read");
	is($session->error, '', "$where: without an error");
	$session->run('SELECT count(*) FROM feed');
	like($session->error, $refused, "$where: consuming is refused");
	like($session->error, qr/consuming/, "$where: and says that it is the consuming");
	is($session->run('EXPLAIN (COSTS off) SELECT * FROM feed') =~ /^Foreign Scan on feed/, 1, "$where: but can be explained");
	$session->run('INSERT INTO t VALUES (1)');
	like($session->error, $refused, "$where: writing is refused");
	is($session->run('SELECT count(*) FROM t'), 1000, "$where: nothing was written");
	is($session->run('SELECT count(*) FROM kafka.stat_outbox') . $session->error, '0', "$where: the outbox can be looked at");
}

# The position is replicated, so a standby that takes over goes on where the other one was
is($node->safe_psql('postgres', 'SELECT count(*) FROM feed'), 1000, 'the primary consumes');
produce($topic, qq({"id": 1000}\n));
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($session{standby}->run('SELECT sum(next_offset) FROM kafka.offsets'), 1000, 'the position is on the standby');

# The primary dies while it publishes, and in the middle of a Kafka transaction; what counts as committed is on the standby.
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
ok($node->poll_query_until('postgres', 'SELECT sync_state FROM pg_stat_replication', 'sync'), 'the standby is synchronous');
$node->safe_psql('postgres', "INSERT INTO transactional VALUES ('before'); INSERT INTO published SELECT generate_series(1, 30000)");
my $dying = KafkaSession->new($node);
$dying->start("INSERT INTO transactional SELECT 'never' FROM generate_series(1, 30000)");
ok(poll_until(sub { kafka_tool('watermark', $transactional) !~ /^0\t\d+\t2\t/ }), 'a transaction is being sent');
$node->stop('immediate');
$standby->promote;
is($session{standby}->run('SELECT id FROM feed'), 1000, 'which consumes the next record when it is promoted');
ok($standby->poll_query_until('postgres', 'SELECT unsent, state FROM kafka.stat_outbox', '0|idle'), 'it publishes what is left')
  or diag($standby->safe_psql('postgres', 'TABLE kafka.stat_outbox'));
is($standby->safe_psql('postgres', "SELECT count(*), count(DISTINCT id) FROM published"), '30000|30000', 'each record once');

# whoever is given the number of the session that died ends what that had begun
my @sessions = map { KafkaSession->new($standby) } 1 .. 5;
$_->run("INSERT INTO transactional VALUES ('after')") foreach @sessions;
ok(poll_until(sub { kafka_tool('consume', $transactional, '-f', 'v') eq join("\n", 'before', ('after') x 5) }, 90),
	'transactional writers go on, and nothing is seen of the transaction that died') or diag(kafka_tool('consume', $transactional, '-c'));
$_->close foreach @sessions;
$standby->stop;
ok(!crashed($standby), 'no process crashed');

done_testing();
