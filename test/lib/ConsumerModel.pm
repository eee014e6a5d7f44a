
=pod

=head1 NAME

ConsumerModel - what consuming tables must do, said a second time and simply

=head1 SYNOPSIS

  my $model = ConsumerModel->new;
  $model->add_topic('orders', 3);                       # partitions
  $model->append('orders', 0, 1, 2, 3);                 # records: numbers that are unique in the topic
  $model->add_table('feed', topic => 'orders', group => 'g', max_poll_records => 5);

  my $consumer = $model->add_consumer;
  $consumer->begin('READ COMMITTED');
  my @wrong = $consumer->read('feed', partitions => [ 0, 1 ], limit => 2, rows => [ [ 1, 0, 0 ], [ 2, 0, 1 ] ]);
  $consumer->commit;

A row is [ number, partition, offset ]. Which of several partitions a LIMIT is taken from is not laid down, so the
model does not foretell rows: it judges those that came, and follows them. Methods that judge return what is
wrong, or nothing.

=cut

package ConsumerModel;

use strict;
use warnings;
use List::Util qw(max min);

# concurrent => 1: the consumers' statements run beside each other, so what others hold is unknown.
sub new
{
	my ($class, %options) = @_;
	return bless { topics => {}, tables => {}, positions => {}, handed => {}, consumers => [], %options }, $class;
}

sub add_topic
{
	my ($self, $topic, $partitions) = @_;
	$self->{topics}{$topic} = [ map { { end => 0, records => [] } } 1 .. $partitions ];
	return;
}

sub append
{
	my ($self, $topic, $partition, @numbers) = @_;
	my $log = $self->{topics}{$topic}[$partition];
	push @{ $log->{records} }, [ $_, $partition, $log->{end}++ ] foreach @numbers;
	return;
}

# Offsets that no reader sees: aborted records and the marks of transactions
sub append_gap
{
	my ($self, $topic, $partition, $size) = @_;
	$self->{topics}{$topic}[$partition]{end} += $size;
	return;
}

sub add_table
{
	my ($self, $name, %table) = @_;
	$self->{tables}{$name} = { %table, key => "$table{group} $table{topic}" };
	return;
}

sub partitions
{
	my ($self, $topic) = @_;
	my @numbers = 0 .. $#{ $self->{topics}{$topic} };
	return @numbers;
}

sub end_offset
{
	my ($self, $topic, $partition) = @_;
	return $self->{topics}{$topic}[$partition]{end};
}

# The records of a partition between two offsets
sub records
{
	my ($self, $topic, $partition, $from, $end) = @_;
	my $records = $self->{topics}{$topic}[$partition]{records};
	my $first = @$records;
	$first-- while $first > 0 && $records->[ $first - 1 ][2] >= $from;
	return grep { $_->[2] < $end } @$records[ $first .. $#$records ];
}

# The committed position of a group in a partition
sub position
{
	my ($self, $key, $partition) = @_;
	return $self->{positions}{$key}[$partition] // 0;
}

sub add_consumer
{
	my ($self) = @_;
	my $consumer = ConsumerModel::Consumer->new($self);
	push @{ $self->{consumers} }, $consumer;
	return $consumer;
}

# How a partition's position differs from the model's: not at all when there is no record between.
sub wrong_position
{
	my ($self, $table, $partition, $position) = @_;
	my $topic = $self->{tables}{$table}{topic};
	my $mine = $self->position($self->{tables}{$table}{key}, $partition);
	my @between = $self->records($topic, $partition, min($mine, $position), max($mine, $position));
	return @between ? "$table, partition $partition: position $position instead of $mine" : ();
}

# What is wrong with what all committed transactions of a table's group got: each record must be there once.
sub wrong_records
{
	my ($self, $table) = @_;
	my ($topic, $key) = @{ $self->{tables}{$table} }{qw(topic key)};
	my @wrong;
	foreach my $partition ($self->partitions($topic))
	{
		foreach my $record ($self->records($topic, $partition, 0, $self->end_offset($topic, $partition)))
		{
			my $times = $self->{handed}{$key}{ $record->[0] } // 0;
			push @wrong, "$table: record @$record was consumed $times times" if $times != 1;
		}
	}
	return @wrong;
}

package ConsumerModel::Consumer;

use strict;
use warnings;
use List::Util qw(min none);

sub new
{
	my ($class, $model) = @_;
	return bless { model => $model }, $class;
}

sub in_transaction { my ($self) = @_; return defined $self->{ranges}; }
sub is_failed { my ($self) = @_; return $self->{failed}; }
sub savepoints { my ($self) = @_; return scalar @{ $self->{savepoints} }; }
sub cursors { my ($self) = @_; return $self->{cursors}; }
sub sends { my ($self) = @_; return scalar @{ $self->{sends} }; }

# What a transaction knows: the ranges that it has read, by group, topic and partition, as [ from, to, moved ], which
# are never changed; what it may have claimed; the records that it holds; its savepoints and cursors.
sub begin
{
	my ($self, $isolation) = @_;
	@{$self}{qw(ranges touched sends savepoints cursors failed)} = ({}, {}, [], [], {}, 0);
	$self->{snapshot} = undef;
	$self->{isolation} = $isolation // 'READ COMMITTED';
	return;
}

# A statement that needs a snapshot: from now on REPEATABLE READ sees what there was
sub take_snapshot
{
	my ($self) = @_;
	my $positions = $self->{model}{positions};
	return if $self->{snapshot} || $self->{isolation} eq 'READ COMMITTED';
	$self->{snapshot} = { map { $_ => [ @{ $positions->{$_} } ] } keys %$positions };
	return;
}

# Whether the consumer can read a partition: 'own', 'free', 'held' by another, 'maybe', or 'moved' since the snapshot
sub standing
{
	my ($self, $key, $partition) = @_;
	my $maybe = 0;

	return 'own' if $self->{ranges}{$key}{$partition};
	return 'maybe' if $self->{model}{concurrent};
	foreach my $other (grep { $_ != $self && $_->in_transaction } @{ $self->{model}{consumers} })
	{
		return 'held' if $other->{ranges}{$key}{$partition};
		$maybe ||= $other->{touched}{$key}{$partition};
	}
	return 'moved'
	  if $self->{snapshot} && $self->{model}->position($key, $partition) != ($self->{snapshot}{$key}[$partition] // 0);
	return $maybe ? 'maybe' : 'free';
}

# True when what a read takes is certain before it returns
sub is_certain
{
	my ($self, $table, $partitions) = @_;
	return none { $self->standing($self->{model}{tables}{$table}{key}, $_) =~ /maybe|moved/ } @$partitions;
}

# The same of a cursor that is not open yet
sub is_cursor_certain
{
	my ($self, $cursor) = @_;
	return !$self->moved_since($cursor) && $self->is_certain($cursor->{table}, $cursor->{partitions});
}

# Whether a new query in this transaction must meet an open cursor: 1, 0, or undef where both is right
sub meets_cursor
{
	my ($self, $table, $partitions) = @_;
	my $key = $self->{model}{tables}{$table}{key};
	my $meets = 0;

	foreach my $cursor (grep { $_->{key} eq $key && $_->{slices} } values %{ $self->{cursors} })
	{
		foreach my $slice (grep { defined } @{ $cursor->{slices} }{@$partitions})
		{
			next if $slice->{standing} =~ /held|moved/;
			return 1 if $slice->{standing} ne 'maybe' && $cursor->{state} eq 'good';
			$meets = undef;
		}
	}
	return $meets;
}

# What a query that starts now is to read of each partition
sub slices
{
	my ($self, $table, $partitions) = @_;
	my ($topic, $key) = @{ $self->{model}{tables}{$table} }{qw(topic key)};
	my %slices;

	$slices{$_} = { standing => $self->standing($key, $_), end => $self->{model}->end_offset($topic, $_) }
	  foreach @$partitions;
	return \%slices;
}

# A query may claim partitions, and keeps them when it fails.
sub touch
{
	my ($self, $table, $partitions) = @_;
	$self->{touched}{ $self->{model}{tables}{$table}{key} }{$_} = 1 foreach @$partitions;
	return;
}

# Judges the rows that came of one slice and moves the position. Of what ended, nothing may be missing.
sub _read_slice
{
	my ($self, $table, $p, $slice, $ended, $filter, @rows) = @_;
	my ($topic, $key) = @{ $self->{model}{tables}{$table} }{qw(topic key)};
	my $range = $self->{ranges}{$key}{$p};
	my $from = $range ? $range->[1] : $self->{model}->position($key, $p);

	return if !@rows && !$range && $slice->{standing} =~ /maybe|held|moved/;
	return "partition $p is held, but gave rows" if !$range && $slice->{standing} eq 'held';
	if ($slice->{standing} eq 'maybe' && $self->{model}{concurrent} && !$range)
	{
		return "partition $p: $rows[0][2] was committed before" if $rows[0][2] < $from;
		$from = $rows[0][2];
	}
	my @expected = grep { $filter->($_->[0]) } $self->{model}->records($topic, $p, $from, $slice->{end});
	splice(@expected, scalar @rows) if !$ended;
	my $difference = _difference(\@rows, \@expected);
	return "partition $p from $from to $slice->{end}: $difference" if $difference;

	my $to = $ended ? $slice->{end} : @rows ? $rows[-1][2] + 1 : $from;
	return if $to <= $from;
	$self->{ranges}{$key}{$p} = $range ? [ $range->[0], $to, $range->[2] ] : [ $from, $to, $slice->{standing} eq 'moved' ];
	return;
}

# Judges the rows of slices: at most as many as the limit, and fewer only when there are no more.
sub _read_slices
{
	my ($self, $table, $slices, $limit, $filter, $rows) = @_;
	my $ended = !defined $limit || @$rows < $limit;
	my (%rows, @wrong);

	push @{ $rows{ $_->[1] } }, $_ foreach @$rows;
	push @wrong, @$rows . " rows instead of at most $limit" if defined $limit && @$rows > $limit;
	push @wrong, $self->_read_slice($table, $_, $slices->{$_}, $ended, $filter, @{ delete $rows{$_} // [] })
	  foreach sort keys %$slices;
	push @wrong, map { "rows of partition $_, which was not asked for" } keys %rows;
	return @wrong;
}

# How rows differ from what they should be: where, and what there is.
sub _difference
{
	my ($rows, $expected) = @_;
	my $same = 0;
	$same++ while $same < @$rows && $same < @$expected && "@{ $rows->[$same] }" eq "@{ $expected->[$same] }";
	return if $same == @$rows && $same == @$expected;
	my ($is, $should) = map { $_->[$same] ? "(@{ $_->[$same] })" : 'the end' } ($rows, $expected);
	return "after $same rows $is instead of $should";
}

# The least of those that there are
sub _limit
{
	my @limits = grep { defined } @_;
	return @limits ? min(@limits) : undef;
}

# A whole statement. Options: partitions, rows, limit, filter (of the rows by their numbers, without limit).
sub read
{
	my ($self, $table, %read) = @_;
	my $limit = _limit($read{limit}, $self->{model}{tables}{$table}{max_poll_records});
	my $slices = $self->slices($table, $read{partitions});
	return $self->_read_slices($table, $slices, $limit, $read{filter} // sub { 1 }, $read{rows});
}

# Whether a statement must say that all partitions are held: 1, 0, or undef
sub is_idle
{
	my ($self, $table, $partitions) = @_;
	my $key = $self->{model}{tables}{$table}{key};
	my %standings = map { $self->standing($key, $_) => 1 } @$partitions;
	return 0 if $standings{free} || $standings{own};
	return $standings{maybe} || $standings{moved} ? undef : 1;
}

# Options: partitions, kind: plain, scroll or sorted (by number)
sub declare_cursor
{
	my ($self, $name, $table, %cursor) = @_;
	$self->{cursors}{$name} = {
		%cursor,
		table => $table,
		key => $self->{model}{tables}{$table}{key},
		declared_at => [ @{ $self->{model}{positions}{ $self->{model}{tables}{$table}{key} } // [] } ],
		depth => $self->savepoints,
		state => 'good',
		read => [],
		at => 0
	};
	return;
}

sub close_cursor
{
	my ($self, $name) = @_;
	delete $self->{cursors}{$name};
	return;
}

# The partitions that others have moved since a cursor was declared, where it must not see that
sub moved_since
{
	my ($self, $cursor) = @_;
	my $key = $cursor->{key};

	return () if $self->{isolation} ne 'READ COMMITTED' || $self->{model}{concurrent};
	return grep
	{ $self->standing($key, $_) ne 'own' && $self->{model}->position($key, $_) != ($cursor->{declared_at}[$_] // 0) }
	@{ $cursor->{partitions} };
}

# What a cursor reads is settled at its first FETCH. At READ COMMITTED a partition that others have moved since it was
# declared is not free for it. A limited one may claim what it needs only when it needs it.
sub open_cursor
{
	my ($self, $cursor) = @_;
	my $limited = defined $self->{model}{tables}{ $cursor->{table} }{max_poll_records};

	return if $cursor->{slices};
	$cursor->{slices} = $self->slices($cursor->{table}, $cursor->{partitions});
	# a query of this transaction may have moved it too, past what is no record
	$cursor->{slices}{$_}{standing} = $self->{touched}{ $cursor->{key} }{$_} ? 'maybe' : 'held'
	  foreach $self->moved_since($cursor);
	return if !$limited;
	$_->{standing} =~ s/free|own/maybe/ foreach values %{ $cursor->{slices} };
	return;
}

# Everything that the sort below a cursor reads at its first FETCH
sub _fill_sort
{
	my ($self, $cursor) = @_;
	my $topic = $self->{model}{tables}{ $cursor->{table} }{topic};
	my @rows;

	foreach my $p (keys %{ $cursor->{slices} })
	{
		my $slice = $cursor->{slices}{$p};
		my $range = $self->{ranges}{ $cursor->{key} }{$p};
		next if $slice->{standing} eq 'held';
		push @rows,
		  $self->{model}->records($topic, $p, $range ? $range->[1] : $self->{model}->position($cursor->{key}, $p), $slice->{end});
	}
	$cursor->{read} = [ sort { $a->[0] <=> $b->[0] } @rows ];
	$cursor->{ended} = 1;
	return $self->_read_slices($cursor->{table}, $cursor->{slices}, undef, sub { 1 }, \@rows);
}

# FETCH FORWARD count, undef: ALL
sub fetch
{
	my ($self, $name, $count, $rows) = @_;
	my $cursor = $self->{cursors}{$name};
	my $poll = $self->{model}{tables}{ $cursor->{table} }{max_poll_records};
	my ($first, @wrong) = (!$cursor->{slices});

	$self->open_cursor($cursor);
	@wrong = $self->_fill_sort($cursor) if $first && $cursor->{kind} eq 'sorted';
	return @wrong if @wrong;

	# rows that were read before, and then new ones
	my @again = grep { defined } @{ $cursor->{read} }[ $cursor->{at} .. $#{ $cursor->{read} } ];
	splice(@again, $count) if defined $count && @again > $count;
	my @new = @$rows;
	my @known = splice(@new, 0, scalar @again);
	my $difference = _difference(\@known, \@again);
	return "again: $difference" if $difference;
	return 'rows after the end' if @new && $cursor->{ended};

	my $limit = _limit(defined $count ? $count - @known : undef, defined $poll ? $poll - @{ $cursor->{read} } : undef);
	my $reads = !$cursor->{ended} && (!defined $limit || $limit > 0);
	push @{ $cursor->{read} }, @new;
	my $is_past_end = !defined $count || @$rows < $count;
	$cursor->{at} = $is_past_end ? @{ $cursor->{read} } + 1 : $cursor->{at} + @$rows;
	$cursor->{ended} = 1 if $is_past_end;
	return $reads ? $self->_read_slices($cursor->{table}, $cursor->{slices}, $limit, sub { 1 }, \@new) : ();
}

# FETCH BACKWARD count
sub fetch_backward
{
	my ($self, $name, $count, $rows) = @_;
	my $cursor = $self->{cursors}{$name};
	my @should = grep { $_ >= 0 } map { $cursor->{at} - 1 - $_ } 1 .. $count;

	$cursor->{at} = @should == $count ? $cursor->{at} - $count : 0;
	my $difference = _difference($rows, [ @{ $cursor->{read} }[@should] ]);
	return $difference ? "backward: $difference" : ();
}

# A FETCH from a cursor was an error.
sub fail_cursor
{
	my ($self, $cursor) = @_;
	$cursor->{state} = 'failed';
	$cursor->{slices} //= { map { $_ => { standing => 'maybe', end => 0 } } @{ $cursor->{partitions} } };
	return $self->fail;
}

# MOVE FORWARD count in a subtransaction that rolls back. A cursor keeps its place among rows that it has read.
sub move_and_roll_back
{
	my ($self, $name, $count) = @_;
	my $cursor = $self->{cursors}{$name};
	my $again = @{ $cursor->{read} } - $cursor->{at};
	my $available = 0;

	return if $cursor->{state} ne 'good' || $again < 0;
	if ($again >= $count || $cursor->{ended})
	{
		$cursor->{at} += $again >= $count ? $count : $again + 1;
		return;
	}
	$self->open_cursor($cursor);
	foreach my $p (keys %{ $cursor->{slices} })
	{
		my ($slice, $range) = ($cursor->{slices}{$p}, $self->{ranges}{ $cursor->{key} }{$p});
		next if $slice->{standing} =~ /held|moved|maybe/;
		$available += $self->{model}->records($self->{model}{tables}{ $cursor->{table} }{topic},
			$p, $range ? $range->[1] : $self->{model}->position($cursor->{key}, $p), $slice->{end});
	}
	my $poll = $self->{model}{tables}{ $cursor->{table} }{max_poll_records};
	my $is_full = defined $poll && @{ $cursor->{read} } >= $poll;
	$cursor->{state} = $available && !$is_full ? 'broken' : 'doubtful';
	$cursor->{at} = @{ $cursor->{read} } + 1 if $available < $count - $again || defined $poll;
	return;
}

sub send
{
	my ($self, @records) = @_;
	push @{ $self->{sends} }, @records;
	return;
}

# A statement failed: what its subtransaction read is unread, or the whole transaction is over but for its ROLLBACK.
sub fail
{
	my ($self) = @_;
	$self->{failed} = 1;
	$self->{ranges} = $self->savepoints ? _copy_ranges($self->{savepoints}[-1]{ranges}) : {};
	$self->{touched} = {} unless $self->savepoints;
	return;
}

sub _copy_ranges
{
	my ($ranges) = @_;
	my %copy = map { $_ => { %{ $ranges->{$_} } } } keys %$ranges;
	return \%copy;
}

sub savepoint
{
	my ($self) = @_;
	my $cursors = $self->{cursors};
	push @{ $self->{savepoints} },
	  {
		ranges => _copy_ranges($self->{ranges}),
		sends => scalar @{ $self->{sends} },
		cursors => { map { $_ => _progress($cursors->{$_}) } keys %$cursors }
	  };
	return;
}

sub _progress
{
	my ($cursor) = @_;
	return { opened => defined $cursor->{slices}, read => scalar @{ $cursor->{read} }, ended => $cursor->{ended} // 0 };
}

# To the savepoint with this number. A cursor that read since then is broken; where it only found nothing, it may be.
sub rollback_to
{
	my ($self, $number) = @_;
	my $savepoint = $self->{savepoints}[$number];

	splice(@{ $self->{savepoints} }, $number + 1);
	splice(@{ $self->{sends} }, $savepoint->{sends});
	$self->{ranges} = _copy_ranges($savepoint->{ranges});
	$self->{failed} = 0;
	foreach my $name (keys %{ $self->{cursors} })
	{
		my $cursor = $self->{cursors}{$name};
		my ($was, $is) = ($savepoint->{cursors}{$name}, _progress($cursor));
		if ($cursor->{depth} > $number)
		{
			delete $self->{cursors}{$name};
			next;
		}
		next if $cursor->{state} eq 'failed';
		$cursor->{state} = 'doubtful'
		  if $cursor->{state} eq 'good' && ($was->{opened} != $is->{opened} || $was->{ended} != $is->{ended});
		$cursor->{state} = 'broken' if $was->{read} != $is->{read};
	}
	return;
}

sub release
{
	my ($self, $number) = @_;
	splice(@{ $self->{savepoints} }, $number);
	$_->{depth} = min($_->{depth}, $number) foreach values %{ $self->{cursors} };
	return;
}

sub rollback
{
	my ($self) = @_;
	delete @{$self}{qw(ranges touched sends savepoints cursors failed)};
	return;
}

# Wrong is when a transaction whose snapshot was older than what it read could commit.
sub commit
{
	my ($self) = @_;
	my $is_wrong = grep { $_->[2] } map { values %$_ } values %{ $self->{ranges} };
	my $model = $self->{model};
	my %topics = map { $_->{key} => $_->{topic} } values %{ $model->{tables} };

	foreach my $key (keys %{ $self->{ranges} })
	{
		foreach my $p (keys %{ $self->{ranges}{$key} })
		{
			my ($from, $to) = @{ $self->{ranges}{$key}{$p} };
			$model->{handed}{$key}{ $_->[0] }++ foreach $model->records($topics{$key}, $p, $from, $to);
			$model->{positions}{$key}[$p] = List::Util::max($model->position($key, $p), $to);
		}
	}
	$model->append(@$_) foreach @{ $self->{sends} };
	$self->rollback;
	return $is_wrong ? 'committed though positions had moved since the snapshot' : ();
}

# The transaction becomes that of a new consumer, which holds what it read until it is ended.
sub prepare
{
	my ($self) = @_;
	my $prepared = $self->{model}->add_consumer;
	@{$prepared}{qw(ranges touched sends)} = @{$self}{qw(ranges touched sends)};
	$self->rollback;
	return $prepared;
}

1;
