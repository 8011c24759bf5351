#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    perf/flame draws what a running server does, and says in one line
#         why it cannot.
# Method  A proxy that polls without rest is recorded for a second; its spin
#         must be in the stacks, and the picture hold all samples.

set -u

B=${B:-build}
dir=$(mktemp -d) || exit 1
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

skip()
{
	echo "$1"
	exit 77
}

fail()
{
	echo "FAIL: $1"
	cat "$dir/out"
	exit 1
}

flame()
{
	timeout 60 perf/flame "$@" >"$dir/out" 2>&1
}

# The status is not 0, and the words are the one line that was said.
refuses()
{
	words=$1
	shift
	flame "$@" && fail "$* did not fail"
	[ "$(wc -l <"$dir/out")" -eq 1 ] || fail "$* took more than a line"
	grep -q "$words" "$dir/out" || fail "$*: it does not say '$words'"
}

a_mistake_is_one_line()
{
	refuses 'usage: ' 1
	refuses 'no process 999999999' 999999999 1 "$dir/x"
	refuses 'no number of seconds' $$ soon "$dir/x"
}

without_perf_it_names_the_package()
{
	mkdir "$dir/bin"
	ln -s "$(python3 -c 'import sys; print(sys.executable)')" \
		"$dir/bin/python3"
	PATH=$dir/bin "$dir/bin/python3" perf/flame $$ 1 "$dir/x" \
		>"$dir/out" 2>&1 && fail "it works without perf"
	grep -q 'apt-get install linux-perf' "$dir/out" ||
		fail "it does not say what to install"
}

a_busy_server_is_drawn()
{
	"$B/torc-proxy" --shards 1 --busy-poll "@torc-flame-$$" "@none-$$" \
		>"$dir/server" 2>&1 &
	pid=$!
	sleep 0.3
	flame "$pid" 1 "$dir/a/flame" || {
		grep -q 'perf_event_paranoid\|could not record' "$dir/out" &&
			skip "$(head -n 1 "$dir/out")"
		fail "it did not record"
	}
	kill "$pid"
	pid=
	grep -q 'torc_run.*torc__shard_wait' "$dir/a/flame.folded" ||
		fail "the loop is not in the stacks"
}

the_picture_holds_every_sample()
{
	count=$(awk '{ sum += $NF } END { print sum }' "$dir/a/flame.folded")
	python3 - "$dir/a/flame.svg" "$count" >"$dir/out" 2>&1 <<-'EOF' ||
		import sys
		import xml.etree.ElementTree as tree
		path, count = sys.argv[1:]
		root = tree.parse(path).getroot()
		name = "{http://www.w3.org/2000/svg}"
		frames = [g for g in root.iter(name + "g") if g.get("data-n")]
		assert f"{count} samples" in root.find(name + "title").text
		assert len(frames) > 5
		assert all(float(f.get("data-w")) <= 1 for f in frames)
		assert "http" not in "".join(root.itertext())
	EOF
		fail "the picture is not right"
}

command -v python3 >/dev/null ||
	skip "python3 is not installed; apt-get install python3"
command -v perf >/dev/null ||
	skip "perf is not installed; apt-get install linux-perf"
for case in a_mistake_is_one_line without_perf_it_names_the_package \
	a_busy_server_is_drawn the_picture_holds_every_sample; do
	$case
	echo "ok - $case"
done
