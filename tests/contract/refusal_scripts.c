/* SPDX-License-Identifier: MIT */
/* What cannot be done is said so, by the operation's own completion. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

/* One operation of each kind, on a descriptor that does not fit. */
static void
start_any(struct contract *c, int opcode, int fd)
{
	static const struct sockaddr_in sa = { .sin_family = AF_INET };
	struct group *none = memory(c, sizeof(*none));

	none->id = 5;
	switch (opcode) {
	case IORING_OP_ACCEPT:
		start_accept(c, 1, fd);
		return;
	case IORING_OP_CONNECT:
		start_connect(c, 1, fd, &sa, sizeof(sa));
		return;
	case IORING_OP_RECV:
		start_recv(c, 1, fd, memory(c, 8), 8);
		return;
	case IORING_OP_SEND:
		start_send(c, 1, fd, "x", 1);
		return;
	case IORING_OP_SENDMSG:
		start_sendmsg(c, 1, fd, NULL, 0, "x", 1);
		return;
	case IORING_OP_RECVMSG:
		open_group(c, 5, 4, 256);
		start_messages(c, 1, fd, 5);
		return;
	case IORING_OP_READ:
		start_read(c, 1, fd, memory(c, 8), 8);
		return;
	case IORING_OP_WRITE:
		start_write_at(c, 1, fd, "x", 1, 0);
		return;
	case IORING_OP_READV:
		start_readv(c, 1, fd, memory(c, sizeof(struct iovec)), 1, 0);
		return;
	case IORING_OP_WRITEV:
		start_writev(c, 1, fd, memory(c, sizeof(struct iovec)), 1, 0);
		return;
	case IORING_OP_FSYNC:
		start_sync(c, 1, fd, 0);
		return;
	case IORING_OP_POLL_ADD:
		start_poll(c, 1, fd, POLLIN);
		return;
	case IORING_OP_CLOSE:
		start_close(c, 1, fd);
		return;
	}
	give_up(c, "no such operation");
}

static void
a_bad_number_is_told_at_once(struct contract *c)
{
	start_any(c, c->script->arg, bad_fd(c));
	expect(c, 1, RES(-EBADF));
}

static void
an_event_is_no_socket(struct contract *c)
{
	start_any(c, c->script->arg, open_event(c));
	expect(c, 1, RES(-ENOTSOCK), RES(-EOPNOTSUPP));
}

static void
armed_on_what(struct contract *c, int fd, int32_t error)
{
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, fd, &group);
	expect(c, 1, RES(error));
	expect_nothing(c);
}

static void
a_multishot_on_a_bad_number_ends(struct contract *c)
{
	armed_on_what(c, bad_fd(c), -EBADF);
}

static void
a_multishot_on_an_event_ends(struct contract *c)
{
	armed_on_what(c, open_event(c), -ENOTSOCK);
}

static void
a_multishot_on_a_listener_ends(struct contract *c)
{
	struct sockaddr_in sa;

	armed_on_what(c, open_listener(c, &sa), -ENOTCONN);
}

static void
a_multishot_accept_on_a_bad_number_ends(struct contract *c)
{
	start_accepts(c, 1, bad_fd(c));
	expect(c, 1, RES(-EBADF));
}

static void
an_unknown_operation_is_refused(struct contract *c)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_nop(sqe);
	sqe->opcode = 254;
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL), RES(-EOPNOTSUPP));
}

static void
an_unknown_flag_is_refused(struct contract *c)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_nop(sqe);
	sqe->flags = 1u << 7;
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL), RES(-EOPNOTSUPP));
}

/* There is no table of files to find it in. */
static void
a_fixed_file_that_was_not_registered_is_refused(struct contract *c)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_recv(sqe, 0, memory(c, 8), 8, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	submit(c, sqe, 1);
	expect(c, 1, RES(-EBADF), RES(-EINVAL), RES(-EOPNOTSUPP));
}

static void
no_such_family_of_sockets(struct contract *c)
{
	require(c, c->engine->socket(&c->ring, 4711, SOCK_STREAM, 0) ==
			   -EAFNOSUPPORT);
}

static void
an_address_is_given_once(struct contract *c)
{
	struct sockaddr_in sa;
	int fd = open_socket(c, AF_INET, SOCK_STREAM);

	open_listener(c, &sa);
	require(c, c->engine->bind(&c->ring, fd, (struct sockaddr *)&sa,
			   sizeof(sa)) == -EADDRINUSE);
}

static void
many_listeners_may_share_an_address(struct contract *c)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int near;

	for (unsigned i = 0; i < 2; i++) {
		int fd = open_socket(c, AF_INET, SOCK_STREAM);

		require(c, set_option(c, fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
		require(c, c->engine->bind(&c->ring, fd, (struct sockaddr *)&sa,
				   sizeof(sa)) == 0);
		require(c, c->engine->listen(&c->ring, fd, 8) == 0);
		require(c, c->engine->getsockname(&c->ring, fd,
				   (struct sockaddr *)&sa, &len) == 0);
		start_accepts(c, 1, fd);
	}
	push(c);
	near = dial(c, &sa);
	own(c, expect(c, 1, BETWEEN_WITH(0, INT32_MAX, F_MORE)).res);
	give(c, near, "x", 1);
	cancel_waiting(c, 1);
	cancel_waiting(c, 1);
}

static void
an_option_is_set(struct contract *c)
{
	struct pair pair = open_pair(c);

	require(c, set_option(c, pair.near, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
}

/* A connection without an error says so. */
static void
no_error_is_none(struct contract *c)
{
	struct pair pair = open_pair(c);
	socklen_t len = sizeof(int);
	int error = -1;

	require(c, c->engine->getsockopt(&c->ring, pair.near, SOL_SOCKET,
			   SO_ERROR, &error, &len) == 0);
	require(c, error == 0);
}

static void
calls_on_a_bad_number_say_so(struct contract *c)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	struct sockaddr *any = (struct sockaddr *)&sa;
	const struct torc_engine *e = c->engine;
	int fd = bad_fd(c);

	require(c, e->bind(&c->ring, fd, any, len) == -EBADF);
	require(c, e->listen(&c->ring, fd, 1) == -EBADF);
	require(c, e->shutdown(&c->ring, fd, SHUT_WR) == -EBADF);
	require(c, e->getsockname(&c->ring, fd, any, &len) == -EBADF);
	require(c, e->getpeername(&c->ring, fd, any, &len) == -EBADF);
	require(c, e->dup(&c->ring, fd) == -EBADF);
	require(c, set_option(c, fd, SOL_SOCKET, SO_REUSEPORT, 1) == -EBADF);
}

static void
errors_are_put_into_words(struct contract *c)
{
	static const int errors[] = { -EPERM, -ENOSYS, -ENOMEM, -EMFILE,
		-EINVAL, -EIO };

	for (unsigned i = 0; i < 6; i++) {
		char *text = memory(c, 512);

		c->engine->explain(errors[i], text, 512);
		require(c, strlen(text) > 10 && strchr(text, '\n') == NULL);
	}
}

#define ON_BAD(op) \
	SCRIPT(a_bad_number_is_told_at_once, #op, .arg = IORING_OP_##op)
#define ON_EVENT(op) SCRIPT(an_event_is_no_socket, #op, .arg = IORING_OP_##op)

static const struct contract_script scripts[] = {
	ON_BAD(ACCEPT),
	ON_BAD(CONNECT),
	ON_BAD(RECV),
	ON_BAD(SEND),
	ON_BAD(SENDMSG),
	ON_BAD(RECVMSG),
	ON_BAD(READ),
	ON_BAD(READV),
	ON_BAD(WRITE),
	ON_BAD(WRITEV),
	ON_BAD(FSYNC),
	ON_BAD(POLL_ADD),
	ON_BAD(CLOSE),
	ON_EVENT(ACCEPT),
	ON_EVENT(CONNECT),
	ON_EVENT(RECV),
	ON_EVENT(SEND),
	ON_EVENT(SENDMSG),
	ON_EVENT(RECVMSG),
	SCRIPT(a_multishot_on_a_bad_number_ends, "multishot recv"),
	SCRIPT(a_multishot_on_an_event_ends, "multishot recv"),
	SCRIPT(a_multishot_on_a_listener_ends, "multishot recv"),
	SCRIPT(a_multishot_accept_on_a_bad_number_ends, "multishot accept"),
	SCRIPT(an_unknown_operation_is_refused, "opcodes"),
	SCRIPT(an_unknown_flag_is_refused, "flags"),
	SCRIPT(a_fixed_file_that_was_not_registered_is_refused, "flags"),
	SCRIPT(no_such_family_of_sockets, "socket"),
	SCRIPT(an_address_is_given_once, "bind"),
	SCRIPT(many_listeners_may_share_an_address, "SO_REUSEPORT"),
	SCRIPT(an_option_is_set, "options"),
	SCRIPT(no_error_is_none, "options"),
	SCRIPT(calls_on_a_bad_number_say_so, "calls"),
	SCRIPT(errors_are_put_into_words, "explain"),
};

CONTRACT_FAMILY(refusal);
