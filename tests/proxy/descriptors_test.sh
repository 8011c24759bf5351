#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: without a free descriptor nobody is accepted and dropped: accepting
# pauses and goes on, and the log says so without flooding.
# Method: 64 descriptors, --max-connections far above what they allow, 200
# clients at once; each must be served completely in the end.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs prlimit

start_backend echo echo
listen=$(free_port)
proxy_prefix="prlimit --nofile=64:64"
start_proxy --max-connections 1000 "127.0.0.1:$listen" "127.0.0.1:$port"
lines=$(proxy_lines)
run_peer stream "$listen" 1-100000 1 200
pass "all of 200 clients are served with 64 descriptors"
new=$(($(proxy_lines) - lines))
# Each of the two shards once for its clients and once for its backends.
assert_at_most "lines about it" "$new" 4
pass "it took $new lines to say so: $(tail -n 1 "$proxy_err")"

# And with clients that do not leave by themselves.
start_bg first "$peer" idle "$listen" 10
first=$pid
what="10 clients are served" wait_until 20 has_line "$tmp/first.out" '^idle 10'
run_peer stream "$listen" 1-100000 1 100
kill -USR1 "$first"
wait_exit "$first" 20
assert_eq "exit status of those who stayed" "$status" 0
pass "those who were there first are not disturbed"
stop_proxy
