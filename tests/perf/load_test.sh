#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: torc-load counts what happened, in every mode, and tells what failed
# in one line.
# Method: short runs against torc's examples, the servers of perf/baseline, and
# servers that change, stop, refuse or leave. Where time matters only a lower
# bound is asked for.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
need_programs socat dd prlimit

load=$B/torc-load
[ -x "$load" ] || fail "there is no $load; make builds it"

# run STATUS ARGS...: sets $line; short, unless ARGS say otherwise.
run()
{
	want=$1
	mode=$2
	shift 2
	status=0
	timeout 20 "$load" "$mode" --seconds 0.3 --warmup 0.1 "$@" \
		>"$tmp/load.out" 2>"$tmp/load.err" </dev/null || status=$?
	line=$(cat "$tmp/load.out")
	assert_eq "exit status of: torc-load $mode $*" "$status" "$want"
}

# good ARGS...: a run without an error, and with one line.
good()
{
	run 0 "$@"
	assert_eq "lines of stdout" "$(wc -l <"$tmp/load.out")" 1
	assert_eq "errors in '$line'" "$(value errors)" 0
}

# bad STATUS PATTERN ARGS...: one line on stderr, like PATTERN.
bad()
{
	want=$1
	pattern=$2
	shift 2
	run "$want" "$@"
	assert_eq "lines of stderr of: torc-load $*" \
		"$(wc -l <"$tmp/load.err")" 1
	assert_match "stderr" "$(cat "$tmp/load.err")" "$pattern"
	pass "$(cat "$tmp/load.err")"
}

value()
{
	printf '%s\n' "$line" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

# above NAME LEAST: a figure, without what is behind its point.
above()
{
	figure=$(value "$1")
	assert_at_least "$1 in '$line'" "${figure%.*}" "$2"
}

# start_at NAME COMMAND...: a server for the address that is appended; sets $at.
start_at()
{
	port=$(free_port)
	at=127.0.0.1:$port
	name=$1
	shift
	start_bg "$name" "$@" "$at"
	wait_port "$port" "$pid"
}

start_at echo "$B/examples/echo"
echo_pid=$pid echo_at=$at
start_at sink "$B/perf/baseline/epoll_sink"
sink_at=$at
start_at fanout "$B/perf/baseline/epoll_fanout"
fanout_at=$at

# ---- the modes ----

good echo --conns 8 --pipeline 4 --size 1000 --pid "$echo_pid" "$echo_at"
above requests 8
assert_eq "bytes" "$(value bytes)" $(($(value requests) * 1000))
assert_match "CPU per request" "$(value cpu_us_per_request)" '^[0-9]+\.'
assert_eq "offered_rps of a closed loop" "$(value offered_rps)" 0
assert_eq "lateness of a closed loop" "$(value late_p99_us)" -
pass "echo, closed loop: $line"

printf 'PING' >"$tmp/message"
good echo --conns 4 --message "$tmp/message" --reply 4 "$echo_at"
above requests 4
assert_eq "size of the message" "$(value size)" 4
pass "echo with a message and an answer of its own"

good echo --conns 4 --idle 20 --bulk 1 --stuck 1 "$echo_at"
above requests 4
pass "echo beside idle, bulk and stuck connections"

good echo --rate 2000 --direct "$echo_at" --rows --seconds 1.2 \
	--hgrm "$tmp/hgrm" --lateness "$tmp/late" --csv "$tmp/csv" "$echo_at"
above requests 1000
above direct_p50_us 1
assert_eq "offered_rps" "$(value offered_rps)" 2000
assert_match "lateness" "$(value late_p99_us)" '^[0-9]+\.'
assert_at_least "lines of --rows" "$(grep -c '^second ' "$tmp/load.err")" 1
pass "echo, open loop: $line"

# Values and percentiles never fall, and the last row has them all.
percentiles()
{
	awk -v want="$2" '
		NR == 1 { bad = $1 != "Value" || $4 != "1/(1-Percentile)" }
		/^ *[0-9.]+ [01]\.[0-9]+ +[0-9]+ +[0-9.inf]+$/ {
			bad += $1 < value || $2 < share || $3 < count
			value = $1; share = $2; count = $3; rows++
		}
		/^#\[(Mean|Max|Buckets)/ { feet++ }
		/Total count/ { total = $NF + 0 }
		END { exit !(!bad && rows > 20 && feet == 3 && share == 1 &&
			count == total && (want == "" || total == want)) }' "$1" ||
		fail "well-formed: $(cat "$1")"
}
percentiles "$tmp/hgrm" "$(value requests)"
percentiles "$tmp/late" ''
pass ".hgrm is well-formed, and counts $(value requests) requests"

assert_eq "the first line of --csv" "$(head -n 1 "$tmp/csv")" \
	second,requests,rps,p50_us,p99_us,max_us,errors,late_p99_us
awk -F, 'NF != 8 || (NR > 1 && $1 != NR - 1) { bad++ }
	END { exit bad || NR < 2 }' "$tmp/csv" || fail "$(cat "$tmp/csv")"
pass "--csv has a row for each second and the rest"

udp_at=127.0.0.1:$(free_port)
start_bg udp "$B/examples/udp_echo" "udp:$udp_at"
udp_answers()
{
	"$load" udp --conns 1 --seconds 0.02 --warmup 0 "$udp_at" \
		>"$tmp/answer" 2>&1
}
what="udp_echo answers" wait_until 10 udp_answers
good udp --conns 4 --size 1400 --pipeline 2 "$udp_at"
above requests 8
good udp --rate 1000 "$udp_at"
above requests 10
pass "udp, closed and open loop: $line"

kill -STOP "$pid"
run 1 udp --conns 2 "$udp_at"
kill -CONT "$pid"
above lost 2
pass "udp counts what a stopped server does not answer: $line"

good churn --conns 4 "$echo_at"
above requests 4
good churn --rate 500 "$echo_at"
above requests 50
pass "churn, closed and open loop: $line"

good stream --conns 2 --size 4096 "$sink_at"
above requests 1
assert_at_least "bytes" "$(value bytes)" $(($(value requests) * 4096 - 8192))
assert_eq "latency of a stream" "$(value p99_us)" -
pass "stream: $line"

good fanout --conns 5 --size 100000 "$fanout_at"
above requests 5
pass "fanout: $line"

mkfifo "$tmp/hold"
"$load" idle --conns 50 "$echo_at" <"$tmp/hold" >"$tmp/idle.out" \
	2>"$tmp/idle.err" &
pid=$!
pids="$pids $pid"
exec 8>"$tmp/hold"
wait_until 10 has_line "$tmp/idle.out" '^ready conns=50$'
alive "$pid" || fail "idle holds while stdin is open"
exec 8>&-
wait_exit "$pid" 10
assert_eq "exit status of idle after the end of stdin" "$status" 0

"$load" idle --conns 5 "$echo_at" <>"$tmp/hold" >"$tmp/term.out" \
	2>"$tmp/term.err" &
pid=$!
pids="$pids $pid"
wait_until 10 has_line "$tmp/term.out" '^ready conns=5$'
kill -TERM "$pid"
wait_exit "$pid" 10
assert_eq "exit status of idle after SIGTERM" "$status" 0
pass "idle is ready, and ends with stdin or SIGTERM"

# ---- what an open loop is for ----

(
	sleep 0.5
	kill -STOP "$echo_pid"
	sleep 0.3
	kill -CONT "$echo_pid"
) &
stopper=$!
good echo --rate 1000 --seconds 1.5 "$echo_at"
wait "$stopper"
above p99_us 50000
pass "a stop of 300 ms shows in the p99 of an open loop: $line"

(
	sleep 0.3
	kill -STOP "$echo_pid"
	sleep 0.5
	kill -CONT "$echo_pid"
) &
stopper=$!
run 0 echo --rate 1000 --seconds 0.6 "$echo_at"
wait "$stopper"
above p99_us 50000
pass "as it does when the run ends meanwhile"

# ---- servers that do wrong ----

# Sends back as many bytes, each pair of them swapped.
port=$(free_port)
start_bg swab socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" \
	SYSTEM:'dd bs=64 conv=swab 2>/dev/null'
wait_port "$port" "$pid"
bad 1 'not what was sent' echo --conns 1 "127.0.0.1:$port"
bad 1 'not what was sent' churn --conns 1 "127.0.0.1:$port"
assert_match "errors of churn" "$(value errors)" '^[1-9]'

bad 1 'more came back from .* than --reply' echo --message "$tmp/message" \
	--reply 2 "$echo_at"
bad 1 'answers; stream needs' stream --conns 1 "$echo_at"
bad 1 'closed by the server|back to its publisher' fanout "$echo_at"
bad 1 'no answer from' echo --conns 2 "$sink_at"
bad 1 'cannot connect to 127.0.0.1:1: ' echo 127.0.0.1:1
bad 1 'cannot connect to 127.0.0.1:1: ' churn 127.0.0.1:1
bad 1 'Connection refused' udp 127.0.0.1:1

start_backend close close
bad 1 'closed by the server' echo --conns 2 "127.0.0.1:$port"
bad 1 'closed by the server' churn --conns 2 "127.0.0.1:$port"
status=0
sleep 0.2 | "$load" idle --conns 3 "127.0.0.1:$port" >"$tmp/load.out" \
	2>"$tmp/load.err" || status=$?
assert_eq "exit status of idle without connections" "$status" 1
assert_match "what idle says" "$(cat "$tmp/load.err")" \
	'closed by the server .* 3 of 3'
pass "$(cat "$tmp/load.err")"

start_at mortal "$B/perf/baseline/epoll_echo"
mortal=$pid
(
	sleep 0.6
	kill -KILL "$mortal"
) &
stopper=$!
bad 1 'closed by the server' echo --seconds 5 --pid "$mortal" "$at"
wait "$stopper"
above requests 1
above errors 1
pass "a server that dies leaves the figures until then: $line"

# ---- mistakes ----

bad 2 'echo, udp, churn, stream, fanout or idle' nonsense "$echo_at"
bad 2 'HOST:PORT' echo
bad 2 'nowhere' echo nowhere
bad 2 'too much' echo "$echo_at" more
bad 2 '.--nonsense. is not an option' echo --nonsense "$echo_at"
bad 2 'needs a value' echo "$echo_at" --conns
bad 2 '.many.' echo --conns many "$echo_at"
bad 2 '.-1.' echo --rate -1 "$echo_at"
bad 2 'at least 0.001' echo --seconds 0 "$echo_at"
bad 2 '8 to 65507' udp --size 7 "$echo_at"
bad 2 'no meaning for stream' stream --rate 5 "$echo_at"
bad 2 '.--pipeline is for the closed loop|closed loop' echo --rate 5 \
	--pipeline 2 "$echo_at"
bad 2 'needs --rate' echo --lateness "$tmp/late" "$echo_at"
bad 2 'go together' echo --reply 5 "$echo_at"
bad 1 "$tmp/absent/file" echo --csv "$tmp/absent/file" "$echo_at"
bad 1 "$tmp/absent" echo --message "$tmp/absent" --reply 5 "$echo_at"
bad 1 'no process' echo --pid 4194304 "$echo_at"

status=0
prlimit --nofile=64:64 "$load" echo --conns 100 "$echo_at" \
	>"$tmp/load.out" 2>"$tmp/load.err" || status=$?
assert_eq "exit status with too few descriptors" "$status" 1
assert_match "stderr" "$(cat "$tmp/load.err")" 'limit is 64.*ulimit'
pass "$(cat "$tmp/load.err")"

"$load" --help >"$tmp/help.out" 2>"$tmp/help.err" || fail "--help exits 0"
for word in echo udp churn stream fanout idle --conns --size --pipeline \
	--seconds --warmup --rate --direct --idle --bulk --stuck --message \
	--reply --cpu --cubic --pid --table --rows --csv --hgrm --lateness \
	'exit status'; do
	has_line "$tmp/help.out" "$word" || fail "--help shows $word"
done
assert_eq "lines of --help over 80 columns" \
	"$(awk 'length > 80' "$tmp/help.out")" ''
pass "--help shows every mode and option"
