/* SPDX-License-Identifier: MIT */
/* Sends that are more than bytes from one place; beside socket_perf.c. */
#include <sys/uio.h>
#include <unistd.h>

#include <torc/core/io/adopt.h>
#include <torc/core/io/fds.h>
#include <torc/core/io/pair.h>

#include "perf/bench_task.h"

#define PIECES 8
#define PIECE_BYTES 64

static const char message[PIECES * PIECE_BYTES];

struct ends {
	struct torc_stream *a, *b;
};

typedef int open_fn(struct torc_stream **a, struct torc_stream **b);
typedef int once_fn(struct ends *ends);

/* 0 or -errno. */
static int
run(void *b, open_fn *open, once_fn *once)
{
	struct ends ends;
	int ret = open(&ends.a, &ends.b);

	if (ret < 0)
		return ret;
	while (ret == 0 && torc_bench_next(b))
		ret = once(&ends);
	torc_close(ends.a);
	torc_close(ends.b);
	return ret;
}

static int
read_message(struct ends *ends)
{
	char copy[sizeof(message)];
	ssize_t ret = torc_read_exact(ends->b, copy, sizeof(copy));

	return ret < 0 ? (int)ret : 0;
}

static int
pieces_once(struct ends *ends)
{
	struct iovec pieces[PIECES];
	ssize_t ret;

	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){
			(void *)(uintptr_t)(message + i * PIECE_BYTES),
			PIECE_BYTES
		};
	ret = torc_send_vec(ends->a, pieces, PIECES);
	return ret < 0 ? (int)ret : read_message(ends);
}

/*
 * Question      What does a message in 8 pieces cost more than in one?
 * Unit          8 times 64 bytes over a pair, sent and read by one task.
 * Change mind   More than one_piece and a copy of 512 bytes (10 ns).
 */
static int
eight_pieces(void *b)
{
	return run(b, torc_stream_pair, pieces_once);
}
TORC_BENCH_TASK(eight_pieces)

static int
whole_once(struct ends *ends)
{
	ssize_t ret = torc_send_all(ends->a, message, sizeof(message));

	return ret < 0 ? (int)ret : read_message(ends);
}

/*
 * Question      What is eight_pieces to be compared with?
 * Unit          512 bytes over a pair, sent and read by one task.
 * Change mind   Nothing: it is the yardstick.
 */
static int
one_piece(void *b)
{
	return run(b, torc_stream_pair, whole_once);
}
TORC_BENCH_TASK(one_piece)

static int
packet_once(struct ends *ends)
{
	const void *data;
	ssize_t ret = torc_send_all(ends->a, message, sizeof(message));

	if (ret > 0)
		ret = torc_recv(ends->b, &data);
	return ret < 0 ? (int)ret : 0;
}

/*
 * Question      Do messages that stay whole cost more than bytes?
 * Unit          512 bytes over a seqpacket pair, sent and shown to one task.
 * Change mind   A tenth more than one_piece.
 */
static int
packet(void *b)
{
	return run(b, torc_packet_pair, packet_once);
}
TORC_BENCH_TASK(packet)

static int
pass_once(struct ends *ends)
{
	unsigned room = 1;
	int fd = torc_stream_fd(ends->a);
	ssize_t ret = torc_send_fds(ends->a, "x", 1, &fd, 1);
	char byte;

	if (ret > 0)
		ret = torc_recv_fds(ends->b, &byte, 1, &fd, &room);
	if (ret > 0 && room == 1)
		close(fd);
	return ret < 0 ? (int)ret : 0;
}

/*
 * Question      What does it cost to hand a connection to another process?
 * Unit          one descriptor over a pair, received and closed.
 * Change mind   Three times one_piece: then workers should accept for
 *               themselves.
 */
static int
pass_descriptor(void *b)
{
	return run(b, torc_stream_pair, pass_once);
}
TORC_BENCH_TASK(pass_descriptor)
