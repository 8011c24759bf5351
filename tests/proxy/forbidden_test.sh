#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: where io_uring is forbidden, torc-proxy serves all the same and says
# in one line why, what that costs and how to get it back; who insists on
# io_uring, or asks for what there is not, is told so in one line.
# Method: a seccomp filter that fails io_uring_setup with EPERM and with
# ENOSYS. EPERM is also what kernel.io_uring_disabled gives; that setting is
# for the whole machine, so it is left alone.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

unset TORC_ENGINE

# refuses NAME PATTERN COMMAND...: ends at once, with 1 and one line.
refuses()
{
	refusal=$1
	pattern=$2
	shift 2
	status=0
	timeout 10 "$@" "127.0.0.1:$(free_port)" 127.0.0.1:1 \
		>"$tmp/refused.out" 2>"$tmp/refused.err" </dev/null || status=$?
	[ "$status" -ne 77 ] || skip "no seccomp here: $(cat "$tmp/refused.err")"
	line=$(cat "$tmp/refused.err")
	assert_eq "exit status: $refusal" "$status" 1
	assert_eq "lines: $refusal" "$(wc -l <"$tmp/refused.err")" 1
	assert_match "line: $refusal" "$line" "$pattern"
	pass "$refusal: $line"
}

# goes_on ERRNO REMEDY: what the line must tell besides cause and loss.
goes_on()
{
	listen=$(free_port)
	proxy_prefix="$deny $1"
	start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
	run_peer stream "$listen" 1-1000000 1 50
	run_peer roundtrip "$listen" 200 64
	grep -v '^torc-proxy: listening on ' "$proxy_err" >"$tmp/said.out"
	line=$(cat "$tmp/said.out")
	stop_proxy
	assert_eq "lines with $1" "$(wc -l <"$tmp/said.out")" 1
	assert_match "what it does with $1" "$line" 'going on with epoll'
	assert_match "what it costs with $1" "$line" 'a system call for each'
	assert_match "the cause of $1" "$line" 'io_uring is (forbidden|missing)'
	assert_match "the remedy of $1" "$line" "$2"
	pass "50 streams are exact with $1: $line"
}

[ -x "$PROXY" ] || fail "there is no $PROXY; make builds it"
refuses 'EPERM, and io_uring insisted on' 'seccomp.*profile' \
	env TORC_ENGINE=kernel "$deny" EPERM "$PROXY"
refuses 'ENOSYS, and io_uring insisted on' 'CONFIG_IO_URING' \
	env TORC_ENGINE=kernel "$deny" ENOSYS "$PROXY"
refuses 'no such engine' 'TORC_ENGINE=nonsense.*there are kernel, epoll' \
	env TORC_ENGINE=nonsense "$PROXY"

start_backend echo echo

# To look for completions is an enter each time: it must not be left out.
listen=$(free_port)
proxy_prefix="env TORC_ENGINE=epoll"
start_proxy --busy-poll "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer roundtrip "$listen" 200 64
stop_proxy
pass "with --busy-poll epoll serves, and ends when it is told to"

goes_on EPERM 'io_uring_disabled=0.*seccomp profile'
goes_on ENOSYS 'Linux 6\.1 or later'
