#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs tests: run.sh PROGRAM...
#
# A test passes with exit status 0 and is skipped with 77, in which case its
# last line is the reason; anything else is a failure and shows the whole log.
# Logs are in $B/tests (B is the build folder). A test that takes longer than
# TEST_TIMEOUT seconds (300) is ended, with all that it started. TEST_JOBS (1)
# run at a time: each has its own ports, folder and log.

set -u

B=${B:-build}
export B
limit_s=${TEST_TIMEOUT:-300}

now_ms()
{
	echo $(($(date +%s%N) / 1000000))
}

seconds_since()
{
	took_ms=$(($(now_ms) - $1))
	printf '%d.%d s' $((took_ms / 1000)) $((took_ms % 1000 / 100))
}

# build/tests/uring/op_test is uring/op_test, tests/proxy/x_test.sh proxy/x_test
name_of()
{
	name=${1#"$B"/}
	name=${name#./}
	name=${name#tests/}
	echo "${name%.sh}"
}

# From cmocka's summaries, or from the lines of tests/proxy/lib.sh.
cases_in()
{
	awk '/ test\(s\) run\.$/ { for (i = 1; i < NF; i++)
			if ($(i + 1) == "test(s)") sum += $i }
		/^ok - / { sum++ }
		END { if (sum == 1) print "1 case, "
			else if (sum) print sum " cases, " }' "$1"
}

show_log()
{
	sed 's/^/    /' "$1"
}

# report STATUS TOOK
report()
{
	case $1 in
	0)
		echo "ok   $name ($(cases_in "$log")$2)"
		;;
	77)
		reason=$(tail -n 1 "$log")
		echo "skip $name: ${reason#skip: }"
		;;
	124 | 137)
		echo "FAIL $name (ended after $2; exit status $1)"
		show_log "$log"
		;;
	*)
		echo "FAIL $name (exit status $1, $2)"
		show_log "$log"
		;;
	esac
}

# run_one PROGRAM: its status goes to $statuses, with a lock that keeps the
# lines of one test together.
run_one()
{
	name=$(name_of "$1")
	log=$B/tests/$name.log
	mkdir -p "$(dirname "$log")" || exit 1
	case $1 in
	*/*) program=$1 ;;
	*) program=./$1 ;;
	esac

	start_ms=$(now_ms)
	timeout -k 5 "$limit_s" "$program" >"$log" 2>&1 </dev/null &
	running=$!
	trap 'kill "$running"; wait "$running"; exit 130' INT TERM
	wait "$running"
	status=$?
	took=$(seconds_since "$start_ms")

	exec 9>>"$statuses"
	flock 9
	report "$status" "$took"
	echo "$status $name" >&9
}

# count STATUS
count()
{
	grep -c "^$1 " "$statuses"
}

# Where the runner itself has failed.
name_missing()
{
	for test; do
		name=$(name_of "$test")
		grep -q " $name\$" "$statuses" ||
			echo "FAIL $name (did not run to its end)"
	done
}

if [ "${1-}" = --one ]; then
	statuses=$2
	run_one "$3"
	exit 0
fi

begin_ms=$(now_ms)
statuses=$(mktemp) || exit 1
trap 'rm -f "$statuses"' EXIT
# A session of its own, whose processes end together.
for test; do echo "$test"; done |
	setsid xargs -r -d '\n' -n 1 -P "${TEST_JOBS:-1}" \
		"$0" --one "$statuses" &
tests=$!
trap 'kill -s TERM -- "-$tests"; wait "$tests"; exit 130' INT TERM
wait "$tests"
[ "$(wc -l <"$statuses")" -ge $# ] || name_missing "$@"

passed=$(count 0)
skipped=$(count 77)
failed=$(($# - passed - skipped))
[ $# -gt 0 ] || echo "no test was given"
echo "Linux $(uname -r), $(seconds_since "$begin_ms")"
echo "$passed passed, $failed failed, $skipped skipped"
# Where everything was skipped, nothing was shown.
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
