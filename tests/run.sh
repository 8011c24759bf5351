#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs tests one after the other: run.sh PROGRAM...
#
# A test passes with exit status 0 and is skipped with 77, in which case its
# last line is the reason; anything else is a failure and shows the whole log.
# Logs are in $B/tests (B is the build folder). A test that takes longer than
# TEST_TIMEOUT seconds (300) is ended, with all that it started.

set -u

B=${B:-build}
export B
limit_s=${TEST_TIMEOUT:-300}
passed=0
failed=0
skipped=0

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
	timeout -k 5 "$limit_s" "$program" >"$log" 2>&1 </dev/null
	status=$?
	took=$(seconds_since "$start_ms")

	case $status in
	0)
		passed=$((passed + 1))
		echo "ok   $name ($(cases_in "$log")$took)"
		;;
	77)
		skipped=$((skipped + 1))
		reason=$(tail -n 1 "$log")
		echo "skip $name: ${reason#skip: }"
		;;
	124 | 137)
		failed=$((failed + 1))
		echo "FAIL $name (ended after $took; exit status $status)"
		show_log "$log"
		;;
	*)
		failed=$((failed + 1))
		echo "FAIL $name (exit status $status, $took)"
		show_log "$log"
		;;
	esac
}

begin_ms=$(now_ms)
for test in "$@"; do
	run_one "$test"
done

[ $((passed + failed + skipped)) -gt 0 ] || echo "no test was given"
echo "Linux $(uname -r), $(seconds_since "$begin_ms")"
echo "$passed passed, $failed failed, $skipped skipped"
# Where everything was skipped, nothing was shown.
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
