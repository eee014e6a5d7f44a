# A session that consumed and does nothing any more is ended, and another one goes on where it began.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
produce($topic, "one\ntwo\n");
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE feed (v text) SERVER k OPTIONS (topic '$topic', format 'text', group_id 'idle', max_poll_interval_ms '500');
	EOF

my $idle = KafkaSession->new($node);
$idle->run('BEGIN');
is($idle->run('SELECT v FROM feed'), "one\ntwo", 'a session consumes');
ok(poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM feed') == 2 }, 30), 'another one has its records when it does nothing');
like(slurp_file($node->logfile), qr/terminating connection due to idle-in-transaction timeout/, 'as it was ended');

# What is read in a subtransaction that rolls back is held all the same
my %ways = (
	'a DO block' => 'DO $$ BEGIN PERFORM v FROM feed; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$',
	'a savepoint' => 'SAVEPOINT a; SELECT v FROM feed; ROLLBACK TO a; RELEASE a');
foreach my $way (sort keys %ways)
{
	produce($topic, "three\n");
	$idle = KafkaSession->new($node);
	$idle->run("BEGIN; $ways{$way}");
	is($idle->error, '', "$way consumes");
	ok(poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM feed') == 1 }, 30), "$way: another session has its records");
}
ok(!crashed($node), 'no process crashed');

done_testing();
