/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SIM_RING_FIXTURE_H
#define TORC_TESTS_SIM_RING_FIXTURE_H

/*
 * ring_fixture - one simulated ring without a runtime; SQEs by hand, one CQE
 * after the other, as the contract suite sees them. No fault is on.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>

#include "tests/test.h"
#include "uring/op_priv.h"
#include "uring/ring_priv.h"
#include "uring/sim_priv.h"

#define PORT 7000
#define GROUP 3
#define BUFS 8
#define BUF_BYTES 256

struct fixture {
	struct torc_ring ring;
	struct io_uring_buf_ring *group;
	char bufs[BUFS][BUF_BYTES];
	uint64_t next; /* user_data */
};

static inline int
set_up(void **state)
{
	static struct fixture f;
	static char page[4096] __attribute__((aligned(4096)));
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)page, .ring_entries = 16, .bgid = GROUP
	};
	struct torc_sim_config config;

	memset(&f, 0, sizeof(f));
	memset(page, 0, sizeof(page));
	torc__sim_config_init(&config);
	assert_int_equal(torc__sim_begin(&config), 0);
	assert_int_equal(torc__ring_open(&f.ring, &torc__engine_sim,
				 &(struct torc_ring_options){
					 .sq_entries = 64, .cq_entries = 256 }),
		0);
	f.group = (void *)page;
	for (uint16_t i = 0; i < BUFS; i++)
		f.group->bufs[i] = (struct io_uring_buf){
			.addr = (uintptr_t)f.bufs[i], .len = BUF_BYTES, .bid = i
		};
	f.group->tail = BUFS;
	assert_int_equal(
		f.ring.engine->reg(&f.ring, IORING_REGISTER_PBUF_RING, &reg, 1),
		0);
	*state = &f;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;
	struct torc_sim_counts counts;

	torc__ring_close(&f->ring);
	torc__sim_end(&counts);
	return 0;
}

static inline struct io_uring_sqe *
sqe_new(struct fixture *f)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	sqe->user_data = ++f->next;
	return sqe;
}

/* The next CQE, however long it takes. */
static inline struct torc_cqe
next_cqe(struct fixture *f)
{
	while (torc__ring_cq_count(&f->ring) == 0)
		assert_int_equal(torc__ring_enter(&f->ring, 1, UINT64_MAX), 0);
	return torc__ring_pop(&f->ring);
}

/* Nothing comes within a second. */
static inline void
expect_silence(struct fixture *f)
{
	assert_int_equal(torc__ring_enter(&f->ring, 1, 1000000000), 0);
	assert_int_equal(torc__ring_cq_count(&f->ring), 0);
}

static inline int32_t
result(struct fixture *f)
{
	uint64_t user_data = f->next;
	struct torc_cqe cqe = next_cqe(f);

	assert_int_equal(cqe.user_data, user_data);
	assert_false(cqe.flags & IORING_CQE_F_MORE);
	return cqe.res;
}

static inline struct sockaddr_in
address(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static inline int
open_socket(struct fixture *f, int type)
{
	int fd = f->ring.engine->socket(&f->ring, AF_INET, type, 0);

	assert_true(fd >= 0);
	return fd;
}

static inline int
open_listener(struct fixture *f, uint16_t port, int backlog)
{
	struct sockaddr_in at = address(port);
	int fd = open_socket(f, SOCK_STREAM);

	assert_int_equal(f->ring.engine->bind(&f->ring, fd,
				 (struct sockaddr *)&at, sizeof(at)),
		0);
	assert_int_equal(f->ring.engine->listen(&f->ring, fd, backlog), 0);
	return fd;
}

static inline int32_t
connect_to(struct fixture *f, int fd, uint16_t port)
{
	struct sockaddr_in at = address(port);

	io_uring_prep_connect(
		sqe_new(f), fd, (struct sockaddr *)&at, sizeof(at));
	return result(f);
}

static inline int32_t
accept_one(struct fixture *f, int listener)
{
	io_uring_prep_accept(sqe_new(f), listener, NULL, NULL, 0);
	return result(f);
}

/* Both ends of a connection. */
static inline void
open_pair(struct fixture *f, int *client, int *server)
{
	int listener = open_listener(f, PORT, 16);

	*client = open_socket(f, SOCK_STREAM);
	assert_int_equal(connect_to(f, *client, PORT), 0);
	*server = accept_one(f, listener);
	assert_true(*server >= 0);
	f->ring.engine->close_fd(&f->ring, listener);
}

static inline int32_t
send_text(struct fixture *f, int fd, const char *text)
{
	io_uring_prep_send(
		sqe_new(f), fd, text, (unsigned)strlen(text), MSG_NOSIGNAL);
	return result(f);
}

static inline int32_t
recv_into(struct fixture *f, int fd, void *data, unsigned bytes)
{
	io_uring_prep_recv(sqe_new(f), fd, data, bytes, 0);
	return result(f);
}

static inline void
close_fd(struct fixture *f, int fd)
{
	io_uring_prep_close(sqe_new(f), fd);
	assert_int_equal(result(f), 0);
}

static inline int
tcp_state(struct fixture *f, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	assert_int_equal(f->ring.engine->getsockopt(&f->ring, fd, IPPROTO_TCP,
				 TCP_INFO, &info, &len),
		0);
	return info.tcpi_state;
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif /* TORC_TESTS_SIM_RING_FIXTURE_H */
