#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: an idle connection costs next to nothing, and nothing once it is gone.
# Method: 9,000 idle connections through two shards within 20,000
# descriptors, each with a byte through an echo before and after; the proxy's
# anonymous memory (what it allocated, whoever backs it) for each, twice.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs prlimit

hard=$(prlimit --nofile --output HARD --noheadings --raw)
[ "$hard" = unlimited ] || [ "$hard" -ge 20000 ] ||
	skip "20,000 descriptors are needed, the limit is $hard"

# connections: holds 9,000, and sets $used_kib.
connections()
{
	start_bg "$1" "$peer" idle "$listen" 9000
	idle=$pid
	what="9,000 clients are served" \
		wait_until 120 has_line "$tmp/$1.out" '^idle 9000'
	used_kib=$(anonymous_kib "$proxy_pid")
	kill -USR1 "$idle"
	wait_exit "$idle" 60
	assert_eq "exit status of the clients" "$status" 0
	what="descriptors are back to $fds" \
		wait_until 30 has_fds "$proxy_pid" "$fds"
}

memory_is_back()
{
	[ "$(anonymous_kib "$proxy_pid")" -le "$allowed_kib" ]
}

start_backend echo echo
listen=$(free_port)
proxy_prefix="prlimit --nofile=20000:20000"
start_proxy --shards 2 "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer stream "$listen" 1000000 1 20
sleep 0.2
fds=$(fd_count "$proxy_pid")
before_kib=$(anonymous_kib "$proxy_pid")

connections first
each=$(((used_kib - before_kib) * 1024 / 9000))
echo "memory: $before_kib KiB before, $used_kib KiB with 9,000 connections"
# The stated goal. The epoll engine remembers by itself what is in flight.
most=1023
[ "${TORC_ENGINE:-}" != epoll ] && io_uring_is_allowed || most=2047
is_sanitized || assert_at_most "bytes for each connection" "$each" "$most"
pass "9,000 idle connections cost $each bytes each"

# What is kept for the next ones may not be much, and an allocator takes a
# moment to give pages back.
allowed_kib=$((before_kib + (used_kib - before_kib) / 4 + 1024))
is_sanitized || what="memory is back to $allowed_kib KiB at most" \
	wait_until 30 memory_is_back
pass "afterwards: $(anonymous_kib "$proxy_pid") KiB and $fds descriptors"

first_kib=$used_kib
connections second
is_sanitized || assert_at_most "KiB with 9,000 connections again" \
	"$used_kib" $((first_kib + 1024))
pass "9,000 more cost no more than the first ones"
stop_proxy
