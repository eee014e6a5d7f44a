
=pod

=head1 NAME

KafkaFdw - what the TAP tests share

=head1 SYNOPSIS

  use KafkaFdw;

  my $node = new_cluster('main');           # extension preloaded and created, server "k" to the broker
  my $topic = new_topic(4, 'cleanup.policy=compact');
  produce($topic, "k1=v1\nk2=v2\n", '-K', '=');
  is(kafka_tool('consume', $topic, '-c'), '2', '...');

  use KafkaFdw qw(:DEFAULT query query_becomes);  # of the first cluster
  is(query('SELECT 1'), '1', '...');
  query_becomes('SELECT state FROM kafka.stat_streams', 'idle', '...');

  need_own_broker();                        # else the whole file is skipped
  KafkaFdw::Broker->shared->restart;
  my $three = KafkaFdw::Broker->new(brokers => 3);

=cut

package KafkaFdw;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  new_cluster bootstrap need_own_broker kafka_tool kafka_tool_fails produce produce_to_each new_topic start_generator stop_generator
  poll_until becomes stream_fails backend_pid threads fds kill9 crash crashed
);

our @EXPORT_OK = qw(query query_becomes stream_clients);

my $first_cluster;
my $topics = 0;
my @generators;

# The address of the broker that all tests share.
sub bootstrap
{
	return $ENV{KAFKA_BOOTSTRAP_SERVERS};
}

# For a file whose tests stop or restart the broker.
sub need_own_broker
{
	plan skip_all => 'the broker of KAFKA_BOOTSTRAP_SERVERS must not be stopped' unless $ENV{KAFKA_DIR};
	return;
}

# A running cluster with the extension preloaded. Options: conf (lines for postgresql.conf), start => 0,
# extension => 0 (do not create it), bootstrap_servers.
sub new_cluster
{
	my ($name, %options) = @_;
	my $servers = $options{bootstrap_servers} // bootstrap();
	my $node = PostgreSQL::Test::Cluster->new($name);
	$first_cluster //= $node;

	$node->init;
	$node->append_conf('postgresql.conf', <<~"EOF");
		shared_preload_libraries = 'kafka_fdw'
		max_worker_processes = 32
		max_prepared_transactions = 10
		timezone = 'UTC'
		kafka_test.bootstrap_servers = '$servers'
		EOF
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	return $node unless $options{start} // 1;
	$node->start;
	if ($options{extension} // 1)
	{
		$node->safe_psql('postgres', <<~"EOF");
			CREATE EXTENSION kafka_fdw;
			CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
			EOF
	}
	return $node;
}

# ($status, $stdout, $stderr) of a command with an input
sub _run
{
	my ($input, @command) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err);
	chomp($out, $err);
	return ($ok, $out, $err);
}

# The output of kafka_tool, which must succeed.
sub kafka_tool
{
	my (@arguments) = @_;
	my ($ok, $out, $err) = _run('', 'kafka_tool', @arguments);
	die "kafka_tool @arguments: $err\n" unless $ok;
	return $out;
}

# Its message, when it must fail.
sub kafka_tool_fails
{
	my (@arguments) = @_;
	my ($ok, $out, $err) = _run('', 'kafka_tool', @arguments);
	die "kafka_tool @arguments did not fail\n" if $ok;
	return $err;
}

# A record for each line of $lines; @options are those of kafka_tool produce.
sub produce
{
	my ($topic, $lines, @options) = @_;
	my ($ok, $out, $err) = _run($lines, 'kafka_tool', 'produce', $topic, @options);
	die "kafka_tool produce $topic: $err\n" unless $ok;
	return $out;
}

# A record {"id": N} for each of these partitions, with its number.
sub produce_to_each
{
	my ($topic, @partitions) = @_;
	return produce($topic, join('', map { "$_:{\"id\":$_}\n" } @partitions), '-P', ':');
}

# Creates a topic with a name that no other test uses, and returns the name.
sub new_topic
{
	my ($partitions, @arguments) = @_;
	my $name = join('-', basename($0, '.pl'), $$, ++$topics);
	kafka_tool('create-topic', $name, $partitions // 1, @arguments);
	return $name;
}

# Keeps producing, see kafka_tool generate, until stop_generator, which returns how many were acknowledged.
sub start_generator
{
	my ($topic, @options) = @_;
	return _start_generator('generate', $topic, @options);
}

sub _start_generator
{
	my (@arguments) = @_;
	my %generator = (out => '', err => '');
	$generator{run} = IPC::Run::start([ 'kafka_tool', @arguments ], '>', \$generator{out}, '2>', \$generator{err});
	push @generators, \%generator;
	return \%generator;
}

sub stop_generator
{
	my ($generator) = @_;
	@generators = grep { $_ != $generator } @generators;
	$generator->{run}->signal('TERM');
	$generator->{run}->finish or die "kafka_tool generate: $generator->{err}\n";
	chomp($generator->{out});
	return $generator->{out};
}

# Calls the function until it returns true. False when that has not come after $seconds.
sub poll_until
{
	my ($function, $seconds) = @_;
	my $end = time() + ($seconds // 60);
	while (1)
	{
		return 1 if $function->();
		return 0 if time() > $end;
		sleep(0.05);
	}
}

# A test: in time the query's answer becomes what is expected. When it does not, shows what the streams say.
sub becomes
{
	my ($node, $database, $query, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($node->poll_query_until($database, $query, $expected), $name)
	  or diag($node->safe_psql($database, $query), $node->safe_psql($database, 'TABLE kafka.stat_streams'));
	return;
}

# What a query of the first cluster that the test made answers; and such a test of it
sub query { return $first_cluster->safe_psql('postgres', @_); }

sub query_becomes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($first_cluster, 'postgres', @_);
}

# How many clients of the library the workers of such streams have, of the first cluster if none is named
sub stream_clients
{
	my ($like, $node) = @_;
	my @pids = split(/\n/, ($node // $first_cluster)->safe_psql('postgres', "SELECT pid FROM kafka.stat_streams WHERE pid IS NOT NULL AND stream LIKE '$like'"));
	return scalar(grep { (eval { slurp_file($_) } // '') eq "rdk:main\n" } map { glob("/proc/$_/task/*/comm") } @pids);
}

# A stream with this statement, which reads the table "src", fails with this error, and takes no record; then it is dropped.
sub stream_fails
{
	my ($node, $name, $statement, $error, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql('postgres', "SELECT kafka.create_stream('$name', \$\$$statement\$\$, source => 'src')");
	becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = '$name'", 'failed', $what);
	like($node->safe_psql('postgres', "SELECT last_error FROM kafka.stat_streams WHERE stream = '$name'"), $error, "$what: why");
	is($node->safe_psql('postgres', "SELECT count(*) FROM kafka.offsets WHERE group_id = '$name'"), 0, "$what: no position moved");
	$node->safe_psql('postgres', "SELECT kafka.drop_stream('$name')");
	return;
}

# The process that pg_stat_activity shows under a condition, for example "backend_type = 'kafka_fdw worker'".
sub backend_pid
{
	my ($node, $condition) = @_;
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $condition");
}

sub threads
{
	my ($pid) = @_;
	my @entries = glob("/proc/$pid/task/*");
	return scalar @entries;
}

# The open files of a process, but for those of tables, which PostgreSQL keeps open as it likes
sub fds
{
	my ($pid) = @_;
	my @entries = map { readlink($_) // () } glob("/proc/$pid/fd/*");
	return scalar grep { !m{/(?:base|global|pg_tblspc|pg_xact)/} } @entries;
}

# kill -9, and waits until the process is gone
sub kill9
{
	my ($pid) = @_;
	kill('KILL', $pid) or die "kill $pid: $!\n";
	poll_until(sub { !-d "/proc/$pid" }, 10) or die "process $pid is still there\n";
	return;
}

# kill -9 of a process of a server with restart_after_crash; waits until the server is there again. (A psql that cannot connect may be
# gone before its input is written, which ends the test.)
sub crash
{
	my ($node, $pid) = @_;
	my $log = -s $node->logfile;
	kill9($pid);
	poll_until(sub { slurp_file($node->logfile, $log) =~ /terminated by signal 9/ }, 10) or return;    # it had ended by itself
	poll_until(sub { slurp_file($node->logfile, $log) =~ /ready to accept connections/ }, 60) or die "no server\n";
	return;
}

# Did a process of the server die by a signal, from this position of the log on?
sub crashed
{
	my ($node, $position) = @_;
	return slurp_file($node->logfile, $position // 0) =~ /terminated by signal|TRAP:|PANIC:/;
}

# Those of a test that died
END
{
	my $status = $?;
	eval { $_->{run}->signal('KILL') } foreach @generators;
	$? = $status;
}

package KafkaFdw::Broker;

use strict;
use warnings;
use File::Basename;

my $script = dirname(__FILE__) . '/../kafka/kafka.sh';
my @own;

# The broker that all tests share; a test that stops it starts it again.
sub shared
{
	my ($class) = @_;
	die "no broker of our own\n" unless $ENV{KAFKA_DIR};
	return bless { dir => $ENV{KAFKA_DIR} }, $class;
}

# A new one. Options: brokers => N, and properties of the server.
sub new
{
	my ($class, %options) = @_;
	my $self = bless { dir => PostgreSQL::Test::Utils::tempdir('kafka') }, $class;
	push @own, $self;
	$self->_do('start', map { "$_=$options{$_}" } sort keys %options);
	return $self;
}

sub _do
{
	my ($self, $verb, @arguments) = @_;
	my ($ok, $out, $err) = KafkaFdw::_run('', 'bash', $script, $verb, $self->{dir}, @arguments);
	die "kafka.sh $verb $self->{dir} @arguments: $err\n" unless $ok;
	return $out;
}

# All nodes, or the node with this number.
sub stop { my ($self, @node) = @_; return $self->_do('stop', @node); }
sub kill9 { my ($self, @node) = @_; return $self->_do('kill9', @node); }
sub restart { my ($self, @node) = @_; return $self->_do('restart', @node); }
sub pause { my ($self, @node) = @_; return $self->_do('pause', @node); }
sub resume { my ($self, @node) = @_; return $self->_do('resume', @node); }
sub bootstrap { my ($self) = @_; return $self->_do('bootstrap'); }

# The properties that a node is started with; others go over them when it starts again.
sub property
{
	my ($self, $node, $name) = @_;
	my @values = PostgreSQL::Test::Utils::slurp_file("$self->{dir}/node$node/server.properties") =~ /^\Q$name\E=(.*)$/mg;
	return $values[-1];
}

sub configure
{
	my ($self, $node, %properties) = @_;
	PostgreSQL::Test::Utils::append_to_file("$self->{dir}/node$node/server.properties",
		join('', map { "$_=$properties{$_}\n" } sort keys %properties));
	return;
}

# Do all replicas of a topic have all of its records? What is written to others may have too few of them.
sub in_sync
{
	my ($self, $topic) = @_;
	foreach my $line (split /\n/, $self->kafka_tool('replicas', $topic))
	{
		my ($partition, $leader, $replicas, $in_sync) = split /\t/, $line;
		return 0 if $in_sync < $replicas;
	}
	return 1;
}

# Is no transaction open in a topic?
sub is_settled
{
	my ($self, $topic) = @_;
	foreach my $line (split /\n/, $self->kafka_tool('watermark', $topic))
	{
		my ($partition, $low, $high, $stable) = split /\t/, $line;
		return 0 if $stable < $high;
	}
	return 1;
}

sub kafka_tool
{
	my ($self, @arguments) = @_;
	return KafkaFdw::kafka_tool('-b', $self->bootstrap, @arguments);
}

sub start_generator
{
	my ($self, $topic, @options) = @_;
	return KafkaFdw::_start_generator('-b', $self->bootstrap, 'generate', $topic, @options);
}

END
{
	my $status = $?;
	eval { $_->kill9 } foreach @own;
	$? = $status;
}

1;
