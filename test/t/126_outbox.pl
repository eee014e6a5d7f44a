# The outbox: restored backups and doubt, copies of the database, brokers that are away, what brokers refuse, and that the
# table does not grow.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main');
my $topic = new_topic(1);
my $other = new_topic(1);
my $narrow = new_topic(1, 'max.message.bytes=1000');
my $tables = <<~"EOF";
	CREATE FOREIGN TABLE t (v text) SERVER k OPTIONS (topic '$topic', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE other (v text) SERVER k OPTIONS (topic '$other', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE narrow (v text, p int OPTIONS (metadata 'partition'), h kafka.header[] OPTIONS (metadata 'headers'))
	  SERVER k OPTIONS (topic '$narrow', format 'text', delivery 'outbox');
	EOF
$node->safe_psql('postgres', $tables);

# The first transactions of a database do not wait for each other.
my $early = new_topic(1);
$node->safe_psql('postgres', "CREATE FOREIGN TABLE early (v text) SERVER k OPTIONS (topic '$early', format 'text', delivery 'outbox')");
my $first = KafkaSession->new($node);
$first->run("BEGIN; INSERT INTO early VALUES ('withdrawn')");
is($node->safe_psql('postgres', "SET lock_timeout = '20s'; INSERT INTO early VALUES ('second') RETURNING v"), 'second',
	'who is first holds up nobody');
$first->run('ROLLBACK');
$first->close;
$node->safe_psql('postgres', 'DROP FOREIGN TABLE early');

sub published
{
	my ($from, $expected, $name) = @_;
	my $seen = '';
	poll_until(sub { ($seen = kafka_tool('consume', $from, '-f', 'v') =~ tr/\n/,/r) eq $expected }, 60);
	is($seen, $expected, $name);
	return;
}
sub state_becomes
{
	my ($node, $state, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT state FROM kafka.stat_outbox WHERE server = 'k'", $state), $name)
	  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_outbox'));
	return;
}
sub last_error
{
	my ($node) = @_;
	return $node->safe_psql('postgres', "SELECT last_error FROM kafka.stat_outbox WHERE server = 'k'");
}

# A broker that is away
$node->safe_psql('postgres', "INSERT INTO t VALUES ('one')");
published($topic, 'one', 'a record is published');
$broker->pause;
$node->safe_psql('postgres', "INSERT INTO t VALUES ('two')");
is($node->safe_psql('postgres', 'SELECT unsent FROM kafka.stat_outbox'), '1', 'a broker that hangs keeps no transaction waiting');
$broker->resume;
published($topic, 'one,two', 'and when it is back the record is published');

# A tick that is in doubt: it was begun, and the position is another one's
state_becomes($node, 'idle', 'all is published');
$broker->pause;
$node->safe_psql('postgres', "INSERT INTO t VALUES ('three')");
ok($node->poll_query_until('postgres', 'SELECT NOT published FROM kafka.outbox_ticks'), 'a tick is under way');
$node->safe_psql('postgres', "ALTER SERVER k OPTIONS (ADD transactional_id_prefix 'other')");
my $relay = "SELECT pid FROM kafka.stat_outbox WHERE server = 'k'";
my $pid = $node->safe_psql('postgres', $relay);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok(poll_until(sub { !-d "/proc/$pid" }), 'the relay ends while the broker hangs');
$broker->resume;
state_becomes($node, 'failed', 'a relay that cannot know stops');
like(last_error($node), qr/not known what of the outbox of server "k" was published.*resolve_outbox/s, 'and says so');
like($node->safe_psql('postgres', "SELECT name, state, lag, lag_seconds > 0, problem, to_do FROM kafka.status WHERE kind = 'outbox'"),
	qr/^k of \S+\|failed\|1\|t\|it is not known what of the outbox of server "k" was published[^|]*\|SELECT kafka\.resolve_outbox\('k', 'publish', '\w+'\) publishes/,
	'kafka.status says what to do');
$node->safe_psql('postgres', "INSERT INTO t VALUES ('four')");
is($node->safe_psql('postgres', 'SELECT unsent FROM kafka.stat_outbox'), '2', 'inserting goes on');
$node->safe_psql('postgres', $node->safe_psql('postgres', "SELECT split_part(to_do, ' publishes ', 1) FROM kafka.status WHERE kind = 'outbox'"));
published($topic, "one,two,three,four", 'told to publish, it does');

# A fault that lasts, and is mended
state_becomes($node, 'idle', 'all is published again');
my $mended = new_topic(1);
$node->safe_psql('postgres', "CREATE FOREIGN TABLE mended (v text) SERVER k OPTIONS (topic '$mended', format 'text', delivery 'outbox')");
$node->safe_psql('postgres', "INSERT INTO mended VALUES ('before')");
published($mended, 'before', 'a record is published before');
my $logged = -s $node->logfile;
$node->safe_psql('postgres', 'ALTER SCHEMA kafka RENAME TO elsewhere');
ok(poll_until(sub { slurp_file($node->logfile, $logged) =~ /relay.* has failed/ }), 'a relay whose tables are gone fails');
$node->safe_psql('postgres', 'ALTER SCHEMA elsewhere RENAME TO kafka');
$node->safe_psql('postgres', "INSERT INTO mended VALUES ('after')");
state_becomes($node, 'failed', 'it stays so when they are back');
$node->safe_psql('postgres', "SELECT kafka.resolve_outbox('k', 'publish')");
state_becomes($node, 'idle', 'until it is told to go on');
published($mended, 'before,after', 'and nothing is repeated');
$node->safe_psql('postgres', 'DROP FOREIGN TABLE mended');

# A restored backup
$node->stop;
$node->backup_fs_cold('before');
$node->start;
$node->safe_psql('postgres', "INSERT INTO t VALUES ('five')");
published($topic, "one,two,three,four,five", 'what the backup does not have');
$node->stop;
foreach my $mode (qw(skip publish))
{
	my $restored = PostgreSQL::Test::Cluster->new("restored_$mode");
	$restored->init_from_backup($node, 'before');
	$restored->start;
	state_becomes($restored, 'failed', 'a relay of a restored backup stops');
	like(last_error($restored), qr/Kafka is ahead of the outbox of server "k"/, 'and says so');
	$restored->safe_psql('postgres', "INSERT INTO t VALUES ('unknown $mode')");
	$restored->safe_psql('postgres', "SELECT kafka.resolve_outbox('k', '$mode')");
	state_becomes($restored, 'idle', "told to $mode, it goes on");
	$restored->safe_psql('postgres', "INSERT INTO t VALUES ('after $mode')");
	published($topic, "one,two,three,four,five,after skip" . ($mode eq 'publish' ? ',unknown publish,after publish' : ''), "$mode");
	$restored->stop;
}
$node->start;
state_becomes($node, 'failed', 'the original finds that Kafka is ahead of it, too');
$node->safe_psql('postgres', "SELECT kafka.resolve_outbox('k', 'publish')");
state_becomes($node, 'idle', 'and can go on');

# A copy of the database
$node->safe_psql('postgres', <<~'EOF');
	CREATE SERVER down FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1');
	CREATE FOREIGN TABLE down (v text) SERVER down OPTIONS (topic 'down', format 'text', delivery 'outbox');
	INSERT INTO down VALUES ('unsent');
	EOF
$node->safe_psql('template1', 'CREATE DATABASE copied TEMPLATE postgres');
my ($status, $out, $err) = $node->psql('copied', "INSERT INTO t VALUES ('never')");
like($err, qr/belong to another one.*adopt_instance/s, 'a copy of the database refuses to publish');
is($node->safe_psql('copied', "SELECT sum(unsent), min(state), min(last_error) ~ 'adopt_instance' FROM kafka.stat_outbox"), '1|paused|t', 'it has the unsent record, and publishes nothing');
$node->safe_psql('copied', "SELECT kafka.adopt_instance('new'); INSERT INTO other VALUES ('copied')");
published($other, 'copied', 'adopted, it publishes');
is($node->safe_psql('copied', 'SELECT sum(unsent) FROM kafka.stat_outbox'), '0', 'but not what the original has to publish');
is($node->safe_psql('postgres', 'SELECT sum(unsent) FROM kafka.stat_outbox'), '1', 'which has it still');

# Adopted while its relay is at work, a database begins anew, too, whatever the relay knew.
my $emptied = new_topic(1);
$node->safe_psql('copied', "CREATE FOREIGN TABLE emptied (v text) SERVER k OPTIONS (topic '$emptied', format 'text', delivery 'outbox')");
my $busy = KafkaSession->new($node, 'copied');
$busy->start("DO \$\$BEGIN FOR i IN 1..1000 LOOP INSERT INTO emptied VALUES (i); COMMIT; PERFORM pg_sleep(0.01); END LOOP; END\$\$");
$node->safe_psql('copied', "SELECT pg_sleep(0.3); SELECT kafka.adopt_instance('new')") for 1 .. 20;
$busy->finish;
is($busy->error, '', 'who inserts meanwhile has no error');
$node->safe_psql('copied', "INSERT INTO emptied VALUES ('last')");
ok(poll_until(sub { kafka_tool('consume', $emptied, '-f', 'v') =~ /^last$/m }, 60), 'emptied while its relay is at work, it publishes again')
  or diag($node->safe_psql('copied', 'TABLE kafka.stat_outbox'));
my ($dump) = run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]);
unlike($dump, qr/COPY kafka\.outbox/, 'a dump has no outbox');

# What a broker does not take is set aside, the rest is published
my $nowhere = "nowhere-$$";
$node->safe_psql('postgres', "CREATE FOREIGN TABLE nowhere (v text) SERVER k OPTIONS (topic '$nowhere', format 'text', delivery 'outbox')");
$node->safe_psql('postgres', <<~'EOF');
	BEGIN;
	INSERT INTO narrow VALUES ('a');
	INSERT INTO narrow VALUES (repeat('x', 2000), NULL, '{"(h,\"\\\\x01\")"}');
	INSERT INTO narrow VALUES ('b', 1);
	INSERT INTO narrow VALUES ('c');
	COMMIT;
	EOF
published($narrow, 'a,c', 'what is refused is in the way of nothing else');
is($node->safe_psql('postgres', "SELECT string_agg(left(convert_from(value, 'UTF8'), 2) || ' ' || stage || ' ' || sqlstate, ', ' ORDER BY value) FROM kafka.dead_letters"),
	'b publish 22023, xx publish 54000', 'and it is in kafka.dead_letters');
$node->safe_psql('postgres', "INSERT INTO narrow SELECT 'd' || repeat('y', 300) FROM generate_series(1, 100)");
ok(poll_until(sub { kafka_tool('consume', $narrow, '-c') == 102 }, 60), 'records each of which is small enough are published in batches that are, too')
  or diag(kafka_tool('consume', $narrow, '-c'));
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.dead_letters'), '2', 'none of them is set aside');

# Many small ones for a topic that takes small batches only, in a time that is too short to wait for each of them
$node->safe_psql('postgres', "ALTER SERVER k OPTIONS (ADD transaction_timeout_ms '5000'); INSERT INTO narrow SELECT i FROM generate_series(1, 20000) i");
ok(poll_until(sub { kafka_tool('consume', $narrow, '-c') == 20102 }, 60), 'nor are they waited for one by one')
  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_outbox'));
$node->safe_psql('postgres', 'ALTER SERVER k OPTIONS (DROP transaction_timeout_ms)');

$node->safe_psql('postgres', "BEGIN; INSERT INTO nowhere VALUES ('n'); INSERT INTO narrow VALUES ('e'); COMMIT");
ok(poll_until(sub { kafka_tool('consume', $narrow, '-c') == 20103 }, 90), 'a topic that is not there is waited for, but not for ever')
  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_outbox'));
is($node->safe_psql('postgres', "SELECT _topic || ' ' || sqlstate FROM kafka.dead_letters WHERE value = 'n'"), "$nowhere HV00R", 'and its record is set aside');

# and published when that is asked for, if it is not refused any more
my ($retry) = $node->safe_psql('postgres', "SELECT to_do FROM kafka.status WHERE kind = 'group'") =~ /; (SELECT kafka\.retry_outbox\(.*;)$/;
is($node->safe_psql('postgres', "BEGIN; $retry ROLLBACK"), '3', 'what was set aside can be published again, as kafka.status says');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.dead_letters'), '3', 'unless that is rolled back');
$node->safe_psql('postgres', "SELECT kafka.add_partitions('k', '$narrow', 2); SELECT kafka.create_topic('k', '$nowhere', 1)");
ok(poll_until(sub {
	# a topic that is so new may be refused once more
	$node->safe_psql('postgres', "SELECT kafka.retry_outbox('k')");
	kafka_tool('consume', $nowhere, '-f', 'v') eq 'n' && kafka_tool('consume', $narrow, '-p', 1, '-f', 'v') eq 'b' }, 60),
	'what is not refused any more is published');
ok($node->poll_query_until('postgres', "SELECT left(convert_from(value, 'UTF8'), 2), headers[1].key, stage FROM kafka.dead_letters", 'xx|h|publish'),
	'what is refused again is set aside again') or diag($node->safe_psql('postgres', 'SELECT _topic, _partition, stage, error FROM kafka.dead_letters'));

# Many that are refused are not tried one by one: each trial would leave a marker in the topic
my $markers = new_topic(1, 'max.message.bytes=1000');
my $missing = "missing-$$";
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE markers (v text, h kafka.header[] OPTIONS (metadata 'headers'), p int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$markers', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE missing (v text) SERVER k OPTIONS (topic '$missing', format 'text', delivery 'outbox');
	DELETE FROM kafka.dead_letters;
	INSERT INTO markers SELECT v, CASE WHEN length(v) > 1000 THEN ARRAY[('h', v::bytea)::kafka.header] END, CASE WHEN i > 600 THEN i % 7 + 1 END
	  FROM (SELECT i, i || repeat('z', i * 5 % 2000) AS v FROM generate_series(1, 900) i) x ORDER BY md5(v);
	EOF
ok(poll_until(sub { kafka_tool('consume', $markers, '-c') > 0 }, 60), 'those that are small enough are published');
is(kafka_tool('consume', $markers, '-c') . '|' . $node->safe_psql('postgres', 'SELECT count(*) FROM kafka.dead_letters'),
	$node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE NOT refused) || '|' || count(*) FILTER (WHERE refused)
	  FROM (SELECT i > 600 OR length(i || repeat('z', i * 5 % 2000)) + 70 > 1000 AS refused FROM generate_series(1, 900) i) x}), 'and no others');
cmp_ok((split /\t/, kafka_tool('watermark', $markers))[2] - kafka_tool('consume', $markers, '-u', '-c'), '<', 100, 'after few trials');
my ($compacted, $late) = (new_topic(1, 'cleanup.policy=compact'), new_topic(1, 'message.timestamp.after.max.ms=3600000'));
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE compacted (v text, k text OPTIONS (metadata 'key')) SERVER k OPTIONS (topic '$compacted', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE late (v text, t timestamptz OPTIONS (metadata 'timestamp'), p int OPTIONS (metadata 'partition'))
	  SERVER k OPTIONS (topic '$late', format 'text', delivery 'outbox');
	BEGIN;
	INSERT INTO compacted SELECT i, CASE i % 3 WHEN 0 THEN 'k' END FROM generate_series(1, 300) i;
	INSERT INTO late SELECT i, now() + i % 3 * interval '1 day', CASE WHEN i % 5 = 0 THEN 1 END FROM generate_series(1, 300) i;
	COMMIT;
	EOF
ok(poll_until(sub { kafka_tool('consume', $late, '-c') > 0 && kafka_tool('consume', $compacted, '-c') > 0 }, 60), 'nor those of other kinds');
is(join('|', map { kafka_tool('consume', $_, '-c') } $compacted, $late), '100|80', 'each that is taken is published');
is($node->safe_psql('postgres', "SELECT string_agg(n || ' ' || sqlstates, ', ' ORDER BY n) FROM (SELECT count(*) AS n, string_agg(DISTINCT sqlstate, ' ') AS sqlstates
	FROM kafka.dead_letters WHERE _topic IN ('$compacted', '$late') GROUP BY _topic) s"), '200 22023, 220 22008 22023', 'the others are set aside');
cmp_ok((split /\t/, kafka_tool('watermark', $_))[2] - kafka_tool('consume', $_, '-u', '-c'), '<', 60, 'after few trials') foreach $compacted, $late;
is($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT failed_at) FROM kafka.dead_letters'), '0', 'each has a time of its own, by which it is published again');
like($node->safe_psql('postgres', 'SET enable_seqscan = off; EXPLAIN DELETE FROM kafka.dead_letters'), qr/Cond:.*failed_at/, 'and is deleted by it');

# A topic that was waited for in vain is no reason not to wait for another one
$node->safe_psql('postgres', "DELETE FROM kafka.dead_letters; INSERT INTO missing VALUES ('patience')");
ok($node->poll_query_until('postgres', "SELECT last_error ~ '$missing' FROM kafka.stat_outbox WHERE server = 'k'"), 'another topic is waited for');
$node->safe_psql('postgres', "SELECT kafka.create_topic('k', '$missing', 1)");
published($missing, 'patience', 'and written to when it is there');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.dead_letters'), '0', 'nothing is set aside');

# Who has inserted keeps the server's name until its commit
my $writer = KafkaSession->new($node);
$writer->run("BEGIN; INSERT INTO other VALUES ('held')");
foreach my $command ('ALTER SERVER k RENAME TO renamed', 'DROP SERVER k CASCADE')
{
	($status, $out, $err) = $node->psql('postgres', "SET lock_timeout = 100; $command");
	like($err, qr/lock timeout/, "held records are in the way of $command");
}
$writer->run('ROLLBACK');

# What is set aside while the server is renamed has the new name
$writer->run('BEGIN; LOCK TABLE kafka.stored_dead_letters IN SHARE MODE');
$node->safe_psql('postgres', "INSERT INTO narrow VALUES ('renamed' || repeat('x', 2000))");
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'kafka.stored_dead_letters'::regclass AND NOT granted"),
	'a record is about to be set aside');
$writer->run('ALTER SERVER k RENAME TO renamed; COMMIT');
is($writer->error, '', 'the server is renamed meanwhile');
ok($node->poll_query_until('postgres', "SELECT server FROM kafka.dead_letters WHERE value LIKE 'renamed%'", 'renamed'), 'the record is set aside by its new name')
  or diag($node->safe_psql('postgres', 'SELECT server, _topic, error FROM kafka.dead_letters'));
$node->safe_psql('postgres', 'ALTER SERVER renamed RENAME TO k');

# A transaction whose snapshot is older than a relay renames it all the same
my $servers = bootstrap();
$writer->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$node->safe_psql('postgres', <<~"EOF");
	CREATE SERVER young FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
	CREATE FOREIGN TABLE young (v text) SERVER young OPTIONS (topic '$other', format 'text', delivery 'outbox');
	EOF
$node->safe_psql('postgres', "INSERT INTO young VALUES ('young')");
$writer->run('ALTER SERVER young RENAME TO older; COMMIT');
ok($node->poll_query_until('postgres', "SELECT unsent, state FROM kafka.stat_outbox WHERE server = 'older'", '0|idle'), 'the relay has the new name')
  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_outbox'));
$writer->close;

# The table is emptied, also while an old snapshot is held by who has looked at it, one cluster is down, and another one is for a while
my $snapshot = KafkaSession->new($node);
$snapshot->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM kafka.status');
my $size = 'SELECT sum(pg_total_relation_size(c)) FROM unnest(ARRAY[\'kafka.outbox_0\', \'kafka.outbox_1\', \'kafka.outbox_2\']::regclass[]) c';
$broker->pause;
cmp_ok($node->safe_psql('postgres', "INSERT INTO other SELECT md5(i::text) FROM generate_series(1, 200000) i; $size"), '>', 5_000_000, 'the outbox has grown');
ok($node->poll_query_until('postgres', "SELECT pg_total_relation_size('kafka.outbox_2') > 5000000"), 'what is not published soon goes to a part of its own');
$broker->resume;
ok($node->poll_query_until('postgres', "SELECT ($size) < 200000"), 'and is small again') or diag($node->safe_psql('postgres', $size));
ok(poll_until(sub { kafka_tool('consume', $other, '-c') == 200002 }, 60), 'everything was published') or diag(kafka_tool('consume', $other, '-c'));
is($node->safe_psql('postgres', "SELECT unsent FROM kafka.stat_outbox WHERE server = 'down'"), '1', 'what cannot be published is kept');
like($node->safe_psql('postgres', "SELECT to_do FROM kafka.status WHERE kind = 'outbox' AND name ~ '^down of'"), qr/^Check the option "bootstrap_servers"/,
	'and kafka.status says what to look at');

# While the snapshot keeps all ticks that ever were, the next one does not search them
my $reads = q{SELECT max(tick), max(pg_stat_get_tuples_returned('kafka.outbox_ticks_pkey'::regclass)) FROM kafka.outbox_ticks WHERE relay = 1};
state_becomes($node, 'idle', 'all is published before ticks are counted');
my ($first_tick, $first_read) = split /\|/, $node->safe_psql('postgres', $reads);
$node->safe_psql('postgres', <<~'EOF');
	DO $$ BEGIN
	  FOR i IN 1 .. 100 LOOP INSERT INTO other VALUES ('more'); COMMIT; PERFORM pg_sleep(0.02); END LOOP;
	END $$
	EOF
ok(poll_until(sub { kafka_tool('consume', $other, '-c') == 200102 }, 60), 'many ticks are published');
my ($ticks, $read) = (0, 0);
ok(poll_until(
		sub {
			my ($tick, $reads_now) = split /\|/, $node->safe_psql('postgres', $reads);
			($ticks, $read) = ($tick - $first_tick, $reads_now - $first_read);
			return $ticks > 20 && $read > $ticks;
		}, 30), 'and counted');
cmp_ok($read, '<', 10 * $ticks, "ticks are not searched for: $ticks ticks");
$snapshot->close;
$node->stop;

# Not preloaded
my $plain = new_cluster('plain', conf => "shared_preload_libraries = ''");
$plain->safe_psql('postgres', $tables);
($status, $out, $err) = $plain->psql('postgres', "INSERT INTO t VALUES ('never')");
like($err, qr/delivery "outbox" needs kafka_fdw to be preloaded.*shared_preload_libraries/s, 'without workers the outbox is refused');
$plain->stop;
done_testing();

END
{
	my $exit = $?;
	eval { $broker->resume } if $broker;
	$? = $exit;
}
