# report_offsets: the position is committed to the Kafka group after the PostgreSQL commit, for tools that
# show its lag; nobody waits for that, and nothing depends on it.
use strict;
use warnings;
use File::Basename;
use KafkaFdw;
use KafkaSession;
use IPC::Run;
use Test::More;

need_own_broker();
my $node = new_cluster('main');
my $topic = new_topic(2);
my $broker = KafkaFdw::Broker->shared;
my @java = ('bash', dirname(__FILE__) . '/../kafka/kafka.sh', 'tool');

foreach my $group ('told', 'untold', 'shared')
{
	my $option = $group eq 'untold' ? '' : ", report_offsets 'true'";
	$node->safe_psql('postgres',
		"CREATE FOREIGN TABLE $group (v text) SERVER k OPTIONS (topic '$topic', format 'text', group_id '$topic-$group' $option)");
}

sub reported
{
	my ($group) = @_;
	return kafka_tool('group-offsets', "$topic-$group", $topic);
}

sub is_reported
{
	my ($group, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(poll_until(sub { reported($group) eq $expected }, 30), $name) or diag(reported($group));
	return;
}

produce($topic, "0|1\n0|2\n1|3\n", '-P', '|');
is($node->safe_psql('postgres', 'SELECT count(*) FROM untold'), '3', 'a group that is not reported reads');
is($node->safe_psql('postgres', 'SELECT count(*) FROM told'), '3', 'one that is reads too');
is_reported('told', "0\t2\n1\t1", 'what a session that ended at once has committed is reported');
is(reported('untold'), '', 'without the option nothing is');
is($node->safe_psql('postgres', q{SELECT string_agg(reported_offset::text, ',' ORDER BY partition) FROM kafka.lag('told')}),
	'2,1', 'and kafka.lag() shows it');

my $session = KafkaSession->new($node);
produce($topic, "0|4\n1|5\n", '-P', '|');
$session->run('BEGIN; SELECT * FROM told; ROLLBACK');
$session->run("BEGIN; SELECT * FROM told; PREPARE TRANSACTION 'p'");
$session->run("ROLLBACK PREPARED 'p'");
$session->run("BEGIN; SELECT * FROM told LIMIT 1; SAVEPOINT s; SELECT * FROM told; ROLLBACK TO s; COMMIT");
is($session->error, '', 'nothing went wrong');
ok(poll_until(sub { reported('told') =~ /^0\t3\n1\t1$|^0\t2\n1\t2$/ }, 30), 'only what is committed is reported')
  or diag(reported('told'));
$session->run("SELECT kafka.seek('told', 'earliest')");
is_reported('told', "0\t0\n1\t0", 'a seek is reported too');

my ($out, $err) = ('', '');
IPC::Run::run([ @java, 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', '--bootstrap-server', bootstrap(),
		'--describe', '--group', "$topic-told" ], '>', \$out, '2>', \$err) or diag($err);
like($out, qr/\Q$topic\E\s+0\s+0\s+3\s+3\s/, q{Kafka's own tool shows the lag});

# A crash leaves a seek as its transaction did, and what was not reported is with the next commit.
$session->run("SELECT kafka.seek('told', partition => 0, next_offset => 2)");
$session->run("BEGIN; SELECT kafka.seek('told', 'latest')");
$node->stop('immediate');
$node->start;
$session = KafkaSession->new($node);
is($session->run("SELECT string_agg(next_offset::text, ',' ORDER BY partition) FROM kafka.lag('told')"), '2,0',
	'a seek that committed survives a crash, one that did not never was');
is($session->run('SELECT count(*) FROM told'), '3', 'reading goes on from there');
is_reported('told', "0\t3\n1\t2", 'and is reported');

# An application that is active in the group goes on as before.
my %application = (out => '', err => '');
$application{run} = IPC::Run::start([ @java, 'org.apache.kafka.tools.consumer.ConsoleConsumer', '--bootstrap-server', bootstrap(),
		'--topic', $topic, '--group', "$topic-shared", '--from-beginning' ],
	'>', \$application{out}, '2>', \$application{err});
sub application_has
{
	my ($value) = @_;
	return poll_until(sub { $application{run}->pump_nb if $application{run}->pumpable; return $application{out} =~ /^$value$/m; }, 60);
}
ok(application_has(5), 'an application reads in a group') or diag("$application{out}$application{err}");
is($session->run('SELECT count(*) FROM shared'), '5', 'a table of that group reads for itself');
produce($topic, "0|6\n", '-P', '|');
ok(application_has(6), 'and the application goes on') or diag($application{err});
is($session->run('SELECT count(*) FROM shared'), '1', 'as the table does');
$application{run}->signal('TERM');
$application{run}->finish;
produce($topic, "0|7\n", '-P', '|');
is($session->run('SELECT count(*) FROM shared'), '1', 'the application has ended');
is_reported('shared', "0\t5\n1\t2", 'then the table is reported');

# A broker that is silent at the commit keeps nobody.
$session->run('BEGIN; SELECT * FROM told');
$broker->pause;
$session->run('COMMIT');
is($session->error, '', 'a commit beside a silent broker succeeds');
is($session->run('SELECT 1'), '1', 'and the session goes on');
$broker->resume;
is_reported('told', "0\t5\n1\t2", 'the report comes later');

# Streams are reported unless they are told not to.
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE target (v text, s text);
	CREATE FOREIGN TABLE source (v text) SERVER k OPTIONS (topic '$topic', format 'text');
	CREATE FOREIGN TABLE silent_source (v text) SERVER k OPTIONS (topic '$topic', format 'text', report_offsets 'false');
	SELECT kafka.create_stream('$topic-silent', 'INSERT INTO target SELECT v, ''silent'' FROM silent_source');
	SELECT kafka.create_stream('$topic-stream', 'INSERT INTO target SELECT v, ''stream'' FROM source', workers => 2);
	EOF
is_reported('stream', "0\t5\n1\t2", 'a stream is reported');
becomes($node, 'postgres', "SELECT count(*) FROM target WHERE s = 'silent'", '7', 'another one has read as much');
is(reported('silent'), '', 'and is not reported');

# A coordinator that the client knows and that is none any more.
is($session->run("SELECT count(*) FROM kafka.lag('told')"), '2', 'the coordinator is known');
kafka_tool('delete-topic', '__consumer_offsets');
is($session->run("SELECT count(*) FROM kafka.lag('told')"), '2', 'kafka.lag() finds the new one');
like($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.offsets'), qr/^[1-9]/, 'no position depends on it');
ok(!crashed($node), 'nothing crashed');
done_testing();
