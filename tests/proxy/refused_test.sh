#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a backend that refuses costs its client an end and everybody else
# nothing; where there is another backend, not even that.
# Method: a port where nobody listens, alone and beside an echo; then
# somebody listens there.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

dead=$(free_port)
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$dead"
lines=$(proxy_lines)
run_peer count-ends "$listen" 1
assert_match "the client's end" "$figures" 'other=0'
what="a line about it" wait_until 10 has_line "$proxy_err" "127.0.0.1:$dead.*"
new=$(($(proxy_lines) - lines))
assert_eq "lines about one refusal" "$new" 1
assert_match "the line about it" "$(tail -n 1 "$proxy_err")" "127.0.0.1:$dead"
pass "a refusal: $(tail -n 1 "$proxy_err")"

start_bg echo "$backend" echo "$dead"
wait_port "$dead" "$pid"
run_peer stream "$listen" 100000 1 4
pass "the backend is used as soon as it listens"
stop_proxy

alive_port=$dead
dead=$(free_port)
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$dead" "127.0.0.1:$alive_port"
run_peer stream "$listen" 10000 1 40
pass "with a second backend, all of 40 clients are served"
stop_proxy
