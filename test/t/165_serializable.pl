# At SERIALIZABLE our own tables are read as a snapshot shows them, whoever changes them meanwhile, and without being
# in anybody's way.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
	SELECT kafka.pause_stream('copy');
	EOF

# A row that is too long for its page: each version of it is elsewhere.
$node->safe_psql('postgres', <<~'EOF');
	CREATE PROCEDURE change() LANGUAGE plpgsql AS $$
	BEGIN
		LOOP
			UPDATE kafka.streams SET statement = rpad('INSERT INTO copied SELECT id FROM ids', 3000);
			COMMIT;
		END LOOP;
	END $$;
	CREATE PROCEDURE look(times int, INOUT not_once int, INOUT missing int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. times LOOP
			not_once := not_once + ((SELECT count(*) FROM kafka.stat_streams) <> 1)::int;
			BEGIN
				PERFORM kafka.explain_stream('copy');
			EXCEPTION WHEN undefined_object THEN
				missing := missing + 1;
			END;
			COMMIT;
		END LOOP;
	END $$;
	EOF
my $changing = KafkaSession->new($node);
my $looking = KafkaSession->new($node);
$changing->start('CALL change()');
$looking->run('SET default_transaction_isolation = serializable');
is($looking->run('CALL look(3000, 0, 0)', 120), '0|0', 'a stream that is changed is there, once, whenever one looks');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(" . $changing->pid . ')');
$changing->finish;

$looking->run("BEGIN; SELECT count(*) FROM kafka.stat_streams; SELECT kafka.explain_stream('copy')");
is($looking->run("SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND relation IN ('kafka.streams'::regclass, 'kafka.streams_pkey'::regclass)"),
	0, 'and who changes it then is in no conflict with that');
$looking->close;
$changing->close;
$node->stop;

done_testing();
