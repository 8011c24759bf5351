#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: Unix sockets serve as well as TCP, on either side.
# Method: streams through a path, through an abstract name, and from each
# kind to the other.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

# The kernel's table of Unix sockets; 00010000 marks one that listens.
unix_listens()
{
	grep -q "00010000 .* $1\$" /proc/net/unix
}

start_unix_backend()
{
	start_bg "$1" "$backend" "$2" "$3"
	what="$3 listens" wait_until 10 unix_listens "$3"
}

# relays LISTEN BACKEND ADDRESS-FOR-PEER
relays()
{
	start_proxy "$1" "$2"
	run_peer stream "$3" 1-500000 1 20
	run_peer roundtrip "$3" 100 64
	stop_proxy
	pass "$1 to $2"
}

start_unix_backend echo1 echo "$tmp/echo"
start_unix_backend echo2 echo "@torc-test-echo-$$"
start_backend echo3 echo
listen=$(free_port)

relays "unix:$tmp/front" "unix:$tmp/echo" "$tmp/front"
relays "unix:$tmp/front" "127.0.0.1:$port" "$tmp/front"
relays "127.0.0.1:$listen" "unix:$tmp/echo" "$listen"
relays "@torc-test-front-$$" "@torc-test-echo-$$" "@torc-test-front-$$"

start_proxy "unix:$tmp/front" "unix:$tmp/echo" "127.0.0.1:$port"
run_peer stream "$tmp/front" 1-100000 1 40
pass "one backend of each kind behind one front"
stop_proxy
