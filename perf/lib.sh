# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What the measuring scripts share. Sourced, with $B set to the build folder.
#
# Everything runs in a network namespace of its own where that is allowed:
# there every port is free, and the congestion control can be chosen for all
# parties alike, also for those without an option for it.

me=$(basename "$0")
work=$(mktemp -d)
pids=
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

die() {
	echo "$me: $*" >&2
	exit 1
}

stop() { # PID; gives it two seconds to end by itself
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null || return 0
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.2
	done
	kill -9 "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

stop_all() {
	for pid in $pids; do
		stop "$pid"
	done
	pids=
}

# Run this script again inside a namespace, once; "$@" are its arguments.
enter_namespace() {
	if [ "${TORC_PERF_NETNS:-}" = inside ]; then
		ip link set lo up
		# One attribute of the route gives every socket cubic, also
		# those of programs without an option for it.
		for net in 127.0.0.0/8 127.0.0.1; do
			ip route replace local "$net" dev lo table local \
				proto kernel scope host src 127.0.0.1 \
				congctl cubic 2>/dev/null || :
		done
		return 0
	fi
	[ "${TORC_PERF_NETNS:-}" != no ] || return 0
	command -v ip >/dev/null || return 0
	unshare -n true 2>/dev/null && flags=-n || flags=-rn
	unshare "$flags" true 2>/dev/null || return 0
	rm -rf "$work"
	TORC_PERF_NETNS=inside exec unshare "$flags" "$0" "$@"
}

# The congestion control of a socket on loopback.
congestion() {
	if ip route show table local 2>/dev/null | grep -q 'congctl cubic'; then
		echo cubic
	else
		cat /proc/sys/net/ipv4/tcp_congestion_control
	fi
}

# Sets cpu_server and cpu_load, both empty when there is only one CPU.
choose_cpus() {
	cpu_server='' cpu_load=''
	command -v taskset >/dev/null || return 0
	# shellcheck disable=SC2046
	set -- $(taskset -cp $$ | sed 's/.*: *//' | tr , '\n' |
		awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
	[ $# -ge 2 ] || return 0
	cpu_load=$1 cpu_server=$2
}

on_cpu() { # CPU COMMAND...
	cpu=$1
	shift
	[ -z "$cpu" ] || set -- taskset -c "$cpu" "$@"
	exec "$@"
}

is_listening() { # PORT
	hex=$(printf ':%04X' "$1")
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v p="$hex" 'index($2, p) && $4 == "0A" { f = 1 } END { exit !f }'
}

free_port() {
	port=$((20000 + $$ % 10000))
	while is_listening "$port" || [ "$port" = "${port_taken:-}" ]; do
		port=$((port + 1))
	done
	port_taken=$port
}

# Start COMMAND... on CPU and wait until PORT listens; sets $pid.
start() { # CPU PORT COMMAND...
	start_cpu=$1 start_port=$2
	shift 2
	(on_cpu "$start_cpu" "$@") >"$work/$start_port.log" 2>&1 &
	pid=$!
	pids="$pids $pid"
	tries=0
	until is_listening "$start_port"; do
		kill -0 "$pid" 2>/dev/null || {
			said=$(tail -n 1 "$work/$start_port.log")
			die "'$*' ended at once: ${said:-it said nothing}"
		}
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] ||
			die "'$*' does not listen on port $start_port"
		sleep 0.05
	done
}

ended() { # PID: forget it and end it
	stop "$1"
	rest=
	for pid in $pids; do
		[ "$pid" = "$1" ] || rest="$rest $pid"
	done
	pids=$rest
}

field() { # NAME LINE: the value of NAME=VALUE
	printf '%s\n' "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

median() { # FORMAT <values: prints one number
	sort -g | awk -v f="$1" '{ v[NR] = $1 } END {
		m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		printf f, m }'
}
