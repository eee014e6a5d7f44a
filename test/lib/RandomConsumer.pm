
=pod

=head1 NAME

RandomConsumer - a session that does what comes to mind with consuming tables, and judges each answer by a model

=head1 SYNOPSIS

  my $random = RandomConsumer->new(number => 1, node => $node, model => $model, tables => [ 'feed' ]);
  $random->start;                        # chooses a statement and sends it
  my @wrong = $random->finish;           # waits for its answer
  $random->end;                          # ends the transaction in one of many ways

The database has the tables "taken" (place text, id int, p int, o bigint) and "got" (session int, id int, p int,
o bigint), and for each topic a table to insert into.

=cut

package RandomConsumer;

use strict;
use warnings;
use KafkaFdw;
use KafkaSession;

my $cursors = 0;
my $numbers = 0;

# Options also: control, a session to look and to kill with; log, an array for what is done; sends => 1: it inserts
# records, too
sub new
{
	my ($class, %options) = @_;
	my $self = bless { %options }, $class;
	$self->{consumer} = $self->{model}->add_consumer;
	$self->_connect;
	return $self;
}

# A number for a new record
sub next_number { return ++$numbers; }

sub _connect
{
	my ($self) = @_;
	$self->{session} = KafkaSession->new($self->{node});
	return;
}

# One of the arguments
sub _one { return $_[ int(rand(@_)) ]; }

# One of the keys, with the values as weights
sub _weighted
{
	my (%weights) = @_;
	my $sum = 0;
	$sum += $_ foreach values %weights;
	my $at = rand($sum);
	foreach my $key (sort keys %weights)
	{
		$at -= $weights{$key};
		return $key if $at < 0;
	}
}

sub _topic { my ($self, $table) = @_; return $self->{model}{tables}{$table}{topic}; }
sub _poll { my ($self, $table) = @_; return $self->{model}{tables}{$table}{max_poll_records}; }

# ('WHERE ...', the partitions that it admits)
sub _condition
{
	my ($self, $table) = @_;
	my @all = $self->{model}->partitions($self->_topic($table));
	my $p = _one(@all);
	return ('', @all) if rand() < 0.5;
	return ("WHERE p = $p", $p) if rand() < 0.5;
	return ("WHERE p <> $p", grep { $_ != $p } @all) if @all > 1 && rand() < 0.5;
	my $q = _one(@all);
	return ("WHERE p IN ($p, $q)", $p == $q ? $p : ($p, $q));
}

# Sends a statement. The action says how to judge its rows, and what else may or must come:
# error (a pattern) and errs (1, 0, undef: perhaps); idle, the same for the NOTICE of an idle consumer.
sub _send
{
	my ($self, $sql, %action) = @_;
	$self->{action} = { errs => 0, error => qr/^$/, judge => sub { }, %action, sql => $sql };
	$self->_log($sql);
	$self->{session}->start($sql);
	return;
}

# Notes what is done, or what came of it.
sub _log
{
	my ($self, $what) = @_;
	push @{ $self->{log} }, "$self->{number}: $what";
	return;
}

# Whether a statement was answered
sub is_done { my ($self) = @_; return $self->{session}->is_done; }

# Waits for the answer and judges it.
sub finish
{
	my ($self) = @_;
	my $action = delete $self->{action};
	my $out = $self->{session}->finish;
	my $error = $self->{session}->error;
	my @wrong;

	$self->_log('  ' . join(' ', split /\n/, "$out $error"));
	if ($error =~ /ERROR:|FATAL:/)
	{
		my $is_expected = ($action->{errs} // 1) && $error =~ $action->{error};
		my $is_excused = $self->_may_not_serialize
		  && $error =~ /could not serialize access|changed concurrently|is being consumed by another query/;

		# what a prepared transaction is the first to use nobody else may begin to use
		my $is_behind = $self->{model}{prepared} && $error =~ /a prepared transaction has to be committed or rolled back first/;
		@wrong = "unexpected error: $error" unless $is_expected || $is_excused || $is_behind;
		$action->{failed} ? $action->{failed}->() : $self->{consumer}->fail;
	}
	else
	{
		my @rows = map { [ split /\|/ ] } split /\n/, $out;
		my $is_idle = $error =~ /no partition of topic .* is free/;
		push @wrong, "no error like $action->{error}" if $action->{errs};
		push @wrong, "NOTICE: $error" if defined $action->{idle} && $action->{idle} != $is_idle;
		push @wrong, $action->{judge}->(@rows);
	}
	if ($self->{autocommit} && $self->{consumer}->in_transaction)
	{
		push @wrong, $self->{consumer}->is_failed ? $self->{consumer}->rollback : $self->{consumer}->commit;
	}
	$self->{autocommit} = 0;
	return @wrong;
}

# A transaction of a higher level may fail for a reason that the model does not follow.
sub _may_not_serialize
{
	my ($self) = @_;
	my $isolation = $self->{consumer}{isolation} // '';
	return $isolation eq 'SERIALIZABLE' || ($isolation eq 'REPEATABLE READ' && $self->{has_moved});
}

# Chooses what to do and does it.
sub start
{
	my ($self) = @_;
	my $consumer = $self->{consumer};
	my $what;

	if (!$consumer->in_transaction)
	{
		my $autocommits = $self->{model}{concurrent} ? 0 : 3;    # the fate of one that is killed is unknown
		$what = _weighted(begin => 7, autocommit => $autocommits, end_prepared => $self->{prepared} ? 5 : 0);
	}
	elsif ($consumer->is_failed)
	{
		$what = $consumer->savepoints && rand() < 0.8 ? 'rollback_to' : 'rollback';
	}
	else
	{
		my $open = keys %{ $consumer->cursors };
		my $depth = $consumer->savepoints;
		$what = _weighted(
			read => 30, loop => 8, declare => 12, fetch => 35 * ($open > 0), close => 4 * ($open > 0),
			fetch_in_block => 4 * ($open > 0), savepoint => $depth < 4 ? 12 : 0, rollback_to => 8 * ($depth > 0),
			release => 5 * ($depth > 0), insert => $self->{sends} ? 6 : 0, fail => 1.5,
			commit => 8, rollback => 2, prepare => $self->{sends} && !$self->{prepared} ? 1.5 : 0, vanish => 1);
	}
	my $method = "_$what";
	return $self->$method;
}

# Ends the transaction; true when there was one.
sub end
{
	my ($self) = @_;
	my $consumer = $self->{consumer};

	return 0 if !$consumer->in_transaction && !$self->{prepared};
	my $method = !$consumer->in_transaction ? '_end_prepared' : $consumer->is_failed ? '_rollback' : '_commit';
	$self->$method;
	return 1;
}

sub _begin
{
	my ($self) = @_;
	my $isolation = _weighted('READ COMMITTED' => 8, 'REPEATABLE READ' => 1, 'SERIALIZABLE' => 1);
	$self->{consumer}->begin($isolation);
	$self->{has_moved} = 0;
	return $self->_send("BEGIN ISOLATION LEVEL $isolation");
}

sub _autocommit
{
	my ($self) = @_;
	$self->{consumer}->begin;
	$self->{autocommit} = 1;
	return $self->_read;
}

# What a query of a table may answer: whether it meets a cursor of its own, whether it is idle. A limited one claims only
# partitions that have something to read, and no more than it needs: whether it meets or misses one is not laid down.
sub _answers
{
	my ($self, $table, $partitions, $limit) = @_;
	my $is_limited = defined $limit || defined $self->_poll($table);
	my $consumer = $self->{consumer};
	my $key = $self->{model}{tables}{$table}{key};
	my ($has_moved, $meets, $is_idle);

	$consumer->take_snapshot;
	$has_moved = grep { $consumer->standing($key, $_) eq 'moved' } @$partitions;
	$consumer->touch($table, $partitions);
	$self->{has_moved} ||= $has_moved || $self->{model}{concurrent};
	$meets = $consumer->meets_cursor($table, $partitions);
	$is_idle = $consumer->is_idle($table, $partitions);
	return (
		errs => $meets && $is_limited ? undef : $meets,
		error => qr/is being consumed by another query/,
		idle => $is_idle && $is_limited ? undef : $is_idle);
}

# Rows by partition and offset, where their order is not promised
sub _sorted { return sort { $a->[1] <=> $b->[1] || $a->[2] <=> $b->[2] } @_; }

# A statement that reads a table
sub _read
{
	my ($self) = @_;
	my $table = _one(@{ $self->{tables} });
	my ($where, @partitions) = $self->_condition($table);
	my $limit = rand() < 0.6 ? 1 + int(rand(6)) : undef;
	my $bounded = defined $limit ? "LIMIT $limit" : '';
	my $is_whole = !defined $limit && !defined $self->_poll($table);
	my %read = (partitions => \@partitions, limit => $limit);
	my $order;
	my $shape = _weighted(
		plain => 4, taken => 2, cte => 1, ordered => $is_whole, join => $is_whole && $where !~ /<>|IN/,
		filter => $is_whole && $self->{consumer}->is_certain($table, \@partitions));
	my $sql = "SELECT id, p, o FROM $table $where $bounded";

	$sql = "INSERT INTO taken SELECT '$table', f.* FROM ($sql) f RETURNING id, p, o" if $shape eq 'taken';
	$sql = "WITH f AS MATERIALIZED ($sql) SELECT * FROM f" if $shape eq 'cte';
	$sql .= ' ORDER BY id' if $shape eq 'ordered';
	$sql = "SELECT id, p, o FROM $table a JOIN $table b USING (id, p, o) $where" if $shape eq 'join';
	if ($shape eq 'filter')
	{
		$sql .= ($where ? ' AND ' : ' WHERE ') . 'id % 3 = 0';
		$read{filter} = sub { $_[0] % 3 == 0 };
	}
	$order = $shape =~ /ordered|join/ ? \&_sorted : sub { @_ };
	return $self->_send($sql, $self->_answers($table, \@partitions, $limit),
		judge => sub { $self->{consumer}->read($table, %read, rows => [ $order->(@_) ]) });
}

# PL/pgSQL that reads a table, with exception blocks; the rows that it keeps come by way of a table.
sub _loop
{
	my ($self) = @_;
	my $table = _one(@{ $self->{tables} });
	my ($where, @partitions) = $self->_condition($table);
	my ($n, $m) = (1 + int(rand(5)), 1 + int(rand(4)));
	my $insert = "INSERT INTO got SELECT $self->{number}, id, p, o FROM $table $where";
	my %read = (partitions => \@partitions);
	my $catch = 'EXCEPTION WHEN division_by_zero THEN';
	my $body;
	# beside others each round of a loop may find other partitions free
	my $loops = $self->{model}{concurrent} ? 0 : 2;
	my $shape = _weighted(again => $loops, rounds => $loops, loop => 1,
		some => !defined $self->_poll($table) && $self->{consumer}->is_certain($table, \@partitions));

	if ($shape eq 'again')
	{
		$body = "BEGIN $insert LIMIT $n; RAISE division_by_zero; $catch $insert LIMIT $m; END;";
		$read{limit} = $m;
	}
	elsif ($shape eq 'rounds')
	{
		my $poll = $self->_poll($table) // $m;
		$body = "FOR i IN 1 .. $n LOOP BEGIN $insert LIMIT $m; "
		  . "IF i % 2 = 0 THEN RAISE division_by_zero; END IF; $catch NULL; END; END LOOP;";
		$read{rounds} = int(($n + 1) / 2);
		$read{limit} = $m < $poll ? $m : $poll;
	}
	else
	{
		my $keep = "INSERT INTO got VALUES ($self->{number}, r.id, r.p, r.o);";
		my $bounded = $shape eq 'loop' ? "LIMIT $n" : '';
		$read{limit} = $n if $shape eq 'loop';
		$read{filter} = sub { $_[0] % 3 } if $shape eq 'some';
		$keep = "BEGIN $keep IF r.id % 3 = 0 THEN RAISE division_by_zero; END IF; $catch NULL; END;" if $shape eq 'some';
		$body = "FOR r IN SELECT id, p, o FROM $table $where $bounded LOOP $keep END LOOP;";
	}
	return $self->_send(
		"DO \$\$ DECLARE r record; BEGIN $body END \$\$; "
		  . "DELETE FROM got WHERE session = $self->{number} RETURNING id, p, o",
		$self->_answers($table, \@partitions, $read{limit}),
		idle => undef,
		judge => sub { $self->_judge_rounds($table, \%read, _sorted(@_)) });
}

# Several reads that were each bounded alike, judged as one
sub _judge_rounds
{
	my ($self, $table, $read, @rows) = @_;
	my $rounds = delete $read->{rounds} // 1;
	local $self->{model}{tables}{$table}{max_poll_records} = undef if $rounds > 1;
	$read->{limit} *= $rounds if defined $read->{limit};
	return $self->{consumer}->read($table, %$read, rows => \@rows);
}

sub _declare
{
	my ($self) = @_;
	my $table = _one(@{ $self->{tables} });
	my ($where, @partitions) = $self->_condition($table);
	my $may_sort = !defined $self->_poll($table) && !$self->{model}{concurrent};
	my $kind = _weighted(plain => 3, scroll => 2, sorted => $may_sort ? 2 : 0);
	my $name = 'c' . ++$cursors;
	my $order = $kind eq 'sorted' ? 'ORDER BY id' : '';
	my $scroll = $kind eq 'scroll' ? 'SCROLL' : 'NO SCROLL';

	$self->{consumer}->declare_cursor($name, $table, kind => $kind, partitions => \@partitions);
	$self->{consumer}->take_snapshot;
	return $self->_send("DECLARE $name $scroll CURSOR FOR SELECT id, p, o FROM $table $where $order");
}

# ($name, cursor) of one that can be fetched from now
sub _cursor
{
	my ($self) = @_;
	my $name = _one(sort keys %{ $self->{consumer}->cursors });
	return ($name, $self->{consumer}->cursors->{$name});
}

# What a FETCH from a cursor may answer
sub _cursor_answers
{
	my ($self, $cursor) = @_;
	my $rolled_back = qr/records that this cursor read were rolled back|cannot be run/;
	my %answers = (errs => 0, error => $rolled_back);
	my $is_past_end = $cursor->{at} > @{ $cursor->{read} };

	%answers = $self->_answers($cursor->{table}, $cursor->{partitions}) if !$cursor->{slices};
	$answers{errs} = 1 if $cursor->{state} =~ /broken|failed/;
	$answers{errs} = undef
	  if $cursor->{state} eq 'doubtful' || ($cursor->{state} eq 'broken' && $is_past_end);
	$answers{idle} = undef if $cursor->{state} ne 'good' || (!$cursor->{slices} && $self->{consumer}->moved_since($cursor));
	$answers{failed} = sub { $self->{consumer}->fail_cursor($cursor) };
	return %answers;
}

sub _fetch
{
	my ($self) = @_;
	my ($name, $cursor) = $self->_cursor;
	my $count = rand() < 0.15 ? undef : 1 + int(rand(5));
	my $consumer = $self->{consumer};
	my $is_back = $cursor->{kind} eq 'scroll' && defined $count && rand() < 0.4;

	# what a sort reads must be known
	return $self->_close($name)
	  if $cursor->{kind} eq 'sorted' && !$cursor->{slices} && !$consumer->is_cursor_certain($cursor);
	my %answers = $self->_cursor_answers($cursor);
	$answers{errs} = 0 if $is_back && !$cursor->{slices};    # before the first row there is nothing to be read
	return $self->_send(
		$is_back ? "FETCH BACKWARD $count FROM $name" : 'FETCH ' . ($count // 'ALL') . " FROM $name",
		%answers,
		idle => $is_back ? undef : $answers{idle},
		judge => sub {
			my (@rows) = @_;
			if ($cursor->{state} ne 'good')
			{
				# rows that it had before may come again where it is not known whether any were taken back
				my %read = map { $_->[0] => 1 } $cursor->{state} eq 'doubtful' ? grep { defined } @{ $cursor->{read} } : ();
				my @new = grep { !$read{ $_->[0] } } @rows;
				return @new ? 'rows after records were taken back' : ();
			}
			return $is_back ? $consumer->fetch_backward($name, $count, \@rows) : $consumer->fetch($name, $count, \@rows);
		});
}

# Moves a cursor in a block that rolls back
sub _fetch_in_block
{
	my ($self) = @_;
	my ($name, $cursor) = $self->_cursor;
	my %answers = $self->_cursor_answers($cursor);
	return $self->_send(
		"DO \$\$ DECLARE c refcursor := '$name'; BEGIN MOVE FORWARD 2 FROM c; RAISE division_by_zero; "
		  . "EXCEPTION WHEN division_by_zero THEN NULL; END \$\$",
		%answers,
		idle => undef,
		judge => sub { $self->{consumer}->move_and_roll_back($name, 2); return });
}

sub _close
{
	my ($self, $name) = @_;
	($name) = $self->_cursor unless defined $name;
	$self->{consumer}->close_cursor($name);
	return $self->_send("CLOSE $name");
}

sub _savepoint
{
	my ($self) = @_;
	my $number = $self->{consumer}->savepoints;
	$self->{consumer}->savepoint;
	return $self->_send("SAVEPOINT s$number");
}

sub _rollback_to
{
	my ($self) = @_;
	my $number = int(rand($self->{consumer}->savepoints));
	$self->{consumer}->rollback_to($number);
	return $self->_send("ROLLBACK TO s$number");
}

sub _release
{
	my ($self) = @_;
	my $number = int(rand($self->{consumer}->savepoints));
	$self->{consumer}->release($number);
	return $self->_send("RELEASE s$number");
}

# Records that are held until COMMIT
sub _insert
{
	my ($self) = @_;
	my $topic = $self->_topic(_one(@{ $self->{tables} }));
	my @records = map { [ $topic, _one($self->{model}->partitions($topic)), next_number() ] } 1 .. 1 + int(rand(6));
	$self->{consumer}->send(@records);
	$self->{consumer}->take_snapshot;
	return $self->_send("INSERT INTO $topic (p, id) VALUES " . join(', ', map { "($_->[1], $_->[2])" } @records));
}

sub _fail
{
	my ($self) = @_;
	return $self->_send('SELECT 1 / 0', errs => 1, error => qr/division by zero/);
}

# COMMIT, with the transaction's number, so that its fate can be asked
sub _commit
{
	my ($self) = @_;
	my $consumer = $self->{consumer};
	return $self->_send(
		"SELECT 'xid', pg_current_xact_id(); COMMIT",
		failed => sub { $consumer->rollback },
		judge => sub { $consumer->commit });
}

sub _rollback
{
	my ($self) = @_;
	$self->{consumer}->rollback;
	return $self->_send('ROLLBACK');
}

sub _prepare
{
	my ($self) = @_;
	my $consumer = $self->{consumer};
	return $self->_send(
		"PREPARE TRANSACTION 'prepared $self->{number}'",
		errs => $consumer->sends ? 1 : 0,
		error => qr/cannot prepare a transaction that has inserted/,
		failed => sub { $consumer->rollback },
		judge => sub { $self->{prepared} = $consumer->prepare; $self->{model}{prepared}++; return });
}

sub _end_prepared
{
	my ($self) = @_;
	my $how = _one('COMMIT', 'COMMIT', 'ROLLBACK');
	my $prepared = delete $self->{prepared};
	return $self->_send(
		"$how PREPARED 'prepared $self->{number}'",
		judge => sub { $self->{model}{prepared}--; return $how eq 'COMMIT' ? $prepared->commit : $prepared->rollback });
}

# The session ends without a COMMIT.
sub _vanish
{
	my ($self) = @_;
	my $pid = $self->{session}->pid;

	if (rand() < 0.5)
	{
		$self->_log('disconnect');
		$self->{session}->close;
	}
	else
	{
		$self->_log('pg_terminate_backend');
		$self->{control}->run("SELECT pg_terminate_backend($pid)");
	}
	$self->{consumer}->rollback;
	$self->_reconnect($pid);
	return $self->_send('SELECT WHERE false');
}

# Connects again when the old process is gone.
sub _reconnect
{
	my ($self, $pid) = @_;
	poll_until(sub { !-d "/proc/$pid" }, 30) or die "backend $pid does not end\n";
	$self->_connect;
	return;
}

# Kills the session in the middle of whatever it does, and finds out what became of its transaction.
sub kill
{
	my ($self) = @_;
	my $pid = $self->{session}->pid;
	my $action = delete $self->{action};
	my $consumer = $self->{consumer};

	$self->{control}->run("SELECT pg_terminate_backend($pid)");
	my $out = eval { $self->{session}->finish } // '';
	$self->_log("killed -> $out");
	my $status = $out =~ /^xid\|(\d+)/ ? $self->{control}->run("SELECT pg_xact_status('$1')") : 'aborted';
	if ($consumer->in_transaction)
	{
		$status eq 'committed' ? $consumer->commit : $consumer->rollback;
	}
	$self->{autocommit} = 0;
	$self->_reconnect($pid);
	return $self;
}

1;
