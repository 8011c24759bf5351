#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a slow reader slows its writer down, and costs neither memory nor
# anybody else's time.
# Method: 1 GiB for a client that does not read for 2 s, and 50 clients that
# send and never read; the proxy's highest memory is looked at afterwards.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

assert_bounded()
{
	grown=$(($(status_kib "$proxy_pid" VmHWM) - before))
	echo "memory grew by $grown KiB"
	# A sanitizer's own memory is not bounded by the proxy.
	is_sanitized || assert_at_most "KiB that memory grew" "$grown" 65536
}

start_backend source source 1073741824
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
before=$(status_kib "$proxy_pid" VmRSS)
run_peer slow-reader "$listen" 1024
assert_bounded
pass "1 GiB waits in the sender and arrives whole"
stop_proxy

start_backend echo echo
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
before=$(status_kib "$proxy_pid" VmRSS)
start_bg stuck "$peer" stuck "$listen" 50
stuck=$pid
what="50 clients are stuck" wait_until 60 has_line "$tmp/stuck.out" '^stuck 50'
cat "$tmp/stuck.out"
run_peer stream "$listen" 1000000 1 4
run_peer roundtrip "$listen" 1000 64
assert_bounded
pass "50 clients that never read do not stop the others"
kill -KILL "$stuck"
stop_proxy
