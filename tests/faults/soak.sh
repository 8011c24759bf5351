#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: no byte is lost in many hours of a kernel's bad luck.
# Method: 100,000 streams of 55 GB in all through torc-proxy, while 1 % of all
# that the ring does is altered; see faults_test.sh. STREAMS, BYTES_MAX and
# LANES make it longer or shorter.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
# shellcheck source=tests/faults/lib.sh
. tests/faults/lib.sh
use_faulty
export TORC_FAULTS="${TORC_FAULTS:-10}"
streams_count=${STREAMS:-100000}
bytes_max=${BYTES_MAX:-1100000}
echo "seed $seed, $TORC_FAULTS faults per 1,000 chances"

start_backend echo echo
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_streams "$listen" "1-$bytes_max" "$seed" "$streams_count" "${LANES:-64}"
stop_proxy
show_faults
gib=$(($(figure verified "$figures") / 1073741824))
pass "$streams_count streams, $gib GiB, $(figure reset "$figures") resets," \
	"no byte wrong"
