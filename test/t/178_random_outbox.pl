# Deliveries "outbox" and "transactional" with concurrent writers, savepoints, cancels, kills of sessions, relays and the
# server, and a broker that dies. Each record takes the next number of its key, under a row lock: so in the topic each
# key's numbers are 1, 2, 3 ... up to the table's, each once and in order, and nothing else is there. Only "transactional"
# has a window: what it had committed in Kafka when PostgreSQL was killed is there beside; such records are counted.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_SECONDS is for how long it goes on.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use RandomWriters;
use Test::More;

my $seconds = begin_random(15);

my $broker = KafkaFdw::Broker->new;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap,
	conf => "restart_after_crash = on\nfsync = off\ndeadlock_timeout = '50ms'");
$broker->kafka_tool('create-topic', $_, 3) foreach qw(outbox transactional);
$node->safe_psql('postgres', <<~'EOF');
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '5000', ADD delivery_timeout_ms '4000', ADD transaction_timeout_ms '5000');
	CREATE FOREIGN TABLE outbox (t int, n int, filler text, key int OPTIONS (metadata 'key', field 'key'),
	  p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic 'outbox', delivery 'outbox');
	CREATE FOREIGN TABLE transactional (t int, n int, filler text, key int OPTIONS (metadata 'key', field 'key'),
	  p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic 'transactional', delivery 'transactional');
	CREATE TABLE keys AS SELECT kind, key, 0 AS n FROM unnest('{outbox,transactional}'::text[]) kind, generate_series(1, 7) key;
	CREATE TABLE committed (t int PRIMARY KEY);
	CREATE FUNCTION put(kind text, key int, t int, count int, filler int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE n int;
	BEGIN
	  FOR i IN 1 .. count LOOP
	    UPDATE keys k SET n = k.n + 1 WHERE k.kind = put.kind AND k.key = put.key RETURNING k.n INTO n;
	    IF kind = 'outbox' THEN INSERT INTO outbox (t, n, filler, key) VALUES (t, n, repeat('x', filler), key);
	    ELSE INSERT INTO transactional (t, n, filler, key) VALUES (t, n, repeat('x', filler), key); END IF;
	  END LOOP;
	END $$;
	EOF

# The first use of a database is recorded in kafka.instance, and others wait for it: one that is over.
$node->safe_psql('postgres', "BEGIN; INSERT INTO committed VALUES (0); SELECT put('outbox', 1, 0, 1, 10); COMMIT");

my $transactions = 0;
my %may_be_there;
my $random = RandomWriters->new(node => $node, broker => $broker, writers => 4);

# The statements of a transaction before its end
sub transaction
{
	my ($t) = @_;
	my @statements = ("SET work_mem = '64 kB'", 'BEGIN', "INSERT INTO committed VALUES ($t)");
	my $depth = 0;
	my @kinds = @{ one([ 'outbox' ], [ 'outbox' ], [ 'transactional' ], [ 'outbox', 'transactional' ]) };

	foreach (1 .. 1 + int(rand(6)))
	{
		my $what = rand();
		my $put = sprintf("SELECT put('%s', %d, $t, %d, %d)", one(@kinds), 1 + int(rand(7)),
			rand() < 0.05 ? 500 : 1 + int(rand(4)), rand() < 0.2 ? 2000 : 10);
		if ($what < 0.6) { push @statements, $put; }
		elsif ($what < 0.7) { push @statements, 'SAVEPOINT s' . $depth++; }
		elsif ($what < 0.8 && $depth) { $depth = int(rand($depth)) + 1; push @statements, 'ROLLBACK TO s' . ($depth - 1); }
		elsif ($what < 0.85 && $depth) { push @statements, 'RELEASE s' . --$depth; }
		elsif ($what < 0.9) { push @statements, "SELECT pg_sleep(" . rand(0.1) . ")"; }
		else { push @statements, "DO \$\$ BEGIN BEGIN PERFORM " . ($put =~ s/SELECT //r) . "; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END; END \$\$"; }
	}
	return join('; ', @statements);
}

# Starts the next step of a writer: a transaction, then its end
sub go_on
{
	my ($writer) = @_;
	if (!$writer->{ends})
	{
		$writer->{t} = ++$transactions;
		$writer->{ends} = rand() < 0.85 ? 'COMMIT' : 'ROLLBACK';
		$writer->{session}->start(transaction($writer->{t}));
		return;
	}
	my $end = delete $writer->{ends};
	$writer->{committing} = $end eq 'COMMIT';
	$may_be_there{ $writer->{t} } = 1 if $end eq 'COMMIT';
	$writer->{session}->start($end);
	return;
}

# Takes the answer of a writer's step.
sub take_answer
{
	my ($writer) = @_;
	my $error = $writer->{session}->error;
	my $committing = delete $writer->{committing};

	if ($random->is_lost($writer))
	{
		delete $writer->{ends};
		return;
	}
	$random->{outcomes}{ $error ? 'failed' : 'committed' }++ if $committing;
	note("a COMMIT: $error") if $committing && $error;
	$writer->{ends} = 'ROLLBACK' if !$committing && $error && $writer->{ends};
	return;
}

sub relay_pid
{
	my ($status, $pid) = $node->psql('postgres', "SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'kafka_fdw relay'");
	return $pid;
}

sub stop_relay
{
	my ($stop) = @_;
	my $pid = relay_pid() or return;
	$stop->($pid);
	return;
}

$random->run(
	seconds => $seconds,
	least => { committed => 11 },
	pause => 1.2,
	start => \&go_on,
	take => \&take_answer,
	faults => {
		cancel => sub { $random->signal('pg_cancel_backend') },
		terminate => sub { $random->signal('pg_terminate_backend') },
		'kill -9' => sub { $random->kill9_session if rand() < 0.5 },
		'relay killed' => sub { stop_relay(sub { kill('KILL', $_[0]); $random->await_server }) },
		'relay cancelled' => sub { stop_relay(sub { $node->psql('postgres', "SELECT pg_cancel_backend($_[0])") }) },
		'relay terminated' => sub { stop_relay(sub { $node->psql('postgres', "SELECT pg_terminate_backend($_[0])") }) },
		'server stopped' => sub { return if rand() < 0.7; $node->stop(one('immediate', 'fast')); $node->start },
		'broker killed' => sub { $random->broken('kill9', 'restart', 3) if rand() < 0.5 },
		'broker stopped' => sub { $random->broken('stop', 'restart', 1) if rand() < 0.5 },
		'broker silent' => sub { $random->broken('pause', 'resume', 6) } });

# What one of them waits for is another's until its transaction ends, so all go on to there.
my $longest = time() + 120;
my @busy = $random->writers;
while (@busy)
{
	foreach my $writer ($random->take_answers(\&take_answer, @busy))
	{
		if ($writer->{ends}) { go_on($writer); }
		else { @busy = grep { $_ != $writer } @busy; }
	}
	die "transactions do not end\n" if time() > $longest;
}
$_->{session}->close foreach $random->writers;
note($random->summary, "; $transactions transactions");

ok($node->poll_query_until('postgres', 'SELECT sum(unsent) FROM kafka.stat_outbox', '0'), 'the outbox is empty in the end')
  or diag($node->safe_psql('postgres', 'TABLE kafka.stat_outbox'));

# What a session left open ends by its timeout
ok(poll_until(sub { $broker->is_settled('outbox') && $broker->is_settled('transactional') }, 60), 'no Kafka transaction is open in the end');

my %committed = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'TABLE committed');
foreach my $kind (qw(outbox transactional))
{
	my (%numbers, @wrong);
	my $in_window = 0;
	foreach my $row (split /\n/, $node->safe_psql('postgres', "SELECT t, key, n FROM $kind ORDER BY p, o"))
	{
		my ($t, $key, $n) = split /\|/, $row;
		if (!$committed{$t} && $kind eq 'transactional' && $may_be_there{$t}) { $in_window++; next; }
		push @wrong, "record $n of key $key is of transaction $t, which did not commit" if !$committed{$t};
		push @{ $numbers{$key} }, $n;
	}
	foreach my $row (split /\n/, $node->safe_psql('postgres', "SELECT key, n FROM keys WHERE kind = '$kind'"))
	{
		my ($key, $last) = split /\|/, $row;
		my @found = @{ $numbers{$key} // [] };
		my @expected = 1 .. $last;
		next if "@found" eq "@expected";
		my ($at) = grep { ($found[$_] // 0) != $_ + 1 } 0 .. $last;
		push @wrong, "key $key: " . @found . " of $last records, at $at: @found[$at .. ($at + 5 < $#found ? $at + 5 : $#found)]";
	}
	is(join("\n", splice(@wrong, 0, 10)), '', "$kind: what committed is in the topic, once and in the order of each key, and nothing else");
	note("$kind: " . $node->safe_psql('postgres', "SELECT sum(n) FROM keys WHERE kind = '$kind'") . " records, $in_window in the window");
}
cmp_ok($random->{outcomes}{committed} // 0, '>', 10, 'transactions committed');

$node->stop;
$broker->stop;
done_testing();
