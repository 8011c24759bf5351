# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the tests of faults share; sourced after tests/proxy/lib.sh.

serve=$B/tests/faults/serve_prog
streams=$B/tests/tools/streams

# Where it is forbidden there is nothing to disturb.
need_io_uring()
{
	refusal=$(TORC_ENGINE=kernel "$serve" 2>&1 >/dev/null) && return
	case $refusal in
	*forbidden* | *missing*) skip "${refusal#torc: error: }" ;;
	esac
	fail "a small server on io_uring: $refusal"
}

# From here on torc-proxy is the one with the engine that injects faults.
# $seed chooses them: SEED=N replays it, as far as the kernel does the same
# again.
use_faulty()
{
	need_io_uring
	# shellcheck disable=SC2034 # start_proxy runs it
	PROXY=$B/tests/tools/torc-proxy-faulty
	seed=${SEED:-$(date +%s)}
	export TORC_ENGINE=faulty TORC_SEED="$seed"
}

# run_streams ARGS...: sets $figures, "streams=N exact=N reset=N ...".
run_streams()
{
	figures=$("$streams" "$@" 2>&1) ||
		fail "seed $seed: streams $*: $figures"
	echo "streams $*: $figures"
}

# figure NAME TEXT: the number behind NAME= in TEXT.
figure()
{
	printf '%s\n' "$2" | sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" | tail -n 1
}

# After stop_proxy: what was injected goes into the log and into $faults.
show_faults()
{
	# shellcheck disable=SC2154 # start_proxy sets it
	faults=$(sed -n 's/^faults: //p' "$proxy_err")
	[ -n "$faults" ] || fail "torc-proxy did not tell its faults"
	echo "injected: $faults"
}

# assert_all_struck: no kind of fault may be missing.
assert_all_struck()
{
	for fault in $faults; do
		[ "${fault#*=}" -gt 0 ] ||
			fail "seed $seed: no fault of the kind ${fault%=*}"
	done
}
