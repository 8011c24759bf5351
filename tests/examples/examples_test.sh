#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    Each example does what its first comment says, is short, and is in
#         the README.
# Method  The programs as built, on free loopback ports, with socat as their
#         client.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"

need_programs socat cmp

# ---- the files ----

for file in examples/*.c; do
	assert_at_most "lines of $file" "$(wc -l <"$file")" 99
	grep -q "$file" README.md || fail "README.md names $file"
	name=$(basename "$file" .c)
	[ -x "$B/examples/$name" ] || fail "$file was built"
done
pass "each example is under 100 lines and in the README"

# ---- hello ----

timeout 20 "$B/examples/hello" >"$tmp/hello.out" 2>"$tmp/hello.err" ||
	fail "hello exits 0"
assert_eq "what hello says" "$(sort "$tmp/hello.out")" \
	"$(printf 'hello, ring\nhello, world')"
pass "hello prints its two lines"

# ---- simulate ----

timeout 60 "$B/examples/simulate" 2>"$tmp/simulate.err" ||
	fail "simulate finds the mistake"
replay=$(sed -n 's/^ *\(TORC_SEED=.*\)/\1/p' "$tmp/simulate.err")
hash=$(sed -n "s/.*its hash \([0-9a-f]*\).*/\1/p" "$tmp/simulate.err")
[ -n "$replay" ] && [ -n "$hash" ] || fail "simulate prints how to replay it"
# shellcheck disable=SC2086 # a list of words
timeout 60 env $replay "$B/examples/simulate" 2>"$tmp/replayed.err" ||
	fail "the replay fails in the same way"
grep -q "its hash $hash" "$tmp/replayed.err" ||
	fail "the replay of $replay has the same hash"
pass "simulate finds its mistake, and $replay is the same run"

# ---- echo ----

port=$(free_port)
start_bg echo "$B/examples/echo" "127.0.0.1:$port"
echo_pid=$pid
wait_port "$port" "$echo_pid"
head -c 1048576 /dev/urandom >"$tmp/in"

# One client; its answer goes to $tmp/echoed.NUMBER.
ask_echo()
{
	timeout 60 socat -t 30 - "TCP:127.0.0.1:$port" <"$tmp/in" \
		>"$tmp/echoed.$1" 2>"$tmp/socat$1.err"
}

clients=
for i in 1 2 3 4 5 6 7 8; do
	ask_echo "$i" &
	clients="$clients $!"
done
for client in $clients; do
	wait "$client" || fail "a client of echo ends well"
done
for i in 1 2 3 4 5 6 7 8; do
	cmp -s "$tmp/in" "$tmp/echoed.$i" || fail "echo gives back 1 MiB"
done
pass "echo gives 1 MiB back to each of eight clients"

set -- "/proc/$echo_pid/task"/*
[ "$(nproc)" -eq 1 ] || assert_at_least "threads of echo" $# 2
alive "$echo_pid" || fail "echo goes on"

timeout 20 "$B/examples/echo" "127.0.0.1:$port" 2>"$tmp/twice.err"
assert_eq "exit status of a second echo on the port" $? 1
assert_match "what it says" "$(cat "$tmp/twice.err")" 'Address already in use'
stop "$echo_pid"
pass "echo refuses a port in use"

# ---- udp_echo ----

udp_bound()
{
	grep -q -i "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' "$1") " /proc/net/udp
}

port=$(free_port)
from=$(free_port)
start_bg udp_echo "$B/examples/udp_echo" "udp:127.0.0.1:$port"
what="udp_echo is bound" wait_until 20 udp_bound "$port"
for text in ping "a longer datagram"; do
	answer=$(printf '%s' "$text" | timeout 20 socat -t 2 - \
		"UDP:127.0.0.1:$port,sourceport=$from")
	assert_eq "the answer of udp_echo" "$answer" "$text"
	wait_until 5 has_line "$tmp/udp_echo.out" \
		"^${#text} bytes from udp:127.0.0.1:$from\$"
done
stop "$pid"
pass "udp_echo answers, and prints the size and the sender"

# ---- what is wrong ----

# refuses NAME ARGUMENT: one line that names it, and exit status 2.
refuses()
{
	timeout 20 "$B/examples/$1" "$2" >"$tmp/bad.out" 2>"$tmp/bad.err"
	assert_eq "exit status of $1 $2" $? 2
	assert_eq "lines of $1 $2" "$(cat "$tmp/bad.err" "$tmp/bad.out" |
		wc -l)" 1
	grep -q -F -e "$2" "$tmp/bad.err" || fail "$1 names $2"
}

refuses echo nonsense
refuses echo 127.0.0.1:99999
refuses udp_echo udp:127.0.0.1
refuses udp_echo tcp:127.0.0.1:7000
pass "wrong addresses are named in one line, exit status 2"
