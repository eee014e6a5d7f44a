#!/bin/bash
# Starts and stops a real Apache Kafka broker (KRaft, no ZooKeeper) for tests and the demo.
#
#   kafka.sh fetch                                   download Kafka into the cache, unless it is there
#   kafka.sh cached                                  is it there? (by the exit status)
#   kafka.sh start DIR [brokers=N] [property=value ...]
#   kafka.sh stop DIR [N]                            orderly; all nodes, or node N
#   kafka.sh kill9 DIR [N]                           at once
#   kafka.sh restart DIR [N]                         start again, after an orderly stop if it runs
#   kafka.sh pause DIR [N] | resume DIR [N]          SIGSTOP, SIGCONT
#   kafka.sh bootstrap DIR                           print the bootstrap address
#   kafka.sh tool CLASS ARGUMENT ...                 run one of Kafka's own command line tools
#
# Everything of a broker (properties, data, log, pid file) lies in DIR/node1, DIR/node2, ...; it listens on
# free ports of 127.0.0.1, which it keeps when it is started again. Only processes named by its own pid files
# are ever signalled. The jars lie in $KAFKA_FDW_CACHE (default: /var/cache/kafka_fdw for root, else
# kafka_fdw in the user's cache directory).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/lib/common.sh
. "$here/../lib/common.sh"

version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
jars=$(cache_dir)/kafka-$version

fetch() {
	[ -d "$jars" ] && return
	local tmp
	mkdir -p "$(dirname "$jars")"
	tmp=$(mktemp -d "$jars.XXXXXX")
	note "downloading Apache Kafka $version from Maven Central"
	# a Maven repository of its own: nothing but the jars stays behind
	if ! MAVEN_OPTS="-XX:-UsePerfData ${MAVEN_OPTS:-}" mvn -q -B -f "$here/pom.xml" \
		"-Dmaven.repo.local=$tmp/m2" dependency:copy-dependencies "-DoutputDirectory=$tmp/jars" >"$tmp/log" 2>&1; then
		cat "$tmp/log" >&2
		rm -rf "$tmp"
		die "could not download Apache Kafka"
	fi
	chmod -R a+rX "$tmp/jars"
	# whoever comes first wins; the directory is complete from the moment it exists
	mv -T "$tmp/jars" "$jars" 2>/dev/null || [ -d "$jars" ] || die "could not create $jars"
	rm -rf "$tmp"
}

# run_java HEAP [setsid] CLASS ARGUMENT ...: becomes the Java process
run_java() {
	local heap=$1 own_session=''
	shift
	[ "$1" = setsid ] && own_session=setsid && shift
	exec $own_session java "-Xmx$heap" -XX:-UsePerfData -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
		"-Dlog4j2.configurationFile=$here/log4j2.yaml" -cp "$jars/*" "$@"
}

nodes() {
	local d
	for d in "$1"/node*; do
		[ -d "$d" ] && echo "${d##*/node}"
	done
}

# The pid of node N if it runs. A pid that now belongs to another program is not ours.
pid_of() {
	local pid
	pid=$(cat "$1/node$2/pid" 2>/dev/null) || return 1
	tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$1/node$2/server.properties" || return 1
	echo "$pid"
}

# write_properties DIR NODE BROKERS PORTS PROPERTIES: PORTS are client ports, then controller ports
write_properties() {
	local dir=$1 node=$2 brokers=$3 ports=$4 i
	local -a port
	read -ra port <<<"$ports"
	local voters=''
	for ((i = 1; i <= brokers; i++)); do
		voters+=${voters:+,}$i@127.0.0.1:${port[brokers + i - 1]}
	done
	local copies=$((brokers < 3 ? 1 : 3))
	cat <<-EOF
		node.id=$node
		broker.rack=rack$node
		process.roles=broker,controller
		controller.quorum.voters=$voters
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://127.0.0.1:${port[node - 1]},CONTROLLER://127.0.0.1:${port[brokers + node - 1]}
		advertised.listeners=PLAINTEXT://127.0.0.1:${port[node - 1]}
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$dir/node$node/data
		num.network.threads=2
		num.io.threads=4
		auto.create.topics.enable=false
		delete.topic.enable=true
		group.initial.rebalance.delay.ms=0
		default.replication.factor=$copies
		min.insync.replicas=$((copies > 1 ? 2 : 1))
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=$copies
		transaction.state.log.num.partitions=4
		transaction.state.log.replication.factor=$copies
		transaction.state.log.min.isr=$((copies > 1 ? 2 : 1))
		share.coordinator.state.topic.replication.factor=$copies
		share.coordinator.state.topic.min.isr=$((copies > 1 ? 2 : 1))
		log.retention.ms=-1
		log.retention.check.interval.ms=1000
		log.cleaner.backoff.ms=500
		log.segment.delete.delay.ms=1000
		log.initial.task.delay.ms=500
		broker.session.timeout.ms=3000
		broker.heartbeat.interval.ms=500
		controlled.shutdown.enable=$([ "$brokers" -gt 1 ] && echo true || echo false)
	EOF
	printf '%s\n' "$5"
}

launch() {
	local dir=$1 node=$2
	pid_of "$dir" "$node" >/dev/null && die "node $node in $dir is already running"
	: >"$dir/node$node/log"
	(
		cd "$dir/node$node"
		(run_java 512m setsid kafka.Kafka "$dir/node$node/server.properties") </dev/null >>log 2>&1 &
		echo $! >pid
	)
}

await_up() {
	local dir=$1 node=$2 i
	for ((i = 0; i < 600; i++)); do
		grep -q 'Kafka Server started' "$dir/node$node/log" && return
		if ((i > 5)) && ! pid_of "$dir" "$node" >/dev/null; then
			tail -n 30 "$dir/node$node/log" >&2
			return 1
		fi
		sleep 0.1
	done
	tail -n 30 "$dir/node$node/log" >&2
	return 1
}

start() {
	local dir=$1 brokers=1 arg extra='' ports id node
	shift
	for arg in "$@"; do
		case $arg in
			brokers=*) brokers=${arg#brokers=} ;;
			*=*) extra+=$arg$'\n' ;;
			*) die "not property=value: $arg" ;;
		esac
	done
	[ -d "$dir/node1" ] && die "there is a broker in $dir already (restart starts it again)"
	fetch
	ports=$(free_ports $((2 * brokers)))
	id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c 1-22)
	for ((node = 1; node <= brokers; node++)); do
		mkdir -p "$dir/node$node"
		write_properties "$dir" "$node" "$brokers" "$ports" "$extra" >"$dir/node$node/server.properties"
		(run_java 128m kafka.tools.StorageTool format -t "$id" -c "$dir/node$node/server.properties") \
			>"$dir/node$node/format.log" 2>&1 || { cat "$dir/node$node/format.log" >&2; die "could not format node $node"; }
	done
	for node in $(nodes "$dir"); do launch "$dir" "$node"; done
	for node in $(nodes "$dir"); do
		await_up "$dir" "$node" || { kill9 "$dir"; die "node $node did not start, see $dir/node$node/log"; }
	done
}

stop() {
	local dir=$1 node pid i
	for node in ${2:-$(nodes "$dir")}; do
		if pid=$(pid_of "$dir" "$node"); then kill -TERM "$pid" 2>/dev/null || true; fi
	done
	for node in ${2:-$(nodes "$dir")}; do
		for ((i = 0; i < 200; i++)); do
			pid_of "$dir" "$node" >/dev/null || break
			sleep 0.1
		done
		kill9 "$dir" "$node"
	done
}

kill9() {
	local dir=$1 node pid
	for node in ${2:-$(nodes "$dir")}; do
		if pid=$(pid_of "$dir" "$node"); then
			kill -KILL "$pid" 2>/dev/null || true
			while pid_of "$dir" "$node" >/dev/null; do sleep 0.02; done
		fi
		rm -f "$dir/node$node/pid"
	done
}

restart() {
	local dir=$1 node
	stop "$@"
	for node in ${2:-$(nodes "$dir")}; do launch "$dir" "$node"; done
	for node in ${2:-$(nodes "$dir")}; do
		await_up "$dir" "$node" || die "node $node did not start, see $dir/node$node/log"
	done
}

signal() {
	local dir=$2 node pid
	for node in ${3:-$(nodes "$dir")}; do
		pid=$(pid_of "$dir" "$node") || die "node $node in $dir does not run"
		kill "-$1" "$pid"
		# a thread goes on until it is its turn to stop, which takes a while on a busy machine
		while [ "$1" = STOP ] && grep -qs '^State:[[:space:]][^T]' /proc/"$pid"/task/*/status; do sleep 0.01; done
	done
}

bootstrap() {
	local node list=''
	for node in $(nodes "$1"); do
		list+=${list:+,}$(sed -n 's:^advertised.listeners=PLAINTEXT...\([^,]*\).*:\1:p' "$1/node$node/server.properties" | tail -n 1)
	done
	[ -n "$list" ] || die "no broker in $1"
	echo "$list"
}

[ $# -ge 1 ] || die "usage: kafka.sh fetch | start | stop | kill9 | restart | pause | resume | bootstrap | tool ..."
verb=$1
shift
case $verb in
	fetch) fetch ;;
	cached) [ -d "$jars" ] ;;
	tool) fetch && run_java 256m "$@" ;;
	start | stop | kill9 | restart | pause | resume | bootstrap)
		[ $# -ge 1 ] || die "kafka.sh $verb needs a directory"
		[ "$verb" = start ] && { fetch; mkdir -p "$1"; }
		[ -d "$1" ] || die "no such directory: $1"
		dir=$(cd "$1" && pwd)
		shift
		# a broker belongs to the owner of its directory, whoever asks
		owner=$(stat -c %U "$dir")
		if [ "$(id -u)" = 0 ] && [ "$owner" != root ]; then
			exec runuser -u "$owner" -- env "HOME=$dir" "KAFKA_FDW_CACHE=$(cache_dir)" \
				bash "$here/kafka.sh" "$verb" "$dir" "$@"
		fi
		case $verb in
			pause) signal STOP "$dir" "$@" ;;
			resume) signal CONT "$dir" "$@" ;;
			*) "$verb" "$dir" "$@" ;;
		esac
		;;
	*) die "unknown verb: $verb" ;;
esac
