# The statement of a stream can be a CALL: what a procedure leaves of a batch is an error.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);

produce($topic, join('', map { "{\"id\":" . ($_ % 10) . ",\"n\":$_}\n" } 1 .. 100));
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE src (id int, n int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE target (id int PRIMARY KEY, n int);
	CREATE TABLE copied (id int, n int);
	INSERT INTO target SELECT i, 0 FROM generate_series(0, 9) i;
	EOF

my @left = (
	[ 'few', 'sql', 'INSERT INTO copied SELECT id, n FROM src LIMIT 5' ],
	[ 'nought', 'sql', 'INSERT INTO copied VALUES (1, 1)' ],
	[ 'one', 'plpgsql', 'DECLARE r record; BEGIN SELECT * INTO r FROM src; END' ],
	[ 'first', 'plpgsql', 'DECLARE r record; BEGIN SELECT * INTO r FROM src ORDER BY n; END' ],
	[ 'groups', 'plpgsql', 'DECLARE r record; BEGIN SELECT id, sum(n) INTO r FROM src GROUP BY id; END' ],
	[ 'part', 'plpgsql', 'DECLARE r record; BEGIN FOR r IN SELECT * FROM src LOOP EXIT WHEN r.n = 5; END LOOP; END' ],
	[ 'most', 'plpgsql', 'DECLARE c CURSOR FOR SELECT * FROM src; BEGIN OPEN c; MOVE FORWARD 99 FROM c; CLOSE c; END' ]);
foreach my $left (@left)
{
	my ($name, $language, $body) = @$left;
	$node->safe_psql('postgres', "CREATE PROCEDURE $name() LANGUAGE $language AS \$body\$ $body \$body\$");
	stream_fails($node, $name, "CALL $name()", qr/procedure "$name" has not used the whole batch/, "a procedure ($name)");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM copied'), 0, 'and none of them wrote anything');
$node->safe_psql('postgres', 'CREATE PROCEDURE counts() LANGUAGE plpgsql AS $$ BEGIN UPDATE target SET n = target.n + 1 FROM src WHERE src.id = target.id; END $$');
stream_fails($node, 'counts', 'CALL counts()', qr/cannot update table "target" from records/, 'a procedure that counts one record of a key');
foreach my $change ([ 'resets', "kafka.reset_stream('resets', 'earliest')", 'reset' ], [ 'drops', "kafka.drop_stream('drops')", 'drop' ])
{
	my ($name, $call, $verb) = @$change;
	$node->safe_psql('postgres', "CREATE PROCEDURE $name() LANGUAGE plpgsql AS \$\$ BEGIN PERFORM $call; INSERT INTO copied SELECT id, n FROM src; END \$\$");
	stream_fails($node, $name, "CALL $name()", qr/cannot $verb stream "$name" in its own statement/, "a procedure that ${verb}s its own stream");
}

my @all = (
	[ 'by_loop', 'plpgsql', 'DECLARE r record; BEGIN FOR r IN SELECT * FROM src LOOP INSERT INTO copied VALUES (r.id, r.n); END LOOP; END' ],
	[ 'by_cursor', 'plpgsql', 'DECLARE c CURSOR FOR SELECT * FROM src; r record; BEGIN
		FOR r IN SELECT * FROM src LIMIT 1 LOOP NULL; END LOOP; OPEN c;
		LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; INSERT INTO copied VALUES (r.id, r.n); END LOOP; CLOSE c; END' ],
	[ 'by_aggregate', 'plpgsql', 'DECLARE ns int[]; BEGIN SELECT array_agg(n) INTO ns FROM src; INSERT INTO copied SELECT 1, unnest(ns); END' ],
	[ 'by_cte', 'plpgsql', 'DECLARE n bigint; BEGIN
		WITH x AS (SELECT * FROM src), y AS (INSERT INTO copied SELECT id, x.n FROM x RETURNING 1) SELECT count(*) INTO n FROM y; END' ],
	[ 'by_join', 'plpgsql', 'BEGIN INSERT INTO copied SELECT t.id, 1 FROM target t LEFT JOIN src USING (id) WHERE src.id IS NULL;
		INSERT INTO copied SELECT id, n FROM src; END' ]);
foreach my $all (@all)
{
	my ($name, $language, $body) = @$all;
	$node->safe_psql('postgres', "TRUNCATE copied; CREATE PROCEDURE $name() LANGUAGE $language AS \$body\$ $body \$body\$;
		SELECT kafka.create_stream('$name', 'CALL $name()', source => 'src')");
	becomes($node, 'postgres', 'SELECT count(*) FROM copied', 100, "a procedure that reads all ($name)");
	$node->safe_psql('postgres', "SELECT kafka.drop_stream('$name')");
}

# Cursors that a procedure leaves open read nothing of what comes after
$node->safe_psql('postgres', <<~'EOF');
	TRUNCATE copied;
	ALTER TABLE copied ADD CONSTRAINT c CHECK (n % 40 <> 7);
	CREATE PROCEDURE leaves() LANGUAGE plpgsql AS $$
		DECLARE c refcursor := 'plain'; h refcursor := 'sorted'; g refcursor := 'grouped';
		BEGIN
			OPEN c FOR SELECT * FROM src;
			OPEN h SCROLL FOR SELECT * FROM src ORDER BY n;
			OPEN g FOR SELECT s.n FROM generate_series(1, 3) i, LATERAL (SELECT count(*) AS n FROM src WHERE n > i) s;
			MOVE 1 FROM g;
			EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT n FROM src';
			INSERT INTO copied SELECT id, n FROM src;
		END $$;
	SELECT kafka.create_stream('leaves', 'CALL leaves()', source => 'src', on_error => 'dead_letter');
	EOF
becomes($node, 'postgres', "SELECT count(*), (SELECT string_agg(_offset::text, ' ' ORDER BY _offset) FROM kafka.dead_letters) FROM copied",
	'97|6 46 86', 'they are closed before the next piece of a batch begins');

my $retry = "SELECT kafka.retry_dead_letters('leaves')";
my $session = sub {
	my ($status, $out, $err) = $node->psql('postgres', join('; ', @_));
	return $out . $err;
};
$node->safe_psql('postgres', 'ALTER TABLE copied DROP CONSTRAINT c');
my $over = qr/ERROR:  cannot go on reading "src": the batch that this scan reads is over/;
foreach my $cursor (qw(plain sorted grouped held))
{
	like($session->('BEGIN', $retry, "FETCH 3 FROM $cursor"), qr/^3\n?psql.*$over/s, "a cursor of dead letters that are run again ($cursor)");
}
like($session->('BEGIN', $retry, 'CLOSE ALL', 'FETCH 3 FROM plain'), qr/cursor "plain" does not exist/, 'can be closed');
like($session->($retry), qr/$over/, 'one that is held is an error when the transaction ends');
is($session->('BEGIN', 'DECLARE own CURSOR FOR SELECT n FROM src', 'MOVE 3 FROM own', $retry, 'FETCH 2 FROM own', 'CLOSE ALL', 'COMMIT'),
	"3\n4\n5", 'a cursor of the session itself goes on');
is($node->safe_psql('postgres', 'SELECT count(*) FROM copied'), 100, 'and they are no dead letters any more');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
