# A million records are counted and summed exactly while a producer keeps writing, and the statement ends.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $records = 1_000_000;
my $node = new_cluster('main');
my $topic = new_topic(4);
my @generator = ('-k', 'k{i%1000}', '-m', '{"id": {i}, "customer": {i%1000}, "name": "order {i}"}');

is(kafka_tool('generate', $topic, @generator, '-n', $records), $records, 'a million records are there');
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (id bigint, customer int, name text,
	  _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
	  SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id bigint) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE TABLE consumed (id bigint);
	EOF

sub high_watermarks
{
	my $total = 0;
	$total += (split /\t/)[2] foreach split /\n/, kafka_tool('watermark', $topic);
	return $total;
}

my $generator = start_generator($topic, @generator, '-s', $records, '-r', 20000);
poll_until(sub { high_watermarks() > $records }) or die "nothing is produced\n";

my $session = KafkaSession->new($node);
foreach my $try (1 .. 2)
{
	my $before = high_watermarks();
	my ($count, $sum, $customers, $distinct) = split /\|/,
	  $session->run('SELECT count(*), sum(id), sum(customer), count(DISTINCT name) FROM t WHERE id < 1000000', 120);
	is($session->error, '', 'a SELECT ends while the topic grows');
	is("$count $sum $customers $distinct", '1000000 499999500000 499500000 1000000', 'with the exact sums');

	my ($all, $first, $offsets) = split /\|/, $session->run(<<~'EOF', 120);
		SELECT sum(n), max(first), bool_and(n = last + 1) FROM
		  (SELECT count(*) AS n, min(_offset) AS first, max(_offset) AS last FROM t GROUP BY _partition) p
		EOF
	cmp_ok($all, '>=', $before, 'at least what was there at the start');
	cmp_ok($all, '<=', high_watermarks(), 'at most what is there at the end');
	is("$first $offsets", '0 t', 'each offset once, without a hole');
}

# One that consumes takes up where the last one ended
foreach my $try (1 .. 3)
{
	$session->run('INSERT INTO consumed SELECT id FROM feed', 120);
	is($session->error, '', 'consumed');
}
my $acknowledged = stop_generator($generator);
cmp_ok($acknowledged, '>', 20000, 'the producer kept writing');
$session->run('INSERT INTO consumed SELECT id FROM feed', 120);
my $total = $records + $acknowledged;
my $sum = $total * ($total - 1) / 2;
is($session->run('SELECT count(*), sum(id), count(DISTINCT id) FROM consumed'), "$total|$sum|$total", 'each record was consumed once');
is($session->run('SELECT count(*), sum(id) FROM t', 120), "$total|$sum", 'and all can be read');

$node->stop;
done_testing();
