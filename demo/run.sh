#!/bin/bash
# Two minutes with kafka_fdw on a real Apache Kafka broker and a PostgreSQL server, both started for this and
# gone afterwards. On a fresh Debian machine, run it as root: it installs what it needs by apt.
# At a terminal it ends in psql on the running system; without one it stops at once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/lib/common.sh
. "$here/../test/lib/common.sh"
unset KAFKA_BOOTSTRAP_SERVERS SANDBOX

interactive=''
if [ -t 0 ] && [ -t 1 ]; then interactive=yes; fi
bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

title() { printf '\n%s== %s ==%s\n' "$bold" "$1" "$plain"; }
say() { printf '\n%s%s%s\n' "$dim" "$1" "$plain"; }
# ... and drops the empty line that psql ends a table with
indent() { sed -e '${/^$/d}' -e 's/^/    /'; }

# Shows a statement, runs it, shows its answer.
sql() {
	printf '\n%s%s%s\n' "$bold" "$1" "$plain" | sed -e '2s/^/sql> /' -e '3,$s/^/     /' -e '2s/sql> \(\x1b\[1m\)/\1sql> /'
	psql -X -v ON_ERROR_STOP=1 -P footer=off -c "$1" 2>&1 | indent
}

# The same for a command.
shell() {
	printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
	bash -c "$1" 2>&1 | indent
}

value_of() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }

generator=''
start_orders() { # FIRST_ID
	setsid kafka_tool generate orders -r 50 -s "$1" -k '10{i%5}' \
		-m '{"id": {i}, "customer_id": 10{i%5}, "amount": {i%90}.{i%10}5}' >/dev/null &
	generator=$!
}

stop_orders() {
	[ -n "$generator" ] || return 0
	kill -TERM "$generator" 2>/dev/null || true
	wait "$generator" 2>/dev/null || true
	generator=''
}

dir=''
finish() {
	local status=$?
	trap - EXIT
	stop_orders
	if [ -n "$dir" ]; then
		say 'Stopping the broker and the server, removing their files.'
		bash "$repo/test/sandbox.sh" stop "$dir"
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title 'kafka_fdw: Kafka topics as tables'
say 'Installing what is missing, building the extension, starting a Kafka broker and a PostgreSQL server.'
bash "$repo/test/setup.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/kafka_fdw_demo.XXXXXX")
bash "$repo/test/sandbox.sh" start "$dir" >/dev/null
# shellcheck disable=SC1091
. "$dir/env.sh"
say "The broker listens on $KAFKA_BOOTSTRAP_SERVERS; everything lies in $dir."

title '1. A topic as a table'
kafka_tool create-topic orders 4
say 'A shop writes its orders to the topic "orders":'
shell "printf '%s\n' '101|{\"id\": 1, \"customer_id\": 101, \"amount\": 17.50}' \\
              '102|{\"id\": 2, \"customer_id\": 102, \"amount\": 80.00}' \\
              '101|{\"id\": 3, \"customer_id\": 101, \"amount\": 4.25}' | \\
        kcat -P -b \$KAFKA_BOOTSTRAP_SERVERS -t orders -K '|' -X partitioner=murmur2_random"
sql 'CREATE EXTENSION kafka_fdw;'
sql "CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$KAFKA_BOOTSTRAP_SERVERS');"
sql "CREATE FOREIGN TABLE orders (
    id bigint, amount numeric,
    customer_id int        OPTIONS (metadata 'key', field 'customer_id'),
    _partition int         OPTIONS (metadata 'partition'),
    _offset bigint         OPTIONS (metadata 'offset'),
    _timestamp timestamptz OPTIONS (metadata 'timestamp')
) SERVER k OPTIONS (topic 'orders');"
sql 'SELECT * FROM orders ORDER BY id;'
sql 'SELECT customer_id, count(*), sum(amount) FROM orders GROUP BY customer_id ORDER BY customer_id;'

title '2. INSERT writes to the topic, at COMMIT'
sql 'INSERT INTO orders (id, customer_id, amount) VALUES (4, 103, 99.90), (5, 104, 12.00);'
sql 'BEGIN; INSERT INTO orders (id, customer_id, amount) VALUES (6, 103, 1000000); ROLLBACK;'
say 'What other programs read (order 6 was rolled back, so it was never sent):'
shell "kcat -C -b \$KAFKA_BOOTSTRAP_SERVERS -t orders -e -q -f 'partition %p, offset %o, key %k: %s\n'"
[ "$(kafka_tool consume orders -c)" = 5 ] || die 'there should be five orders in the topic'

title '3. A stream: orders joined with customers, while orders keep coming'
sql 'CREATE TABLE customers (customer_id int PRIMARY KEY, name text);'
sql "INSERT INTO customers VALUES (100, 'Ada'), (101, 'Grace'), (102, 'Edgar'), (103, 'Barbara'), (104, 'Jim');"
sql 'CREATE TABLE enriched (order_id bigint, amount numeric, customer text, joined_at timestamptz DEFAULT clock_timestamp());'
sql "SELECT kafka.create_stream('enrich_orders',
  \$\$INSERT INTO enriched (order_id, amount, customer)
    SELECT o.id, o.amount, c.name FROM orders o JOIN customers c USING (customer_id)\$\$);"
say 'From now on a program writes 50 orders a second to the topic. The table follows:'
start_orders 1001
for _ in 1 2 3 4; do
	sleep 1
	sql 'SELECT count(*) AS joined, max(order_id) AS newest_order FROM enriched;'
done
sql 'SELECT * FROM enriched ORDER BY order_id DESC LIMIT 5;'
sql 'SELECT stream, state, records_in, records_out, batches FROM kafka.stat_streams;'

say 'Each order is joined exactly once. To count, the orders stop for a moment:'
stop_orders
orders=$(value_of 'SELECT count(*) FROM orders')
for _ in $(seq 100); do
	if [ "$(value_of 'SELECT count(*) FROM enriched')" -ge "$orders" ]; then break; fi
	sleep 0.1
done
sql 'SELECT (SELECT count(*) FROM orders) AS orders_in_topic,
       count(*) AS joined, count(DISTINCT order_id) AS different_orders FROM enriched;'
[ "$(value_of 'SELECT count(*) || '"' '"' || count(DISTINCT order_id) FROM enriched')" = "$orders $orders" ] ||
	die 'not every order was joined exactly once'

if [ -n "$interactive" ]; then
	start_orders 100001
	title 'Your turn'
	cat <<-'EOF'

		Orders are coming again. You are superuser in psql; for example:
		    SELECT count(*) FROM enriched \watch 1
		    INSERT INTO orders (id, customer_id, amount) VALUES (7, 100, 5.00);
		    UPDATE customers SET name = 'Ada Lovelace' WHERE customer_id = 100;
		    TABLE kafka.stat_streams;
		\q ends psql and stops everything.

	EOF
	trap '' INT
	HOME=$dir psql -X || true
	trap 'exit 130' INT
fi
