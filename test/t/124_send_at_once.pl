# RETURNING of what the broker says and kafka.produce() wait for it: interruptibly, for a bounded time, and an error
# that is caught leaves the rest of the transaction as it was.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main');
my $topic = new_topic(1);
$node->safe_psql('postgres', <<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '1000');
	CREATE FOREIGN TABLE t (v text, o bigint OPTIONS (metadata 'offset')) SERVER k
	  OPTIONS (topic '$topic', format 'text', delivery_timeout_ms '1000');
	CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS \$\$
	  BEGIN EXECUTE sql; RETURN 'sent'; EXCEPTION WHEN OTHERS OR query_canceled THEN RETURN SQLERRM; END \$\$;
	EOF

# A broker that was paused for long leads nothing for a moment.
sub resume
{
	$broker->resume;
	return poll_until(sub { eval { kafka_tool('watermark', $topic) } });
}

sub sent { return kafka_tool('consume', $topic, '-f', 'v') =~ tr/\n/,/r; }

my $session = KafkaSession->new($node);
is($session->run("INSERT INTO t VALUES ('a') RETURNING o"), 0, 'RETURNING');
is($session->run("SELECT _offset FROM kafka.produce('t', 'b')"), 1, 'kafka.produce()');
is($session->run("BEGIN; SELECT try('INSERT INTO t VALUES (''c'') RETURNING o'); ROLLBACK"), 'sent', 'in what is rolled back');
is(sent(), 'a,b,c', 'all are there');

# Each with held records before and after, which COMMIT must send and nothing else
my %waits = (RETURNING => "INSERT INTO t VALUES (''lost'') RETURNING o", produce => "SELECT kafka.produce(''t'', ''lost'')");
foreach my $how (sort keys %waits)
{
	$session->run("BEGIN; INSERT INTO t VALUES ('$how before')");
	$broker->pause;
	$session->start("SELECT try('$waits{$how}')");
	$session->await_active(20);
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
	like($session->finish, qr/canceling statement due to user request/, "$how: is cancelled");
	$session->run("SET statement_timeout = '500 ms'; SELECT try('$waits{$how}'); RESET statement_timeout");
	cmp_ok($session->seconds, '<', 1.5, "$how: statement_timeout counts");
	like($session->run("SELECT try('$waits{$how}')"), qr/"\Q$topic\E"/, "$how: the broker does not answer");
	cmp_ok($session->seconds, '<', 6, "$how: in time");
	resume();
	$session->run("INSERT INTO t VALUES ('$how after'); COMMIT");
	is($session->error, '', "$how: the transaction goes on");
}
my @kept = grep { $_ ne 'lost' } split /,/, sent();
is(join(',', @kept), 'a,b,c,RETURNING before,RETURNING after,produce before,produce after', 'COMMIT sends what was held');

# Many failures in one transaction do not pile up
$session->run("ALTER FOREIGN TABLE t OPTIONS (SET delivery_timeout_ms '50', ADD linger_ms '1')");
my $before = threads($session->pid);
$broker->pause;
$session->run("BEGIN; SET LOCAL statement_timeout = '30 s'; SELECT count(try('$waits{produce}')) FROM generate_series(1, 10); COMMIT", 60);
resume();
$session->run("ALTER FOREIGN TABLE t OPTIONS (DROP delivery_timeout_ms); INSERT INTO t VALUES ('end') RETURNING o");
is($session->error, '', 'after many failures a record is sent');
ok(poll_until(sub { threads($session->pid) <= $before + 4 }, 20), 'no threads are left behind');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();

END
{
	my $status = $?;
	eval { $broker->resume } if $broker;
	$? = $status;
}
