#!/bin/bash
# What kafka_fdw costs, beside its peers: librdkafka alone, file_fdw, COPY, Kafka Streams, a plain local commit.
# All on one broker and one server in one run, alternating; prints a table of medians, spreads and ratios.
#
#   bench/run.sh              every job; also writes doc/speed.md and doc/speed.svg
#   bench/run.sh JOB ...      some: count sums table rows insert commit stream latency
#
# RECORDS (2000000) orders are read, a quarter of them is written, half of them joined with CUSTOMERS (100000)
# rows. RUNS (5) of each side, after one that does not count. Figures of one machine at one time: only the ratios of a run mean something.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/lib/common.sh
. "$here/../test/lib/common.sh"
export LC_ALL=C.UTF-8

RECORDS=${RECORDS:-2000000}
CUSTOMERS=${CUSTOMERS:-100000}
RUNS=${RUNS:-5}
all=(count sums table rows insert commit stream latency)
jobs=("$@")
[ $# -gt 0 ] || jobs=("${all[@]}")

dir=''
finish() {
	local status=$?
	trap - EXIT
	[ -z "$dir" ] || bash "$repo/test/sandbox.sh" stop "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What this needs beside the tests' packages
install_more() {
	local need=()
	command -v javac >/dev/null || need+=(default-jdk-headless)
	command -v gnuplot >/dev/null || need+=(gnuplot-nox)
	[ ${#need[@]} = 0 ] && return
	[ "$(id -u)" = 0 ] || die "missing: ${need[*]}"
	note "installing ${need[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${need[@]}" >/dev/null
}

streams_jars() {
	local jars tmp
	jars=$(cache_dir)/streams-$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
	if [ ! -d "$jars" ]; then
		tmp=$(mktemp -d "$jars.XXXXXX")
		note "downloading Kafka Streams from Maven Central"
		mvn -q -B -f "$here/pom.xml" "-Dmaven.repo.local=$tmp/m2" dependency:copy-dependencies \
			"-DoutputDirectory=$tmp/jars" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; die "could not download Kafka Streams"; }
		chmod -R a+rX "$tmp/jars"
		mv -T "$tmp/jars" "$jars"
		rm -rf "$tmp"
	fi
	echo "$jars"
}

start() {
	install_more
	dir=$(mktemp -d "${TMPDIR:-/tmp}/kafka_fdw_bench.XXXXXX")
	note "starting a broker and a server in $dir"
	bash "$repo/test/sandbox.sh" start "$dir" >/dev/null
	# shellcheck disable=SC1091
	. "$dir/env.sh"
	cat >>"$dir/data/postgresql.conf" <<-EOF
		fsync = on
		shared_buffers = 1GB
		max_wal_size = 8GB
		work_mem = 64MB
		track_commit_timestamp = on
	EOF
	bash "$repo/test/sandbox.sh" reload "$dir"
	note "making $RECORDS orders"
	psql -X -q -v ON_ERROR_STOP=1 -v "dir=$dir/data" -v "csv=$dir/data/orders.csv" -v "records=$RECORDS" \
		-v "customers=$CUSTOMERS" -v "servers=$KAFKA_BOOTSTRAP_SERVERS" -c 'CREATE EXTENSION kafka_fdw' -f "$here/data.sql" >/dev/null
	kafka_tool create-topic orders 1
	kafka_tool create-topic orders_lines 1
	kafka_tool create-topic join_orders 1
	kafka_tool create-topic join_customers 1
	kafka_tool create-topic written 1
	kafka_tool create-topic live 1 1 message.timestamp.type=LogAppendTime
	load orders <"$dir/data/orders.json"
	load orders_lines <"$dir/data/orders.csv"
	head -n $((RECORDS / 2)) "$dir/data/orders.json" | load join_orders
	load join_customers <"$dir/data/customers.txt"
	cc -O2 -o "$dir/client_limit" "$here/client_limit.c" -lrdkafka
}

load() { kcat -P -b "$KAFKA_BOOTSTRAP_SERVERS" -t "$1" -K '|' -X queue.buffering.max.messages=1000000; }

run_sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }

# time_sql STATEMENT [STATEMENT before ...]: the seconds that the server takes for it, in a new session
time_sql() {
	local statement=$1 before
	shift
	{
		echo "SELECT count(*) FROM pg_class \\g /dev/null"
		for before in "$@"; do echo "$before;"; done
		printf '\\timing on\n%s;\n' "$statement"
	} | psql -X -q -A -t -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ printf "%.4f\n", $1 / 1000 }'
}

# measure JOB SIDE COMMAND ...: appends job, side and the seconds that the command prints
measure() {
	local job=$1 side=$2 seconds figures
	shift 2
	figures=$("$@")
	[ -n "$figures" ] || die "no figure of $job: $side"
	for seconds in $figures; do printf '%s\t%s\t%s\n' "$job" "$side" "$seconds" >>"$dir/results"; done
}

# The first side named for a job is the one that the others are compared with.
job_count() {
	measure count 'librdkafka alone' "$dir/client_limit" consume "$KAFKA_BOOTSTRAP_SERVERS" orders 1 "$RECORDS"
	measure count kafka_fdw time_sql 'SELECT count(*) FROM orders'
}

sums='SELECT count(*), sum(id), sum(amount) FROM'
job_sums() {
	measure sums 'file_fdw, csv' time_sql "$sums orders_csv"
	measure sums 'kafka_fdw, csv' time_sql "$sums orders_lines"
	measure sums 'kafka_fdw, json' time_sql "$sums orders"
}

job_table() {
	measure table 'file_fdw, csv' time_sql 'CREATE TABLE copied AS SELECT * FROM orders_csv'
	run_sql 'DROP TABLE copied; CHECKPOINT'
	measure table 'kafka_fdw, csv' time_sql 'CREATE TABLE copied AS SELECT * FROM orders_lines'
	run_sql 'DROP TABLE copied; CHECKPOINT'
	measure table 'kafka_fdw, json' time_sql 'CREATE TABLE copied AS SELECT * FROM orders'
	run_sql 'DROP TABLE copied; CHECKPOINT'
}

job_rows() {
	local one="SELECT * FROM orders_at WHERE _partition = 0 AND _offset = $((RECORDS / 3))"
	measure rows 'a new session, the first record' time_sql 'SELECT * FROM orders LIMIT 1'
	measure rows 'the same session again' time_sql 'SELECT * FROM orders LIMIT 1' 'SELECT * FROM orders LIMIT 1 \g /dev/null'
	measure rows 'a new session, one offset' time_sql "$one"
	measure rows 'the same session again, one offset' time_sql "$one" "$one \\g /dev/null"
}

job_insert() {
	local n=$((RECORDS / 4))
	measure insert 'COPY row_to_json TO /dev/null' \
		time_sql "COPY (SELECT row_to_json(t) FROM (SELECT * FROM orders_rows WHERE id < $n) t) TO '/dev/null'"
	measure insert 'kafka_fdw, delivery sync' time_sql "INSERT INTO written SELECT * FROM orders_rows WHERE id < $n"
}

# commit_seconds SCRIPT: the seconds of each of 500 transactions in one session
commit_seconds() {
	(cd "$dir" && echo "$1" >commit.sql && rm -f pgbench_log.* && pgbench -n -t 500 -l -f commit.sql >/dev/null 2>&1 &&
		awk '{ printf "%.6f\n", $3 / 1000000 }' pgbench_log.*)
}

job_commit() {
	run_sql 'CREATE TABLE IF NOT EXISTS plain (id bigint)'
	measure commit 'a local row' commit_seconds 'INSERT INTO plain VALUES (1);'
	measure commit 'and a record, delivery sync' commit_seconds 'BEGIN; INSERT INTO plain VALUES (1); INSERT INTO written (id) VALUES (1); COMMIT;'
}

join='SELECT o.id, o.amount, o.created_at, c.name FROM join_orders o JOIN customers c ON c.id = o.customer_id'
target='TRUNCATE enriched; CHECKPOINT'

stream_seconds() {
	local started=$EPOCHREALTIME
	run_sql "SELECT kafka.create_stream('bench', 'INSERT INTO enriched $join')" >/dev/null
	until [ "$(run_sql "SELECT coalesce(sum(next_offset), 0) FROM kafka.offsets WHERE group_id = 'bench'")" = $((RECORDS / 2)) ]; do
		sleep 0.02
	done
	awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f\n", b - a }'
	run_sql "SELECT kafka.drop_stream('bench')" >/dev/null
}

kafka_streams_seconds() {
	kafka_tool create-topic --replace streams_output 1
	java -Xmx1g -XX:-UsePerfData "-Dlog4j2.configurationFile=$repo/test/kafka/log4j2.yaml" \
		-cp "$(streams_jars)/*:$(cache_dir)/kafka-$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$repo/test/kafka/pom.xml")/*" \
		"$here/StreamJoin.java" "$KAFKA_BOOTSTRAP_SERVERS" join_orders join_customers streams_output $((RECORDS / 2)) exactly_once_v2 global 2>"$dir/streams.log" |
		grep -E '^[0-9.]+$'
}

job_stream() {
	run_sql 'CREATE TABLE IF NOT EXISTS enriched (id bigint, amount numeric(12, 2), created_at timestamp, name text)'
	run_sql "$target"
	measure stream 'one INSERT ... SELECT of the join' time_sql "INSERT INTO enriched $join"
	run_sql "$target"
	measure stream 'kafka_fdw, a stream' stream_seconds
	run_sql "$target"
	measure stream 'Kafka Streams, exactly_once_v2' kafka_streams_seconds
}

# latency_seconds RATE: for each record, from the broker's timestamp (a millisecond's start) to the commit
latency_seconds() {
	kafka_tool generate live -r "$1" -n $(($1 * 5 < 20000 ? $1 * 5 : 20000)) -m '{"id": {i}}' >/dev/null
	until [ "$(run_sql "SELECT coalesce(sum(lag), 1) FROM kafka.stat_streams WHERE stream = 'live'")" = 0 ]; do sleep 0.1; done
	run_sql 'SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - appended) FROM seen ORDER BY id'
	run_sql 'TRUNCATE seen'
}

job_latency() {
	local rate
	if [ -z "$(run_sql "SELECT 1 FROM kafka.streams WHERE name = 'live'")" ]; then
		run_sql 'CREATE TABLE seen (id bigint, appended timestamptz)'
		run_sql "SELECT kafka.create_stream('live', 'INSERT INTO seen SELECT id, _appended FROM live')" >/dev/null
		kafka_tool generate live -n 1 -m '{"id": 0}' >/dev/null
		until [ -n "$(run_sql 'SELECT 1 FROM seen LIMIT 1')" ]; do sleep 0.1; done
		run_sql 'TRUNCATE seen'
	fi
	for rate in 100 1000 10000; do
		measure latency "$rate records a second" latency_seconds "$rate"
	done
}

machine() {
	printf '%s, %s cores, %s of memory; PostgreSQL %s, librdkafka %s, Kafka %s, %s; %s\n' \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
		"$(awk '/MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo)" \
		"$(run_sql "SELECT split_part(current_setting('server_version'), ' ', 1)")" \
		"$(pkg-config --modversion rdkafka 2>/dev/null || echo unknown)" \
		"$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$repo/test/kafka/pom.xml")" "$(uname -sr)" "$(date +%F)"
}

for job in "${jobs[@]}"; do
	declare -F "job_$job" >/dev/null || die "no such job: $job (${all[*]})"
done
start
for ((run = 0; run <= RUNS; run++)); do
	# the first one warms up
	if [ "$run" = 1 ]; then : >"$dir/results"; fi
	for job in "${jobs[@]}"; do
		note "run $run: $job"
		"job_$job"
	done
done
out=$dir
[ $# -gt 0 ] || out=$repo/doc
perl "$here/report.pl" "$RECORDS" "$RUNS" "$(machine)" "$out" <"$dir/results"
[ $# -gt 0 ] || note "wrote doc/speed.md and doc/speed.svg"
