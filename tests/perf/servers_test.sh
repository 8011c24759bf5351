#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    Each server that is measured does what it is measured for, by epoll,
#         by io_uring and on torc, and ends well.
# Method  The programs as built, on free loopback ports, with socat as their
#         client. A fan-out is fed 512 KiB at a time, each only after all that
#         read have the one before, so that only who never reads falls behind.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"

need_programs socat cmp dd stat

baseline=$B/perf/baseline
servers=$B/perf/servers
head -c 1048576 /dev/urandom >"$tmp/in"

# start_server PROGRAM [udp:]: sets $server, $title and $port.
start_server()
{
	title=${1##*/}
	port=$(free_port)
	start_bg "$title" "$1" "${2:-}127.0.0.1:$port"
	server=$pid
}

start_tcp()
{
	start_server "$1"
	wait_port "$port" "$server"
}

end_server()
{
	kill -TERM "$server"
	wait_exit "$server" 10
	assert_eq "exit status of $title" "$status" 0
	listens_not "$port" || fail "$title left its port open"
}

# Examples know no signal: the kernel ends them, and then their ring.
kill_example()
{
	kill -TERM "$server"
	wait_exit "$server" 10
	assert_eq "exit status of $title" "$status" 143
	what="the port of $title is closed" wait_until 10 listens_not "$port"
}

# ---- echo ----

# echoes PROGRAM [kill_example]
echoes()
{
	start_tcp "$1"
	clients=
	for i in 1 2 3; do
		timeout 20 socat -t 10 - "TCP:127.0.0.1:$port" <"$tmp/in" \
			>"$tmp/echoed.$i" &
		clients="$clients $!"
	done
	for client in $clients; do
		wait "$client" || fail "a client of $title ends well"
	done
	for i in 1 2 3; do
		cmp -s "$tmp/in" "$tmp/echoed.$i" ||
			fail "$title gives back 1 MiB as it was"
	done
	"${2:-end_server}"
	pass "$title gives 1 MiB back to each of three clients"
}

echoes "$baseline/epoll_echo"
echoes "$baseline/uring_echo"
echoes "$B/examples/echo" kill_example

# ---- udp ----

udp_bound()
{
	grep -q -i "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' "$port") " \
		/proc/net/udp
}

# answers BYTES: one datagram of that size, and it comes back.
answers()
{
	head -c "$1" "$tmp/in" >"$tmp/datagram"
	timeout 10 socat -b 65536 -t 0.2 - \
		"UDP:127.0.0.1:$port" <"$tmp/datagram" >"$tmp/answer"
	cmp -s "$tmp/datagram" "$tmp/answer" ||
		fail "$title answers a datagram of $1 bytes"
}

# answers_all PROGRAM [udp: kill_example]
answers_all()
{
	start_server "$1" "${2:-}"
	what="$title is bound" wait_until 10 udp_bound
	for bytes in 1 64 1400 65507; do
		answers "$bytes"
	done
	# More than one batch takes, of one byte each, and in order.
	head -c 150 "$tmp/in" >"$tmp/datagram"
	timeout 10 socat -b 1 -t 0.2 - "UDP:127.0.0.1:$port" \
		<"$tmp/datagram" >"$tmp/answer"
	cmp -s "$tmp/datagram" "$tmp/answer" ||
		fail "$title answers 150 datagrams in a row"
	"${3:-end_server}"
	pass "$title returns datagrams of up to 65507 bytes"
}

answers_all "$baseline/epoll_udp"
answers_all "$baseline/uring_udp"
answers_all "$B/examples/udp_echo" udp: kill_example

# ---- sink ----

swallows()
{
	start_tcp "$1"
	fds=$(fd_count "$server")
	# With the writing half closed, socat waits for the other end's end.
	head -c 104857600 /dev/zero | timeout 20 socat -t 20 -b 65536 - \
		"TCP:127.0.0.1:$port" >"$tmp/said" ||
		fail "$title takes 100 MiB and closes at the end"
	assert_eq "bytes that $title says" "$(wc -c <"$tmp/said")" 0
	what="$title closed the connection" wait_until 5 \
		has_fds "$server" "$fds"
	end_server
	pass "$title swallows 100 MiB and closes at the end of the file"
}

swallows "$baseline/epoll_sink"
swallows "$baseline/uring_sink"
swallows "$servers/sink"

# ---- fanout ----

subscriber_has()
{
	[ "$(stat -c %s "$tmp/sub.$1" 2>/dev/null || echo 0)" -eq "$2" ]
}

# publish FROM TOTAL: the next piece, until all three have TOTAL.
publish()
{
	dd if="$tmp/published" bs=524288 skip=$(($1 / 524288)) count=1 \
		status=none >&3
	for i in 1 2 3; do
		what="subscriber $i of $title has $2 bytes" \
			wait_until 10 subscriber_has "$i" "$2"
	done
}

# More than the socket buffers of one that never reads, and 1 MiB.
head -c 10485760 /dev/urandom >"$tmp/published"

fans_out()
{
	start_tcp "$1"
	fds=$(fd_count "$server")
	for i in 1 2 3; do
		: >"$tmp/sub.$i"
		start_bg "sub$i" socat -u "TCP:127.0.0.1:$port" \
			"OPEN:$tmp/sub.$i,append"
	done
	# Its input never ends, so that it neither reads nor leaves.
	mkfifo "$tmp/never.$title" "$tmp/feed.$title"
	start_bg stuck socat -u "OPEN:$tmp/never.$title,rdonly,nonblock=0" \
		"TCP:127.0.0.1:$port,rcvbuf=4096"
	exec 4>"$tmp/never.$title"
	start_bg publisher socat -u -b 524288 "OPEN:$tmp/feed.$title" \
		"TCP:127.0.0.1:$port"
	exec 3>"$tmp/feed.$title"
	what="all are connected to $title" wait_until 10 \
		has_fds "$server" $((fds + 5))

	at=0
	while [ "$at" -lt 10485760 ]; do
		publish "$at" $((at + 524288))
		at=$((at + 524288))
	done
	for i in 1 2 3; do
		cmp -s "$tmp/published" "$tmp/sub.$i" ||
			fail "subscriber $i of $title got what was sent"
	done
	what="$title dropped who never reads" wait_until 5 \
		has_fds "$server" $((fds + 4))
	exec 3>&- 4>&-
	what="$title closed the publisher" wait_until 5 \
		has_fds "$server" $((fds + 3))
	end_server
	pass "$title reaches three, and drops one that never reads"
}

fans_out "$baseline/epoll_fanout"
fans_out "$baseline/uring_fanout"
fans_out "$servers/fanout"

# ---- file ----

# reads PROGRAM [--fixed] PATH buffered|direct
reads()
{
	line=$(timeout 10 "$@" 0.2 8 2>"$tmp/reads.err") || fail "$* reads"
	assert_match "$*" "$line" '^reads=[1-9][0-9]* seconds=[0-9.]+ iops=[0-9]+ p50_us=[0-9.]+ p99_us=[0-9.]+ cpu_us_per_read=[0-9.]+$'
}

# refused STATUS PATTERN COMMAND...: one line, and that exit status.
refused()
{
	want=$1
	pattern=$2
	shift 2
	# It ends inside a task, whose stack no leak detector looks at.
	ASAN_OPTIONS=detect_leaks=0 \
		timeout 10 "$@" >"$tmp/refused.out" 2>"$tmp/refused.err"
	assert_eq "exit status of $*" $? "$want"
	assert_eq "lines of $*" \
		"$(cat "$tmp/refused.err" "$tmp/refused.out" | wc -l)" 1
	assert_match "what $* says" "$(cat "$tmp/refused.err")" "$pattern"
}

"$baseline/pread_file" --make 8388608 "$tmp/words" || fail "a file is made"
assert_eq "bytes of the file" "$(stat -c %s "$tmp/words")" 8388608
dd if=/dev/urandom of="$tmp/wrong" bs=65536 count=1 status=none
direct=direct
dd if="$tmp/words" of=/dev/null iflag=direct bs=4096 count=1 status=none \
	2>"$tmp/dd.err" || direct=

for program in "$baseline/pread_file" "$baseline/uring_file" "$servers/file"; do
	title=${program##*/}
	for how in buffered $direct; do
		reads "$program" "$tmp/words" "$how"
	done
	refused 1 'wrong content' "$program" "$tmp/wrong" buffered 5 4
	refused 1 "$tmp/nowhere: cannot open: No such file" \
		"$program" "$tmp/nowhere" buffered 1 1
	refused 1 'File exists' "$program" --make 4096 "$tmp/words"
	# sysfs has regular files of 4096 bytes, and no O_DIRECT.
	refused 1 'refuses O_DIRECT' \
		"$program" /sys/kernel/uevent_seqnum direct 1 1
	refused 2 '^usage: ' "$program" "$tmp/words" sideways 1 1
	start_bg "$title" "$program" "$tmp/words" buffered 60 4
	# It takes the signal as a stop from when it blocks it, and no sooner.
	what="$title blocks SIGTERM" wait_until 5 \
		has_line "/proc/$pid/status" '^SigBlk:.*[4567cdef]...$'
	kill -TERM "$pid"
	wait_exit "$pid" 10
	assert_eq "exit status of $title" "$status" 0
	has_line "$tmp/$title.out" '^reads=' || fail "$title says how far it came"
	pass "$title reads, verifies and says what is wrong"
done
for how in buffered $direct; do
	reads "$baseline/uring_file" --fixed "$tmp/words" "$how"
done
pass "uring_file reads into registered buffers"
[ -n "$direct" ] || echo "direct reads: not checked: $(cat "$tmp/dd.err")"

# ---- what is wrong ----

for program in "$baseline"/epoll_sink "$baseline"/uring_sink \
	"$baseline"/epoll_fanout "$baseline"/uring_fanout \
	"$baseline"/epoll_udp "$baseline"/uring_udp \
	"$servers/sink" "$servers/fanout"; do
	refused 2 nonsense "$program" nonsense
done
start_tcp "$servers/sink"
for program in "$baseline"/epoll_sink "$baseline"/uring_fanout \
	"$servers/fanout"; do
	refused 1 'Address already in use' "$program" "127.0.0.1:$port"
done
end_server
pass "a wrong address and a port in use are one line each"
