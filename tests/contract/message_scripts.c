/* SPDX-License-Identifier: MIT */
/* Unix sockets: packets with borders, and descriptors that travel. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

/* More than any socket's buffer takes at once. */
#define LARGE ((size_t)4 << 20)
#define FDS 4

/* ---- packets ---- */

static void
send_text(struct contract *c, int fd, const char *text)
{
	uint64_t id = UINT64_C(0x5e4d) + c->serial++;
	int bytes = (int)strlen(text);

	start_send(c, id, fd, text, strlen(text));
	expect(c, id, RES(bytes));
}

static void
packets_keep_their_borders(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_SEQPACKET);
	char *got = memory(c, 16);

	send_text(c, pair.near, "one");
	send_text(c, pair.near, "three");
	start_recv(c, 3, pair.far, got, 16);
	expect(c, 3, RES(3));
	/* What does not fit is lost. */
	start_recv(c, 4, pair.far, got, 2);
	expect(c, 4, RES(2));
	require(c, memcmp(got, "the", 2) == 0);
	drop(c, pair.near);
	start_recv(c, 5, pair.far, got, 16);
	expect(c, 5, RES(0));
}

static void
a_packets_length_is_told_if_asked_for(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_SEQPACKET);
	struct io_uring_sqe *sqe;

	send_text(c, pair.near, "three");
	send_text(c, pair.near, "x");
	sqe = torc__ring_sqe(&c->ring);
	io_uring_prep_recv(sqe, pair.far, memory(c, 8), 2, MSG_TRUNC);
	submit(c, sqe, 1);
	expect(c, 1, RES(5));
	take_text(c, pair.far, "x");
}

static void
a_buffer_takes_one_packet(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_SEQPACKET);
	struct group group = open_group(c, 1, 4, 64);
	struct torc_cqe cqe;

	start_recvs(c, 1, pair.far, &group);
	push(c);
	send_text(c, pair.near, "one");
	send_text(c, pair.near, "three");
	cqe = expect(c, 1, RES_WITH(3, F_BUFFER | F_MORE));
	require_text(c, &group, &cqe, "one");
	cqe = expect(c, 1, RES_WITH(5, F_BUFFER | F_MORE));
	require_text(c, &group, &cqe, "three");
	drop(c, pair.near);
	expect(c, 1, RES(0));
}

static void
an_empty_packet_looks_like_an_end(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_SEQPACKET);

	start_recv(c, 1, pair.far, memory(c, 8), 8);
	push(c);
	start_send(c, 2, pair.near, "", 0);
	expect(c, 2, RES(0));
	expect(c, 1, RES(0));
	send_text(c, pair.near, "x");
	take_text(c, pair.far, "x");
}

static void
a_packet_that_never_fits_is_refused(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_SEQPACKET);

	start_send(c, 1, pair.near, memory(c, LARGE), LARGE);
	expect(c, 1, RES(-EMSGSIZE));
	send_text(c, pair.near, "x");
	take_text(c, pair.far, "x");
}

static void
a_packet_waits_until_all_of_it_fits(struct contract *c)
{
	enum { PACKET = 20000 };
	struct pair pair = open_sockets(c, SOCK_SEQPACKET);
	uint8_t *data = stream(c, PACKET), *got = memory(c, PACKET);
	unsigned sent = 0;

	for (;; sent++) {
		start_send(c, 1, pair.near, data, PACKET);
		settle(c);
		if (!has_come(c, 1))
			break;
		expect(c, 1, RES(PACKET));
		require(c, sent < 1000);
	}
	for (unsigned i = 0; i <= sent; i++) {
		start_recv(c, 2, pair.far, got, PACKET);
		expect(c, 2, RES(PACKET));
		require(c, memcmp(data, got, PACKET) == 0);
	}
	expect(c, 1, RES(PACKET));
}

static void
packets_have_listeners(struct contract *c)
{
	struct sockaddr_un sa;
	socklen_t len = name_unix(c, &sa);
	int listener = open_socket(c, AF_UNIX, SOCK_SEQPACKET);
	int near = open_socket(c, AF_UNIX, SOCK_SEQPACKET), far;
	const struct torc_engine *e = c->engine;

	require_is(
		c, e->bind(&c->ring, listener, (struct sockaddr *)&sa, len), 0);
	require_is(c, e->listen(&c->ring, listener, 8), 0);
	start_connect(c, 1, open_socket(c, AF_UNIX, SOCK_STREAM), &sa, len);
	expect(c, 1, RES(-ECONNREFUSED));
	start_accept(c, 2, listener);
	start_connect(c, 3, near, &sa, len);
	expect(c, 3, RES(0));
	far = own(c, expect(c, 2, BETWEEN(0, INT32_MAX)).res);
	send_text(c, near, "one");
	send_text(c, near, "two");
	take_text(c, far, "one");
	take_text(c, far, "two");
}

/* ---- datagrams ---- */

struct named {
	int fd;
	struct sockaddr_un sa;
	socklen_t len;
};

static struct named
open_named(struct contract *c, bool is_file)
{
	struct named named = { .fd = open_socket(c, AF_UNIX, SOCK_DGRAM) };

	named.len = name_unix(c, &named.sa);
	if (is_file) {
		named.sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
		snprintf(named.sa.sun_path, sizeof(named.sa.sun_path), "%s",
			path_of(c, "socket"));
		named.len = sizeof(named.sa);
	}
	require_is(c,
		c->engine->bind(&c->ring, named.fd,
			(struct sockaddr *)&named.sa, named.len),
		0);
	return named;
}

static void
start_datagrams(struct contract *c, uint64_t id, int fd)
{
	struct msghdr *msg = memory(c, sizeof(*msg));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	msg->msg_namelen = sizeof(struct sockaddr_un);
	io_uring_prep_recvmsg_multishot(sqe, fd, msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
	submit(c, sqe, id);
}

/* What the next one holds, and who sent it. */
static void
require_datagram(struct contract *c, uint64_t id, const struct group *group,
	const char *text, const struct named *from)
{
	struct torc_cqe cqe =
		expect(c, id, BETWEEN_WITH(1, INT32_MAX, F_BUFFER | F_MORE));
	const uint8_t *data = data_of(group, &cqe);
	struct io_uring_recvmsg_out out;

	memcpy(&out, data, sizeof(out));
	data += sizeof(out);
	require(c, out.namelen == from->len ||
			   from->len == sizeof(struct sockaddr_un));
	require(c, memcmp(data, &from->sa, out.namelen) == 0);
	data += sizeof(struct sockaddr_un);
	require(c, out.payloadlen == strlen(text));
	require(c, memcmp(data, text, strlen(text)) == 0);
}

static void
a_unix_datagram_says_who_sent_it(struct contract *c)
{
	struct named one = open_named(c, false), two = open_named(c, true);
	struct group group = open_group(c, 1, 4, 256);

	start_datagrams(c, 1, two.fd);
	push(c);
	start_sendmsg(c, 2, one.fd, &two.sa, two.len, "first", 5);
	expect(c, 2, RES(5));
	start_sendmsg(c, 3, one.fd, &two.sa, two.len, "next", 4);
	expect(c, 3, RES(4));
	require_datagram(c, 1, &group, "first", &one);
	require_datagram(c, 1, &group, "next", &one);
	cancel_waiting(c, 1);
	start_datagrams(c, 4, one.fd);
	start_sendmsg(c, 5, two.fd, &one.sa, one.len, "answer", 6);
	expect(c, 5, RES(6));
	require_datagram(c, 4, &group, "answer", &two);
	cancel_waiting(c, 4);
}

static void
a_unix_datagram_needs_a_receiver(struct contract *c)
{
	struct named one = open_named(c, false), two = open_named(c, false);
	struct sockaddr_un none = { .sun_family = AF_UNIX };

	drop(c, two.fd);
	start_sendmsg(c, 1, one.fd, &two.sa, two.len, "x", 1);
	expect(c, 1, RES(-ECONNREFUSED));
	start_connect(c, 2, one.fd, &two.sa, two.len);
	expect(c, 2, RES(-ECONNREFUSED));
	snprintf(
		none.sun_path, sizeof(none.sun_path), "%s", path_of(c, "none"));
	start_sendmsg(c, 3, one.fd, &none, sizeof(none), "x", 1);
	expect(c, 3, RES(-ENOENT));
}

/*
 * It must not wait in the kernel: Linux 6.18 has copied the datagram before it
 * finds the receiver full, and what it sends later is an empty one.
 */
static int32_t
send_at_once(struct contract *c, int fd, const struct named *to, size_t bytes)
{
	struct msghdr *msg = memory(c, sizeof(*msg));
	struct iovec *iov = memory(c, sizeof(*iov));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);
	uint64_t id = UINT64_C(0xa70c) + c->serial++;

	*iov = (struct iovec){ memory(c, bytes), bytes };
	*msg = (struct msghdr){ .msg_name = memory(c, to->len),
		.msg_namelen = to->len,
		.msg_iov = iov,
		.msg_iovlen = 1 };
	memcpy(msg->msg_name, &to->sa, to->len);
	io_uring_prep_sendmsg(sqe, fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	submit(c, sqe, id);
	return expect(c, id, RES((int32_t)bytes), RES(-EAGAIN)).res;
}

static void
a_full_receiver_tells_when_it_has_room(struct contract *c)
{
	enum { BYTES = 5000 };
	struct named one = open_named(c, false), two = open_named(c, false);
	unsigned sent = 0;

	open_group(c, 1, 128, 8192);
	while (send_at_once(c, one.fd, &two, BYTES) > 0)
		require(c, ++sent < 120);
	start_polls(c, 1, one.fd, POLLOUT);
	settle(c);
	while (has_come(c, 1))
		expect(c, 1, BETWEEN_WITH(1, 0xffff, F_MORE));
	start_datagrams(c, 2, two.fd);
	for (unsigned i = 0; i < sent; i++)
		expect(c, 2, BETWEEN_WITH(BYTES, 8192, F_BUFFER | F_MORE));
	expect(c, 1, BETWEEN_WITH(1, 0xffff, F_MORE));
	settle(c);
	while (has_come(c, 1))
		expect(c, 1, BETWEEN_WITH(1, 0xffff, F_MORE));
	require(c, send_at_once(c, one.fd, &two, BYTES) == BYTES);
	expect(c, 2, BETWEEN_WITH(BYTES, 8192, F_BUFFER | F_MORE));
	settle(c);
	while (has_come(c, 1))
		expect(c, 1, BETWEEN_WITH(1, 0xffff, F_MORE));
	cancel_waiting(c, 1);
	cancel_waiting(c, 2);
}

static void
a_connected_receiver_hears_its_peer_alone(struct contract *c)
{
	struct named one = open_named(c, false), two = open_named(c, false);
	struct named third = open_named(c, false);
	struct group group = open_group(c, 1, 4, 256);

	start_connect(c, 1, two.fd, &one.sa, one.len);
	expect(c, 1, RES(0));
	start_sendmsg(c, 2, third.fd, &two.sa, two.len, "x", 1);
	expect(c, 2, RES(-EPERM));
	start_datagrams(c, 3, one.fd);
	start_sendmsg(c, 4, two.fd, NULL, 0, "hello", 5);
	expect(c, 4, RES(5));
	require_datagram(c, 3, &group, "hello", &two);
	cancel_waiting(c, 3);
}

static void
a_name_may_be_left_to_the_system(struct contract *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa);
	int fd = open_socket(c, AF_UNIX, SOCK_DGRAM);

	require_is(c,
		c->engine->bind(&c->ring, fd, (struct sockaddr *)&sa,
			sizeof(sa.sun_family)),
		0);
	require_is(c,
		c->engine->getsockname(
			&c->ring, fd, (struct sockaddr *)&sa, &len),
		0);
	require(c, len == offsetof(struct sockaddr_un, sun_path) + 6 &&
			   sa.sun_path[0] == '\0');
}

/* ---- descriptors ---- */

struct parcel {
	struct msghdr msg;
	struct iovec iov;
	char data[16];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS * sizeof(int))];
};

/* `count` times the same descriptor. */
static void
start_parcel(struct contract *c, uint64_t id, int fd, const char *text,
	int content, unsigned count)
{
	struct parcel *parcel = memory(c, sizeof(*parcel));
	struct cmsghdr *cmsg = (void *)parcel->control;
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	memcpy(parcel->data, text, strlen(text));
	parcel->iov = (struct iovec){ parcel->data, strlen(text) };
	parcel->msg = (struct msghdr){ .msg_iov = &parcel->iov,
		.msg_iovlen = 1,
		.msg_control = parcel->control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (unsigned i = 0; i < count; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &content,
			sizeof(content));
	io_uring_prep_sendmsg(sqe, fd, &parcel->msg, MSG_NOSIGNAL);
	submit(c, sqe, id);
}

static void
send_parcel(struct contract *c, int fd, const char *text, int content)
{
	uint64_t id = UINT64_C(0x9a4c) + c->serial++;
	int bytes = (int)strlen(text);

	start_parcel(c, id, fd, text, content, 1);
	expect(c, id, RES(bytes));
}

/* With room for so many descriptors. */
static struct parcel *
start_unpack(struct contract *c, uint64_t id, int fd, unsigned room)
{
	struct parcel *parcel = memory(c, sizeof(*parcel));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	parcel->iov = (struct iovec){ parcel->data, sizeof(parcel->data) };
	parcel->msg = (struct msghdr){ .msg_iov = &parcel->iov,
		.msg_iovlen = 1,
		.msg_control = parcel->control,
		.msg_controllen = room > 0 ? CMSG_LEN(room * sizeof(int)) : 0 };
	io_uring_prep_recvmsg(sqe, fd, &parcel->msg, MSG_CMSG_CLOEXEC);
	submit(c, sqe, id);
	return parcel;
}

/* How many came, now the script's; the first in *fd. */
static unsigned
unpack(struct contract *c, struct parcel *parcel, int *fd)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&parcel->msg);
	unsigned count;

	if (cmsg == NULL)
		return 0;
	require(c, cmsg->cmsg_level == SOL_SOCKET &&
			   cmsg->cmsg_type == SCM_RIGHTS);
	count = (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	for (unsigned i = count; i-- > 0;) {
		memcpy(fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(*fd));
		own(c, *fd);
	}
	return count;
}

/* Nobody holds the writing end any more. */
static void
require_ended(struct contract *c, int reader)
{
	start_read_at(c, 0xe0f, reader, memory(c, 8), 8, AT_POSITION);
	expect(c, 0xe0f, RES(0));
}

static void
a_descriptor_comes_with_its_bytes(struct contract *c)
{
	struct pair pair = open_sockets(c, c->script->arg);
	struct ends ends = open_ends(c);
	struct parcel *parcel;
	int fd = -1;

	parcel = start_unpack(c, 1, pair.far, FDS);
	push(c);
	send_parcel(c, pair.near, "key", ends.writer);
	expect(c, 1, RES(3));
	require(c, memcmp(parcel->data, "key", 4) == 0);
	require(c, unpack(c, parcel, &fd) == 1 && fd != ends.writer);
	drop(c, ends.writer);
	start_write_at(c, 2, fd, "x", 1, AT_POSITION);
	expect(c, 2, RES(1));
	start_read_at(c, 3, ends.reader, memory(c, 8), 8, AT_POSITION);
	expect(c, 3, RES(1));
	drop(c, fd);
	require_ended(c, ends.reader);
}

static void
several_descriptors_come_together(struct contract *c)
{
	struct pair pair = open_sockets(c, c->script->arg);
	struct parcel *parcel;
	int fd;

	start_parcel(c, 1, pair.near, "key", open_ends(c).writer, 3);
	expect(c, 1, RES(3));
	parcel = start_unpack(c, 2, pair.far, FDS);
	expect(c, 2, RES(3));
	require(c, unpack(c, parcel, &fd) == 3);
	require(c, !(parcel->msg.msg_flags & MSG_CTRUNC));
}

/* Bytes before may come with them; bytes behind may not. */
static void
a_stream_stops_behind_a_descriptor(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_STREAM);
	int writer = open_ends(c).writer, fd;
	unsigned count = 0;
	size_t done = 0;

	give(c, pair.near, "ab", 2);
	send_parcel(c, pair.near, "cd", writer);
	give(c, pair.near, "ef", 2);
	while (done < 6) {
		struct parcel *parcel = start_unpack(c, 1, pair.far, FDS);
		size_t got = (size_t)expect(c, 1, BETWEEN(1, 4)).res;
		unsigned now = unpack(c, parcel, &fd);

		require(c, now == 0 || (done <= 2 && done + got > 2));
		require(c, now == 0 || done + got <= 4);
		done += got;
		count += now;
	}
	require(c, count == 1);
}

/* A receive without room for it. */
static void
a_descriptor_that_nobody_asked_for_is_closed(struct contract *c)
{
	struct pair pair = open_sockets(c, c->script->arg);
	struct ends ends = open_ends(c);

	send_parcel(c, pair.near, "key", ends.writer);
	drop(c, ends.writer);
	take_text(c, pair.far, "key");
	require_ended(c, ends.reader);
}

static void
without_room_some_descriptors_are_closed(struct contract *c)
{
	struct pair pair = open_sockets(c, c->script->arg);
	struct ends ends = open_ends(c);
	struct parcel *parcel;
	int fd = -1;

	start_parcel(c, 1, pair.near, "key", ends.writer, 3);
	expect(c, 1, RES(3));
	drop(c, ends.writer);
	parcel = start_unpack(c, 2, pair.far, 1);
	expect(c, 2, RES(3));
	require(c, parcel->msg.msg_flags & MSG_CTRUNC);
	require(c, unpack(c, parcel, &fd) == 1);
	drop(c, fd);
	require_ended(c, ends.reader);
}

static void
a_descriptor_dies_with_its_socket(struct contract *c)
{
	struct pair pair = open_sockets(c, c->script->arg);
	struct ends ends = open_ends(c);

	send_parcel(c, pair.near, "key", ends.writer);
	drop(c, ends.writer);
	start_read_at(c, 1, ends.reader, memory(c, 8), 8, AT_POSITION);
	expect_nothing(c);
	drop(c, pair.near);
	drop(c, pair.far);
	expect(c, 1, RES(0));
}

static void
what_is_no_descriptor_is_not_sent(struct contract *c)
{
	struct pair pair = open_sockets(c, c->script->arg);

	start_parcel(c, 1, pair.near, "key", bad_fd(c), 2);
	expect(c, 1, RES(-EBADF));
	send_text(c, pair.near, "x");
	take_text(c, pair.far, "x");
}

#define ON_BOTH(fn)                                           \
	SCRIPT(fn, "SCM_RIGHTS, stream", .arg = SOCK_STREAM), \
		SCRIPT(fn, "SCM_RIGHTS, packets", .arg = SOCK_SEQPACKET)

static const struct contract_script scripts[] = {
	SCRIPT(packets_keep_their_borders, "SEQPACKET"),
	SCRIPT(a_packets_length_is_told_if_asked_for, "MSG_TRUNC"),
	SCRIPT(a_buffer_takes_one_packet, "multishot recv, SEQPACKET"),
	SCRIPT(an_empty_packet_looks_like_an_end, "SEQPACKET"),
	SCRIPT(a_packet_that_never_fits_is_refused, "SEQPACKET"),
	SCRIPT(a_packet_waits_until_all_of_it_fits, "SEQPACKET"),
	SCRIPT(packets_have_listeners, "SEQPACKET"),
	SCRIPT(a_unix_datagram_says_who_sent_it, "Unix datagrams"),
	SCRIPT(a_unix_datagram_needs_a_receiver, "Unix datagrams"),
	SCRIPT(a_full_receiver_tells_when_it_has_room, "Unix datagrams"),
	SCRIPT(a_connected_receiver_hears_its_peer_alone, "Unix datagrams"),
	SCRIPT(a_name_may_be_left_to_the_system, "bind"),
	ON_BOTH(a_descriptor_comes_with_its_bytes),
	ON_BOTH(several_descriptors_come_together),
	SCRIPT(a_stream_stops_behind_a_descriptor, "SCM_RIGHTS"),
	ON_BOTH(a_descriptor_that_nobody_asked_for_is_closed),
	ON_BOTH(without_room_some_descriptors_are_closed),
	ON_BOTH(a_descriptor_dies_with_its_socket),
	ON_BOTH(what_is_no_descriptor_is_not_sent),
};

CONTRACT_FAMILY(message);
