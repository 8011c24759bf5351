#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a proxy that is started without standard input, output and error, as
# some cron jobs and daemons are, relays as any other.
# Method: all three are closed when it starts; then they are looked at, and
# bytes go through it.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

start_backend echo echo
listen=$(free_port)
# shellcheck disable=SC2016 # for the inner shell
start_bg proxy sh -c 'exec "$0" "$@" <&- >&- 2>&-' \
	"$PROXY" "127.0.0.1:$listen" "127.0.0.1:$port"
proxy_pid=$pid
wait_port "$listen" "$proxy_pid"
for fd in 0 1 2; do
	assert_eq "descriptor $fd" "$(readlink "/proc/$proxy_pid/fd/$fd")" /dev/null
done
run_peer stream "$listen" 100000 1 4
pass "without standard input, output and error it relays"
stop_proxy
