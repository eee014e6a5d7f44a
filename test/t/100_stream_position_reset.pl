# A stream's position that is set back, because the topic was recreated with less in it, is written: a worker that
# starts again repeats nothing and skips nothing.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use Test::More;

my $node = new_cluster('main');

sub records
{
	my ($from, $to) = @_;
	return join('', map { "{\"id\":$_}\n" } $from .. $to);
}

sub create_stream
{
	my ($name, $topic, $policy) = @_;
	$node->safe_psql('postgres', <<~"EOF2");
		CREATE FOREIGN TABLE ${name}_topic (id int, o bigint OPTIONS (metadata 'offset'))
			SERVER k OPTIONS (topic '$topic', on_offset_out_of_range '$policy');
		CREATE TABLE $name (id int, o bigint);
		SELECT kafka.create_stream('$name', 'INSERT INTO $name SELECT id, o FROM ${name}_topic');
		EOF2
	return;
}

sub restart_workers
{
	$node->safe_psql('postgres', "SELECT kafka.pause_stream(name) FROM kafka.streams");
	query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE pid IS NOT NULL", 0, 'the workers end');
	$node->safe_psql('postgres', "SELECT kafka.resume_stream(name) FROM kafka.streams");
	return;
}

my $topic = new_topic(1);
produce($topic, records(1, 20));
create_stream('early', $topic, 'earliest');
create_stream('late', $topic, 'latest');
query_becomes("SELECT count(*) FROM $_", 20, "$_ reads the topic") foreach qw(early late);

# Recreated with five records
$node->safe_psql('postgres', "SELECT kafka.pause_stream(name) FROM kafka.streams");
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE pid IS NOT NULL", 0, 'the workers end');
kafka_tool('create-topic', '--replace', $topic, 1);
produce($topic, records(101, 105));
$node->safe_psql('postgres', "SELECT kafka.resume_stream(name) FROM kafka.streams");
query_becomes("SELECT next_offset FROM kafka.offsets WHERE group_id = '$_'", 5, "the position of $_ is set back") foreach qw(early late);
query_becomes('SELECT array_agg(id ORDER BY o) FROM early WHERE id > 100', '{101,102,103,104,105}', 'what is there is read');

# What comes while no worker runs is neither skipped nor is anything repeated.
restart_workers();
produce($topic, records(106, 107));
query_becomes('SELECT array_agg(id ORDER BY o) FROM early WHERE id > 100', '{101,102,103,104,105,106,107}', 'earliest repeats nothing');
query_becomes('SELECT array_agg(id ORDER BY o) FROM late WHERE id > 100', '{106,107}', 'latest skips nothing that is new');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
