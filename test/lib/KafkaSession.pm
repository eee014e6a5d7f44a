
=pod

=head1 NAME

KafkaSession - a psql session that can be watched while it waits

=head1 SYNOPSIS

  my $session = KafkaSession->new($node);
  is($session->run('SELECT 1'), '1', '...');          # output; what went wrong is in $session->error
  $session->start('SELECT count(*) FROM silent');     # does not wait
  $session->await_active;
  kill_it($session->pid);
  $session->finish(10);                               # like run; dies when it takes longer
  cmp_ok($session->seconds, '<', 1, '...');           # of the last statement

=cut

package KafkaSession;

use strict;
use warnings;
use IPC::Run;
use Time::HiRes qw(sleep time);

# To a database of the node, default postgres.
sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { node => $node, in => '', out => '', err => '', number => 0 }, $class;
	my @command = ('psql', '-XAtq', '-d', $node->connstr($database // 'postgres'), '-f', '-');

	$self->{run} = IPC::Run::start(\@command, '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	$self->run("\\set SHOW_CONTEXT never\n");
	$self->{pid} = $self->run('SELECT pg_backend_pid()');
	return $self;
}

sub pid { my ($self) = @_; return $self->{pid}; }
sub error { my ($self) = @_; return $self->{error}; }
sub seconds { my ($self) = @_; return $self->{seconds}; }

# Sends statements and returns at once.
sub start
{
	my ($self, $sql) = @_;
	$self->{number}++;
	$self->{out} = $self->{err} = '';
	$self->{began} = time();
	$self->{in} .= "$sql\n;\n\\echo done $self->{number}\n\\warn done $self->{number}\n";
	$self->{run}->pump_nb;
	return;
}

# Whether what was started has ended. A session that is gone has ended, too.
sub is_done
{
	my ($self) = @_;
	my $mark = "done $self->{number}\n";
	my $is_there = eval { $self->{run}->pump_nb; 1 } && $self->{run}->pumpable;
	return !$is_there || (index($self->{out}, $mark) >= 0 && index($self->{err}, $mark) >= 0);
}

# Waits for the end of what was started; the output.
sub finish
{
	my ($self, $seconds) = @_;
	my $mark = "done $self->{number}\n";
	my $end = time() + ($seconds //= 120);

	until ($self->is_done)
	{
		die "statement is not done after $seconds s, error so far: $self->{err}\n" if time() > $end;
		sleep(0.002);
	}
	$self->{seconds} = time() - $self->{began};
	$self->{error} = $self->{err} =~ s/\Q$mark\E//r;
	return $self->{out} =~ s/\n?\Q$mark\E//r;
}

# The output of statements.
sub run
{
	my ($self, $sql, $seconds) = @_;
	$self->start($sql);
	return $self->finish($seconds);
}

# Waits until the session's statement has been running for a moment, so that it is where it waits.
sub await_active
{
	my ($self, $seconds) = @_;
	my $condition = "state = 'active' AND query_start < now() - interval '0.3 s'";
	KafkaFdw::poll_until(sub { KafkaFdw::backend_pid($self->{node}, "pid = $self->{pid} AND $condition") }, $seconds)
	  or die "the statement does not run\n";
	return;
}

sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	eval { $self->{run}->kill_kill(grace => 1) } if $self->{run};
	return;
}

1;
