# Records that a statement does not read, as its conditions need no more of them, are looked at all the same: one that cannot be
# decoded is never lost.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);

# What none of the statements below reads to its end: two records are bad, one in a column that not all of them use
produce($topic, join('', map { "{\"id\":$_,\"v\":$_}\n" } 0 .. 7) . "bad json\n{\"id\":9,\"v\":\"x\"}\n{\"id\":10,\"v\":1}\n");
query(<<~"EOF");
	CREATE FOREIGN TABLE src (id int, v int, _offset bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE lenient (id int, v int) SERVER k OPTIONS (topic '$topic', on_error 'ignore');
	CREATE TABLE dim (id int PRIMARY KEY);
	CREATE TABLE got (id int, v int);
	CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM count(*) FROM src; RETURN NULL; END \$\$;
	EOF

my $letters = "SELECT count(*), string_agg(_offset || ' ' || stage || ' ' || sqlstate, ', ' ORDER BY _offset) FROM kafka.dead_letters WHERE stream = 's'";
my $read = "SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 's'";
my $both = '2|8 decode 22P02, 9 decode 22P02';

# A stream with these settings, until it has read all; then it is dropped
sub sets_aside
{
	my ($statement, $expected, $name, $settings) = @_;
	query("SELECT kafka.create_stream('s', \$s\$$statement\$s\$" . ($settings // '') . ", on_error => 'dead_letter')");
	query_becomes($read, 11, "$name: all is read");
	is(query($letters), $expected, "$name: what cannot be decoded is set aside, once");
	query("SELECT kafka.drop_stream('s'); TRUNCATE got");
	return;
}

sub procedure
{
	my ($name, $body) = @_;
	query("CREATE OR REPLACE PROCEDURE $name() LANGUAGE plpgsql AS \$body\$ $body \$body\$");
	return;
}

my @unread = (
	[ 'INSERT INTO got SELECT src.id FROM src JOIN dim ON dim.id = src.id', 'a join with an empty table' ],
	[ 'INSERT INTO got SELECT dim.id FROM dim, LATERAL (SELECT id FROM src WHERE src.id = dim.id) s', 'a loop of no rows' ],
	[ 'INSERT INTO got SELECT id FROM (SELECT id, row_number() OVER () AS n FROM src) s WHERE n <= 3', 'a window that is left' ],
	[ 'INSERT INTO got SELECT 1 WHERE EXISTS (SELECT FROM src)', 'a question' ],
	[ "INSERT INTO got SELECT id FROM src WHERE current_date < '2000-01-01'", 'a condition that holds for none' ],
	[ 'INSERT INTO got SELECT id FROM src WHERE false', 'no condition that can hold' ]);
sets_aside($_->[0], $both, $_->[1]) foreach @unread;
sets_aside('INSERT INTO got SELECT id FROM src WHERE _offset < 3', $both, 'a condition on what is read');
sets_aside('INSERT INTO got SELECT lenient.id FROM lenient JOIN dim USING (id)', '0|', 'a table that gets over bad records');
procedure('p', 'BEGIN INSERT INTO got SELECT src.id FROM src JOIN dim USING (id); END');
sets_aside('CALL p()', $both, 'a procedure with such a join', ", source => 'src'");
procedure('p', "DECLARE c CURSOR FOR SELECT * FROM src; r record; BEGIN OPEN c; FETCH c INTO r;
	INSERT INTO got SELECT src.id FROM src JOIN dim USING (id); FETCH c INTO r; END");
sets_aside('CALL p()', $both, 'a procedure that reads a part, too', ", source => 'src'");
procedure('p', 'BEGIN PERFORM count(*) FROM src; INSERT INTO got SELECT src.id FROM src JOIN dim USING (id); END');
sets_aside('CALL p()', $both, 'a procedure that reads all, too', ", source => 'src'");
query('CREATE TRIGGER logs AFTER INSERT ON got FOR EACH ROW EXECUTE FUNCTION logs()');
sets_aside('INSERT INTO got SELECT 1 WHERE EXISTS (SELECT FROM src)', $both, 'a trigger that reads all, too');
query('DROP TRIGGER logs ON got');

# With "stop" the columns count that the statement uses
sub stops_at
{
	my ($statement, $offset, $name, $settings) = @_;
	query("SELECT kafka.create_stream('s', \$s\$$statement\$s\$" . ($settings // '') . ")");
	query_becomes("SELECT state || (last_error ~ 'partition 0, offset $offset') FROM kafka.stat_streams WHERE stream = 's'", 'failedtrue', "$name stops");
	query("SELECT kafka.skip_record('s')");
	return;
}

sub ends
{
	my ($name) = @_;
	query_becomes($read, 11, "$name: then all is read");
	query("SELECT kafka.drop_stream('s'); TRUNCATE got");
	return;
}
stops_at('INSERT INTO got SELECT src.id FROM src JOIN dim ON dim.id = src.id', 8, 'a join that needs a column');
ends('a column');
stops_at('INSERT INTO got SELECT src.id, src.v FROM src JOIN dim ON dim.id = src.id', 8, 'a join that needs two columns');
query_becomes("SELECT last_error ~ 'offset 9, column \"v\"' FROM kafka.stat_streams WHERE stream = 's'", 't', 'and again');
query("SELECT kafka.skip_record('s')");
ends('two columns');
query("SELECT kafka.create_stream('s', 'INSERT INTO got SELECT 1 WHERE EXISTS (SELECT FROM src)')");
ends('no column');

# What a query of a procedure used and another one read is no concern of each other; what was rolled back was not used
procedure('p', 'DECLARE r record; BEGIN PERFORM count(v) FROM src WHERE id < 0 AND false; PERFORM count(id) FROM src JOIN dim USING (id);
	INSERT INTO got SELECT _offset FROM src; END');
stops_at('CALL p()', 8, 'a query that another one does not replace', ", source => 'src'");
ends('queries of a procedure');
procedure('p', "BEGIN INSERT INTO got SELECT id, v FROM src; EXCEPTION WHEN invalid_text_representation THEN INSERT INTO got SELECT _offset FROM src; END");
query("SELECT kafka.create_stream('s', 'CALL p()', source => 'src')");
query_becomes('SELECT count(*), count(v) FROM got', '11|0', 'a procedure that gets over bad records by itself');
ends('and does not stop');

# Dead letters that are run again are looked at, too
query("SELECT kafka.create_stream('s', 'INSERT INTO got SELECT src.id FROM src JOIN dim ON dim.id = src.id', on_error => 'dead_letter')");
query_becomes($read, 11, 'a stream sets them aside');
is(query("SELECT kafka.retry_dead_letters('s')"), 0, 'run again, they stay');
is(query($letters), $both, 'what they are');
query('ALTER FOREIGN TABLE src ALTER COLUMN v TYPE text');
is(query("SELECT kafka.retry_dead_letters('s')"), 1, 'but for one that can be decoded');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
