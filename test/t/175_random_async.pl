# Delivery "async", with cancels, kills, and a broker that dies or is silent: after kafka.flush() each record that it did
# not return is in the topic, once and in the order of its session; what it returned may be there, and nothing else.
# Only where it returned some others, or nobody could ask, may one be there twice: the library numbers what is left anew.
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
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap, conf => "restart_after_crash = on\nfsync = off");
$broker->kafka_tool('create-topic', 'sent', 3);
$node->safe_psql('postgres', <<~'EOF');
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '1500', ADD delivery_timeout_ms '1500', ADD max_block_ms '700');
	CREATE FOREIGN TABLE sent (filler text, key text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'),
	  o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic 'sent', delivery 'async', buffer_memory '1048576', max_request_size '100000');
	CREATE FOREIGN TABLE other (filler text, key text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'))
	  SERVER k OPTIONS (topic 'sent', delivery 'async', linger_ms '50');
	EOF

# What became of each record: "writer number" => pending, delivered, failed or unknown
my %fate;

# Those that were under way when others may have been given up
my %beside_failed;
my $next = 0;
my $random = RandomWriters->new(node => $node, broker => $broker, writers => 3);
my $outcomes = $random->{outcomes};

# Starts a writer's next statement.
sub go_on
{
	my ($writer) = @_;
	$writer->{inserts} = [];
	if (rand() < 0.15 && %{ $writer->{pending} })
	{
		$writer->{flushes} = 1;
		$writer->{session}->start("SELECT convert_from(key, 'UTF8') FROM kafka.flush()");
		return;
	}
	my $count = rand() < 0.1 ? 300 : 1 + int(rand(4));
	my ($from, $to) = ($next + 1, $next + $count);
	my $filler = $count > 10 ? 'repeat(md5(i::text), 200)' : "''";
	my $insert = "INSERT INTO " . one('sent', 'sent', 'other') . " (key, filler, p) SELECT '$writer->{name} ' || i, $filler, " . one('i % 3', 'NULL', '1') . " FROM generate_series($from, $to) i";
	$next = $to;
	$writer->{inserts} = [ map { "$writer->{name} $_" } $from .. $to ];
	$writer->{session}->start(one($insert, $insert, "BEGIN; $insert; ROLLBACK", "BEGIN; SAVEPOINT s; $insert; ROLLBACK TO s; COMMIT"));
	return;
}

# Takes the answer of a writer's statement.
sub take_answer
{
	my ($writer) = @_;
	my $out = $writer->{session}->finish;
	my $error = $writer->{session}->error =~ s/^.*WARNING:.*\n(?:(?:DETAIL|HINT):.*\n)*//mgr;
	my $flushed = delete $writer->{flushes};

	if ($random->is_lost($writer))
	{
		$fate{$_} = 'unknown', $beside_failed{$_} = 1 foreach keys %{ $writer->{pending} }, @{ $writer->{inserts} };
		$writer->{pending} = {};
		$writer->{name} = 'w' . ++$outcomes->{sessions};
		return;
	}
	$outcomes->{ $error ? 'errors' : $flushed ? 'flushes' : 'inserts' }++;
	note($error) if $error && $error !~ /canceling|current transaction is aborted/;
	# of a statement that failed, a part has been sent
	$fate{$_} = $error ? 'unknown' : 'pending' foreach @{ $writer->{inserts} };
	$writer->{pending}{$_} = 1 foreach @{ $writer->{inserts} };
	return if $error || !$flushed;
	my %failed = map { $_ => 1 } split /\n/, $out;
	foreach my $record (keys %{ $writer->{pending} })
	{
		$beside_failed{$record} = 1 if %failed;
		$fate{$record} = $failed{$record} ? 'failed' : $fate{$record} eq 'pending' ? 'delivered' : $fate{$record};
	}
	delete @failed{ keys %{ $writer->{pending} } };
	fail("flush() returns $_, which was not sent") foreach keys %failed;
	$writer->{pending} = {};
	return;
}

@$_{qw(name pending)} = ("w$_->{number}", {}) foreach $random->writers;
$outcomes->{sessions} = $random->writers;
$random->run(
	seconds => $seconds,
	least => { inserts => 200, flushes => 5 },
	pause => 0.7,
	start => \&go_on,
	take => \&take_answer,
	faults => {
		cancel => sub { $random->signal('pg_cancel_backend') },
		terminate => sub { $random->signal('pg_terminate_backend') if rand() < 0.4 },
		'kill -9' => sub { if (rand() < 0.1) { $random->kill9_session; $outcomes->{crashes}++ } },
		settings => sub { $node->safe_psql('postgres', "ALTER FOREIGN TABLE sent OPTIONS (SET max_request_size '" . (90000 + int(rand(9999))) . "')") },
		'broker killed' => sub { $random->broken('kill9', 'restart', 2) },
		'broker silent' => sub { $random->broken('pause', 'resume', 3) } });
foreach my $writer ($random->writers)
{
	take_answer($writer);
	$writer->{inserts} = [];
	$writer->{flushes} = 1;
	$writer->{session}->start("SELECT convert_from(key, 'UTF8') FROM kafka.flush()");
	take_answer($writer);
	$writer->{session}->close;
}
my %fates;
$fates{$_}++ foreach values %fate;
note($random->summary, '; ', join(', ', map { "$fates{$_} $_" } sort keys %fates));

my (%there, %last, @wrong);
foreach my $row (split /\n/, $node->safe_psql('postgres', 'SELECT p, key FROM sent ORDER BY p, o'))
{
	my ($p, $key) = split /\|/, $row;
	my ($name, $number) = split / /, $key;
	push @wrong, "$key was never inserted" unless $fate{$key};
	my $again = $there{$key}++;
	push @wrong, "$key is there twice" if $again && !$beside_failed{$key};
	next if $again || ($fate{$key} // '') ne 'delivered';
	push @wrong, "$key comes after $last{$p}{$name}" if ($last{$p}{$name} // 0) > $number;
	$last{$p}{$name} = $number;
}
push @wrong, map { "$_ is not there, and nobody was told" } grep { $fate{$_} eq 'delivered' && !$there{$_} } sort keys %fate;
push @wrong, map { "what became of $_ is not known" } grep { $fate{$_} eq 'pending' } sort keys %fate;
is(join("\n", splice(@wrong, 0, 10)), '', 'what flush() did not return is in the topic, once and in order');
cmp_ok($fates{delivered} // 0, '>', 100, 'records were delivered');
note('there although it failed: ' . grep { $fate{$_} eq 'failed' && $there{$_} } keys %fate);
note('there twice: ' . grep { $there{$_} > 1 } keys %there);
is($node->safe_psql('postgres', 'SELECT sum(in_flight) FROM kafka.stat_producers'), 0, 'nothing counts as in flight') unless $outcomes->{crashes};

$node->stop;
$broker->stop;
done_testing();
