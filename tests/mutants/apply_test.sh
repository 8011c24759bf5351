#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: no mutant goes stale: a patch that does not apply proves nothing.
# Method: each is applied without writing anything, and names tests that
# exist. make mutants does the rest.

set -u

cd "$(dirname "$0")/../.." || exit 1
command -v patch >/dev/null || {
	echo "skip: no patch here (scripts/deps test brings it)"
	exit 77
}

count=0
status=0

complain()
{
	echo "not ok - $*"
	status=1
}

for mutant in tests/mutants/*.patch; do
	count=$((count + 1))
	patch --dry-run -s -f -p1 <"$mutant" >/dev/null ||
		complain "$mutant applies"
	grep -q '^What: .' "$mutant" || complain "$mutant says what it is"
	tests=$(sed -n 's/^T: *//p' "$mutant")
	[ -n "$tests" ] || complain "$mutant names a test"
	for test in $tests; do
		[ -f "tests/$test" ] || [ -f "tests/$test.c" ] ||
			complain "$mutant: there is a test $test"
	done
done

[ "$count" -ge 30 ] || complain "$count mutants are at least 30"
[ "$status" -eq 0 ] && echo "ok - $count mutants apply and name their tests"
exit "$status"
