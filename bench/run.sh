#!/bin/bash
# What kafka_fdw costs, beside its peers: librdkafka alone, kcat, file_fdw, COPY, Kafka Streams, a plain local commit.
# All on one broker and one server in one run, alternating; prints a table of medians, spreads and ratios.
#
#   bench/run.sh              every job; also writes doc/speed.md and doc/speed.svg
#   bench/run.sh JOB ...      some of those in bench/jobs.sh
#
# RECORDS (2000000) orders are read, a quarter of them is written, half of them joined with CUSTOMERS (100000)
# rows; the longest topic has LONG (10) times as many. RUNS (5) of each side, after one that does not count.
# Figures of one machine at one time: only the ratios of a run mean something.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/lib/common.sh
. "$here/../test/lib/common.sh"
export LC_ALL=C.UTF-8

RECORDS=${RECORDS:-2000000}
CUSTOMERS=${CUSTOMERS:-100000}
RUNS=${RUNS:-5}
LONG=${LONG:-10}
all=(count sums table parallel rows insert commit stream latency length idle)
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

wants() { [[ " ${jobs[*]} " == *" $1 "* ]]; }

start() {
	local topic i
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
		max_worker_processes = 140
		kafka_fdw.max_workers = 128
	EOF
	bash "$repo/test/sandbox.sh" reload "$dir"
	note "making $RECORDS orders"
	psql -X -q -v ON_ERROR_STOP=1 -v "dir=$dir/data" -v "csv=$dir/data/orders.csv" -v "records=$RECORDS" \
		-v "customers=$CUSTOMERS" -v "servers=$KAFKA_BOOTSTRAP_SERVERS" -c 'CREATE EXTENSION kafka_fdw' -f "$here/data.sql" >/dev/null
	for topic in orders orders_lines join_orders join_customers written enriched nothing long; do
		kafka_tool create-topic "$topic" 1
	done
	kafka_tool create-topic orders_4 4
	kafka_tool create-topic live 1 1 message.timestamp.type=LogAppendTime
	load orders <"$dir/data/orders.json"
	load orders_4 <"$dir/data/orders.json"
	load orders_lines <"$dir/data/orders.csv"
	head -n $((RECORDS / 4)) "$dir/data/orders.json" | cut -d '|' -f 2- >"$dir/lines.json"
	if wants length; then
		for ((i = 0; i < LONG; i++)); do load long <"$dir/data/orders.json"; done
	fi
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

# seconds_of COMMAND ...: the seconds that it takes
seconds_of() {
	local started=$EPOCHREALTIME
	"$@" >/dev/null
	seconds_since "$started"
}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f\n", b - a }'; }

# measure JOB SIDE COMMAND ...: appends job, side and the figures that the command prints
measure() {
	local job=$1 side=$2 figure figures
	shift 2
	figures=$("$@")
	[ -n "$figures" ] || die "no figure of $job: $side"
	for figure in $figures; do printf '%s\t%s\t%s\n' "$job" "$side" "$figure" >>"$dir/results"; done
}

# shellcheck source=bench/jobs.sh
. "$here/jobs.sh"


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
