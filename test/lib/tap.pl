# tap.pl DIRECTORY FILE ...: runs TAP test files, one after the other, with their data below DIRECTORY.
# Prints a line for each test: passed, failed or skipped, TAB, file and description, TAB, reason.
use strict;
use warnings;
use File::Basename;
use TAP::Parser;

my ($dir, @files) = @ARGV;
my $seconds = 900 + 3 * ($ENV{KAFKA_FDW_SECONDS} // 0);    # for one file

$| = 1;
foreach my $path (@files)
{
	my $file = $path =~ /\.pl$/ ? $path : "$path.pl";
	my $name = basename($file, '.pl');
	local $ENV{TESTDIR} = "$dir/$name";
	local $ENV{TESTDATADIR} = "$dir/$name/tmp_check";
	local $ENV{TESTLOGDIR} = "$dir/$name/tmp_check/log";
	my $log = "$dir/$name/tmp_check/log/regress_log_$name";
	system('rm', '-rf', "$dir/$name");    # of a run before this one that failed
	system('mkdir', '-p', $ENV{TESTLOGDIR}) == 0 or die "mkdir failed\n";
	chdir "$dir/$name" or die "chdir: $!\n";

	my $parser = TAP::Parser->new({ exec => [ 'timeout', '-k', 10, $seconds, $^X, $file ] });
	my $failed = 0;
	while (my $line = $parser->next)
	{
		if ($line->is_plan && $line->has_skip)
		{
			print join("\t", 'skipped', $name, $line->explanation), "\n";
		}
		next unless $line->is_test;
		my $what = "$name: " . ($line->description =~ s/^- //r);
		my $result = $line->has_skip ? 'skipped' : $line->is_ok ? 'passed' : 'failed';
		$failed++ if $result eq 'failed';
		print join("\t", $result, $what, $line->explanation // ''), "\n";
	}
	if ($parser->exit == 124 << 8 || $parser->exit == 124)
	{
		print "failed\t$name\tnot done in $seconds s\n";
		$failed++;
	}
	elsif (!$failed && $parser->has_problems)
	{
		print "failed\t$name\t", join('; ', $parser->parse_errors), ' exit ', $parser->exit, "\n";
		$failed++;
	}
	if ($failed && open(my $fh, '<', $log))
	{
		my @lines = <$fh>;
		splice(@lines, 0, @lines - 60) if @lines > 60;
		print map { "    $_" } @lines;
	}
	system('rm', '-rf', "$dir/$name") unless $failed;
}
