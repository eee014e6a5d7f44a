# Records that go away while a cursor is open: an error that says which, or what on_offset_out_of_range says. What
# was fetched already is handed out, whatever became of the topic.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);

# more than a client fetches ahead
my $count = 400000;
my $kept = 350000;

sub make_tables
{
	my ($topic, $name, $options) = @_;
	$session->run(<<~"EOF2");
		CREATE FOREIGN TABLE $name (id int) SERVER k OPTIONS (topic '$topic'$options);
		CREATE FOREIGN TABLE ${name}_feed (id int) SERVER k OPTIONS (topic '$topic', group_id '$name'$options);
		EOF2
	is($session->error, '', "tables $name");
	return;
}

# Opens a cursor, removes records behind its back and reads on: the rows that come then.
sub read_while_removed
{
	my ($topic, $table) = @_;
	$session->run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM $table");
	is($session->run('FETCH FROM c'), 0, "$table: reading begins");
	kafka_tool('delete-records', $topic, 0, $kept);
	return split(/\n/, $session->run('FETCH ALL FROM c', 60));
}

foreach my $policy ('error', 'earliest', 'latest')
{
	foreach my $kind ('', '_feed')
	{
		my $topic = new_topic(1);
		my $table = "$policy$kind";
		kafka_tool('generate', $topic, '-n', $count, '-m', '{"id": {i}}');
		make_tables($topic, $policy, ", on_offset_out_of_range '$policy'");
		my @rows = read_while_removed($topic, $table);
		if ($policy eq 'error')
		{
			like($session->error,
				qr/records of topic "$topic", partition 0 were removed before they were read\n.*Offset \d+ is the first one missing, $kept the first one still there/,
				"$table: says what is missing");
		}
		else
		{
			is($session->error, '', "$table: goes on");
			is(scalar(grep { $_ >= $kept } @rows), $policy eq 'earliest' ? $count - $kept : 0, "$table: with what it says");
			cmp_ok(scalar(@rows), '<', $count - 1, "$table: records were lost");
		}
		$session->run('COMMIT');
		is($session->run("SELECT max(next_offset) FROM kafka.offsets WHERE topic = '$topic'"),
			$kind && $policy ne 'error' ? $count : '', "$table: its position");
		$session->run("DROP FOREIGN TABLE $policy, ${policy}_feed");
	}
}

# What was to be read is here: the topic may go.
foreach my $kind ('', '_feed')
{
	my $topic = new_topic(1);
	make_tables($topic, 'whole', '');
	kafka_tool('generate', $topic, '-n', 10500, '-m', '{"id": {i}}');
	$session->run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM whole$kind");
	is($session->run('FETCH FROM c'), 0, "whole$kind: reading begins");
	kafka_tool('create-topic', '--replace', $topic, 1);

	# until the client has heard of it
	poll_until(sub { 0 }, 3);
	is(scalar(split(/\n/, $session->run('FETCH ALL FROM c'))), 10499, "whole$kind: everything is handed out");
	is($session->error, '', "whole$kind: without an error");
	$session->run('COMMIT; DROP FOREIGN TABLE whole, whole_feed');
}

# A topic that is shorter by now than what was to be read of it; all its partitions are found out together
foreach my $partitions (1, 40)
{
	my $topic = new_topic($partitions);
	make_tables($topic, 'short', '');
	kafka_tool('generate', $topic, '-n', $count, '-m', '{"id": {i}}');
	$session->run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM short");
	like($session->run('FETCH FROM c'), qr/^\d+$/, "$partitions short: reading begins");
	kafka_tool('create-topic', '--replace', $topic, $partitions);
	$session->run('FETCH ALL FROM c', 60);
	like($session->error, qr/topic "$topic", partition \d+ was recreated, or cut off, while it was read\n.*the topic has offsets 0 to 0\./,
		"$partitions short: what is there now is none of it");
	$session->run('ROLLBACK; DROP FOREIGN TABLE short, short_feed');
}

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
