# A topic that was deleted and created again: a session that has written to it goes on writing, and a position in the
# old one is none in the new one, where the client library can tell them apart; a stream notices while it waits.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes stream_clients);
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my ($topic, $other) = map { new_topic(2) } 1 .. 2;
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (v text, p int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$topic', format 'text');
	CREATE FOREIGN TABLE other (v text) SERVER k OPTIONS (topic '$other', format 'text');
	EOF

sub recreate { my ($partitions) = @_; return kafka_tool('create-topic', '--replace', $topic, $partitions); }
sub count { return kafka_tool('consume', $topic, '-c'); }

# Each time the session's client knows the topic that was there before
my @failed;
foreach my $round (1 .. 40)
{
	recreate($round % 3 + 1);
	$session->run("INSERT INTO t SELECT g FROM generate_series(1, 10) g");
	push @failed, "$round: " . $session->error if $session->error ne '';
	push @failed, "$round: " . count() unless count() == 10;
}
is(join("\n", @failed), '', 'each INSERT is in the new topic');

# Between INSERT and COMMIT, with records for a partition that stays and with such for any
recreate(2);
$session->run("BEGIN; INSERT INTO t VALUES ('held', 1), ('held', NULL); INSERT INTO other VALUES ('held')");
recreate(2);
$session->run('COMMIT');
is($session->error, '', 'created again before COMMIT');
is(count(), 2, 'what was held is in the new topic');

# What does not fit any more is refused, and the session is in order
$session->run("BEGIN; INSERT INTO t VALUES ('held', 1)");
recreate(1);
$session->run('COMMIT');
like($session->error, qr/topic "\Q$topic\E", partition 1/, 'a partition that is gone is named');
is(count(), 0, 'nothing was sent');
$session->run("INSERT INTO t VALUES ('x', 1)");
like($session->error, qr/has no partition 1/, 'the next INSERT knows of it');
$session->run("INSERT INTO t VALUES ('x', 0); INSERT INTO other VALUES ('x')");
is($session->error, '', 'what is there is written to');
is(count(), 1, 'and that arrives');

# The answer to an INSERT may be that of a broker that has not heard of the topic yet
kafka_tool('delete-topic', $topic);
$session->start("INSERT INTO t VALUES ('x', 0)");
kafka_tool('create-topic', $topic, 1);
$session->finish;
is($session->error, '', 'a topic that is being created is asked for again');
kafka_tool('delete-topic', $topic);
$session->run("INSERT INTO t VALUES ('x', 0)");
like($session->error, qr/topic "\Q$topic\E" does not exist/, 'one that is not there is an error');
cmp_ok($session->seconds, '<', 5, 'soon');

# A position in the topic that is gone
sub recreate_with { my ($records) = @_; recreate(1); return produce($topic, join('', map { "$_\n" } 1 .. $records)); }
my $read = 'SELECT count(*) FROM (SELECT v FROM feed LIMIT 100) r';
recreate_with(5);
$session->run("CREATE FOREIGN TABLE feed (v text) SERVER k OPTIONS (topic '$topic', format 'text', group_id 'g')");
is($session->run($read), 5, 'a topic is consumed');
my $is_known = $session->run('SELECT topic_id IS NOT NULL FROM kafka.offsets') eq 't';
note($is_known ? 'the client library knows the ids of topics' : 'the client library does not know the ids of topics');
recreate_with(7);
my $got = $session->run("BEGIN; SELECT count(*) FROM feed; ROLLBACK");
$is_known ? like($session->error, qr/position 5 of consumer group "g" is one of an earlier topic "\Q$topic\E", partition 0/, 'the position is none in the new topic') :
  is($got, 2, 'nobody can tell that the position is none in the new topic');
$session->run("ALTER FOREIGN TABLE feed OPTIONS (ADD on_offset_out_of_range 'earliest')");
is($session->run($read), $is_known ? 7 : 2, 'earliest: the new topic is read from its beginning');
recreate_with(7);
is($session->run("CALL kafka.wait('feed', '0 s', NULL)"), $is_known ? 't' : 'f', 'also where it is as long as the old one was: there is something to read');
is($session->run($read), $is_known ? 7 : 0, 'which is read');
recreate_with(7);
$session->run("ALTER FOREIGN TABLE feed OPTIONS (SET on_offset_out_of_range 'latest')");
is($session->run('SELECT count(*) FROM feed'), 0, 'latest: it is read from its end');
produce($topic, "8\n");
is($session->run('SELECT count(*) FROM feed'), 1, 'and no further on than that');

# A topic that ends before the position: so says, for a moment, also a leader that was cut off from the others
SKIP:
{
	skip 'the client library knows that it is another topic', 2 if $is_known;
	recreate_with(3);
	$session->run("ALTER FOREIGN TABLE feed OPTIONS (SET on_offset_out_of_range 'earliest')");
	$session->start($read);
	$session->await_active(20);
	produce($topic, join('', map { "$_\n" } 4 .. 9));
	is($session->finish, 1, 'is asked again');
	recreate_with(3);
	is($session->run($read), 3, 'and believed after a while');
}

# Streams that wait at the end of the old topic, with a client and asleep: the library may go on in the new one unasked
SKIP:
{
	skip 'the client library does not know the ids of topics', 3 unless $is_known;
	recreate_with(5);
	query("CREATE TABLE copied (v text)");
	query("CREATE FOREIGN TABLE source (v text) SERVER k OPTIONS (topic '$topic', format 'text')");
	query("SELECT kafka.create_stream('s' || g, 'INSERT INTO copied SELECT v FROM source') FROM generate_series(1, 10) g");
	query_becomes("SELECT count(*) FROM copied", 50, 'streams have read a topic');
	ok(poll_until(sub { stream_clients('%') < 10 }), 'some of them sleep') || diag(query('TABLE kafka.stat_streams'));
	recreate_with(8);
	query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE last_error LIKE 'position % of consumer group % is one of an earlier topic \"$topic\"%'",
		10, 'each of them says that its position is one of the topic that was there before');
}

$node->stop;
done_testing();
