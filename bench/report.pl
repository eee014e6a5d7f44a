# Turns the seconds that run.sh measured (job, side, seconds in each line) into the page of figures: prints it,
# and writes it with its chart into a directory.
#
#   report.pl RECORDS RUNS MACHINE DIRECTORY <results
use strict;
use warnings;

my ($records, $runs, $machine, $directory) = @ARGV;
my (@order, %seconds);
while (<STDIN>)
{
	chomp;
	my ($job, $side, $value) = split /\t/;
	die "no figure: $_\n" unless $value =~ /^[0-9.]+$/;
	push @order, [ $job, $side ] unless $seconds{$job}{$side};
	push @{ $seconds{$job}{$side} }, $value;
}

sub at
{
	my ($part, @values) = @_;
	@values = sort { $a <=> $b } @values;
	return $values[ int($part * $#values + 0.5) ];
}

sub show
{
	my ($value) = @_;
	return $value < 0.1 ? sprintf('%.2f ms', $value * 1000) : sprintf('%.2f s', $value);
}

my %title = (
	count => "Count of $records records",
	sums => "Count and two sums over $records records",
	table => "CREATE TABLE AS SELECT * of $records records",
	rows => 'One record',
	insert => 'INSERT ... SELECT of ' . $records / 4 . ' rows',
	commit => 'A transaction of one row',
	stream => 'The join of ' . $records / 2 . ' records with a table, into a table',
	latency => 'From the append to a topic to the commit of its row by a stream',
);
# jobs whose sides are compared with the first one
my %compared = map { $_ => 1 } qw(count sums table insert commit stream);

my $page = "# Speed\n\nMeasured by `bench/run.sh`, which anybody can run: on $machine.\n"
  . "Broker, server and peers share the machine; each figure is the median of $runs runs, alternating, with the\n"
  . "smallest and the largest (of single transactions and records: the median and the 99th percentile). Machines\n"
  . "differ and are noisy: the ratios are what means something.\n\n![ratios](speed.svg)\n";
my $last = '';
my @chart;
foreach (@order)
{
	my ($job, $side) = @$_;
	my @values = @{ $seconds{$job}{$side} };
	my $median = at(0.5, @values);
	if ($job ne $last)
	{
		$page .= "\n## $title{$job}\n\n" . "| | median | spread | ratio |\n|---|---|---|---|\n";
		$last = $job;
	}
	my ($first) = map { $$_[1] } grep { $$_[0] eq $job } @order;
	my $ratio = $compared{$job} ? $median / at(0.5, @{ $seconds{$job}{$first} }) : undef;
	my $spread =
	  @values > $runs
	  ? '99 %: ' . show(at(0.99, @values))
	  : show(at(0, @values)) . ' to ' . show(at(1, @values));
	$page .= sprintf("| %s | %s | %s | %s |\n", $side, show($median), $spread, defined $ratio ? sprintf('%.2f', $ratio) : '');
	push @chart, sprintf("\"%s: %s\" %.4f\n", $job, $side, $ratio) if defined $ratio && $side ne $first;
}
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
