#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    The scripts of perf/probes/ show what they promise.
# Method  bpftrace attaches each of them to a server under load; what the
#         script has printed at its end must have the opcodes, functions and
#         shards that the load has used.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"

scripts=perf/probes

command -v bpftrace >/dev/null 2>&1 ||
	skip "no bpftrace here; apt-get install bpftrace"
[ "$(id -u)" -eq 0 ] || skip "bpftrace is for root"
if [ -n "${SAN:-}" ]; then
	skip "a sanitizer's shadow memory is in bpftrace's way"
fi
timeout 60 bpftrace -e 'BEGIN { printf("works\n"); exit(); }' \
	>"$tmp/try.out" 2>&1
grep -q works "$tmp/try.out" ||
	skip "bpftrace may not work here: $(tail -n 1 "$tmp/try.out")"

# Before it attaches it says to how many. It keeps a descriptor for each but
# BEGIN and END, and one for each CPU.
has_attached()
{
	count=$(sed -n 's/^Attaching \([0-9]*\) .*/\1/p' "$tmp/trace.out" \
		2>/dev/null)
	have=$(find "/proc/$trace/fd" -lname '*perf_event*' | wc -l)
	[ "$have" -ge $((${count:-9999} - 2 + $(nproc))) ] || ! alive "$trace"
}

# attach SCRIPT ARGUMENT...
attach()
{
	script=$scripts/$1.bt
	shift
	BPFTRACE_STRLEN=32 start_bg trace bpftrace "$script" "$@"
	trace=$pid
	what="$script has attached" wait_until 30 has_attached
	alive "$trace" || fail "$script has ended"
}

# What it has printed at its end is in $tmp/trace.out. False: bpftrace 0.17
# now and then finds that a descriptor of its own is closed, and prints
# nothing, or does not end.
detach()
{
	kill -INT "$trace"
	tries=300
	while alive "$trace" && [ "$tries" -gt 0 ]; do
		sleep 0.05
		tries=$((tries - 1))
	done
	kill -KILL "$trace" 2>/dev/null
	wait "$trace" 2>/dev/null
	[ "$tries" -gt 0 ] &&
		! grep -q 'Error loading program: END' "$tmp/trace.err"
}

load()
{
	timeout 30 "$B/torc-load" "$@" >"$tmp/load.out" 2>&1 ||
		fail "torc-load $*"
}

# PATTERN...: each is in what the script has printed.
shows()
{
	for pattern; do
		grep -q -e "$pattern" "$tmp/trace.out" ||
			fail "$script shows '$pattern'"
	done
	pass "$script"
}

start_echo()
{
	port=$(free_port)
	start_bg echo "$B/examples/echo" "127.0.0.1:$port"
	wait_port "$port" "$pid"
}

# during LOAD SCRIPT ARGUMENT...
during()
{
	run_load=$1
	shift
	for try in 1 2 3; do
		attach "$@"
		"$run_load"
		detach && return 0
		echo "# $script: bpftrace has failed at its end, try $try"
	done
	skip "bpftrace fails at its end, whatever $script has found"
}

load_port()
{
	load echo --conns 4 --seconds 1 --warmup 0 "127.0.0.1:$port"
	load churn --conns 2 --seconds 1 --warmup 0 "127.0.0.1:$port"
}

# What a script prints at once must not be more than bpftrace can read.
load_port_slowly()
{
	load churn --conns 1 --seconds 1 --warmup 0 --rate 50 "127.0.0.1:$port"
}

# echo_under SCRIPT [ARGUMENT...]
echo_under()
{
	name=$1
	shift
	during load_port "$name" "$B/examples/echo" "$@"
}

start_echo
echo_under latency
shows '^@us\[send\]:' '^@us\[close\]:'
if grep -q '^@us\[\]' "$tmp/trace.out"; then
	fail "all opcodes have names"
fi

submit_point=tracepoint:io_uring:io_uring_submit_req
if ! io_uring_is_allowed || [ "${TORC_ENGINE:-kernel}" != kernel ]; then
	echo "# kernel.bt is not run: there is no io_uring here"
elif ! bpftrace -l "$submit_point" 2>/dev/null | grep -q .; then
	echo "# kernel.bt is not run: this kernel has no $submit_point"
else
	echo_under kernel
	shows '^@queued_us:' '^@kernel_us:' '^@ready_us:'
fi

echo_under tasks
shows '^@spawned\[serve\]: [1-9]' '^@function_run_us\[serve\]: [1-9]' \
	'^@function_run_ns\[accept_all\]:'

echo_under turns
shows '^@turn_us\[0\]:' '^@completions\[0\]:' '^@asleep_us\[0\]:'

during load_port_slowly stalls "$B/examples/echo" 1
shows '^shard [0-9]*: serve() ran for [1-9][0-9]* us' \
	'^@function_longest_us\[serve\]: [1-9]'

# A name is looked up in the pool.
scan_localhost()
{
	timeout 30 "$B/examples/scan" localhost 1 2 >"$tmp/scan.out" 2>&1
}
during scan_localhost blocking "$B/examples/scan"
shows '^@queue_us\[.*\]:' '^@run_us\[.*\]:'

back=$port
port=$(free_port)
start_proxy "127.0.0.1:$port" "127.0.0.1:$back"
load_proxy()
{
	load churn --conns 2 --seconds 1 --warmup 0 "127.0.0.1:$port"
}
during load_proxy proxy "$PROXY"
shows '^shard [0-9]*: [0-9]* ms, [1-9][0-9]* bytes to the backend' \
	'^@closed\[0\]: [1-9]' '^@connect_us:'
