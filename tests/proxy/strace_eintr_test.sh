#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a signal in the middle of a wait changes nothing.
# Method: strace makes every third io_uring_enter fail with EINTR, and then
# with EAGAIN, while streams run; they are exact. The epoll engine waits in
# other calls, and knows no EAGAIN of them.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs strace

# LeakSanitizer does not work under ptrace.
export ASAN_OPTIONS=detect_leaks=0
strace -o /dev/null true 2>/dev/null || skip "no ptrace here"
start_backend echo echo

waits=io_uring_enter
if [ "${TORC_ENGINE:-}" = epoll ] || ! io_uring_is_allowed; then
	waits=epoll_wait,epoll_pwait2
fi

# disturbed ERRNO WHEN
disturbed()
{
	listen=$(free_port)
	# With -D the proxy is our child, and strace is its grandchild.
	proxy_prefix="strace -D -f -qq -o $tmp/strace.out -e trace=$waits"
	proxy_prefix="$proxy_prefix -e inject=$waits:error=$1:when=$2"
	start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
	run_peer stream "$listen" 1-300000 1 8
	run_peer roundtrip "$listen" 100 64
	stop_proxy
	count=$(grep -c INJECTED "$tmp/strace.out")
	assert_at_least "calls that failed with $1" "$count" 5
	pass "8 streams are exact although $count calls failed with $1"
}

disturbed EINTR 2+3
[ "$waits" != io_uring_enter ] || disturbed EAGAIN 5+3
