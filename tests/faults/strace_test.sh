#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: whatever system call fails, and whenever: a program on torc serves, or
# says why not in one line and ends; it never hangs, crashes or is silent.
# Method: strace lets the nth io_uring_enter of a small server fail, for n from
# 1 to 200, by each error that is normal there, and every other call that
# starts torc by the errors that a short machine or a container gives.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
# shellcheck source=tests/faults/lib.sh
. tests/faults/lib.sh
need_programs strace
need_io_uring
# The choice of users who make none: io_uring, or what takes over.
unset TORC_ENGINE

# LeakSanitizer does not work under ptrace.
export ASAN_OPTIONS=detect_leaks=0
strace -o /dev/null true 2>/dev/null || skip "no ptrace here"
lanes=2
enters_max=200

# judge CALL ERRNO N STATUS: one line into this lane's results.
judge()
{
	err=$(grep -v -e '^Aborted' -e '^torc: info: ' "$run.err")
	lines=$(printf '%s' "$err" | grep -c '')
	foreign=$(printf '%s\n' "$err" | grep -c -v '^torc: ')
	if ! grep -q INJECTED "$run.trace"; then
		verdict="spared"
	elif [ "$4" -eq 0 ] && [ "$(cat "$run.out")" = served ]; then
		verdict="served"
	elif [ "$4" -eq 124 ]; then
		verdict="HUNG"
	elif [ "$lines" -eq 0 ]; then
		verdict="SILENT (status $4)"
	elif [ "$4" -eq 134 ] && [ "$foreign" -eq 0 ]; then
		verdict="stopped: $err"
	elif [ "$4" -eq 1 ] && [ "$lines" -eq 1 ]; then
		verdict="explained: $err"
	else
		verdict="BAD (status $4, $lines lines): $err"
	fi
	echo "$1 $2 $3 $verdict" | tr '\n' ' ' | sed 's/ $//' >>"$run.results"
	echo >>"$run.results"
}

# fails CALL ERRNO N
fails()
{
	status=0
	timeout 20 strace -f -qq --seccomp-bpf -o "$run.trace" -e "trace=$1" \
		-e "inject=$1:error=$2:when=$3" "$serve" >"$run.out" \
		2>"$run.err" </dev/null || status=$?
	judge "$1" "$2" "$3" "$status"
}

# How often main and what it calls make a call, and how often what was before.
count_calls()
{
	strace -f -qq -o "$tmp/calls" -e "trace=$1,getppid" "$serve" \
		>/dev/null 2>&1
	before=$(sed '/getppid/,$d' "$tmp/calls" | grep -c "$1(")
	all=$(grep -c "$1(" "$tmp/calls")
}

# plan CALL COUNT ERRNO...: each of the first COUNT calls of main fails.
plan()
{
	call=$1
	count_calls "$call"
	last=$((before + $2))
	[ "$last" -le "$all" ] || last=$all
	shift 2
	[ "$last" -gt "$before" ] || fail "torc makes no call of $call"
	for error in "$@"; do
		n=$before
		while [ "$n" -lt "$last" ]; do
			n=$((n + 1))
			echo "$call $error $n"
		done
	done >>"$tmp/plan"
}

lane()
{
	run=$tmp/lane$1
	: >"$run.results"
	awk -v lane="$1" -v lanes="$lanes" 'NR % lanes == lane' "$tmp/plan" |
		while read -r call error n; do
			fails "$call" "$error" "$n"
		done
}

count_calls io_uring_enter
assert_at_least "enters of the small server" "$all" "$enters_max"
plan io_uring_enter "$enters_max" EINTR EAGAIN EBUSY ENOMEM
plan io_uring_enter 9 EBADF EBADFD EFAULT EINVAL ENXIO EOPNOTSUPP
plan io_uring_setup 1 EPERM ENOSYS ENOMEM EMFILE ENFILE EINVAL EFAULT EACCES
plan io_uring_register 4 EINVAL ENOMEM EPERM ENOSYS EBUSY
# A sanitizer that gets no memory, or is not told of a thread's stack, ends the
# process itself.
is_sanitized || plan mmap 99 ENOMEM
is_sanitized || plan sched_getaffinity 9 EPERM ENOSYS
plan eventfd2 1 EMFILE ENFILE ENOMEM ENOSYS
plan madvise 99 EINVAL ENOMEM
plan socket 9 EMFILE ENFILE ENOMEM ENOBUFS EACCES
plan setsockopt 9 ENOMEM ENOPROTOOPT
plan bind 1 EADDRINUSE EACCES ENOMEM
plan listen 1 EADDRINUSE ENOMEM
plan getsockname 1 ENOBUFS
plan sigaltstack 9 ENOMEM
plan rt_sigaction 9 EINVAL
plan shutdown 1 ENOTCONN

lane_pids=
n=0
while [ "$n" -lt "$lanes" ]; do
	# The shell tells of each child that stopped.
	lane "$n" 2>/dev/null &
	lane_pids="$lane_pids $!"
	n=$((n + 1))
done
# shellcheck disable=SC2086 # a list of words
wait $lane_pids
cat "$tmp"/lane*.results >"$tmp/results"

bad=$(grep -E ' (HUNG|SILENT|BAD)( |$)' "$tmp/results")
[ -z "$bad" ] || fail "every failure is served or explained:
$bad"
for error in EINTR EAGAIN EBUSY ENOMEM; do
	enters=$(grep "^io_uring_enter $error " "$tmp/results")
	lost=$(echo "$enters" | grep -v ' served$')
	assert_eq "of the enters that failed with $error, not served" "$lost" ""
	assert_eq "enters that failed with $error" \
		"$(echo "$enters" | grep -c '')" "$enters_max"
	pass "$enters_max enters failed with $error, one by one: served each time"
done
# What follows the verdict is the line that explains it.
cut -d' ' -f1,2,4 "$tmp/results" | tr -d : | sort | uniq -c | sort -rn
pass "$(grep -c . "$tmp/results") calls failed, one by one:" \
	"$(grep -c ' served$' "$tmp/results") served," \
	"$(grep -c ' explained: ' "$tmp/results") explained in a line," \
	"$(grep -c ' stopped: ' "$tmp/results") stopped with the reason"
