
=pod

=head1 NAME

RandomWriters - sessions that write beside each other, and faults at random moments

=head1 SYNOPSIS

  my $seconds = begin_random(20);
  my $random = RandomWriters->new(node => $node, broker => $broker, writers => 3);
  $random->run(
      seconds => $seconds, pause => 0.7,              # the longest time between two faults
      least => { committed => 11 },                   # goes on without faults until these outcomes are as many, for two minutes at most
      start => sub { my ($writer) = @_; $writer->{session}->start(...) },
      take => sub { my ($writer, $output) = @_; ... if $random->is_lost($writer); ... },
      faults => { cancel => sub { $random->signal('pg_cancel_backend') },
          'broker killed' => sub { $random->broken('kill9', 'restart', 3) } });
  note($random->summary);                             # what happened how often, from $random->{outcomes}

=cut

package RandomWriters;

use strict;
use warnings;
use Exporter 'import';
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(begin_random one);

# How long it goes on; the choices of a run can be repeated.
sub begin_random
{
	my ($default) = @_;
	my $seed = $ENV{KAFKA_FDW_SEED} // int(rand(1 << 31));
	my $seconds = $ENV{KAFKA_FDW_SECONDS} // $default;
	srand($seed);
	note("KAFKA_FDW_SEED=$seed KAFKA_FDW_SECONDS=$seconds");
	return $seconds;
}

sub one { return $_[ int(rand(@_)) ]; }

sub new
{
	my ($class, %options) = @_;
	my @writers = map { { session => KafkaSession->new($options{node}), number => $_ } } 1 .. $options{writers};
	return bless { %options, writers => \@writers, outcomes => {} }, $class;
}

sub writers { my ($self) = @_; return @{ $self->{writers} }; }
sub summary { my ($self) = @_; return join(', ', map { "$_: $self->{outcomes}{$_}" } sort keys %{ $self->{outcomes} }); }

sub await_server
{
	my ($self) = @_;
	poll_until(sub { system('pg_isready', '-q', '-d', $self->{node}->connstr('postgres')) == 0 }, 60) or die "no server\n";
	return;
}

# True when a writer's session has ended; it has another one then.
sub is_lost
{
	my ($self, $writer) = @_;
	return 0 if $writer->{session}->error !~ /FATAL|terminating connection|server closed|connection to server/;
	$self->{outcomes}{died}++;
	$self->await_server;
	$writer->{session} = KafkaSession->new($self->{node});
	return 1;
}

# Faults of a session
sub signal
{
	my ($self, $function) = @_;
	$self->{node}->psql('postgres', "SELECT $function(" . one($self->writers)->{session}->pid . ')');
	return;
}

sub kill9_session
{
	my ($self) = @_;
	my $pid = one($self->writers)->{session}->pid or return;
	crash($self->{node}, $pid) if -d "/proc/$pid";
	return;
}

# A fault of the server: nobody is left to stop its processes, which have to notice
sub kill9_postmaster
{
	my ($self) = @_;
	my ($pid) = slurp_file($self->{node}->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$self->{node}->kill9;
	poll_until(sub { !-d "/proc/$pid" }, 10) or die "process $pid is still there\n";
	poll_until(sub { $self->{node}->start(fail_ok => 1) }, 60) or die "the server does not start\n";
	return;
}

# A fault of the broker, or of one of its nodes, which is over when as many seconds at most have passed
sub broken
{
	my ($self, $how, $mended, $longest, @node) = @_;
	return if $self->{mended};
	$self->{broker}->$how(@node);
	@$self{qw(mended mended_at)} = ([ $mended, @node ], time() + rand($longest));
	return;
}

sub mend
{
	my ($self) = @_;
	my ($mended, @node) = @{ delete $self->{mended} // return };
	$self->{broker}->$mended(@node);
	return;
}

sub _fault
{
	my ($self, $faults) = @_;
	my $fault = one(sort keys %$faults);
	$self->{outcomes}{$fault}++;
	note(join(' ', time(), $fault));
	$faults->{$fault}->();
	return;
}

# Takes the answers of those of some writers that have one.
sub take_answers
{
	my ($self, $take, @writers) = @_;
	my @done = grep { $_->{session}->is_done } @writers;
	foreach my $writer (@done)
	{
		$take->($writer, $writer->{session}->finish);
	}
	sleep(0.002);
	return @done;
}

# What has to happen so many times does not depend on how fast the machine is.
sub _is_enough
{
	my ($self, $least) = @_;
	return !grep { ($self->{outcomes}{$_} // 0) < $least->{$_} } keys %$least;
}

sub run
{
	my ($self, %how) = @_;
	my $end = time() + $how{seconds};
	my $next_fault = time() + 1;

	$how{start}->($_) foreach $self->writers;
	while (time() < $end || (time() < $end + 120 && !$self->_is_enough($how{least})))
	{
		$how{start}->($_) foreach $self->take_answers($how{take}, $self->writers);
		$self->mend if $self->{mended} && time() > $self->{mended_at};
		next if time() < $next_fault || time() > $end;    # what is missing then happens without
		$self->_fault($how{faults});
		$next_fault = time() + rand($how{pause});
	}
	$self->mend;
	return;
}

1;
