# pg_upgrade: streams, positions and the outbox come along, nothing runs meanwhile, and afterwards they go on where they were.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = new_cluster('old');
my ($topic, $target) = (new_topic(2), new_topic(1));

sub produce_ids { produce($topic, join('', map { "{\"id\":$_}\n" } @_)); return; }

$old->safe_psql('postgres', <<~"EOF");
	CREATE ROLE ann LOGIN;
	GRANT EXECUTE ON FUNCTION kafka.create_stream TO ann;
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE results (id int) SERVER k OPTIONS (topic '$target', delivery 'outbox');
	CREATE TABLE copied (id int, batch xid8 DEFAULT pg_current_xact_id());
	GRANT SELECT ON ids TO ann;
	GRANT ALL ON copied TO ann;
	SELECT kafka.create_stream('publish', 'INSERT INTO results SELECT id FROM ids');
	SET ROLE ann;
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids', workers => 2, max_poll_records => 7, max_poll_bytes => 1000,
	  commit_interval => '20 ms', max_records_per_second => 1000, on_error => 'dead_letter', reject_limit => 3);
	SELECT kafka.create_stream('rests', 'INSERT INTO copied SELECT -id FROM ids');
	SELECT kafka.pause_stream('rests');
	EOF
produce_ids(1 .. 20);
becomes($old, 'postgres', 'SELECT count(*) FROM copied', 20, 'a stream runs');
becomes($old, 'postgres', "SELECT unsent, (SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 'publish') FROM kafka.stat_outbox", '0|20', 'and one that publishes');
my $definitions = 'SELECT s, o.* FROM kafka.streams s LEFT JOIN kafka.offsets o ON o.group_id = s.name ORDER BY s.name, o.partition';
my $before = $old->safe_psql('postgres', $definitions);
$old->stop;
produce_ids(21 .. 23);

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'kafka_fdw'\nmax_worker_processes = 32\nlog_line_prefix = '%b '");
$old->append_conf('postgresql.conf', "log_line_prefix = '%b '");
my $bindir = $old->config_data('--bindir');
chdir(PostgreSQL::Test::Utils::tempdir()) or die $!;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'a cluster with streams can be upgraded');

$new->start;
is($new->safe_psql('postgres', $definitions), $before, 'streams and positions have come along');
is($new->safe_psql('postgres', "SELECT DISTINCT state, last_error ~ 'copy of another one' FROM kafka.stat_streams WHERE stream <> 'rests'"),
	'paused|t', 'and are quiet');
is($new->safe_psql('postgres', 'SELECT count(*) FROM copied'), 20, 'nothing has run');
$new->safe_psql('postgres', "SELECT kafka.adopt_instance('keep')");
becomes($new, 'postgres', 'SELECT count(*), count(DISTINCT id) FROM copied', '23|23', 'until the database is adopted: then they go on where they were');
ok(poll_until(sub { kafka_tool('consume', $target, '-c') == 23 }, 60), 'also in their topics');
is($new->safe_psql('postgres', "SELECT s.state, usename FROM kafka.stat_streams s LEFT JOIN pg_stat_activity a USING (pid) WHERE stream = 'rests'"), 'paused|',
	'one that was paused still is');
is($new->safe_psql('postgres', "SELECT string_agg(DISTINCT usename, ' ') FROM kafka.stat_streams s JOIN pg_stat_activity a USING (pid) WHERE stream = 'copy'"), 'ann',
	'they run as their owners');
$new->safe_psql('postgres', 'SET ROLE ann; SELECT kafka.alter_stream(\'copy\', reset => \'{reject_limit}\', workers => 1)');
produce_ids(24);
becomes($new, 'postgres', 'SELECT count(*), count(DISTINCT id) FROM copied', '24|24', 'and can be altered');
$new->stop;

done_testing();
