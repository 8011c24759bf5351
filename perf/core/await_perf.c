/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>

#include <jemalloc/jemalloc.h>

#include <torc/core/io/connect.h>
#include <torc/core/io/listener.h>

#include "core/io/stream_priv.h"
#include "perf/bench_task.h"

#define MESSAGE_BYTES 64

/* Bytes that this thread has ever taken from the heap. */
static uint64_t
heap_bytes(void)
{
	uint64_t bytes = 0;
	size_t len = sizeof(bytes);

	if (mallctl("thread.allocated", &bytes, &len, NULL, 0) != 0)
		return 0;
	return bytes;
}

static void
note_heap(struct torc_bench *b, uint64_t before_bytes)
{
	double bytes = (double)(heap_bytes() - before_bytes);

	torc_bench_note(
		b, "heap_bytes_per_pass", bytes / (double)torc_bench_passes(b));
}

struct nop {
	struct torc_op op;
	struct torc_future done;
};

static void
on_nop(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)cqe_flags;
	torc_future_complete(
		&torc__container_of(op, struct nop, op)->done, res);
}

/*
 * Question      What does one awaited operation cost when the kernel does
 *               nothing for it: SQE, enter, CQE, resume, one loop turn?
 * Unit          One IORING_OP_NOP, awaited. Nothing else is in flight, so
 *               each pays for an enter of its own: see ring_perf.c:enter.
 * Change mind   100 ns above what ring_perf.c:nops/1 costs, which is the
 *               same without a task: the turn would then be too fat.
 */
static int
nop(void *b)
{
	struct torc_ring *ring = &torc__shard->ring;
	uint64_t before_bytes;
	struct nop nop;

	torc__op_init(&nop.op, on_nop);
	before_bytes = heap_bytes();
	while (torc_bench_next(b)) {
		struct io_uring_sqe *sqe = torc__ring_sqe(ring);

		io_uring_prep_nop(sqe);
		torc_future_init(&nop.done, NULL, NULL);
		torc__op_submit(ring, &nop.op, sqe);
		torc_await(&nop.done);
	}
	note_heap(b, before_bytes);
	return 0;
}
TORC_BENCH_TASK(nop)

/* Until the other end closes. */
static int
echo(void *arg)
{
	struct torc_stream *s = arg;
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_recv(s, &data)) > 0)
		if (torc_send_all(s, data, (size_t)bytes) < 0)
			break;
	torc_close(s);
	return 0;
}

static int
ping(struct torc_stream *s)
{
	char message[MESSAGE_BYTES] = { 0 };
	ssize_t ret = torc_send_all(s, message, sizeof(message));

	if (ret > 0)
		ret = torc_read_exact(s, message, sizeof(message));
	if (ret >= 0 && ret < (ssize_t)sizeof(message))
		return -EPIPE;
	return ret < 0 ? (int)ret : 0;
}

/* Takes both. */
static int
round_trips(
	struct torc_bench *b, struct torc_stream *near, struct torc_stream *far)
{
	struct torc_task *task;
	uint64_t before_bytes, enters;
	int ret = torc_spawn(&task, echo, far);

	if (ret < 0) {
		torc_close(near);
		torc_close(far);
		return ret;
	}
	ret = ping(near); /* arms both receives */
	before_bytes = heap_bytes();
	enters = torc__shard->ring.stats.enters;
	while (ret == 0 && torc_bench_next(b))
		ret = ping(near);
	note_heap(b, before_bytes);
	torc_bench_note(b, "enters_per_pass",
		(double)(torc__shard->ring.stats.enters - enters) /
			(double)torc_bench_passes(b));
	torc_close(near);
	if (torc_join(task, NULL) < 0)
		return -ECANCELED;
	return ret;
}

/*
 * Question      What does a message cost from task to task through the
 *               kernel, with as little protocol as there is?
 * Unit          64 bytes over a Unix socket pair and back: two sends, two
 *               multishot receives, four switch pairs, on one thread.
 * Change mind   A byte of heap per pass, or an enter more than four: a send
 *               and the wait for its answer must share one.
 */
static int
pair_round_trip(void *b)
{
	struct torc_stream *near, *far;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	near = torc__stream_new(torc__shard, fds[0], false);
	far = torc__stream_new(torc__shard, fds[1], false);
	if (near == NULL || far == NULL) {
		torc_close(near);
		torc_close(far);
		return -ENOMEM;
	}
	return round_trips(b, near, far);
}
TORC_BENCH_TASK(pair_round_trip)

/*
 * Question      The same through loopback TCP: how much of it is TCP?
 * Unit          64 bytes over a connection to 127.0.0.1 and back.
 * Change mind   Less than pair_round_trip: then that one is the anomaly.
 */
static int
tcp_round_trip(void *b)
{
	struct torc_address address;
	struct torc_listener *listener;
	struct torc_stream *near, *far;
	const char *why;
	int ret = torc_address_parse(&address, "127.0.0.1:0", &why);

	if (ret == 0)
		ret = torc_listen(&listener, &address, NULL);
	if (ret < 0)
		return ret;
	ret = torc_listener_address(listener, &address);
	if (ret == 0)
		ret = torc_connect(&near, &address);
	if (ret == 0) {
		ret = torc_accept(listener, &far);
		if (ret < 0)
			torc_close(near);
		else
			ret = round_trips(b, near, far);
	}
	torc_listener_close(listener);
	return ret;
}
TORC_BENCH_TASK(tcp_round_trip)
