#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a mistake on the command line costs one line that names it and exit
# status 2; a start that fails, one line that names cause and remedy and 1.
# Method: mistakes, one by one.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

# wrong STATUS PATTERN ARGS...
wrong()
{
	want=$1
	pattern=$2
	shift 2
	status=0
	# One that starts by mistake must not stay.
	# shellcheck disable=SC2086 # a list of words
	timeout 10 ${as_nobody-} "$PROXY" "$@" >"$tmp/wrong.out" \
		2>"$tmp/all.err" </dev/null || status=$?
	grep -v 'going on with epoll' "$tmp/all.err" >"$tmp/wrong.err"
	assert_eq "exit status of: torc-proxy $*" "$status" "$want"
	assert_eq "lines of stderr of: torc-proxy $*" \
		"$(wc -l <"$tmp/wrong.err")" 1
	assert_match "stderr of: torc-proxy $*" "$(cat "$tmp/wrong.err")" \
		"$pattern"
	assert_eq "stdout of: torc-proxy $*" "$(cat "$tmp/wrong.out")" ''
	pass "$(cat "$tmp/wrong.err")"
}

[ -x "$PROXY" ] || fail "there is no $PROXY; make builds it"
free=$(free_port)
here=127.0.0.1:$free

wrong 2 .
wrong 2 . "$here"
wrong 2 -- --nonsense --nonsense "$here" "$here"
wrong 2 -x -x "$here" "$here"
wrong 2 --shards "$here" "$here" --shards
wrong 2 banana --shards banana "$here" "$here"
wrong 2 --shards --shards -1 "$here" "$here"
wrong 2 --shards --shards 0x2 "$here" "$here"
wrong 2 --spin --spin 5parsecs "$here" "$here"
wrong 2 --idle-timeout --idle-timeout '' "$here" "$here"
wrong 2 --connect-timeout --connect-timeout -3s "$here" "$here"
wrong 2 --drain --drain 99999999999999999999s "$here" "$here"
wrong 2 --max-connections --max-connections many "$here" "$here"
wrong 2 nowhere nowhere "$here"
wrong 2 127.0.0.1:99999 "$here" 127.0.0.1:99999
wrong 2 127.0.0.1: "$here" 127.0.0.1:
wrong 2 '\[::1' "$here" '[::1'
wrong 2 unix: "$here" unix:
wrong 2 sctp:127.0.0.1:1 "$here" sctp:127.0.0.1:1

status=0
"$PROXY" --help >"$tmp/help.out" 2>"$tmp/help.err" || status=$?
assert_eq "exit status of --help" "$status" 0
assert_eq "stderr of --help" "$(cat "$tmp/help.err")" ''
for option in --shards --busy-poll --spin --connect-timeout --idle-timeout \
	--max-connections --drain --version --help; do
	has_line "$tmp/help.out" "$option" || fail "--help shows $option"
done
pass "--help shows every option"

version=$("$PROXY" --version 2>"$tmp/version.err") || fail "--version exits 0"
assert_match "--version" "$version" '^torc-proxy [0-9]+\.[0-9]+'
pass "--version: $version"

start_backend echo echo
wrong 1 "127.0.0.1:$port" "127.0.0.1:$port" "$here"

become_nobody
[ "$(id -u)" -ne 0 ] || [ -n "$as_nobody" ] || exit 1
first=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
if [ "$first" -gt 81 ]; then
	wrong 1 '127.0.0.1:81.*' 127.0.0.1:81 "$here"
else
	echo "port 81 is not privileged here (from $first on)"
fi
mkdir -m 555 "$tmp/closed"
wrong 1 "$tmp/closed/socket" "unix:$tmp/closed/socket" "$here"
wrong 1 "$tmp/absent/socket" "unix:$tmp/absent/socket" "$here"
