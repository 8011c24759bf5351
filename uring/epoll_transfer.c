/* SPDX-License-Identifier: MIT */
/*
 * Bytes of sockets: receives and sends.
 *
 * MSG_DONTWAIT on each call, because descriptors are made to block: they are
 * the same ones that io_uring would be given.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <sys/uio.h>

static void *
memory(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* What a call that failed means for its op. */
static int32_t
not_now(const struct torc_epoll_op *op, int error)
{
	if (error != EAGAIN)
		return -error;
	return op->sqe.msg_flags & MSG_DONTWAIT ? -EAGAIN : TORC__EPOLL_WAIT;
}

/* io_uring goes on after a part only where there can be more of it. */
static bool
is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       (type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

static bool
wants_all(const struct torc_epoll_op *op)
{
	return op->done < op->sqe.len && (op->sqe.msg_flags & MSG_WAITALL) &&
	       is_stream(op->sqe.fd);
}

/* A result of `ret` bytes, after what was done before. */
static int32_t
ended(const struct torc_epoll_op *op, int32_t ret)
{
	return op->done > 0 && ret != TORC__EPOLL_WAIT ? (int32_t)op->done
						       : ret;
}

/* ---- receiving ---- */

/*
 * A short receive has emptied a TCP socket, and what comes next is an edge;
 * but not so when an end, an error or an urgent byte lies behind the bytes.
 * Before it is armed it does not matter: that looks at the socket anew.
 */
static bool
is_emptied(const struct torc_epoll *epoll, const struct torc_epoll_op *op)
{
	return !op->is_armed ||
	       (!(op->seen & TORC__EPOLL_ENDING) &&
		       torc__epoll_file_is_tcp(epoll, op->sqe.fd));
}

/* How much of a buffer one receive may fill. */
static uint32_t
part_of(const struct torc_epoll_op *op, uint32_t bytes)
{
	uint32_t left = op->sqe.optlen - op->done;

	if (op->sqe.len != 0 && op->sqe.len < bytes)
		bytes = op->sqe.len;
	return op->sqe.optlen != 0 && left < bytes ? left : bytes;
}

static int32_t
recv_multishot(struct torc_ring *ring, struct torc_epoll_op *op)
{
	uint16_t group = op->sqe.buf_group;
	int flags = (int)op->sqe.msg_flags | MSG_DONTWAIT;

	for (unsigned n = 0; n < TORC__EPOLL_BURST; n++) {
		struct torc_soft_buffer buffer;
		uint32_t part, cqe_flags;
		ssize_t got;
		int ret = torc__soft_next_buffer(ring, group, &buffer);

		if (ret < 0)
			return ret;
		part = part_of(op, buffer.bytes);
		got = recv(op->sqe.fd, buffer.data, part, flags);
		if (got < 0)
			return not_now(op, errno);
		if (got == 0)
			return 0;
		cqe_flags = torc__soft_use_buffer(ring, group, &buffer);
		op->done += (uint32_t)got;
		if ((op->sqe.optlen != 0 && op->done >= op->sqe.optlen) ||
			!torc__epoll_post_more(
				ring, op, (int32_t)got, cqe_flags)) {
			op->cqe_flags = cqe_flags;
			return (int32_t)got;
		}
		if ((uint32_t)got < part &&
			is_emptied(torc__epoll_of(ring), op))
			return TORC__EPOLL_WAIT;
	}
	return TORC__EPOLL_LATER;
}

static int32_t
recv_selected(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_soft_buffer buffer;
	uint32_t part;
	ssize_t got;
	int ret = torc__soft_next_buffer(ring, op->sqe.buf_group, &buffer);

	if (ret < 0)
		return ret;
	part = op->sqe.len != 0 && op->sqe.len < buffer.bytes ? op->sqe.len
							      : buffer.bytes;
	got = recv(op->sqe.fd, buffer.data, part,
		(int)op->sqe.msg_flags | MSG_DONTWAIT);
	if (got < 0)
		return not_now(op, errno);
	if (got > 0)
		op->cqe_flags =
			torc__soft_use_buffer(ring, op->sqe.buf_group, &buffer);
	return (int32_t)got;
}

static int32_t
recv_plain(struct torc_epoll_op *op)
{
	do {
		ssize_t got = recv(op->sqe.fd,
			(char *)memory(op->sqe.addr) + op->done,
			op->sqe.len - op->done,
			(int)op->sqe.msg_flags | MSG_DONTWAIT);

		if (got < 0)
			return ended(op, not_now(op, errno));
		if (got == 0)
			break;
		op->done += (uint32_t)got;
	} while (wants_all(op));
	return (int32_t)op->done;
}

int32_t
torc__epoll_try_recv(struct torc_ring *ring, struct torc_epoll_op *op)
{
	bool is_selected = op->sqe.flags & IOSQE_BUFFER_SELECT;

	if (op->sqe.ioprio & ~IORING_RECV_MULTISHOT)
		return -EINVAL;
	if (op->sqe.ioprio & IORING_RECV_MULTISHOT) {
		if (!is_selected || (op->sqe.msg_flags & MSG_WAITALL))
			return -EINVAL;
		return recv_multishot(ring, op);
	}
	if (op->sqe.optlen != 0 ||
		(is_selected && (op->sqe.msg_flags & MSG_WAITALL)))
		return -EINVAL;
	return is_selected ? recv_selected(ring, op) : recv_plain(op);
}

/* ---- messages ---- */

/* One datagram into one buffer, behind its header; see io_uring(7). */
static int32_t
recv_into(const struct torc_epoll_op *op, const struct msghdr *template,
	const struct torc_soft_buffer *buffer)
{
	struct io_uring_recvmsg_out *out = buffer->data;
	char *name = (char *)buffer->data + sizeof(*out);
	char *control = name + template->msg_namelen;
	char *payload = control + template->msg_controllen;
	size_t before = (size_t)(payload - (char *)buffer->data);
	struct iovec iov = { payload, buffer->bytes - before };
	struct msghdr msg = { .msg_name = name,
		.msg_namelen = template->msg_namelen,
		.msg_control = control,
		.msg_controllen = template->msg_controllen,
		.msg_iov = &iov,
		.msg_iovlen = 1 };
	ssize_t got;

	if (before > buffer->bytes)
		return -EFAULT;
	if (template->msg_namelen == 0)
		msg.msg_name = NULL;
	got = recvmsg(op->sqe.fd, &msg, (int)op->sqe.msg_flags | MSG_DONTWAIT);
	if (got < 0)
		return not_now(op, errno);
	*out = (struct io_uring_recvmsg_out){ .namelen = msg.msg_namelen,
		.controllen = (uint32_t)msg.msg_controllen,
		.payloadlen = (uint32_t)got,
		.flags = (uint32_t)msg.msg_flags };
	if ((size_t)got > iov.iov_len) /* with MSG_TRUNC */
		got = (ssize_t)iov.iov_len;
	return (int32_t)((size_t)got + before);
}

static int32_t
recvmsg_multishot(struct torc_ring *ring, struct torc_epoll_op *op)
{
	const struct msghdr *template = memory(op->sqe.addr);
	uint16_t group = op->sqe.buf_group;

	for (unsigned n = 0; n < TORC__EPOLL_BURST; n++) {
		struct torc_soft_buffer buffer;
		uint32_t cqe_flags;
		int32_t got;
		int ret = torc__soft_next_buffer(ring, group, &buffer);

		if (ret < 0)
			return ret;
		got = recv_into(op, template, &buffer);
		if (got < 0)
			return got;
		cqe_flags = torc__soft_use_buffer(ring, group, &buffer);
		if (!torc__epoll_post_more(ring, op, got, cqe_flags)) {
			op->cqe_flags = cqe_flags;
			return got;
		}
	}
	return TORC__EPOLL_LATER;
}

int32_t
torc__epoll_try_recvmsg(struct torc_ring *ring, struct torc_epoll_op *op)
{
	bool is_selected = op->sqe.flags & IOSQE_BUFFER_SELECT;
	bool is_multishot = op->sqe.ioprio & IORING_RECV_MULTISHOT;
	ssize_t got;

	/* Filling a vector to its end is nothing that torc asks for. */
	if ((op->sqe.ioprio & ~IORING_RECV_MULTISHOT) || op->sqe.optlen != 0 ||
		(op->sqe.msg_flags & MSG_WAITALL) ||
		is_selected != is_multishot)
		return -EINVAL;
	if (is_multishot)
		return recvmsg_multishot(ring, op);
	got = recvmsg(op->sqe.fd, memory(op->sqe.addr),
		(int)op->sqe.msg_flags | MSG_DONTWAIT);
	return got < 0 ? not_now(op, errno) : (int32_t)got;
}

/* ---- sending ---- */

int32_t
torc__epoll_try_send(struct torc_ring *ring, struct torc_epoll_op *op)
{
	(void)ring;
	if (op->sqe.ioprio != 0)
		return -EINVAL;
	do {
		/* io_uring sends no SIGPIPE either. */
		ssize_t sent = sendto(op->sqe.fd,
			(const char *)memory(op->sqe.addr) + op->done,
			op->sqe.len - op->done,
			(int)op->sqe.msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL,
			memory(op->sqe.addr2), op->sqe.addr_len);

		if (sent < 0)
			return ended(op, not_now(op, errno));
		op->done += (uint32_t)sent;
	} while (wants_all(op));
	return (int32_t)op->done;
}

int32_t
torc__epoll_try_sendmsg(struct torc_ring *ring, struct torc_epoll_op *op)
{
	ssize_t sent;

	(void)ring;
	if (op->sqe.ioprio != 0 || (op->sqe.msg_flags & MSG_WAITALL))
		return -EINVAL;
	sent = sendmsg(op->sqe.fd, memory(op->sqe.addr),
		(int)op->sqe.msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? not_now(op, errno) : (int32_t)sent;
}
