# A stream's transactions have the isolation level that its owner's have. Where that keeps one snapshot, a row that somebody else has
# just inserted is met by a new one, and one that was there before is a duplicate all the same.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my %topics;

query('CREATE TABLE levels (level text)');
query(<<~'EOF');
	CREATE FUNCTION note_level() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO levels VALUES (current_setting('transaction_isolation')); RETURN NULL; END $$;
	EOF
foreach my $level ('repeatable read', 'serializable')
{
	foreach my $on_error ('dead_letter', 'stop')
	{
		my $topic = new_topic(1);
		my $name = substr($level, 0, 1) . "_$on_error";

		query("ALTER DATABASE postgres SET default_transaction_isolation = '$level'; TRUNCATE levels");
		query(<<~"EOF");
			CREATE FOREIGN TABLE ${name}_src (id int OPTIONS (metadata 'key'), name text, _offset bigint OPTIONS (metadata 'offset'),
				_tombstone boolean OPTIONS (metadata 'tombstone')) SERVER k OPTIONS (topic '$topic');
			SELECT kafka.materialize('$name', source => '${name}_src', into_table => '$name', on_error => '$on_error');
			CREATE TRIGGER note_level AFTER INSERT ON $name EXECUTE FUNCTION note_level();
			EOF
		my $session = KafkaSession->new($node);
		$session->run("BEGIN; INSERT INTO $name (id, name) VALUES (2, 'mine')");
		produce($topic, join('', map { "$_|{\"name\":\"theirs\"}\n" } 1 .. 3), '-K', '|');
		query_becomes("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'kafka_fdw stream'", 1, "$name waits for a row");
		$session->run('COMMIT');
		query_becomes("SELECT string_agg(id || name, ' ' ORDER BY id) FROM $name", '1theirs 2theirs 3theirs', "$name takes the row that was just inserted");
		is(query("SELECT count(*) FROM kafka.dead_letters"), 0, "$name sets no record aside");
		is(query('SELECT DISTINCT level FROM levels'), $level, "$name has the owner's isolation level");
		query("SELECT kafka.drop_stream('$name')");
	}
}

# So it is where an exclusion constraint is in the way
foreach my $level ('read committed', 'repeatable read')
{
	my $topic = new_topic(1);
	query("ALTER DATABASE postgres SET default_transaction_isolation = '$level'");
	query(<<~"EOF");
		CREATE FOREIGN TABLE ex_src (id int) SERVER k OPTIONS (topic '$topic');
		CREATE TABLE ex (id int, EXCLUDE (id WITH =));
		SELECT kafka.create_stream('ex', 'INSERT INTO ex SELECT id FROM ex_src s WHERE NOT EXISTS (SELECT FROM ex WHERE ex.id = s.id)', on_error => 'dead_letter');
		EOF
	my $session = KafkaSession->new($node);
	$session->run('BEGIN; INSERT INTO ex VALUES (2)');
	produce($topic, join('', map { "{\"id\":$_}\n" } 1 .. 3));
	query_becomes("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'kafka_fdw stream'", 1, "$level: a row is waited for");
	$session->run('COMMIT');
	query_becomes('SELECT array_agg(id ORDER BY id) FROM ex', '{1,2,3}', "$level: and seen the next time");
	is(query("SELECT count(*) FROM kafka.dead_letters"), 0, "$level: no record is set aside");
	query("SELECT kafka.drop_stream('ex'); DROP TABLE ex; DROP FOREIGN TABLE ex_src");
}

# Duplicates are poison at once: one more try of the batch finds all of them
my $topic = new_topic(1);
query(<<~"EOF");
	ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read';
	CREATE FOREIGN TABLE src (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE got (id int PRIMARY KEY);
	INSERT INTO got SELECT i * 20 FROM generate_series(0, 49) i;
	SELECT kafka.pause_stream('s') FROM kafka.create_stream('s', 'INSERT INTO got SELECT id FROM src', on_error => 'dead_letter');
	EOF
produce($topic, join('', map { "{\"id\":$_}\n" } 0 .. 999));
my $log = -s $node->logfile;
query("SELECT kafka.resume_stream('s')");
query_becomes('SELECT count(*) FROM got', 1000, 'what is new is inserted');
is(query("SELECT count(*), count(*) FILTER (WHERE _offset % 20 = 0 AND sqlstate = '23505') FROM kafka.dead_letters"), '50|50', 'what was there is set aside');
unlike(slurp_file($node->logfile, $log), qr/ERROR: |is stalled/, 'which is no trouble');
query("SELECT kafka.alter_stream('s', on_error => 'stop')");
produce($topic, "{\"id\":1000}\n{\"id\":20}\n");
query_becomes("SELECT state || (last_error ~ 'duplicate key value .*offset 1001') FROM kafka.stat_streams", 'failedtrue', 'or stops the stream');
query("SELECT kafka.skip_record('s')");
query_becomes('SELECT count(*) FROM kafka.dead_letters', 51, 'until it is skipped');
is(query("SELECT kafka.retry_dead_letters('s')"), 0, 'run again, they stay');
query('DELETE FROM got WHERE id = 20');
is(query("SELECT kafka.retry_dead_letters('s')"), 1, 'but for one whose row is gone');

# Where all are there, ten in a row end it, as at READ COMMITTED
query("SELECT kafka.alter_stream('s', on_error => 'dead_letter'); SELECT kafka.reset_stream('s', 'earliest')");
query_becomes("SELECT state || (last_error ~ '10 records in a row failed with SQLSTATE 23505') FROM kafka.stat_streams", 'failedtrue', 'a batch of nothing else ends the stream');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
