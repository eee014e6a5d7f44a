# Writers beside each other, with savepoints, cancels, kills, and a broker that dies while they commit: a transaction
# that committed is in the topic completely, each record once and in order; what was rolled back is not there. Only
# what a failed COMMIT had begun to send may be there in part.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_SECONDS is for how long it goes on.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use RandomWriters;
use Test::More;

my $seconds = begin_random(20);

my $broker = KafkaFdw::Broker->new;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap, conf => "restart_after_crash = on\nfsync = off");
$broker->kafka_tool('create-topic', 'sent', 3);
$node->safe_psql('postgres', <<~'EOF');
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '5000', ADD delivery_timeout_ms '4000');
	CREATE FOREIGN TABLE sent (t int, n int, filler text, p int OPTIONS (metadata 'partition'),
	  key text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic 'sent');
	CREATE TABLE committed (t int PRIMARY KEY);
	EOF

my $transactions = 0;
my (%kept, %may_be_there, %acknowledged);
my $random = RandomWriters->new(node => $node, broker => $broker, writers => 3);

# An INSERT of a transaction's next numbers: its text, and the numbers
sub insert
{
	my ($t, $next) = @_;
	my $count = rand() < 0.1 ? 500 + int(rand(2000)) : 1 + int(rand(5));
	my ($from, $to) = ($$next, $$next + $count - 1);
	my $filler = $count > 10 ? 'repeat(md5(i::text), 5)' : 'NULL';
	my ($p, $key) = one([ 'i % 3', 'NULL' ], [ int(rand(3)), 'NULL' ], [ 'NULL', "'key ' || i % 7" ], [ 'NULL', 'NULL' ]);
	my $where = one('0', '1', '2', 'i % 3', "NULL");
	my $keyed = $where eq 'NULL' && rand() < 0.7 ? "'key ' || i % 7" : 'NULL';
	$$next += $count;
	return ("INSERT INTO sent (t, n, filler, p, key) SELECT $t, i, $filler, $where, $keyed FROM generate_series($from, $to) i",
		$from .. $to);
}

# The statements of a transaction before its end, and what it is to keep
sub transaction
{
	my ($t) = @_;
	my @statements = ("SET work_mem = '64 kB'", 'BEGIN');
	my @depths;    # for each savepoint how much was kept
	my @kept;
	my $next = 1;

	push @statements, "INSERT INTO committed VALUES ($t)";
	foreach (1 .. 1 + int(rand(8)))
	{
		my $what = rand();
		if ($what < 0.5)
		{
			my ($sql, @numbers) = insert($t, \$next);
			push @statements, $sql;
			push @kept, @numbers;
		}
		elsif ($what < 0.65)
		{
			push @statements, 'SAVEPOINT s' . @depths;
			push @depths, scalar @kept;
		}
		elsif ($what < 0.8 && @depths)
		{
			my $to = int(rand(@depths));
			splice(@depths, $to + 1);
			splice(@kept, $depths[$to]);
			push @statements, "ROLLBACK TO s$to";
		}
		elsif ($what < 0.85 && @depths)
		{
			my $to = int(rand(@depths));
			splice(@depths, $to);
			push @statements, "RELEASE s$to";
		}
		else
		{
			my ($lost) = insert($t, \$next);
			my ($sql, @numbers) = insert($t, \$next);
			push @statements, "DO \$\$ BEGIN BEGIN $lost; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN $sql; END; END \$\$";
			push @kept, @numbers;
		}
	}
	return (join('; ', @statements), @kept);
}

# Starts the next step of a writer: a transaction, then its end
sub go_on
{
	my ($writer) = @_;
	if (!$writer->{ends})
	{
		my $t = ++$transactions;
		my ($sql, @kept) = transaction($t);
		$kept{$t} = \@kept;
		$writer->{t} = $t;
		$writer->{ends} = rand() < 0.85 ? 'COMMIT' : 'ROLLBACK';
		$writer->{session}->start($sql);
		return;
	}
	my $end = delete $writer->{ends};
	$may_be_there{ $writer->{t} } = 1 if $end eq 'COMMIT';
	$writer->{committing} = $end eq 'COMMIT' ? $writer->{t} : undef;
	$writer->{session}->start($end);
	return;
}

# Takes the answer of a writer's step.
sub take_answer
{
	my ($writer) = @_;
	my $error = $writer->{session}->error;
	my $t = delete $writer->{committing};

	if ($random->is_lost($writer))
	{
		delete $writer->{ends};
		return;
	}
	$random->{outcomes}{ $error ? 'failed' : 'committed' }++ if defined $t;
	$acknowledged{$t} = 1 if defined $t && !$error;
	$writer->{ends} = 'ROLLBACK' if !defined $t && $error && $writer->{ends};
	note("a COMMIT: $error") if defined $t && $error;
	return;
}

$random->run(
	seconds => $seconds,
	least => { committed => 11 },
	pause => 0.7,
	start => \&go_on,
	take => \&take_answer,
	faults => {
		cancel => sub { $random->signal('pg_cancel_backend') },
		terminate => sub { $random->signal('pg_terminate_backend') },
		'kill -9' => sub { $random->kill9_session if rand() < 0.3 },
		'broker killed' => sub { $random->broken('kill9', 'restart', 3) },
		'broker stopped' => sub { $random->broken('stop', 'restart', 1) },
		'broker silent' => sub { $random->broken('pause', 'resume', 6) } });
foreach my $writer ($random->writers)
{
	$writer->{session}->finish;
	take_answer($writer);
	$writer->{session}->close;
}
note($random->summary, "; $transactions transactions");

# What is in the topic: for each transaction its numbers by partition, in order
my (%there, %places, @wrong);
foreach my $row (split /\n/, $node->safe_psql('postgres', 'SELECT t, n, p, key FROM sent ORDER BY p, o'))
{
	my ($t, $n, $p, $key) = split /\|/, $row;
	push @{ $there{$t}{$p} }, $n;
	$places{$key}{$p} = 1 if $key;
}
my %committed = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'TABLE committed');
foreach my $t (1 .. $transactions)
{
	my %kept = map { $_ => 1 } @{ $kept{$t} };
	my @numbers = sort { $a <=> $b } map { @$_ } values %{ $there{$t} };
	my %seen;

	push @wrong, "$t: acknowledged, but not committed" if $acknowledged{$t} && !$committed{$t};
	push @wrong, "$t: committed, and incomplete: " . @numbers . ' of ' . keys %kept if $committed{$t} && "@numbers" ne join(' ', sort { $a <=> $b } keys %kept);
	push @wrong, "$t: rolled back, but sent: " . @numbers if @numbers && !$may_be_there{$t};
	push @wrong, map { "$t: $_ was rolled back to a savepoint, but sent" } grep { !$kept{$_} } @numbers;
	push @wrong, map { "$t: $_ is there twice" } grep { $seen{$_}++ } @numbers;
	foreach my $p (sort keys %{ $there{$t} })
	{
		my @in_order = sort { $a <=> $b } @{ $there{$t}{$p} };
		push @wrong, "$t: out of order in partition $p" if "@in_order" ne "@{ $there{$t}{$p} }";
	}
}
push @wrong, map { "$_ is in partitions " . join(' ', sort keys %{ $places{$_} }) } grep { keys %{ $places{$_} } > 1 } keys %places;
is(join("\n", splice(@wrong, 0, 10)), '', 'what committed is in the topic, once and in order, and what was rolled back is not');
cmp_ok($random->{outcomes}{committed} // 0, '>', 10, 'transactions committed');
my $partly = grep { $there{$_} && !$committed{$_} } 1 .. $transactions;
note("$partly transactions are there in part");

$node->stop;
$broker->stop;
done_testing();
