# See check_source.sh.
use strict;
use warnings;
use File::Find;

# The rooms of src/ are its folders and the files directly in it.  How they stand upon each other is said in
# src/README.md, in a line such as "fdw, function -> source -> kafka": a file may include headers of its own
# room and of those further to the right.
my %height;
my %in_root = map { $_ => 1 } qw(kafka_fdw xact compat);

my $max_file_lines = 600;
my $max_function_lines = 100;
my $usual_function_lines = 60;    # nine of ten
my $max_parameters = 6;

# Names that keep their capital at the start of a message.
my $proper_noun = qr/Kafka|PostgreSQL|Java/;

# What other programs may see of the library.
my $exported = qr/^(?:kfdw_|kafka|_PG_init$|pg_finfo_|Pg_magic_func$)/;

my $violations = 0;
my @functions;    # [file, line, name, lines, parameters]

sub violation
{
	my ($file, $line, $text) = @_;
	print "$file:$line: $text\n";
	$violations++;
	return;
}

sub slurp
{
	my ($file) = @_;
	open(my $fh, '<', $file) or die "$file: $!\n";
	local $/;
	my $text = <$fh>;
	return $text // '';
}

# The text with comments, and if asked for the contents of strings, blanked out; lines stay lines.
sub code_of
{
	my ($text, $strings_too) = @_;
	my $blank = sub { my ($s) = @_; $s =~ s/[^\n]/ /g; return $s; };
	$text =~ s{("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(/\*.*?\*/|//[^\n]*)}
		{defined $1 ? ($strings_too && substr($1, 0, 1) eq '"' ? '"' . $blank->(substr($1, 1, -1)) . '"' : $1) : $blank->($2)}gse;
	return $text;
}

sub line_at
{
	my ($text, $position) = @_;
	return 1 + (substr($text, 0, $position) =~ tr/\n//);
}

sub room_of
{
	my ($path) = @_;    # below src/
	return $1 if $path =~ m{^([^/]+)/};
	my ($base) = $path =~ /^(.*)\.[ch]$/;
	return $base;
}

# Reads the order of the rooms from the map, and checks that it has all of them and no other.
sub read_map
{
	my (@files) = @_;
	my %rooms = map { room_of(s{^src/}{}r) => 1 } @files;
	my ($order) = slurp('src/README.md') =~ /^(\w+(?:(?:, | -> )\w+)+)$/m;
	if (!defined $order)
	{
		violation('src/README.md', 1, 'has no line that says how the rooms stand upon each other');
		return;
	}
	my @floors = split / -> /, $order;
	foreach my $floor (0 .. $#floors)
	{
		$height{$_} = @floors - $floor foreach split /, /, $floors[$floor];
	}
	foreach (sort keys %rooms)
	{
		violation("src/$_", 1, 'is a room that the line in src/README.md does not name') unless defined $height{$_};
	}
	foreach (sort keys %height)
	{
		violation('src/README.md', 1, "names the room $_, which does not exist") unless $rooms{$_};
	}
	foreach (sort keys %rooms)
	{
		violation("src/$_.c", 1, 'is not of those that stand outside the rooms') unless -d "src/$_" || $in_root{$_};
	}
	return;
}

my %uses;     # by file without its ending: the others that it includes or calls
my %units;    # the same names

sub unit_of
{
	my ($path) = @_;
	return $path =~ s{\.[ch]$}{}r;
}

sub check_includes
{
	my ($file, $path, $code) = @_;
	my $room = room_of($path);
	my $own = '';

	$units{ unit_of($path) } = 1;
	while ($code =~ /^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/mg)
	{
		my ($quote, $header) = ($1, $2);
		my $line = line_at($code, $-[2]);

		if ($header =~ /rdkafka/ && $quote eq '<')
		{
			violation($file, $line, "only src/kafka/librdkafka.h includes <$header>") if $path ne 'kafka/librdkafka.h';
			next;
		}
		next unless $quote eq '"' && -e "src/$header";
		violation($file, $line, "$header is not in the order of the alphabet") if $header lt $own;
		$own = $header;
		$uses{ unit_of($path) }{ unit_of($header) } = 1 if unit_of($header) ne unit_of($path);
		my $target = room_of($header);
		next if $target eq $room;
		if ($target eq 'kafka' && code_of(slurp("src/$header")) =~ /rdkafka\.h|\brd_kafka_/)
		{
			violation($file, $line, "$header shows librdkafka, which only src/kafka may see");
		}
		if (($height{$target} // 0) >= ($height{$room} // 0))
		{
			violation($file, $line, "$room includes $header: arrows go down only, and $target is not below $room");
		}
	}
	return;
}

# Files that include or call each other in a circle.
sub check_circles
{
	my (@files) = @_;
	my %home;
	foreach (@functions)
	{
		my ($file, $name) = @$_[ 0, 2 ];
		$home{$name} = unit_of($file =~ s{^src/}{}r) if $name =~ /^kfdw_/;
	}
	foreach my $file (grep { /\.c$/ } @files)
	{
		my $unit = unit_of($file =~ s{^src/}{}r);
		my $code = code_of(slurp($file), 1);
		while ($code =~ /\b(kfdw_\w+)/g)
		{
			$uses{$unit}{ $home{$1} } = 1 if defined $home{$1} && $home{$1} ne $unit;
		}
	}

	my %reaches;
	foreach my $start (keys %units)
	{
		my @next = keys %{ $uses{$start} // {} };
		while (defined(my $unit = shift @next))
		{
			push @next, keys %{ $uses{$unit} // {} } unless $reaches{$start}{$unit}++;
		}
	}
	my %said;
	foreach my $unit (sort keys %units)
	{
		my @circle = sort grep { $reaches{$unit}{$_} && $reaches{$_}{$unit} } keys %units;
		violation("src/$unit", 1, 'a circle: ' . join(', ', @circle)) if @circle > 1 && !$said{"@circle"}++;
	}
	return;
}

# A file's head names it and says what it is for.
sub check_head
{
	my ($file, $text) = @_;
	my ($name) = $file =~ m{([^/]+)$};
	violation($file, 1, 'does not begin with its name and what it is for') unless $text =~ m{\A/\*\n \* \Q$name\E\n \*\t  \S};
	return;
}

sub check_words
{
	my ($file, $path, $code, $text) = @_;
	my @rules = (
		[ qr/\brd_kafka_\w+|\bRD_KAFKA_\w+/, $path !~ m{^kafka/}, 'is known to src/kafka only' ],
		[ qr/\bPG_VERSION_NUM\b/, $path !~ /^compat\.[ch]$/, 'stands in src/compat.[ch] only' ],
		[ qr/\bRD_KAFKA_VERSION\b/, $path ne 'kafka/librdkafka.h', 'stands in src/kafka/librdkafka.h only' ],
	);
	foreach my $rule (@rules)
	{
		my ($pattern, $applies, $why) = @$rule;
		next unless $applies;
		violation($file, line_at($code, $-[0]), "$& $why") while $code =~ /$pattern/g;
	}
	return;
}

# The text of a call from its name to the closing parenthesis.
sub call_at
{
	my ($code, $start) = @_;
	my $depth = 0;
	pos($code) = $start;
	while ($code =~ /\G(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(.))/gs)
	{
		next unless defined $1;
		$depth++ if $1 eq '(';
		return substr($code, $start, pos($code) - $start) if $1 eq ')' && --$depth == 0;
	}
	return substr($code, $start);
}

# The literal strings that a call begins its arguments with, as one; undef where it has none.
sub literal_of
{
	my ($call) = @_;
	my $string = '';
	return unless $call =~ /^\w+\s*\(\s*(?:gettext_noop\s*\(\s*)?((?:"(?:[^"\\]|\\.)*"|PRI\w+|INT64_FORMAT|UINT64_FORMAT|\s)+)/s;
	my $literals = $1;
	return unless $literals =~ /"/;
	$string .= defined $1 ? $1 : '%d' while $literals =~ /"((?:[^"\\]|\\.)*)"|\w+/g;
	return $string;
}

sub check_errors
{
	my ($file, $code) = @_;
	while ($code =~ /\bereport(?:_domain)?\s*\(\s*(\w+)/g)
	{
		my ($level, $start) = ($1, $-[0]);
		next if $level =~ /^(?:DEBUG\d?|LOG|LOG_SERVER_ONLY|COMMERROR|INFO|NOTICE|WARNING|WARNING_CLIENT_ONLY)$/;
		violation($file, line_at($code, $start), 'an error without errcode') if call_at($code, $start) !~ /\berrcode\w*\s*\(/;
	}
	while ($code =~ /\b(errmsg|errmsg_plural|errmsg_internal|errdetail|errhint)\s*\(/g)
	{
		my ($kind, $start) = ($1, $-[0]);
		my $line = line_at($code, $start);
		my $text = literal_of(call_at($code, $start));
		next unless defined $text;
		if ($kind =~ /^errmsg/)
		{
			violation($file, $line, "a message that starts with a capital: \"$text\"")
			  if $text =~ /^[A-Z][a-z]+(?![A-Za-z0-9_])/ && $text !~ /^$proper_noun\b/;
			violation($file, $line, "a message that ends with a period: \"$text\"") if $text =~ /\.$/;
		}
		else
		{
			violation($file, $line, "a detail or hint that does not start as a sentence: \"$text\"")
			  if $text =~ /^[a-z]+(?![A-Za-z0-9_.])/;
			violation($file, $line, "a detail or hint that does not end as a sentence: \"$text\"") if $text !~ /(?:[.?!]|%\w+)"?$/;
		}
	}
	return;
}

sub find_functions
{
	my (@files) = @_;
	if (!grep { -x "$_/ctags" } split /:/, $ENV{PATH})
	{
		violation('test/check_source.sh', 1, 'needs ctags (universal-ctags)');
		return;
	}
	open(my $fh, '-|', 'ctags', '-x', '--languages=C', '--kinds-C=f', '--fields=+neS', '-I', 'PG_FUNCTION_INFO_V1+',
		"--_xformat=%F\t%n\t%N\t%{end}\t%S", @files)
	  or die "ctags: $!\n";
	while (<$fh>)
	{
		chomp;
		my ($file, $line, $name, $end, $signature) = split /\t/;
		next unless $end;
		$signature =~ s/^\((.*)\).*$/$1/s;
		1 while $signature =~ s/\([^()]*\)//g;
		my $parameters = $signature =~ /^\s*(?:void)?\s*$/ ? 0 : 1 + ($signature =~ tr/,//);
		push @functions, [ $file, $line, $name, $end - $line + 1, $parameters ];
	}
	close($fh) or die "ctags failed\n";
	return;
}

# Others decide on the parameters of their callbacks: PostgreSQL on those of the wrapper, and what is put into a hook, the
# client library on its interceptors.
sub is_imposed
{
	my ($file, $name) = @_;
	return $name =~ /^kafka[A-Z]/ || slurp($file) =~ /_hook\s*=\s*\Q$name\E\s*;|rd_kafka_interceptor_add_\w+\([^;]*\b\Q$name\E\b/;
}

sub check_functions
{
	my $long = 0;
	foreach (@functions)
	{
		my ($file, $line, $name, $lines, $parameters) = @$_;
		violation($file, $line, "$name has $lines lines, more than $max_function_lines") if $lines > $max_function_lines;
		violation($file, $line, "$name has $parameters parameters, more than $max_parameters: use a struct")
		  if $parameters > $max_parameters && !is_imposed($file, $name);
		$long++ if $lines > $usual_function_lines;
	}
	if ($long * 10 > @functions)
	{
		violation('src', 0, "$long of " . @functions . " functions have more than $usual_function_lines lines");
		print "    $$_[0]:$$_[1]: $$_[2] has $$_[3] lines\n" foreach grep { $$_[3] > $usual_function_lines } @functions;
	}
	return;
}

sub check_install_script
{
	my ($file, $text) = @_;
	$text =~ s/\A(?:\s*--[^\n]*\n|\s*\n|\s*\/\*.*?\*\/)+//s;
	violation($file, 1, 'does not start with \echo ... \quit') unless $text =~ /\A\\echo .*\\quit\s*$/m;
	return;
}

sub check_symbols
{
	my ($library) = @_;
	open(my $fh, '-|', 'nm', '-D', '--defined-only', $library) or die "nm: $!\n";
	while (<$fh>)
	{
		my ($kind, $name) = /\b([A-Z]) (\S+)$/ or next;
		$name =~ s/\@.*//;
		violation($library, 0, "exports $name, which bears no prefix of ours") unless $name =~ $exported;
	}
	close($fh) or die "nm failed\n";
	return;
}

chdir $ARGV[0] or die "$ARGV[0]: $!\n";
my @sources;
my @others = grep { -f } 'Makefile', glob('sql/* test/*.sh test/*/*.p[lm] test/*/*.c test/isolation/specs/* demo/* bench/*');
find({ no_chdir => 1, wanted => sub { push @sources, $File::Find::name if /\.[ch]$/ } }, 'src');
@sources = sort @sources;
read_map(@sources);

foreach my $file (@sources)
{
	my $text = slurp($file);
	my $path = $file =~ s{^src/}{}r;
	my $code = code_of($text, 0);
	my $lines = ($text =~ tr/\n//);

	violation($file, $lines, "$lines lines, more than $max_file_lines") if $file =~ /\.c$/ && $lines > $max_file_lines;
	check_head($file, $text);
	check_includes($file, $path, $code);
	check_words($file, $path, code_of($text, 1));
	check_errors($file, $code);
}
foreach my $file (@sources, @others)
{
	next if $file =~ /check_source/;
	my $text = slurp($file);
	violation($file, line_at($text, $-[0]), "$& is to be done before it is committed") while $text =~ /\b(?:TODO|FIXME|XXX)\b/g;
	check_install_script($file, $text) if $file =~ m{^sql/kafka_fdw--};
}
find_functions(@sources) if @sources;
check_circles(@sources);
check_functions();
check_symbols('kafka_fdw.so') if -f 'kafka_fdw.so';

my @lengths = sort { $a <=> $b } map { $$_[3] } @functions;
printf "%d files, %d functions (median %d lines, longest %d), %d violations\n", scalar @sources, scalar @functions,
  @lengths ? $lengths[ @lengths / 2 ] : 0, @lengths ? $lengths[-1] : 0, $violations;
exit($violations ? 1 : 0);
