#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    The sanitizers of this build notice what they are there for.
# Method  $SAN says what the build has (address,undefined or thread). A
#         program with that very mistake must fail, with the right report.
#
# $B/tests/xfail/leak and race are built as any other program under tests/.

set -u

bin=${B:-build}/tests/xfail

# expect PROGRAM REPORT: it must exit non-zero and print REPORT.
expect()
{
	[ -x "$bin/$1" ] || {
		echo "FAIL: $bin/$1 was not built"
		exit 1
	}
	# Nothing from outside may relax the sanitizer.
	text=$(ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS='' TSAN_OPTIONS='' \
		"$bin/$1" 2>&1)
	code=$?
	case $text in
	*'LeakSanitizer has encountered a fatal error'* | \
	*'FATAL: ThreadSanitizer: unexpected memory mapping'*)
		echo "the sanitizer cannot run here:" \
			"$(echo "$text" | grep -im1 sanitizer)"
		exit 77
		;;
	esac
	if [ "$code" -eq 0 ]; then
		echo "FAIL: $1 passed; SAN=$SAN does not work in this build"
		exit 1
	fi
	case $text in
	*"$2"*) echo "ok: $1 failed as it should" ;;
	*)
		echo "FAIL: $1 exited $code without the words: $2"
		echo "$text"
		exit 1
		;;
	esac
}

case ${SAN:-} in
*address*) expect leak 'LeakSanitizer: detected memory leaks' ;;
*thread*) expect race 'ThreadSanitizer: data race' ;;
*)
	echo "no sanitizer in this build (SAN is address,undefined or thread)"
	exit 77
	;;
esac
