#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: where io_uring is forbidden, torc-proxy says so in one line with the
# remedy, and exits with 1.
# Method: a seccomp filter that fails io_uring_setup with EPERM and with
# ENOSYS. EPERM is also what kernel.io_uring_disabled gives; that setting is
# for the whole machine, so it is left alone.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

# forbidden ERRNO PATTERN: what the line must tell besides io_uring.
forbidden()
{
	status=0
	timeout 10 "$deny" "$1" "$PROXY" "127.0.0.1:$(free_port)" 127.0.0.1:1 \
		>"$tmp/$1.out" 2>"$tmp/$1.err" </dev/null || status=$?
	[ "$status" -ne 77 ] || skip "no seccomp here: $(cat "$tmp/$1.err")"
	assert_eq "exit status with $1" "$status" 1
	assert_eq "lines with $1" "$(wc -l <"$tmp/$1.err")" 1
	assert_match "line with $1" "$(cat "$tmp/$1.err")" 'io_uring'
	assert_match "line with $1" "$(cat "$tmp/$1.err")" "$2"
	pass "$1: $(cat "$tmp/$1.err")"
}

[ -x "$PROXY" ] || fail "there is no $PROXY; make builds it"
forbidden EPERM 'seccomp|io_uring_disabled'
forbidden ENOSYS 'seccomp|kernel|Linux'
