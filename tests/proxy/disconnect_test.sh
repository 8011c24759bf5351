#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: clients that leave at any moment and in any manner leave nothing
# behind and disturb nobody.
# Method: 200 clients at once, with a seed, that end, reset or half-close at
# random; then the proxy has as many descriptors as before and still serves.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

start_backend echo echo
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"

# The first connections may open what the proxy keeps.
run_peer stream "$listen" 100000 1 20
sleep 0.2
before=$(fd_count "$proxy_pid")

seed=${SEED:-$(date +%s)}
for round in 1 2 3; do
	run_peer random-disconnect "$listen" 200 $((seed + 1000 * round))
	what="descriptors are back to $before (seed $seed)" \
		wait_until 10 has_fds "$proxy_pid" "$before"
done
pass "after 3 times 200 clients there are $before descriptors, as before"

run_peer stream "$listen" 1000000 2 20
alive "$proxy_pid" || fail "the proxy lives (seed $seed)"
pass "it still serves"
stop_proxy
