/* SPDX-License-Identifier: MIT */
/*
 * Goal    What a real kernel does too rarely for a test to wait for: a reset
 *         that only a send was told of, an end behind a send that was cut, a
 *         pool of buffers that is empty for several turns, a reader that runs
 *         long after its stream was closed.
 * Method  Streams and sockets on a fake engine, whose SQEs are answered by
 *         hand.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torc.h>

#include "core/io/stream_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

/* Plays the kernel until the stream is gone; it answers cancels again. */
static void
close_stream(struct fake_shard *f, struct torc_stream *stream)
{
	int fd = stream->fd;

	f->fake->keeps_cancels = false;
	torc_close(stream);
	fake_shard_turn(f, 3);
	close(fd);
	fake_shard_answer(f, IORING_OP_CLOSE, 0, 0);
}

static void
reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/*
 * A TCP socket whose peer has reset it, and whose error somebody has taken:
 * the kernel will tell nothing but an end.
 */
static int
open_dead_socket(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	assert_int_equal(bind(listener, (void *)&sa, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (void *)&sa, &len), 0);
	assert_int_equal(connect(fd, (void *)&sa, len), 0);
	reset(accept(listener, NULL, NULL));
	close(listener);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	return fd;
}

static struct torc_stream *
open_stream(struct fake_shard *f, int fd, bool is_tcp)
{
	struct torc_stream *stream = torc__stream_new(&f->shard, fd, is_tcp);

	assert_non_null(stream);
	return stream;
}

/* A stream of it that sends and receives. */
struct dead {
	struct torc_stream *stream;
	struct torc_send send;
	struct torc_future readable;
};

static void
dead_open(struct fake_shard *f, struct dead *dead)
{
	dead->stream = open_stream(f, open_dead_socket(), true);
	dead->send = (struct torc_send){ .data = "abcd", .bytes = 4 };
	torc_recv_start(dead->stream, &dead->readable);
	torc_send_start(dead->stream, &dead->send);
	fake_shard_turn(f, 1);
}

static void
an_end_while_a_dead_connection_still_sends_is_a_reset(void **state)
{
	struct fake_shard *f = *state;
	struct dead dead;

	dead_open(f, &dead);
	fake_shard_answer(f, IORING_OP_RECV, 0, 0);

	assert_true(torc_future_is_ready(&dead.readable));
	assert_int_equal(dead.readable.value, -ECONNRESET);
	fake_shard_answer(f, IORING_OP_SEND, -EPIPE, 0);
	close_stream(f, dead.stream);
}

static void
an_end_after_a_send_that_was_cut_is_a_reset(void **state)
{
	struct fake_shard *f = *state;
	struct dead dead;

	dead_open(f, &dead);
	f->fake->keeps_cancels = true;
	torc_future_cancel(&dead.send.done);
	fake_shard_turn(f, 1);
	fake_shard_answer(f, IORING_OP_SEND, 3, 0);
	assert_int_equal(dead.send.done.value, -ECANCELED);
	fake_shard_answer(f, IORING_OP_RECV, 0, 0);

	assert_int_equal(dead.readable.value, -ECONNRESET);
	close_stream(f, dead.stream);
}

static void
a_broken_pipe_is_told_as_the_reset_that_it_is(void **state)
{
	struct fake_shard *f = *state;
	struct dead dead;

	dead_open(f, &dead);
	fake_shard_answer(f, IORING_OP_SEND, -EPIPE, 0);
	assert_int_equal(dead.send.done.value, -ECONNRESET);
	fake_shard_answer(f, IORING_OP_RECV, 0, 0);

	assert_int_equal(dead.readable.value, -ECONNRESET);
	close_stream(f, dead.stream);
}

/* ---- a reader that runs late ---- */

static int
receive(void *stream)
{
	const void *data;

	return (int)torc_recv(stream, &data);
}

static int
join(void *task)
{
	int result;

	return torc_join(task, &result);
}

static int
close_it(void *stream)
{
	torc_close(stream);
	return 0;
}

static int
do_nothing(void *unused)
{
	(void)unused;
	return 0;
}

/* False when its memory is among the next blocks of that size. */
static bool
is_still_allocated(const struct torc_stream *s)
{
	void *blocks[64];
	bool is_free = false;

	for (unsigned i = 0; i < 64; i++) {
		blocks[i] = torc_malloc(sizeof(*s));
		is_free |= blocks[i] == s;
	}
	for (unsigned i = 0; i < 64; i++)
		torc_free(blocks[i]);
	return !is_free;
}

static void
a_stream_lasts_until_the_reader_that_it_woke_has_run(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, 1000, false);
	struct torc_task *reader;
	unsigned tasks;

	assert_int_equal(torc_spawn(&reader, receive, s), 0);
	fake_shard_turn(f, 1);
	/* The reader, once it is woken, has all the others before it. */
	assert_int_equal(torc_spawn(NULL, close_it, s), 0);
	for (unsigned i = 0; i < 4 * TORC__READY_MAX; i++)
		assert_int_equal(torc_spawn(NULL, do_nothing, NULL), 0);
	fake_shard_turn(f, 2);
	fake_shard_answer(f, IORING_OP_CLOSE, 0, 0);

	tasks = f->shard.tasks_count;
	assert_int_equal(reader->state, TORC_TASK_READY);
	assert_true(is_still_allocated(s));
	fake_shard_turn(f, 4);
	assert_true(tasks > 1);
	assert_int_equal(reader->state, TORC_TASK_DONE);
	assert_int_equal(reader->result, -ECANCELED);
	assert_int_equal(fake_shard_run(f, join, reader), 0);
}

/* ---- a relay to a slow reader ---- */

static void
finish_closes(struct fake_shard *f)
{
	for (uint32_t i = 0; i < f->fake->taken_count; i++)
		if (f->fake->taken[i].sqe.opcode == IORING_OP_CLOSE &&
			!f->fake->taken[i].is_finished)
			fake_complete(&f->shard.ring, i, 0, 0);
	fake_shard_turn(f, 2);
}

static void
who_takes_a_buffer_piece_by_piece_is_not_idle(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_stream *a = open_stream(f, 1000, false);
	struct torc_stream *b = open_stream(f, 1001, false);
	struct torc_relay relay;

	torc_relay_start(&relay, a, b, TORC_S);
	fake_shard_turn(f, 1);
	fake_complete(ring, fake_index(ring, IORING_OP_RECV, 0), 1000,
		IORING_CQE_F_MORE | IORING_CQE_F_BUFFER);
	fake_shard_turn(f, 2);
	for (unsigned i = 0; i < 5; i++) {
		fake_sleep_ns(ring, 600 * TORC_MS);
		fake_shard_turn(f, 1);
		fake_shard_answer(f, IORING_OP_SEND, 100, 0);
		fake_shard_turn(f, 2);
	}
	assert_false(torc_future_is_ready(&relay.done));

	fake_sleep_ns(ring, 1200 * TORC_MS);
	fake_shard_turn(f, 6);
	assert_true(torc_future_is_ready(&relay.done));
	assert_int_equal(relay.done.value, -ETIMEDOUT);
	assert_int_equal(relay.a_to_b.bytes, 500);
	finish_closes(f);
}

/* ---- datagrams without buffers ---- */

static void
take_all_buffers(struct fake_shard *f, uint32_t index)
{
	for (uint32_t id = 0; f->shard.datagrams.posted_count > 0; id++) {
		fake_complete(&f->shard.ring, index, 100,
			IORING_CQE_F_MORE | IORING_CQE_F_BUFFER |
				id << IORING_CQE_BUFFER_SHIFT);
		fake_shard_turn(f, 1);
	}
}

static void
a_datagram_socket_waits_for_buffers_and_does_not_spin(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_address any;
	struct torc_future readable;
	struct torc_udp *udp;
	uint32_t count_max;

	assert_int_equal(torc_address_parse(&any, "udp:127.0.0.1:0", NULL), 0);
	assert_int_equal(torc_udp_bind(&udp, &any), 0);
	count_max = f->shard.datagrams.options.count_max;
	f->shard.datagrams.options.count_max = f->shard.datagrams.count;
	torc_udp_recv_start(udp, &readable);
	fake_shard_turn(f, 1);
	take_all_buffers(f, fake_index(ring, IORING_OP_RECVMSG, 0));
	fake_shard_answer(f, IORING_OP_RECVMSG, -ENOBUFS, 0);
	fake_shard_turn(f, 5);
	assert_int_equal(fake_count(ring, IORING_OP_RECVMSG), 1);

	f->shard.datagrams.options.count_max = count_max;
	torc_udp_close(udp);
	fake_shard_turn(f, 2);
}

/* Received once, and all taken, so that nothing but the park shows it. */
static void
a_stream_that_waits_for_buffers_takes_no_descriptors(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_stream *s =
		open_stream(f, socket(AF_UNIX, SOCK_STREAM, 0), false);
	struct torc_future readable;
	char buf[8];
	struct torc_recv_fds recv = { .buf = buf, .bytes = sizeof(buf) };

	torc_recv_start(s, &readable);
	fake_shard_turn(f, 1);
	fake_shard_answer(
		f, IORING_OP_RECV, 4, IORING_CQE_F_MORE | IORING_CQE_F_BUFFER);
	torc__stream_put(torc__stream_take(s));
	fake_shard_answer(f, IORING_OP_RECV, -ENOBUFS, 0);
	assert_true(torc__list_is_linked(&s->parked.link));
	torc_recv_fds_start(s, &recv);

	assert_int_equal(recv.done.value, -EBUSY);
	fake_shard_turn(f, 1);
	assert_int_equal(fake_count(ring, IORING_OP_RECVMSG), 0);
	close_stream(f, s);
}

static void
an_accept_that_the_kernel_ended_is_armed_again(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_address any;
	struct torc_listener *listener;
	struct torc_future acceptable;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(torc_address_parse(&any, "127.0.0.1:0", NULL), 0);
	assert_int_equal(torc_listen(&listener, &any, NULL), 0);
	torc_accept_start(listener, &acceptable);
	fake_shard_turn(f, 1);
	fake_shard_answer(f, IORING_OP_ACCEPT, fd, 0);
	fake_shard_turn(f, 1);
	assert_int_equal(acceptable.value, 0);
	assert_int_equal(fake_count(ring, IORING_OP_ACCEPT), 2);

	torc_listener_close(listener);
	fake_shard_turn(f, 2);
	close(fd);
	finish_closes(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TURNED_SHARD(
			an_end_while_a_dead_connection_still_sends_is_a_reset),
		WITH_TURNED_SHARD(an_end_after_a_send_that_was_cut_is_a_reset),
		WITH_TURNED_SHARD(
			a_broken_pipe_is_told_as_the_reset_that_it_is),
		WITH_TURNED_SHARD(
			a_stream_lasts_until_the_reader_that_it_woke_has_run),
		WITH_TURNED_SHARD(
			who_takes_a_buffer_piece_by_piece_is_not_idle),
		WITH_TURNED_SHARD(
			a_datagram_socket_waits_for_buffers_and_does_not_spin),
		WITH_TURNED_SHARD(
			a_stream_that_waits_for_buffers_takes_no_descriptors),
		WITH_TURNED_SHARD(
			an_accept_that_the_kernel_ended_is_armed_again),
	};

	return cmocka_run_group_tests_name(
		"core/io/unlucky", tests, NULL, NULL);
}
