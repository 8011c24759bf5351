/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_URING_EPOLL_FIXTURE_H
#define TORC_TESTS_URING_EPOLL_FIXTURE_H

/*
 * epoll_fixture - a ring on the epoll engine, driven by hand
 *
 * An op's user_data is a small number of the test's. Nothing waits longer
 * than PATIENCE_NS: a CQE that does not come fails the test. What a test
 * opens it closes; set_up and tear_down compare the descriptors.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include "uring/epoll_priv.h"

#define PATIENCE_NS (10 * TORC_S)

#define SQ_ENTRIES 64u
#define CQ_ENTRIES 64u
#define BUFS_MAX 64u
#define BUF_BYTES 256u
#define GROUP 3

struct fixture {
	struct torc_ring ring;
	int fds_before;
	struct io_uring_buf_ring *group;
	char data[BUFS_MAX][BUF_BYTES];
};

static struct fixture fixture;

static inline int
fixture_set_up(void **state)
{
	struct torc_ring_options options = { .sq_entries = SQ_ENTRIES,
		.cq_entries = CQ_ENTRIES };

	memset(&fixture, 0, sizeof(fixture));
	*state = &fixture;
	fixture.fds_before = fds_open();
	return torc__ring_open(&fixture.ring, &torc__engine_epoll, &options);
}

static inline int
fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(torc__ring_cq_count(&f->ring), 0);
	torc__ring_close(&f->ring);
	free(f->group);
	assert_int_equal(fds_open(), f->fds_before);
	return 0;
}

#define WITH_EPOLL(test) \
	cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

static inline void
turn(struct fixture *f)
{
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);
}

/* Publish with this user_data; it leaves with the next enter. */
static inline void
add(struct io_uring_sqe *sqe, uint64_t id)
{
	sqe->user_data = id;
}

static inline void
submit(struct fixture *f, struct io_uring_sqe *sqe, uint64_t id)
{
	add(sqe, id);
	turn(f);
}

/* The next CQE, which must be this op's. */
static inline struct torc_cqe
await_cqe(struct fixture *f, uint64_t id)
{
	struct torc_cqe cqe;

	if (torc__ring_cq_count(&f->ring) == 0)
		assert_int_equal(torc__ring_enter(&f->ring, 1, PATIENCE_NS), 0);
	assert_int_not_equal(torc__ring_cq_count(&f->ring), 0);
	cqe = torc__ring_pop(&f->ring);
	assert_int_equal(cqe.user_data, id);
	return cqe;
}

/* A terminal CQE with this result. */
static inline void
assert_ends(struct fixture *f, uint64_t id, int32_t res)
{
	struct torc_cqe cqe = await_cqe(f, id);

	assert_int_equal(cqe.res, res);
	assert_false(cqe.flags & IORING_CQE_F_MORE);
}

/* Enough enters that whatever could come has come. */
static inline void
assert_silent(struct fixture *f)
{
	for (unsigned i = 0; i < 3; i++) {
		turn(f);
		assert_int_equal(torc__ring_cq_count(&f->ring), 0);
	}
}

static inline void
cancel(struct fixture *f, uint64_t target, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_cancel64(sqe, target, 0);
	submit(f, sqe, id);
}

/* The target is gone without a word of its canceller. */
static inline void
cancel_and_drop(struct fixture *f, uint64_t target)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_cancel64(sqe, target, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	submit(f, sqe, 999);
	assert_ends(f, target, -ECANCELED);
}

/* ---- receive buffers ---- */

static inline void
open_group(struct fixture *f, unsigned count)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFS_MAX,
		.bgid = GROUP };

	f->group = aligned_alloc(4096, 4096);
	memset(f->group, 0, 4096);
	reg.ring_addr = (uintptr_t)f->group;
	assert_int_equal(f->ring.engine->reg(
				 &f->ring, IORING_REGISTER_PBUF_RING, &reg, 1),
		0);
	for (unsigned i = 0; i < count; i++) {
		io_uring_buf_ring_add(f->group, f->data[i], BUF_BYTES,
			(unsigned short)i, io_uring_buf_ring_mask(BUFS_MAX), 0);
		io_uring_buf_ring_advance(f->group, 1);
	}
}

static inline char *
buffer_of(struct fixture *f, struct torc_cqe cqe)
{
	assert_true(cqe.flags & IORING_CQE_F_BUFFER);
	return f->data[cqe.flags >> IORING_CQE_BUFFER_SHIFT];
}

static inline void
put_buffer(struct fixture *f, struct torc_cqe cqe)
{
	unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;

	io_uring_buf_ring_add(f->group, f->data[id], BUF_BYTES,
		(unsigned short)id, io_uring_buf_ring_mask(BUFS_MAX), 0);
	io_uring_buf_ring_advance(f->group, 1);
}

static inline void
recv_multishot(struct fixture *f, int fd, uint64_t id, uint32_t cap_bytes)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->optlen = cap_bytes;
	submit(f, sqe, id);
}

/* These bytes and no others, in however many results. */
static inline void
expect_text(struct fixture *f, uint64_t id, const char *text)
{
	size_t done = 0;

	while (done < strlen(text)) {
		struct torc_cqe cqe = await_cqe(f, id);

		assert_in_range(cqe.res, 1, strlen(text) - done);
		assert_memory_equal(
			buffer_of(f, cqe), text + done, (size_t)cqe.res);
		done += (size_t)cqe.res;
		put_buffer(f, cqe);
	}
}

/* ---- sockets ---- */

static inline int
listen_on_loopback(struct sockaddr_in *address, int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static inline int
connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	assert_int_equal(
		connect(fd, (const struct sockaddr *)address, sizeof(*address)),
		0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Two ends of a TCP connection. */
static inline void
open_tcp(int fds[2])
{
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 1);

	fds[0] = connect_to(&address);
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	close(listener);
}

static inline void
open_unix(int fds[2], int type)
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void
close_both(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static inline void
write_all(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Whoever closes it now sends a reset. */
static inline void
close_with_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* ---- events ---- */

static uint64_t event_count; /* what reads of an eventfd leave */

static inline void
read_event(struct fixture *f, int fd, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_read(sqe, fd, &event_count, sizeof(event_count), 0);
	submit(f, sqe, id);
}

static inline void
ring_event(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static inline void
poll_add(struct fixture *f, int fd, unsigned mask, bool is_multishot,
	uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	if (is_multishot)
		io_uring_prep_poll_multishot(sqe, fd, mask);
	else
		io_uring_prep_poll_add(sqe, fd, mask);
	submit(f, sqe, id);
}

/* As many no-ops as the CQ has room for, with ids of 100 and more. */
static inline void
fill_cq(struct fixture *f)
{
	for (uint64_t id = 0; id < CQ_ENTRIES; id++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_nop(sqe);
		submit(f, sqe, 100 + id);
	}
}

static inline void
expect_filled_cq(struct fixture *f)
{
	for (uint64_t id = 0; id < CQ_ENTRIES; id++)
		assert_ends(f, 100 + id, 0);
}

#endif /* TORC_TESTS_URING_EPOLL_FIXTURE_H */
