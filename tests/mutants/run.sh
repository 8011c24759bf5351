#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Proves the tests: run.sh [NAME...] applies each patch of this folder, or
# those named, to a copy of the tree and expects a test to fail there.
#
# A patch says on its T: line which tests are the most likely to notice. They
# must pass without it. If none of them fails with it the whole suite is run;
# if that passes as well, the mutant survived and so does the bug it stands
# for.
#
# Copies are in $B/mutants (B is the build folder). A test that takes longer
# than MUTANT_TIMEOUT seconds (30) hangs, which counts as noticed. JOBS (2)
# mutants are tried at once.

set -eu

cd "$(dirname "$0")/../.."
root=$PWD
B=${B:-build}
MAKE=${MAKE:-make}
jobs=${JOBS:-2}
TEST_TIMEOUT=${MUTANT_TIMEOUT:-30}
export TEST_TIMEOUT
# The copies have a build folder of their own, whatever ours is.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

case $B in
/*) work=$B/mutants ;;
*) work=$root/$B/mutants ;;
esac
base=$work/base

die()
{
	echo "mutants: $*" >&2
	exit 1
}

# header NAME FIELD
header()
{
	sed -n "s/^$2: *//p; /^--- /q" "tests/mutants/$1.patch"
}

# What must be built for a test, and what is run.
target_of()
{
	case $1 in
	*.sh)
		echo build/torc-proxy build/tests/tools/peer \
			build/tests/tools/backend build/tests/tools/deny
		case $1 in
		faults/*) echo build/tests/tools/torc-proxy-faulty \
			build/tests/tools/streams \
			build/tests/faults/serve_prog ;;
		core/*) echo all ;;
		esac
		;;
	*) echo "build/tests/$1" ;;
	esac
}

program_of()
{
	case $1 in
	*.sh) echo "tests/$1" ;;
	*) echo "build/tests/$1" ;;
	esac
}

# build FOLDER TARGET...: its log is FOLDER.build
build()
{
	folder=$1
	shift
	"$MAKE" -s -C "$folder" B=build "$@" >"$folder.build" 2>&1
}

# The first case of a log that began and did not end well.
failed_case()
{
	awk '/\[ RUN      \] / { if (name != "") exit; name = $NF }
		/\[       OK \] / { name = "" }
		END { print name }' "$1"
}

# run_tests FOLDER PROGRAM...: fails at the first that fails, and sets
# $noticed to its name and to the case in it.
run_tests()
{
	folder=$1
	shift
	for program in "$@"; do
		(cd "$folder" && B=build tests/run.sh "$program") \
			>"$folder.log" 2>&1 && continue
		# A skip is the machine's, not the mutant's.
		grep -q '^FAIL ' "$folder.log" || continue
		noticed=$(sed -n 's/^FAIL \([^ ]*\) .*/\1/p' "$folder.log")
		case=$(failed_case "$folder.log")
		[ -z "$case" ] || noticed="$noticed: $case"
		return 1
	done
}

# The tests of the library and the proxy; what measures or installs has
# nothing to say about a bug.
whole_suite()
{
	(cd "$1" && find build/tests/base build/tests/alloc build/tests/uring \
		build/tests/core build/tests/contract -name '*_test' \
		-type f 2>/dev/null | sort
	find tests/proxy tests/faults -name '*_test.sh' 2>/dev/null | sort)
}

copy_tree()
{
	mkdir -p "$base"
	find "$base" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	tar -cf - --exclude='./build*' --exclude=./.git --exclude=./.deps \
		--exclude=./perf/results . | tar -xf - -C "$base"
	ln -sfn "$root/.deps" "$base/.deps"
}

# Links in there lead to the tree itself.
copy_base()
{
	rm -rf "$1"
	cp -a "$base" "$1"
	rm -rf "$1/build/include"
}

prepare()
{
	copy_tree
	tests=$(for name in "$@"; do header "$name" T; done |
		tr ' ' '\n' | sort -u)
	# shellcheck disable=SC2046 # a list of words
	build "$base" -j"$jobs" $(for test in $tests; do
		target_of "$test"; done | tr ' ' '\n' | sort -u) || {
		cat "$base.build" >&2
		die "the tree does not build, so no mutant can be judged"
	}
	# shellcheck disable=SC2046
	run_tests "$base" $(for test in $tests; do program_of "$test"; done) || {
		cat "$base.log" >&2
		die "$noticed fails without a mutant; mend that first"
	}
}

verdict()
{
	echo "$2" >"$work/results/$1"
	echo "$2"
}

# try NAME FOLDER
try()
{
	tests=$(header "$1" T)
	copy_base "$2"
	patch -s -f -p1 -d "$2" <"tests/mutants/$1.patch" >"$2.log" 2>&1 || {
		verdict "$1" "stale $1: the patch does not apply any more"
		return
	}
	# shellcheck disable=SC2046
	build "$2" $(for test in $tests; do target_of "$test"; done |
		tr ' ' '\n' | sort -u) || {
		cp "$2.build" "$work/$1.build"
		verdict "$1" "stale $1: it does not build, see $work/$1.build"
		return
	}
	# shellcheck disable=SC2046
	run_tests "$2" $(for test in $tests; do program_of "$test"; done) || {
		verdict "$1" "killed $1 by $noticed"
		return
	}
	build "$2" tests || true
	# shellcheck disable=SC2046
	run_tests "$2" $(whole_suite "$2") || {
		verdict "$1" "killed $1 by $noticed (none of its own: $tests)"
		return
	}
	verdict "$1" "SURVIVED $1: $(header "$1" What)"
}

# Whoever makes the folder has the mutant.
worker()
{
	number=$1
	shift
	for name in "$@"; do
		mkdir "$work/claims/$name" 2>/dev/null || continue
		try "$name" "$work/copy$number"
	done
	rm -rf "$work/copy$number"
}

command -v patch >/dev/null || die "there is no patch here: scripts/deps test"
[ $# -gt 0 ] || for patch in tests/mutants/*.patch; do
	name=${patch##*/}
	set -- "$@" "${name%.patch}"
done
for name in "$@"; do
	[ -f "tests/mutants/$name.patch" ] ||
		die "there is no tests/mutants/$name.patch"
done

mkdir -p "$work"
rm -rf "$work/claims" "$work/results"
mkdir "$work/claims" "$work/results"
prepare "$@"

workers=
trap '[ -z "$workers" ] || kill $workers 2>/dev/null; exit 1' HUP INT TERM
n=0
while [ "$n" -lt "$jobs" ]; do
	n=$((n + 1))
	worker "$n" "$@" &
	workers="$workers $!"
done
wait

# Once more, below all the others.
cat "$work"/results/* >"$work/verdicts"
grep -v '^killed ' "$work/verdicts" || true
killed=$(grep -c '^killed ' "$work/verdicts" || true)
echo "$killed of $# killed"
[ "$killed" -eq $# ]
