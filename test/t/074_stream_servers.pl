# Servers share a topic by partitions; when one dies, another one takes over its share.
use strict;
use warnings;

use KafkaFdw;
use Test::More;

my $topic = new_topic(6);
my %share = (one => '0-1', two => '2-3', three => '4-');
my %read = (one => '0,1', two => '2,3', three => '4,5');
my %node = map { $_ => new_cluster($_) } sort keys %share;

foreach my $name (sort keys %share)
{
	$node{$name}->safe_psql('postgres', <<~"EOF");
		CREATE FOREIGN TABLE ids (id int, p int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$topic', partitions '$share{$name}');
		CREATE TABLE copied (id int, p int);
		SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id, p FROM ids');
		EOF
}

# The records that all have, and how many different ones
sub copied
{
	my %seen;
	my $rows = 0;
	foreach my $id (map { split(/\n/, $_->safe_psql('postgres', 'SELECT id FROM copied')) } values %node)
	{
		$rows++;
		$seen{$id} = 1;
	}
	return $rows . '|' . keys %seen;
}

kafka_tool('generate', $topic, '-n', 2000, '-k', '{i}', '-m', '{"id":{i}}');
ok(poll_until(sub { copied() eq '2000|2000' }), 'each record is on one of the servers');
foreach my $name (sort keys %share)
{
	is($node{$name}->safe_psql('postgres', "SELECT string_agg(DISTINCT p::text, ',' ORDER BY p::text) FROM copied"), $read{$name},
		"server $name has the records of its partitions");
}
ok($node{one}->poll_query_until('postgres', "SELECT bool_and(reported_offset = next_offset) FROM kafka.lag(stream => 'copy')"), 'positions are reported');

# Server one is gone, with what was not read yet; the third takes over, while records come.
$node{one}->stop('immediate');
kafka_tool('generate', $topic, '-n', 1000, '-k', '{i}', '-m', '{"id":{i}}', '-s', 2000);
my $generator = start_generator($topic, '-r', 500, '-k', '{i}', '-m', '{"id":{i}}', '-s', 3000);
$node{three}->safe_psql('postgres', <<~'EOF');
	BEGIN;
	ALTER FOREIGN TABLE ids OPTIONS (SET partitions '0-1,4-');
	SELECT kafka.reset_stream('copy', 'committed', partition => p) FROM generate_series(0, 1) p;
	COMMIT;
	EOF
becomes($node{three}, 'postgres', 'SELECT count(DISTINCT p) FROM copied WHERE id > 3000', '4', 'the third takes over its share');
my $produced = 3000 + stop_generator($generator);
becomes($node{three}, 'postgres', "SELECT sum(lag), count(*) FROM kafka.lag(stream => 'copy')", '0|4', 'and reads to the end');
becomes($node{two}, 'postgres', "SELECT sum(lag), count(*) FROM kafka.lag(stream => 'copy')", '0|2', 'as the second does of its own');
$node{one}->append_conf('postgresql.conf', 'kafka_fdw.streams = off');
$node{one}->start;
is(copied(), "$produced|$produced", 'and each record is still on one of the servers');

$_->stop foreach values %node;
ok(!crashed($_), 'no process crashed') foreach values %node;

done_testing();
