# Whatever happens to workers that sleep, to the sentry that watches for them, to the server and the broker: each record
# that comes is read by each stream, once, before a worker would have looked by itself.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_SECONDS is for how long it goes on.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes stream_clients);
use PostgreSQL::Test::Utils;
use RandomWriters;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = begin_random(20);
my $broker = KafkaFdw::Broker->new;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap, conf => "restart_after_crash = on\nfsync = off");
my %partitions = map { $_ => 2 } qw(one two three);
my %streams;

query(<<~'EOF');
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '5000', ADD delivery_timeout_ms '4000', ADD transaction_timeout_ms '5000');
	CREATE TABLE copied (stream text, p int, o bigint, n bigserial);
	EOF
foreach my $topic (sort keys %partitions)
{
	$broker->kafka_tool('create-topic', $topic, $partitions{$topic});
	query(<<~"EOF");
		CREATE FOREIGN TABLE $topic (id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$topic');
		CREATE FOREIGN TABLE ${topic}_transactional (id int) SERVER k OPTIONS (topic '$topic', delivery 'transactional');
		EOF
	$streams{"$topic$_"} = $topic foreach 1 .. 3;
}

sub create_stream
{
	my ($name) = @_;
	return "SELECT kafka.create_stream('$name', 'INSERT INTO copied SELECT ''$name'', p, o FROM $streams{$name}', workers => " . (1 + int(rand(2))) . ');';
}
query(create_stream($_)) foreach sort keys %streams;

my $random = RandomWriters->new(node => $node, broker => $broker, writers => 2);
my $written = 0;

sub run_sql
{
	my ($sql) = @_;
	$random->await_server;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $out if $status == 0;
	die "$sql: $err\n" unless $err =~ /broker|timed out/i;
	$random->{outcomes}{refused}++;
	return;
}

# One of our background processes of a kind; none while they restart
sub process
{
	my ($like) = @_;
	return one(split /\n/, run_sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'kafka_fdw $like'"));
}

sub kill_process
{
	my ($like) = @_;
	my $pid = process($like) or return;
	crash($node, $pid);
	return;
}

sub signal_process
{
	my ($like, $function) = @_;
	my $pid = process($like) or return;
	run_sql("SELECT $function($pid)");
	return;
}

# A record, after a while; some with the markers of a transaction
sub start_writer
{
	my ($writer) = @_;
	my $table = one(sort keys %partitions) . one('', '_transactional');
	$writer->{session}->start('SELECT pg_sleep(' . rand(one(1, 15)) . "); INSERT INTO $table VALUES (" . ++$written . ')');
	return;
}

sub take_answer
{
	my ($writer) = @_;
	return if $random->is_lost($writer);
	$random->{outcomes}{ $writer->{session}->error ? 'failed' : 'written' }++;
	return;
}

# Nothing is wrong for a while: all that is there is read, and all fall asleep.
sub lull
{
	$random->mend;
	$random->await_server;
	foreach my $topic (sort keys %partitions)
	{
		my $all = 0;
		$all += (split /\t/)[2] foreach split /\n/, $broker->kafka_tool('watermark', $topic);
		query_becomes("SELECT coalesce(sum(next_offset), 0) >= $all FROM kafka.offsets WHERE group_id = '$_'", 't', "$_ reads all")
		  foreach grep { $streams{$_} eq $topic } sort keys %streams;
	}
	for (my $end = time() + 20; time() < $end && stream_clients('%'); sleep(0.2)) { }
	$random->{outcomes}{ stream_clients('%') ? 'restless' : 'slept' }++;
	return;
}

sub create_again
{
	my $name = one(sort keys %streams);
	run_sql("BEGIN; SELECT kafka.drop_stream('$name'); DELETE FROM copied WHERE stream = '$name';" . create_stream($name) . 'COMMIT');
	return;
}

sub reset_to_earliest
{
	my $name = one(sort keys %streams);
	run_sql("BEGIN; SELECT kafka.reset_stream('$name', 'earliest'); DELETE FROM copied WHERE stream = '$name'; COMMIT");
	return;
}

sub pause_for_a_while
{
	my $name = one(sort keys %streams);
	run_sql("SELECT kafka.pause_stream('$name')");
	sleep(rand(2));
	run_sql("SELECT kafka.resume_stream('$name')");
	return;
}

sub add_partition
{
	my $topic = one(sort keys %partitions);
	return if $partitions{$topic} >= 5 || $random->{mended};
	$broker->kafka_tool('add-partitions', $topic, ++$partitions{$topic});
	return;
}

lull();
$random->run(
	seconds => $seconds,
	least => { written => 3 },
	pause => 4,
	start => \&start_writer,
	take => \&take_answer,
	faults => {
		lull => \&lull,
		'another lull' => \&lull,
		'sentry killed' => sub { kill_process('sentry') },
		'sentry cancelled' => sub { signal_process('sentry', 'pg_cancel_backend') },
		'sentry terminated' => sub { signal_process('sentry', 'pg_terminate_backend') },
		'worker killed' => sub { kill_process('stream') },
		'worker cancelled' => sub { signal_process('stream', 'pg_cancel_backend') },
		'worker terminated' => sub { signal_process('stream', 'pg_terminate_backend') },
		'launcher terminated' => sub { signal_process('%launcher%', 'pg_terminate_backend') },
		'postmaster killed' => sub { $random->kill9_postmaster },
		'server stopped' => sub { $node->stop(one('immediate', 'fast')); $node->start },
		'broker killed' => sub { $random->broken('kill9', 'restart', 6) },
		'broker restarted' => sub { $random->broken('stop', 'restart', 1) },
		'broker silent' => sub { $random->broken('pause', 'resume', 10) },
		paused => \&pause_for_a_while,
		'created again' => \&create_again,
		'read again' => \&reset_to_earliest,
		replaced => sub { run_sql(create_stream(one(sort keys %streams)) =~ s/\);/, replace => true);/r) },
		altered => sub { run_sql("SELECT kafka.alter_stream('" . one(sort keys %streams) . "', workers => " . (1 + int(rand(3))) . ')') },
		'partition added' => \&add_partition,
		settings => sub { run_sql("ALTER SERVER k OPTIONS (SET request_timeout_ms '" . (5000 + int(rand(9))) . "')") } });
$_->{session}->close foreach $random->writers;
lull();
note($random->summary);

foreach my $name (sort keys %streams)
{
	my ($copied, $there) = ("SELECT p, o FROM copied WHERE stream = '$name'", "SELECT p, o FROM $streams{$name}");
	is(query("SELECT count(*) FROM (($copied) EXCEPT ALL ($there) UNION ALL (($there) EXCEPT ALL ($copied))) x"), 0, "$name has each record once");
}
is(query('SELECT count(*) FROM (SELECT o < lag(o) OVER (PARTITION BY stream, p ORDER BY n) AS back FROM copied) x WHERE back'), 0, 'in the order of its partition');
cmp_ok(query('SELECT count(*) FROM copied'), '>', 0, 'there were some');
unlike(slurp_file($node->logfile), qr/terminated by signal (?!9:)|TRAP:/, 'nothing crashed that was not killed');

$node->stop;
$broker->stop;
done_testing();
