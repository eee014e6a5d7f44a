# Whatever the conditions on the topic, partition, offset and timestamp columns: a topic table returns the rows that a
# plain table with the same rows returns.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_TREES says how many conditions there are.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{KAFKA_FDW_SEED} // int(rand(1 << 31));
my $trees = $ENV{KAFKA_FDW_TREES} // 200;
srand($seed);
note("KAFKA_FDW_SEED=$seed KAFKA_FDW_TREES=$trees");

my $node = new_cluster('main');
my ($one, $two) = (new_topic(4), new_topic(2));

# Times ascend, go back and forth, are all the same, differ by less than a second; a partition is empty; there are gaps.
my $noon = 1709208000;
my @times = (sub { $_[0] * 3600 }, sub { $_[0] * 7 % 20 * 3600 }, sub { 36000 }, sub { 0 }, sub { $_[0] * 0.4 }, sub { -$_[0] * 60 });
$node->safe_psql('postgres', <<~"EOF");
	SET timezone = 'UTC';
	CREATE FOREIGN TABLE one (id int, p int OPTIONS (metadata 'partition'), t timestamptz OPTIONS (metadata 'timestamp')) SERVER k OPTIONS (topic '$one');
	CREATE FOREIGN TABLE two (id int, p int OPTIONS (metadata 'partition'), t timestamptz OPTIONS (metadata 'timestamp')) SERVER k OPTIONS (topic '$two');
	EOF
sub fill
{
	my ($table, $count, %time_of) = @_;
	my @rows;
	foreach my $p (sort keys %time_of)
	{
		push @rows, sprintf('(%d, %d, to_timestamp(%f))', $_, $p, $noon + $times[ $time_of{$p} ]->($_)) foreach 0 .. $count - 1;
	}
	$node->safe_psql('postgres', "INSERT INTO $table VALUES " . join(', ', @rows));
	return;
}
fill('one', 8, 0 => 0, 1 => 1, 2 => 2);
produce($one, "{}\n" x 3, '-p', 1, '-x', 'abort');
fill('one', 12, 0 => 1, 1 => 0, 2 => 4);
fill('two', 15, 0 => 4, 1 => 5);

# Each type that the columns may have, and a plain table of the same rows and types.
my @tables = (
	{ topic => 'text', p => 'int', t => 'timestamptz' },
	{ topic => 'varchar', p => 'bigint', t => 'bigint' },
	{ topic => 'name', p => 'int', t => 'timestamptz(0)' });
for my $i (0 .. $#tables)
{
	my $table = $tables[$i];
	$node->safe_psql('postgres', <<~"EOF");
		CREATE FOREIGN TABLE topic_$i (id int, c $table->{topic} OPTIONS (metadata 'topic'), p $table->{p} OPTIONS (metadata 'partition'),
			o bigint OPTIONS (metadata 'offset'), t $table->{t} OPTIONS (metadata 'timestamp')) SERVER k OPTIONS (topic '$one,$two');
		CREATE TABLE plain_$i AS TABLE topic_$i;
		EOF
}

# The values beside: of a row that is joined, or parameters.
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE beside (n int, ns int[], c text, t timestamptz, ms bigint);
	INSERT INTO beside VALUES (1, '{2,7}', '$one', '2024-02-29 15:00+00', 1709218800000), (7, '{}', '$two', 'infinity', 9223372036854775807),
		(2, '{0,NULL,3}', 'nowhere', '2024-03-01 02:00+00', 1709258400000), (NULL, NULL, NULL, NULL, NULL), (-1, '{1}', '$one', '-infinity', -1);
	CREATE FUNCTION run(query text) RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE found text;
	BEGIN
		EXECUTE query INTO found;
		RETURN found;
	END \$\$;
	CREATE FUNCTION run(query text, parameters text) RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE found text;
	BEGIN
		EXECUTE 'PREPARE run (int, int[], text, timestamptz, bigint) AS ' || query;
		EXECUTE 'EXECUTE run (' || parameters || ')' INTO found;
		DEALLOCATE run;
		RETURN found;
	END \$\$;
	EOF

sub any_of { return $_[ int(rand(@_)) ]; }

sub number
{
	return any_of('NULL', 'x.n', 'x.n', '(SELECT x.n)', 'x.n + 1', '(SELECT max(b.n) FROM beside b)', int(rand(24)) - 2,
		map { int(rand(24)) - 2 } 1 .. 6) . any_of('', '', '', '::smallint', '::bigint', '::int', '::numeric');
}

sub numbers
{
	my $type = any_of('smallint', 'int', 'bigint');
	return any_of('x.ns', "(SELECT x.ns)::${type}[]", "NULL::${type}[]", "'{}'::${type}[]")
	  if rand() < 0.3;
	return "ARRAY[" . join(', ', map { number() } 0 .. int(rand(3))) . "]::${type}[]";
}

sub moment
{
	my ($type) = @_;
	my $seconds = $noon + (int(rand(100)) - 20) * 900;
	return any_of('NULL', 'x.ms', 'x.ms', '(SELECT x.ms)', 'x.ms - 3600000', 0, -1, '9223372036854775807', '5::smallint', "$seconds.5 * 1000",
		map { "${seconds}000" } 1 .. 6)
	  if $type eq 'bigint';
	return any_of('NULL', 'x.t', 'x.t', '(SELECT x.t)', "x.t + interval '2 hours'", "'infinity'", "'-infinity'", "date '2024-03-01'",
		"date 'infinity'", "timestamp '2024-02-29 20:30'", 'now()', "'epoch'", "timestamp '-infinity'", "date '4713-01-01 BC'",
		'(SELECT min(b.t) FROM beside b)', map { "to_timestamp($seconds)" } 1 .. 6);
}

sub name
{
	return any_of('NULL', 'x.c', 'x.c', '(SELECT x.c)', "'$one'", "'$two'", "'nowhere'", "upper('$one')", "'$one'::text", "'$two'::varchar");
}

sub comparison
{
	my ($table) = @_;
	my $op = any_of('=', '<>', '<', '<=', '>', '>=');
	my $column = any_of('s.p', 's.o');
	my $time_array = $table->{t} eq 'bigint' ? 'bigint' : 'timestamptz';
	return any_of(
		sub { "$column $op " . number() },
		sub { number() . " $op $column" },
		sub { "$column $op " . any_of('ANY', 'ALL') . ' (' . numbers() . ')' },
		sub { "$column " . any_of('IN', 'NOT IN') . ' (' . number() . ', ' . number() . ')' },
		sub { "$column BETWEEN " . number() . ' AND ' . number() },
		sub { "(s.p, s.o) $op (" . number() . ', ' . number() . ')' },
		sub { "s.t $op " . moment($table->{t}) },
		sub { moment($table->{t}) . " $op s.t" },
		sub { "s.t BETWEEN " . moment($table->{t}) . ' AND ' . moment($table->{t}) },
		sub { "s.t $op " . any_of('ANY', 'ALL') . ' (ARRAY[' . moment($table->{t}) . ', ' . moment($table->{t}) . "]::${time_array}[])" },
		sub { "s.c $op " . name() },
		sub { name() . " $op s.c" },
		sub { "s.c " . any_of('IN', 'NOT IN') . ' (' . name() . ', ' . name() . ')' },
		sub { "s.c $op " . any_of('ANY', 'ALL') . ' (ARRAY[' . name() . ', ' . name() . ']::text[])' },
		sub { "s.id $op " . number() })->();
}

sub condition
{
	my ($table, $depth) = @_;
	return comparison($table) if $depth == 0 || rand() < 0.15;
	return any_of(
		sub { 'NOT (' . condition($table, $depth - 1) . ')' },
		sub { '(' . condition($table, $depth - 1) . ') IS ' . any_of('TRUE', 'NOT TRUE', 'NULL') },
		map { my $op = $_; sub { join(" $op ", map { '(' . condition($table, $depth - 1) . ')' } 0 .. 1 + int(rand(2))) } }
		  ('AND', 'AND', 'AND', 'OR', 'OR'))->();
}

# How a condition stands in a query; %1$s is the table.
my $rows = q{string_agg(format('%s/%s/%s/%s/%s', %%s, s.c, s.p, s.o, s.id), ' ' ORDER BY %%s, s.c, s.p, s.o)};
sub rows { my ($outer) = @_; return $rows =~ s/%%s/$outer/gr; }
my @sources = (
	sub { 'SELECT ' . rows("''") . " FROM $_[0] s WHERE $_[1]" },
	sub { 'SELECT ' . rows("''") . " FROM $_[0] s WHERE $_[1]" },
	sub { 'SELECT ' . rows('x.n') . " FROM beside x, LATERAL (SELECT * FROM $_[0] s WHERE $_[1] OFFSET 0) s" },
	sub { 'SELECT ' . rows('x.n') . " FROM beside x LEFT JOIN LATERAL (SELECT * FROM $_[0] s WHERE $_[1] OFFSET 0) s ON true WHERE x.n < 5" },
	sub { 'SELECT ' . rows('x.n') . " FROM beside x JOIN $_[0] s ON $_[1]" },
	sub { 'SELECT string_agg(r, \' \' ORDER BY n) FROM (SELECT x.n, (SELECT ' . rows("''") . " FROM $_[0] s WHERE $_[1]) r FROM beside x) y" },
	sub { "SELECT string_agg(x.n::text, ' ' ORDER BY x.n) FROM beside x WHERE EXISTS (SELECT FROM $_[0] s WHERE $_[1])" });

sub query
{
	my ($source, $table, $condition) = @_;
	my $query = $sources[$source]->($table, $condition);
	return "run(\$q\$$query\$q\$)" if $source > 1;
	my %parameter = (n => 1, ns => 2, c => 3, t => 4, ms => 5);
	$query =~ s/\bx\.(\w+)/\$$parameter{$1}/g;
	return "run(\$q\$$query\$q\$, \$q\$3, '{1,NULL,9}', '$two', '2024-02-29 19:00+00', 1709233200000\$q\$)";
}

my ($compared, $matched, @wrong) = (0, 0);
while ($compared < $trees)
{
	my $count = $trees - $compared < 200 ? $trees - $compared : 200;
	my $script = "SET timezone = 'Asia/Kathmandu'; SET plan_cache_mode = force_generic_plan;\n";
	my @shown;
	for my $i (1 .. $count)
	{
		my $variant = int(rand(@tables));
		my $source = int(rand(@sources));
		my $condition = condition($tables[$variant], 3);
		my @queries = map { query($source, "${_}_$variant", $condition) } 'topic', 'plain';

		$script .= 'SET plan_cache_mode = ' . ($source == 0 ? 'force_custom_plan' : 'force_generic_plan') . ";\n"
		  . "SELECT a IS NOT DISTINCT FROM b, a IS NOT NULL, a, b FROM (SELECT $queries[0], $queries[1]) x (a, b);\n";
		push @shown, $queries[0];
	}
	my ($code, $out, $error) = $node->psql('postgres', $script, on_error_stop => 0, extra_params => ['-q']);
	my @answers = split /\n/, $out;
	if (@answers != $count)
	{
		fail('every condition has an answer');
		diag($error);
		last;
	}
	for my $i (0 .. $#answers)
	{
		push @wrong, "$shown[$i]: $answers[$i]" if $answers[$i] !~ /^t/;
		$matched++ if $answers[$i] =~ /^t\|t/;
	}
	$compared += $count;
}
is(join("\n", @wrong), '', "$trees conditions select the same rows");
cmp_ok($matched, '>', $trees / 5, 'many of them select some');

done_testing();
