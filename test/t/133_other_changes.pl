# What changes elsewhere, in other wrappers' tables or other servers, disturbs neither clients nor streams.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
my $servers = bootstrap();
produce($topic, "{\"id\":1}\n");
my $session = KafkaSession->new($node);
$session->run(<<~"EOF");
	CREATE SERVER other FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers', client_id 'other');
	CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE TABLE copied (id int);
	CREATE FOREIGN DATA WRAPPER nothing;
	CREATE SERVER nothing FOREIGN DATA WRAPPER nothing;
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM t');
	EOF
is($session->error, '', 'tables and a stream are made');
becomes($node, 'postgres', 'SELECT count(*) FROM copied', 1, 'the stream runs');

# The threads of a process beside its first: those of its clients
sub clients
{
	my ($pid) = @_;
	return join(' ', sort grep { $_ != $pid } map { m{/(\d+)$} } glob("/proc/$pid/task/*"));
}
my $worker = backend_pid($node, "backend_type = 'kafka_fdw stream'");
isnt(clients($worker), '', 'and has a client');

# both are idle, and go on with the clients that they have
sub undisturbed
{
	my ($name, $sql) = @_;
	my $records = $session->run('SELECT count(*) FROM t') + 1;
	my %before = map { $_ => clients($_) } $session->pid, $worker;

	$node->safe_psql('postgres', $sql);
	produce($topic, "{\"id\":$records}\n");
	becomes($node, 'postgres', 'SELECT count(*) FROM copied', $records, "$name: the stream goes on");
	is($session->run('SELECT count(*) FROM t'), $records, "$name: the session reads");
	is(clients($session->pid), $before{ $session->pid }, "$name: with the client that it had");
	is(clients($worker), $before{$worker}, "$name: so does the stream");
	return;
}

undisturbed("another wrapper's tables", <<~'EOF');
	DO $$
	BEGIN
		FOR i IN 1 .. 20 LOOP
			EXECUTE format('CREATE FOREIGN TABLE n%s (id int) SERVER nothing', i);
			EXECUTE format('ALTER FOREIGN TABLE n%s OPTIONS (a %L)', i, 'b');
		END LOOP;
	END $$
	EOF
undisturbed("another wrapper's server and user mapping", 'CREATE USER MAPPING FOR CURRENT_USER SERVER nothing; DROP SERVER nothing CASCADE');
undisturbed('another server of this wrapper', "ALTER SERVER other OPTIONS (SET client_id 'another'); CREATE USER MAPPING FOR CURRENT_USER SERVER other");
undisturbed('another table of this wrapper', "CREATE FOREIGN TABLE u (id int) SERVER other OPTIONS (topic '$topic'); DROP FOREIGN TABLE u");
undisturbed('a reset of the caches', <<~'EOF');
	DO $$
	BEGIN
		FOR i IN 1 .. 400 LOOP
			EXECUTE format('CREATE TABLE r%s (a int, b int, c int, d int, e int, f int)', i);
		END LOOP;
	END $$
	EOF
unlike(slurp_file($node->logfile), qr/reads 1 partition of.*reads 1 partition of/s, 'the stream was opened once');

# what is ours is followed at once
my $clients = clients($session->pid);
$node->safe_psql('postgres', "ALTER SERVER k OPTIONS (ADD client_id 'new')");
like($session->run('SELECT count(*) FROM t'), qr/^\d+$/, 'a server is altered: the session reads');
isnt(clients($session->pid), $clients, 'with a new client');
my $records = $session->run('SELECT count(*) FROM t') + 1;
produce($topic, "{\"id\":$records}\n");
becomes($node, 'postgres', 'SELECT count(*) FROM copied', $records, 'and so does the stream');
like(slurp_file($node->logfile), qr/reads 1 partition of.*reads 1 partition of/s, 'which was opened anew');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT id) FROM copied'), $records, 'nothing is lost or there twice');
$node->stop;
done_testing();
