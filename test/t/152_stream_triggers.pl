# What reads a stream's source while a batch is under way sees the batch: triggers, also deferred ones, and functions.
use strict;
use warnings;

use KafkaFdw;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE src (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE target (id int, seen bigint);
	CREATE TABLE seen (who text, n bigint, max int);
	CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO seen SELECT TG_NAME, count(*), max(id) FROM src;
		RETURN NULL;
	END \$\$;
	CREATE FUNCTION looked() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM src); END';
	CREATE TRIGGER at_once AFTER INSERT ON target EXECUTE FUNCTION look();
	CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON target DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION look();
	SELECT kafka.create_stream('copy', 'INSERT INTO target SELECT id, looked() FROM src');
	EOF

foreach my $id (1 .. 3)
{
	produce($topic, "{\"id\":$id}\n");
	becomes($node, 'postgres', 'SELECT max(id), max(seen) FROM target', "$id|1", "a function sees batch $id");
	is($node->safe_psql('postgres', "SELECT string_agg(who || ' ' || n, ', ' ORDER BY who) FROM seen WHERE max = $id"),
		'at_commit 1, at_once 1', 'and so do both triggers');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM src'), 3, 'everybody else sees the topic');

# A deferred trigger that fails takes the whole batch back.
$node->safe_psql('postgres', <<~'EOF');
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no row after 3'; END $$;
	CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON target DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
	EOF
produce($topic, "{\"id\":4}\n");
becomes($node, 'postgres', "SELECT state, last_error ~ 'no row after 3.*batch of 1 record' FROM kafka.stat_streams", 'failed|t', 'a deferred trigger fails');
is($node->safe_psql('postgres', 'SELECT count(*), max(next_offset) FROM target, kafka.offsets'), '3|3', 'the batch is taken back');
$node->safe_psql('postgres', "DROP TRIGGER fail ON target; SELECT kafka.resume_stream('copy')");
becomes($node, 'postgres', 'SELECT count(*), max(seen) FROM target', '4|1', 'and run again');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
