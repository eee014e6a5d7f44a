# Sessions that do at random with consuming tables what sessions can do: each answer is what a model says, and in
# the end each record was consumed exactly once in each group. First the statements of all sessions come one after
# the other, so that every answer is known; then beside each other, and sessions are killed in the middle.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_SECONDS is for how long each of both goes on.
use strict;
use warnings;

use ConsumerModel;
use KafkaFdw;
use KafkaSession;
use RandomConsumer;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{KAFKA_FDW_SEED} // int(rand(1 << 31));
my $seconds = $ENV{KAFKA_FDW_SECONDS} // 10;
srand($seed);
note("KAFKA_FDW_SEED=$seed KAFKA_FDW_SECONDS=$seconds");

my $node = new_cluster('main');
$node->safe_psql('postgres', <<~'EOF');
	CREATE TABLE taken (place text, id int, p int, o bigint);
	CREATE TABLE got (session int, id int, p int, o bigint);
	EOF
my $control = KafkaSession->new($node);
my @log;

# A topic with two groups: one that two tables share, one of which reads a few records at a time, and one more
sub make_topic
{
	my ($model, $name, $partitions) = @_;
	my $topic = new_topic($partitions);
	my $columns = "id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset')";
	my %tables = ("${name}_one" => [ 'one' ], "${name}_few" => [ 'one', 4 ], "${name}_two" => [ 'two' ]);

	$model->add_topic($name, $partitions);
	$node->safe_psql('postgres', "CREATE FOREIGN TABLE $name ($columns) SERVER k OPTIONS (topic '$topic')");
	foreach my $table (sort keys %tables)
	{
		my ($group, $poll) = @{ $tables{$table} };
		my $options = "topic '$topic', group_id '$group'" . (defined $poll ? ", max_poll_records '$poll'" : '');
		$node->safe_psql('postgres', "CREATE FOREIGN TABLE $table ($columns) SERVER k OPTIONS ($options)");
		$model->add_table($table, topic => $name, group => $group, max_poll_records => $poll);
	}
	$model->{names}{$name} = $topic;
	return sort keys %tables;
}

# Records from outside, in a transaction that commits, that aborts, or in none
sub produce_some
{
	my ($model, $name, $records, @how) = @_;
	my $topic = $model->{names}{$name};
	my @records = map { [ int(rand(scalar $model->partitions($name))), RandomConsumer::next_number() ] } 1 .. $records;
	my %written = map { $_->[0] => 1 } @records;

	produce($topic, join('', map { "$_->[0]|{\"id\":$_->[1]}\n" } @records), '-P', '|', @how);
	foreach my $record (@records)
	{
		my ($p, $number) = @$record;
		"@how" =~ /abort/ ? $model->append_gap($name, $p, 1) : $model->append($name, $p, $number);
	}
	return unless @how;
	$model->append_gap($name, $_, 1) foreach keys %written;

	# the marks of the transaction come a little later
	my $ends = join(' ', map { $model->end_offset($name, $_) } $model->partitions($name));
	poll_until(sub { $ends eq join(' ', map { (split /\t/)[3] } split /\n/, kafka_tool('watermark', $topic)) })
	  or die "the end of $topic does not become $ends\n";
	return;
}

# What is wrong with the positions in the database
sub wrong_positions
{
	my ($model) = @_;
	my %positions = map { my ($key, $position) = split /\|/; $key => $position }
	  split /\n/, $control->run("SELECT group_id || ' ' || topic || ' ' || partition, next_offset FROM kafka.offsets");
	my @wrong;

	foreach my $table (sort keys %{ $model->{tables} })
	{
		my ($topic, $group) = @{ $model->{tables}{$table} }{qw(topic group)};
		push @wrong, $model->wrong_position($table, $_, $positions{"$group $model->{names}{$topic} $_"} // 0)
		  foreach $model->partitions($topic);
	}
	return @wrong;
}

# Ends the test and shows what the sessions did, when something is wrong.
sub stop_if_wrong
{
	my (@wrong) = @_;
	return unless @wrong;
	my $first = @log > 150 ? @log - 150 : 0;
	diag(join("\n", @log[ $first .. $#log ], "KAFKA_FDW_SEED=$seed", @wrong));
	fail($wrong[0]);
	done_testing();
	exit 1;
}

# Reads what is left, and judges the whole.
sub finish
{
	my ($model, $randoms, $name) = @_;

	# one after the other, as the order of what they send is not known otherwise
	foreach my $random (@$randoms)
	{
		stop_if_wrong($random->finish) while $random->end;
	}
	foreach my $table (sort keys %{ $model->{tables} })
	{
		next if defined $model->{tables}{$table}{max_poll_records};
		my $consumer = $randoms->[0]{consumer};
		my @partitions = $model->partitions($model->{tables}{$table}{topic});
		$consumer->begin;
		my @rows = map { [ split /\|/ ] } split /\n/, $control->run("SELECT id, p, o FROM $table");
		stop_if_wrong($consumer->read($table, partitions => \@partitions, rows => \@rows));
		$consumer->commit;
	}
	stop_if_wrong(wrong_positions($model), map { $model->wrong_records($_) } sort keys %{ $model->{tables} });
	pass("$name: each record was consumed once, and the positions are right") and note("$name: " . @log / 2 . " statements");
	return;
}

# One after the other
my $model = ConsumerModel->new;
my @tables = (make_topic($model, 'single', 1), make_topic($model, 'several', 3));
my %options = (node => $node, model => $model, tables => \@tables, control => $control, log => \@log);
my @randoms = map { RandomConsumer->new(%options, number => $_, sends => 1) } 1 .. 3;
my $end = time() + $seconds;
my $steps = 0;
while (time() < $end)
{
	my $random = $randoms[ rand(@randoms) ];
	produce_some($model, $steps % 50 ? 'several' : 'single', 20, map { $_ ? ('-x', $_, '-i', "$$") : () } ('', 'commit', 'abort')[ rand 3 ])
	  if $steps++ % 25 == 0;
	$random->start;
	stop_if_wrong($random->finish);
	stop_if_wrong(wrong_positions($model)) if $steps % 10 == 0;
}
finish($model, \@randoms, 'one after the other');

# Beside each other: a round for each topic
my $round = 0;
$end = time() + $seconds;
while (time() < $end)
{
	my $both = ConsumerModel->new(concurrent => 1);
	my @beside = make_topic($both, 'beside' . ++$round, 4);
	my @sessions = map { RandomConsumer->new(%options, number => $_, model => $both, tables => \@beside) } 1 .. 4;
	my $round_end = time() + 5;

	produce_some($both, "beside$round", 2000);
	$_->start foreach @sessions;
	while (time() < $round_end)
	{
		foreach my $random (grep { $_->is_done } @sessions)
		{
			stop_if_wrong($random->finish);
			$random->start;
		}
		$sessions[ rand(@sessions) ]->kill->start if rand() < 0.002;
		sleep(0.002);
	}
	stop_if_wrong(map { $_->finish } @sessions);
	finish($both, \@sessions, "beside each other, round $round");
}
is($control->run('SELECT count(*) FROM (SELECT FROM taken GROUP BY place, id HAVING count(*) > 1) twice'), 0,
	'none was inserted twice');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
