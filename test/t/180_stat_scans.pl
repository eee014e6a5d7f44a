# kafka.stat_scans: other sessions see what runs, as far as they may; what has ended, in whatever way, is gone.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main', conf => 'restart_after_crash = on');
my $topic = new_topic(2);
kafka_tool('generate', $topic, '-n', 400000, '-m', '{"id": {i}}');
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE ROLE stranger;
	CREATE ROLE monitor IN ROLE pg_monitor;
	EOF
my ($reader, $watcher) = map { KafkaSession->new($node) } 1 .. 2;
my $mine = 'FROM kafka.stat_scans WHERE pid = ' . $reader->pid;

$reader->run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM t; MOVE 100 FROM c');
is($watcher->run(qq{SELECT "table", role, records, share_done BETWEEN 0 AND 1, started_at < now() $mine}),
	't|' . $watcher->run('SELECT session_user') . '|100|t|t', 'another session sees how far a scan is');
ok($node->poll_query_until('postgres', "SELECT wait_event = 'Client: ClientRead' $mine"), 'and that it waits for its client');
$watcher->run('SET ROLE stranger');
is($watcher->run(qq{SELECT "table" IS NULL AND records IS NULL AND bytes IS NULL AND share_done IS NULL AND
	wait_event IS NULL AND started_at IS NULL AND role IS NOT NULL $mine}), 't', 'a stranger sees that there is one, and whose');
$watcher->run('SET ROLE monitor');
is($watcher->run("SELECT records $mine"), '100', 'who may read all statistics sees the rest');
$watcher->run('RESET ROLE');

$broker->pause;
$reader->start('MOVE ALL FROM c');
ok($node->poll_query_until('postgres', "SELECT wait_event = 'Extension: KafkaRecords' $mine"), 'the broker hangs: it waits for records');
$broker->resume;
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $mine"), 'the last record was fetched: it is gone');
$reader->finish;

$reader->run('ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT id FROM feed; MOVE 100 FROM c');
is($watcher->run(qq{SELECT "table", records $mine}), 'feed|100', 'a consuming scan');
$watcher->run('SELECT pg_terminate_backend(' . $reader->pid . ')');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $mine"), 'a session that is terminated leaves none');

$reader = KafkaSession->new($node);
$reader->run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM t; MOVE 100 FROM c');
crash($node, $reader->pid);
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM kafka.stat_scans'), 'nor does one that is killed');

# more scans than there are slots
$node->append_conf('postgresql.conf', "max_connections = 5\nmax_worker_processes = 1\nautovacuum_max_workers = 1\nmax_wal_senders = 0\nmax_parallel_workers = 0");
$node->append_conf('postgresql.conf', 'autovacuum_worker_slots = 1') if $node->pg_version >= 18;
$node->restart;
$reader = KafkaSession->new($node);
my $cursors = 30;
$reader->run('BEGIN');
$reader->run("DECLARE c$_ CURSOR FOR SELECT id FROM t LIMIT 10; MOVE 1 FROM c$_") foreach 1 .. $cursors;
is($reader->error, '', "$cursors cursors are open");
my $seen = $reader->run('SELECT count(*) FROM kafka.stat_scans');
cmp_ok($seen, '>', 5, 'some of them are seen');
cmp_ok($seen, '<', $cursors, 'and some are not');
is($reader->run("FETCH 1 FROM c$cursors"), $reader->run('FETCH 1 FROM c1'), 'all go on');
$reader->run('COMMIT');
is($reader->run('SELECT count(*) FROM kafka.stat_scans'), '0', 'and all have ended');

my $plain = new_cluster('plain', conf => "shared_preload_libraries = ''");
is($plain->safe_psql('postgres', "CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic '$topic'); SELECT count(*) FROM t"), '400000',
	'the library is not preloaded: topics are read');
my (undef, undef, $error) = $plain->psql('postgres', 'TABLE kafka.stat_scans');
like($error, qr/kafka\.stat_scans needs kafka_fdw to be preloaded\nHINT:  Add kafka_fdw to "shared_preload_libraries" and restart the server\./,
	'and the view says what to set');

done_testing();
