# The jobs of run.sh, each of which measures its sides once. To be sourced.
# The first side named for a job is the one that the others are compared with.
# shellcheck shell=bash disable=SC2154

read_by_kcat() { kcat -C -q -b "$KAFKA_BOOTSTRAP_SERVERS" -t "$1" -o beginning -e; }

job_count() {
	measure count 'librdkafka alone' "$dir/client_limit" consume "$KAFKA_BOOTSTRAP_SERVERS" orders 1 "$RECORDS"
	measure count kafka_fdw time_sql 'SELECT count(*) FROM orders'
	measure count kcat seconds_of read_by_kcat orders
}

sums='SELECT count(*), sum(id), sum(amount) FROM'
job_sums() {
	measure sums 'file_fdw, csv' time_sql "$sums orders_csv"
	measure sums 'kafka_fdw, csv' time_sql "$sums orders_lines"
	measure sums 'kafka_fdw, json' time_sql "$sums orders"
}

job_table() {
	local side from
	for side in 'file_fdw, csv: orders_csv' 'kafka_fdw, csv: orders_lines' 'kafka_fdw, json: orders'; do
		from=${side#*: }
		measure table "${side%: *}" time_sql "CREATE TABLE copied AS SELECT * FROM $from"
		run_sql 'DROP TABLE copied; CHECKPOINT'
	done
}

# Seconds of CPU of the server's processes that have ended
cpu_of_ended() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f\n", ($16 + $17) / hz }' "/proc/$(head -n 1 "$dir/data/postmaster.pid")/stat"; }

# parallel_cpu WORKERS: measures the time; prints the processor's
parallel_cpu() {
	local before
	before=$(cpu_of_ended)
	measure parallel "kafka_fdw, $1 workers" time_sql "$sums orders_4" "SET max_parallel_workers_per_gather = $1" \
		'SET parallel_setup_cost = 0' 'SET parallel_tuple_cost = 0' 'SET min_parallel_table_scan_size = 0'
	until [ "$(run_sql "SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('client backend', 'parallel worker')")" = 1 ]; do sleep 0.05; done
	sleep 0.1
	awk -v a="$before" -v b="$(cpu_of_ended)" 'BEGIN { printf "%.2f\n", b - a }'
}

job_parallel() {
	measure parallel_cpu 'kafka_fdw, 0 workers' parallel_cpu 0
	measure parallel_cpu 'kafka_fdw, 2 workers' parallel_cpu 2
}

job_rows() {
	local first='SELECT * FROM orders LIMIT 1' one="SELECT * FROM orders_at WHERE _partition = 0 AND _offset = $((RECORDS / 3))"
	local again
	measure rows 'a new session, the first record' time_sql "$first"
	mapfile -t again < <(yes "$first \g /dev/null" | head -n 9)
	measure rows 'the tenth time in a session' time_sql "$first" "${again[@]}"
	measure rows 'a new session, one offset' time_sql "$one"
	mapfile -t again < <(yes "$one \g /dev/null" | head -n 9)
	measure rows 'the tenth time in a session, one offset' time_sql "$one" "${again[@]}"
}

write_by_kcat() {
	kcat -P -b "$KAFKA_BOOTSTRAP_SERVERS" -t written -X acks=all -X enable.idempotence=true \
		-X queue.buffering.max.messages=1000000 <"$dir/lines.json"
}

until_published() { until [ "$(run_sql 'SELECT coalesce(sum(unsent), 0) FROM kafka.stat_outbox')" = 0 ]; do sleep 0.02; done; }

# outbox_seconds STATEMENT: until it is committed and all of it is published
outbox_seconds() {
	local started=$EPOCHREALTIME
	run_sql "$1"
	until_published
	seconds_since "$started"
}

job_insert() {
	local n=$((RECORDS / 4)) rows
	rows="SELECT * FROM orders_rows WHERE id < $n"
	measure insert 'COPY row_to_json TO /dev/null' time_sql "COPY (SELECT row_to_json(t) FROM ($rows) t) TO '/dev/null'"
	measure insert 'kafka_fdw, sync' time_sql "INSERT INTO written $rows"
	measure insert 'kafka_fdw, async, with kafka.flush()' \
		time_sql "DO \$\$ BEGIN INSERT INTO written_async $rows; PERFORM kafka.flush(); END \$\$"
	measure insert 'kafka_fdw, transactional' time_sql "INSERT INTO written_transactional $rows"
	measure insert 'kafka_fdw, outbox, until published' outbox_seconds "INSERT INTO written_outbox $rows"
	measure insert 'librdkafka alone, finished lines' "$dir/client_limit" produce "$KAFKA_BOOTSTRAP_SERVERS" written "$dir/lines.json"
	measure insert 'kcat, finished lines' seconds_of write_by_kcat
}

# commit_seconds TABLE: the seconds of each of 200 transactions in one session that write a local row, and a record unless
# TABLE is empty
commit_seconds() {
	(cd "$dir" && echo "BEGIN; INSERT INTO plain VALUES (1);${1:+ INSERT INTO $1 (id) VALUES (1);} COMMIT;" >commit.sql &&
		rm -f pgbench_log.* && pgbench -n -t 200 -l -f commit.sql >/dev/null 2>&1 &&
		awk '{ printf "%.6f\n", $3 / 1000000 }' pgbench_log.*)
}

job_commit() {
	measure commit 'a local row' commit_seconds ''
	measure commit 'and a record, sync' commit_seconds written
	measure commit 'and a record, transactional' commit_seconds written_transactional
	measure commit 'and a record, outbox' commit_seconds written_outbox
	until_published
	measure commit 'a record, librdkafka alone' "$dir/client_limit" acknowledge "$KAFKA_BOOTSTRAP_SERVERS" written 200
}

join='SELECT o.id, o.amount, o.created_at, c.name FROM join_orders o JOIN customers c ON c.id = o.customer_id'
target='TRUNCATE enriched; CHECKPOINT'

# create_stream STATEMENT: of a stream named bench
create_stream() { run_sql "SELECT kafka.create_stream('bench', '$1')" >/dev/null 2>&1; }

# until_read RECORDS: until it has committed so many
until_read() {
	until [ "$(run_sql "SELECT coalesce(sum(next_offset), 0) FROM kafka.offsets WHERE group_id = 'bench'")" = "$1" ]; do sleep 0.02; done
}

# stream_seconds TARGET: until all of the join is committed, and published where that is a topic
stream_seconds() {
	local started=$EPOCHREALTIME
	create_stream "INSERT INTO $1 $join"
	until_read $((RECORDS / 2))
	[ "$1" = enriched ] || until_published
	seconds_since "$started"
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
	run_sql "$target"
	measure stream 'one INSERT ... SELECT of the join' time_sql "INSERT INTO enriched $join"
	run_sql "$target"
	measure stream 'kafka_fdw, into a table' stream_seconds enriched
	run_sql "$target"
	measure stream 'kafka_fdw, into a topic by outbox' stream_seconds enriched_outbox
	measure stream 'Kafka Streams, exactly_once_v2, into a topic' kafka_streams_seconds
}

# latency_seconds RATE: for each record, from the broker's timestamp (a millisecond's start) to the commit
latency_seconds() {
	kafka_tool generate live -r "$1" -n $(($1 * 5 < 20000 ? $1 * 5 : 20000)) -m '{"id": {i}}' >/dev/null
	until [ "$(run_sql "SELECT coalesce(sum(lag), 1) FROM kafka.stat_streams WHERE stream = 'live'")" = 0 ]; do sleep 0.1; done
	run_sql 'SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - appended) FROM seen ORDER BY id'
	run_sql 'TRUNCATE seen'
}

# The stream goes on from run to run, as a new one would begin with the topic's first record
job_latency() {
	local rate
	run_sql CHECKPOINT
	if [ -z "$(run_sql "SELECT 1 FROM kafka.streams WHERE name = 'live'")" ]; then
		run_sql "SELECT kafka.create_stream('live', 'INSERT INTO seen SELECT id, _appended FROM live')" >/dev/null
		kafka_tool generate live -n 1 -m '{"id": 0}' >/dev/null
		until [ -n "$(run_sql 'SELECT 1 FROM seen LIMIT 1')" ]; do sleep 0.1; done
		run_sql 'TRUNCATE seen'
	fi
	for rate in 100 1000 10000; do
		measure latency "$rate records a second" latency_seconds "$rate"
	done
}

# length_seconds WHAT RECORDS STATEMENT: the seconds of a million records; the session's memory is a figure of its own
length_seconds() {
	local figures seconds
	figures=$(psql -X -q -A -t -v ON_ERROR_STOP=1 <<-EOF
		\timing on
		$3;
		\timing off
		SELECT 'Memory: ' || substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)');
	EOF
	)
	sed -n 's/^Memory: //p' <<<"$figures" | awk -v what="$1" '{ printf "memory\t%s\t%.1f\n", what, $1 / 1024 }' >>"$dir/results"
	seconds=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$figures")
	awk -v ms="$seconds" -v n="$2" 'BEGIN { printf "%.4f\n", ms * 1000 / n }'
}

# length_of_stream WHAT RECORDS: the same of a stream's worker, whose memory beside what is shared is looked at while it runs
length_of_stream() {
	local started pid=''
	create_stream 'INSERT INTO enriched SELECT id, amount, created_at, sku FROM orders'
	until pid=$(run_sql "SELECT pid FROM kafka.stat_streams WHERE stream = 'bench' AND pid IS NOT NULL") && [ -n "$pid" ]; do sleep 0.02; done
	started=$EPOCHREALTIME
	(while sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done) >"$dir/memory" &
	until [ "$(run_sql "SELECT coalesce(sum(next_offset), 0) >= $2 FROM kafka.offsets WHERE group_id = 'bench'")" = t ]; do sleep 0.02; done
	awk -v s="$(seconds_since "$started")" -v n="$2" 'BEGIN { printf "%.4f\n", s * 1000000 / n }'
	run_sql "SELECT kafka.drop_stream('bench')" >/dev/null
	wait
	sort -n "$dir/memory" | tail -n 1 | awk -v what="$1" '{ printf "memory\t%s\t%.1f\n", what, $1 / 1024 }' >>"$dir/results"
	run_sql "$target"
}

job_length() {
	local n what
	for n in $((RECORDS / 2)) $((RECORDS * LONG)); do
		measure length "a scan of $n" length_seconds "a scan of $n" "$n" "$sums long WHERE _offset < $n"
	done
	for n in $((RECORDS / 4)) "$RECORDS"; do
		what="an INSERT of $n"
		measure length "$what" length_seconds "$what" "$n" \
			"INSERT INTO written (id, sku) SELECT i, 'a text of some length' FROM generate_series(1, $n) i"
	done
	for n in $((RECORDS / 4)) "$RECORDS"; do
		measure length "a stream of $n" length_of_stream "a stream of $n" "$n"
	done
}

# cpu_percent PID ...: of one core, in four seconds
cpu_percent() {
	local before
	before=$(cpu_of "$@")
	sleep 4
	awk -v a="$before" -v b="$(cpu_of "$@")" 'BEGIN { printf "%.3f\n", (b - a) / 4e9 * 100 }'
}

# Nanoseconds of CPU of all threads that processes have now
cpu_of() {
	local pid
	for pid in "$@"; do cat "/proc/$pid/task/"*/schedstat 2>/dev/null || true; done | awk '{ ns += $1 } END { printf "%.0f\n", ns }'
}

idle="kafka.stat_streams WHERE stream LIKE 'idle%'"

# Once, with as many looks as there are runs
job_idle() {
	local pids broker i
	[ "$run" = "$RUNS" ] || return 0
	broker=$(cat "$KAFKA_DIR/node1/pid")
	for ((i = 0; i < RUNS; i++)); do
		measure idle 'the broker before' cpu_percent "$broker"
	done
	run_sql "SELECT kafka.create_stream('idle_' || i, 'INSERT INTO idle SELECT id FROM nothing') FROM generate_series(1, 100) i" >/dev/null
	until [ "$(run_sql "SELECT count(*) FROM $idle AND state = 'idle'")" = 100 ]; do sleep 0.2; done
	sleep 20 # until they sleep
	mapfile -t pids < <(run_sql "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('kafka_fdw stream', 'kafka_fdw sentry')")
	for ((i = 0; i < RUNS; i++)); do
		measure idle 'the broker of 100 idle streams' cpu_percent "$broker"
		measure idle '100 idle streams' cpu_percent "${pids[@]}"
	done
	run_sql "SELECT kafka.drop_stream(name) FROM kafka.streams WHERE name LIKE 'idle%'" >/dev/null
}
