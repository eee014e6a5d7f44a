# Turns the figures that run.sh measured (job, side, figure in each line) into the page of figures: prints it,
# and writes it with its chart into a directory.
#
#   report.pl RECORDS RUNS MACHINE DIRECTORY <results
use strict;
use warnings;
use FindBin;

my ($records, $runs, $machine, $directory) = @ARGV;
my (@order, %figures);
while (<STDIN>)
{
	chomp;
	my ($job, $side, $value) = split /\t/;
	die "no figure: $_\n" unless $value =~ /^[0-9.]+$/;
	push @order, [ $job, $side ] unless $figures{$job}{$side};
	push @{ $figures{$job}{$side} }, $value;
}

sub at
{
	my ($part, @values) = @_;
	@values = sort { $a <=> $b } @values;
	return $values[ int($part * $#values + 0.5) ];
}

sub median { my ($job, $side) = @_; return at(0.5, @{ $figures{$job}{$side} }); }

sub p99 { my ($job, $side) = @_; return at(0.99, @{ $figures{$job}{$side} }); }

sub show
{
	my ($job, $value) = @_;
	return sprintf('%.2f %%', $value) if $job eq 'idle';
	return sprintf('%.0f MB', $value) if $job eq 'memory';
	return $value < 0.1 ? sprintf('%.2f ms', $value * 1000) : sprintf('%.2f s', $value);
}

sub count_of { my ($n) = @_; return scalar reverse(join(',', unpack('(A3)*', reverse int($n)))); }

# In the order of the page; with a third member the first side is what the others are compared with
my @jobs = (
	[ count => 'Count of ' . count_of($records) . ' records', 1 ],
	[ sums => 'Count and two sums over ' . count_of($records) . ' records', 1 ],
	[ table => 'CREATE TABLE AS SELECT * of ' . count_of($records) . ' records', 1 ],
	[ parallel => 'Count and two sums over ' . count_of($records) . ' json records of four partitions', 1 ],
	[ parallel_cpu => "The same: the processor's time, of all processes", 1 ],
	[ rows => 'One record' ],
	[ insert => 'INSERT ... SELECT of ' . count_of($records / 4) . ' rows, json, acks all', 1 ],
	[ commit => 'A transaction of one row' ],
	[ stream => 'The join of ' . count_of($records / 2) . ' records with a table', 1 ],
	[ latency => 'From the append to a topic to the commit of its row by a stream' ],
	[ length => 'Short and long: the time of a million records' ],
	[ memory => "The same: the process's memory" ],
	[ idle => 'Nothing to do: of one core' ],
);

# ratio(JOB, SIDE, OTHER): of medians
sub ratio
{
	my ($job, $side, $other) = @_;
	return sprintf('%.2f x', median($job, $side) / median($job, $other));
}

# more(SIDE): what a record adds to a transaction
sub more { my ($side) = @_; return show('', median('commit', $side) - median('commit', 'a local row')); }

# Job, what was to be reached, what was
my ($file, $local, $ours) = ('file_fdw, csv', 'kafka_fdw, sync', 'kafka_fdw, into a table');
my @goals = (
	[ count => 'count: 1.05 x librdkafka alone', sub { ratio('count', 'kafka_fdw', 'librdkafka alone') } ],
	[ sums => 'sums, json: 1.0 x file_fdw over csv', sub { ratio('sums', 'kafka_fdw, json', $file) } ],
	[ sums => 'sums, csv: 0.8 x file_fdw', sub { ratio('sums', 'kafka_fdw, csv', $file) } ],
	[ table => 'all columns into a table, json: 1.2 x file_fdw over csv', sub { ratio('table', 'kafka_fdw, json', $file) } ],
	[ table => 'all columns into a table, csv: 1.0 x file_fdw', sub { ratio('table', 'kafka_fdw, csv', $file) } ],
	[ parallel => 'two parallel workers, where cores are free: 0.67 x one process',
		sub { ratio('parallel', 'kafka_fdw, 2 workers', 'kafka_fdw, 0 workers') } ],
	[ parallel_cpu => "two parallel workers, the processor's time: 1.05 x one process",
		sub { ratio('parallel_cpu', 'kafka_fdw, 2 workers', 'kafka_fdw, 0 workers') } ],
	[ rows => 'LIMIT 1; one offset: 3 ms',
		sub { join('; ', map { show('', median('rows', "the tenth time in a session$_")) } ('', ', one offset')) } ],
	[ rows => 'the same as the first of a session: 40 ms',
		sub { join('; ', map { show('', median('rows', "a new session, $_")) } ('the first record', 'one offset')) } ],
	[ insert => 'INSERT, sync: 0.8 x COPY of row_to_json', sub { ratio('insert', $local, 'COPY row_to_json TO /dev/null') } ],
	[ insert => 'INSERT, async and flushed: 0.8 x sync', sub { ratio('insert', 'kafka_fdw, async, with kafka.flush()', $local) } ],
	[ insert => 'INSERT, transactional: 1.0 x sync', sub { ratio('insert', 'kafka_fdw, transactional', $local) } ],
	[ insert => 'INSERT, outbox, until published: 2 x sync', sub { ratio('insert', 'kafka_fdw, outbox, until published', $local) } ],
	[ commit => 'one row more, sync: one record of librdkafka alone',
		sub { more('and a record, sync') . ', which takes ' . show('', median('commit', 'a record, librdkafka alone')) } ],
	[ commit => 'one row more, transactional: 15 ms', sub { more('and a record, transactional') } ],
	[ commit => 'one row more, outbox: 0.1 ms', sub { more('and a record, outbox') } ],
	[ stream => 'stream into a table: 1.15 x INSERT ... SELECT', sub { ratio('stream', $ours, 'one INSERT ... SELECT of the join') } ],
	[ stream => 'Kafka Streams, exactly once: 8 x a stream into a table',
		sub { ratio('stream', 'Kafka Streams, exactly_once_v2, into a topic', $ours) } ],
	[ stream => 'Kafka Streams, exactly once: 4 x a stream into a topic by outbox',
		sub { ratio('stream', 'Kafka Streams, exactly_once_v2, into a topic', 'kafka_fdw, into a topic by outbox') } ],
	[ latency => 'append to commit, 100 a second: median 1.5, 99 % 6 ms', sub { latency(100) } ],
	[ latency => 'append to commit, 1,000 a second: median 2, 99 % 10 ms', sub { latency(1000) } ],
	[ latency => 'append to commit, 10,000 a second: median 5, 99 % 25 ms', sub { latency(10000) } ],
	[ idle => '100 idle streams: 1 % of a core', sub { show('idle', median('idle', '100 idle streams')) } ],
	[ idle => '100 idle streams: 2 % of a core of the broker', sub {
			show('idle', median('idle', 'the broker of 100 idle streams') - median('idle', 'the broker before')) } ],
);

sub latency
{
	my ($rate) = @_;
	return join(', ', map { show('', $_->('latency', "$rate records a second")) } \&median, \&p99);
}

# A line of a job's table, without the end
sub line
{
	my ($job, $side) = @_;
	my @values = @{ $figures{$job}{$side} };
	my $spread = @values > 2 * $runs ? '99 %: ' . show($job, p99($job, $side)) :
	  show($job, at(0, @values)) . ' to ' . show($job, at(1, @values));
	return sprintf('| %s | %s | %s |', $side, show($job, median($job, $side)), $spread);
}

my @chart;
my $tables = '';
foreach (@jobs)
{
	my ($job, $title, $compared) = @$_;
	my @sides = map { $$_[1] } grep { $$_[0] eq $job } @order;
	next unless @sides;
	$tables .= "\n## $title\n\n" . ($compared ? "| | median | spread | ratio |\n|---|---|---|---|\n" : "| | median | spread |\n|---|---|---|\n");
	foreach my $side (@sides)
	{
		my $ratio = $compared ? median($job, $side) / median($job, $sides[0]) : undef;
		$tables .= line($job, $side) . ($compared ? sprintf(' %.2f |', $ratio) : '') . "\n";
		push @chart, sprintf("\"%s: %s\" %.4f\n", $job, $side, $ratio) if $compared && $side ne $sides[0];
	}
}

my $page = "# Speed\n\nMeasured by `bench/run.sh`, which anybody can run: on $machine.\n"
  . "Broker, server and peers share the machine; each figure is the median of $runs runs, in which all sides take turns,\n"
  . "with the smallest and the largest (of single transactions and records: the median and the 99th percentile); each\n"
  . "ratio is to the first side of its table. Machines differ and are noisy: the ratios are what means something.\n\n"
  . "![ratios](speed.svg)\n\n## Goals\n\n| to reach | reached |\n|---|---|\n"
  . join('', map { "| $$_[1] | " . $$_[2]->() . " |\n" } grep { $figures{ $$_[0] } } @goals) . $tables;
open(my $limits, '<', "$FindBin::Bin/limits.md") or die "limits.md: $!\n";
$page .= "\n" . join('', <$limits>);
print $page;

open(my $fh, '>', "$directory/speed.md") or die "$directory/speed.md: $!\n";
print $fh $page;
close($fh) or die;
exit unless @chart;
my $longest = at(1, map { /([0-9.]+)$/ } @chart);
open(my $plot, '|-', 'gnuplot') or die "gnuplot: $!\n";
print $plot "set terminal svg noenhanced size 760," . (90 + 36 * @chart) . " font 'sans-serif,13'\n"
  . "set output '$directory/speed.svg'\n"
  . "set title 'time, as a multiple of the first side of each job'\n"
  . "set style fill solid 0.7\nset boxwidth 0.6\nunset key\nset tics nomirror\nset border 3\nset xrange [0:" . 1.12 * $longest . "]\nset yrange [" . ($#chart + 0.7) . ":-0.7]\n"
  . "set arrow from 1, graph 0 to 1, graph 1 nohead dashtype 2\n"
  . "\$data << EOD\n" . join('', @chart) . "EOD\n"
  . "plot \$data using (0):0:(0):2:(\$0-0.3):(\$0+0.3):ytic(1) with boxxyerror linecolor rgb '#336791',"
  . " '' using 2:0:(sprintf('%.2f', \$2)) with labels left offset 0.5,0\n";
close($plot) or die "gnuplot failed\n";
