/* SPDX-License-Identifier: MIT */
#include "core/io/udp_priv.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include <torc/alloc/arena.h>
#include <torc/base/log.h>

#include "core/io/address_priv.h"
#include "core/io/bind_priv.h"

/* What one socket may hold unread before it is not received from. */
#define HELD_MAX 64
#define BUFS_MAX 4096
#define CONTROL_BYTES 256

/*
 * A datagram is at most 65,507 bytes over IPv4 and 65,527 over IPv6; before
 * it the kernel writes a header of 16 bytes, the sender's name and control
 * messages.
 */
static const struct torc_buffers_options datagram_buffers = {
	.group = TORC__GROUP_DATAGRAM,
	.buf_bytes = 64 * 1024 + 1024,
	.count_max = BUFS_MAX,
	.slab_count = 32,
	.posted_max = 32,
};

static int
open_buffers(struct torc_shard *shard)
{
	char text[512];
	int ret;

	if (shard->has_datagrams)
		return 0;
	if (shard->datagram_region.base == NULL) {
		ret = torc__region_map(
			&shard->datagram_region, 2 * TORC__REGION_BYTES);
		if (ret < 0)
			return ret;
	}
	ret = torc__buffers_open(&shard->datagrams, &shard->ring,
		&shard->datagram_region, &datagram_buffers);
	shard->has_datagrams = ret == 0;
	if (ret < 0) {
		shard->ring.engine->explain(ret, text, sizeof(text));
		torc_log(TORC_LOG_ERROR, "%s", text);
	}
	return ret;
}

static void
arm(struct torc_udp *udp)
{
	struct io_uring_sqe *sqe;

	if (!torc__op_is_idle(&udp->recv_op) || udp->is_closing ||
		udp->held > HELD_MAX || torc__list_is_linked(&udp->parked.link))
		return;
	sqe = torc__ring_sqe(&udp->shard->ring);
	io_uring_prep_recvmsg_multishot(sqe, udp->fd, &udp->template, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = TORC__GROUP_DATAGRAM;
	torc__op_submit(&udp->shard->ring, &udp->recv_op, sqe);
}

static void
resume_parked(struct torc_parked *parked)
{
	arm(torc__container_of(parked, struct torc_udp, parked));
}

/* A half of all buffers, shared out: all sockets together leave the other. */
static void
share_buffers(struct torc_shard *shard)
{
	uint32_t share = BUFS_MAX / 2 / (shard->udp_count + 1);

	shard->udp_share = share > 0 ? share : 1;
}

/*
 * Past its share a socket that is not read holds a copy, so that the buffer
 * serves others. Without memory for one it is lost, as on a network.
 */
static struct torc_buf *
copy_out(struct torc_buf *buf)
{
	struct torc_buf *copy = torc_malloc(sizeof(*copy) + buf->bytes);

	if (copy != NULL) {
		*copy = (struct torc_buf){ .data = (uint8_t *)(copy + 1),
			.bytes = buf->bytes };
		memcpy(copy->data, buf->data, buf->bytes);
	}
	torc__buffers_put(buf);
	return copy;
}

static void
put(struct torc_udp *udp, struct torc_buf *buf)
{
	if (buf->pool != NULL)
		torc__buffers_put(buf);
	else
		torc_free(buf);
	udp->held--;
	if (udp->held <= HELD_MAX / 2)
		arm(udp);
}

static void
notify(struct torc_udp *udp)
{
	struct torc_future *reader = udp->reader;

	if (reader == NULL || (udp->rx_first == NULL && udp->error == 0))
		return;
	udp->reader = NULL;
	torc_future_complete(reader, 0);
}

static void
release(struct torc_udp *udp)
{
	if (!udp->is_gone || udp->pins > 0 || udp->resource.is_ending)
		return;
	torc__list_remove(&udp->resource.link);
	torc_free(udp);
}

static void
finish_close(struct torc_udp *udp)
{
	struct torc_ring *ring = &udp->shard->ring;

	torc__resource_gone(udp->shard, &udp->resource);
	udp->shard->udp_count--;
	share_buffers(udp->shard);
	if (udp->is_adopted)
		ring->engine->close_fd(ring, udp->fd);
	else
		torc__bind_close(ring, &udp->address, udp->fd);
	torc__shard_fd_freed(udp->shard);
	udp->is_gone = true;
	release(udp);
}

void
torc__udp_close_when_quiet(struct torc_udp *udp)
{
	if (torc__op_is_idle(&udp->recv_op) && udp->queued == 0 &&
		udp->sends == 0)
		finish_close(udp);
}

static void
queue(struct torc_udp *udp, struct torc_buf *buf)
{
	if (udp->rx_first == NULL)
		udp->rx_first = buf;
	else
		udp->rx_last->next = buf;
	udp->rx_last = buf;
}

static void
on_recv(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_udp *udp = torc__container_of(op, struct torc_udp, recv_op);

	if (cqe_flags & IORING_CQE_F_BUFFER) {
		struct torc_buf *buf =
			torc__buffers_take(&udp->shard->datagrams, cqe_flags,
				res > 0 ? (uint32_t)res : 0, udp);

		udp->held++;
		if (torc_unlikely(udp->held > udp->shard->udp_share))
			buf = copy_out(buf);
		if (buf == NULL)
			udp->held--;
		else if (res > 0 && !udp->is_closing)
			queue(udp, buf);
		else
			put(udp, buf);
	}
	if (!(cqe_flags & IORING_CQE_F_MORE)) {
		if (udp->is_closing) {
			torc__udp_close_when_quiet(udp);
			return;
		}
		if (res == -ENOBUFS)
			torc__buffers_park(
				&udp->shard->datagrams, &udp->parked);
		else if (res < 0 && res != -ECANCELED && res != -EINTR &&
			 res != -EAGAIN)
			udp->error = res;
		/* After an error the reader decides; see torc_udp_recv(). */
		if (udp->error == 0)
			arm(udp);
	} else if (udp->held > HELD_MAX) {
		torc__op_cancel(&udp->shard->ring, &udp->recv_op);
	}
	notify(udp);
}

static void
cancel_recv(struct torc_future *future)
{
	struct torc_udp *udp = torc_future_source(future);

	udp->reader = NULL;
	torc_future_complete(future, -ECANCELED);
}

void
torc_udp_recv_start(struct torc_udp *udp, struct torc_future *future)
{
	torc__shard_own(udp->shard, "a udp socket", TORC__UDP_REMEDY);
	if (torc_unlikely(udp->is_closing)) {
		torc__resource_refuse(&udp->resource, "a udp socket", future);
		return;
	}
	if (torc_unlikely(udp->reader != NULL))
		torc__panic("two tasks receive from one udp socket: let one "
			    "receive, and hand out what came");
	torc_future_init(future, cancel_recv, udp);
	udp->reader = future;
	notify(udp);
	arm(udp);
}

/* Give back what the last receiving call showed. */
static void
put_views(struct torc_udp *udp)
{
	while (udp->views != NULL) {
		struct torc_buf *buf = udp->views;

		udp->views = buf->next;
		put(udp, buf);
	}
}

static int
wait_once(struct torc_udp *udp)
{
	struct torc_future future;
	int ret;

	/* Another task may close the socket before this one runs again. */
	udp->pins++;
	torc_udp_recv_start(udp, &future);
	ret = (int)torc_await(&future);
	udp->pins--;
	if (torc_unlikely(udp->is_closing)) {
		release(udp);
		return ret < 0 ? ret : -ECANCELED;
	}
	return ret;
}

/* 0: there is a datagram, or an error. */
static int
wait_readable(struct torc_udp *udp)
{
	int ret = torc__interrupted("torc_udp_recv");

	if (ret == 0)
		ret = torc__udp_begin(udp);
	if (ret < 0)
		return ret;
	put_views(udp);
	do {
		ret = wait_once(udp);
		/* Until this task ran, torc_udp_try_recv() may have had it. */
	} while (torc_unlikely(
		ret == 0 && udp->rx_first == NULL && udp->error == 0));
	return ret;
}

/* The size of one of several datagrams that the kernel joined, or 0. */
static uint32_t
segment_of(struct io_uring_recvmsg_out *out, struct msghdr *template)
{
	struct cmsghdr *cmsg = io_uring_recvmsg_cmsg_firsthdr(out, template);
	int bytes = 0;

	for (; cmsg != NULL;
		cmsg = io_uring_recvmsg_cmsg_nexthdr(out, template, cmsg)) {
		if (cmsg->cmsg_level == SOL_UDP && cmsg->cmsg_type == UDP_GRO)
			memcpy(&bytes, CMSG_DATA(cmsg), sizeof(bytes));
	}
	return bytes > 0 ? (uint32_t)bytes : 0;
}

static void
show_buffer(struct torc_udp *udp)
{
	struct torc_buf *buf = udp->rx_first;

	udp->rx_first = buf->next;
	udp->rx_shown = 0;
	buf->next = udp->views;
	udp->views = buf;
}

/* The last one shown comes first again: the next call has more to say. */
static void
unshow_buffer(struct torc_udp *udp)
{
	struct torc_buf *buf = udp->views;

	udp->views = buf->next;
	buf->next = udp->rx_first;
	udp->rx_first = buf;
	if (buf->next == NULL)
		udp->rx_last = buf;
}

/* The kernel tells of one byte more for the longest path. */
static socklen_t
name_max(const struct torc_address *address)
{
	return address->type == TORC_UDP ? sizeof(struct sockaddr_in6)
					 : sizeof(struct sockaddr_un);
}

static void
copy_name(struct torc_address *from, struct io_uring_recvmsg_out *out,
	const struct torc_udp *udp)
{
	socklen_t max = name_max(&udp->address);

	from->type = udp->address.type;
	from->len = out->namelen < max ? out->namelen : max;
	memcpy(&from->storage, io_uring_recvmsg_name(out), from->len);
}

/*
 * The next datagram that was received; there is one. `from` may be NULL.
 * Returns its bytes, or -errno.
 */
static ssize_t
show_next(struct torc_udp *udp, const void **data, struct torc_address *from)
{
	struct torc_buf *buf = udp->rx_first;
	struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(
		buf->data, (int)buf->bytes, &udp->template);
	uint32_t bytes, left, segment;

	if (out == NULL || (out->flags & MSG_TRUNC)) {
		show_buffer(udp);
		return -EMSGSIZE;
	}
	left = io_uring_recvmsg_payload_length(
		       out, (int)buf->bytes, &udp->template) -
	       udp->rx_shown;
	segment = out->controllen != 0 ? segment_of(out, &udp->template) : 0;
	bytes = segment > 0 && segment < left ? segment : left;
	*data = (const char *)io_uring_recvmsg_payload(out, &udp->template) +
		udp->rx_shown;
	if (from != NULL)
		copy_name(from, out, udp);
	udp->rx_shown += bytes;
	if (bytes == left)
		show_buffer(udp);
	return (ssize_t)bytes;
}

static int
take_error(struct torc_udp *udp)
{
	int error = udp->error;

	udp->error = 0;
	return error;
}

int
torc_udp_recv_many(
	struct torc_udp *udp, struct torc_datagram *datagrams, unsigned max)
{
	unsigned count = 0;
	int ret;

	torc_assert(max > 0);
	ret = wait_readable(udp);
	if (ret < 0)
		return ret;
	if (udp->rx_first == NULL)
		return take_error(udp);
	while (count < max && udp->rx_first != NULL) {
		struct torc_datagram *datagram = &datagrams[count];
		ssize_t bytes =
			show_next(udp, &datagram->data, &datagram->from);

		if (bytes < 0) {
			if (count == 0)
				return (int)bytes;
			unshow_buffer(udp);
			break;
		}
		datagram->bytes = (size_t)bytes;
		count++;
	}
	return (int)count;
}

ssize_t
torc_udp_recv(
	struct torc_udp *udp, const void **data, struct torc_address *from)
{
	int ret = wait_readable(udp);

	if (ret < 0)
		return ret;
	if (udp->rx_first == NULL)
		return take_error(udp);
	return show_next(udp, data, from);
}

ssize_t
torc_udp_try_recv(
	struct torc_udp *udp, const void **data, struct torc_address *from)
{
	int ret = torc__udp_begin(udp);

	if (ret < 0)
		return ret;
	put_views(udp);
	if (udp->rx_first != NULL)
		return show_next(udp, data, from);
	if (udp->error != 0)
		return take_error(udp);
	arm(udp);
	return -EAGAIN;
}

static void
close_now(struct torc_udp *udp)
{
	struct torc_future *reader = udp->reader;

	udp->is_closing = true;
	udp->reader = NULL;
	if (torc__list_is_linked(&udp->parked.link))
		torc__list_remove(&udp->parked.link);
	put_views(udp);
	while (udp->rx_first != NULL) {
		struct torc_buf *buf = udp->rx_first;

		udp->rx_first = buf->next;
		put(udp, buf);
	}
	torc__op_cancel(&udp->shard->ring, &udp->recv_op);
	torc__udp_close_when_quiet(udp);
	if (reader != NULL)
		torc_future_complete(reader, -ECANCELED);
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_udp *udp =
		torc__container_of(resource, struct torc_udp, resource);

	if (udp->is_gone) {
		release(udp);
	} else if (!udp->is_closing) {
		resource->is_ending = true;
		close_now(udp);
	}
}

/* Without a socket yet. 0 or -errno. */
static int
make(struct torc_udp **out, struct torc_shard *shard)
{
	int ret = open_buffers(shard);

	if (ret < 0)
		return ret;
	*out = torc_calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

/* This is its socket, and the address is set. */
static void
begin(struct torc_udp *udp, struct torc_shard *shard, int fd)
{
	udp->fd = fd;
	udp->shard = shard;
	udp->is_without_gso = udp->address.type == TORC_UNIX_DGRAM;
	/* What follows the name is aligned then. */
	udp->template.msg_namelen = (name_max(&udp->address) + 7) & ~7u;
	/*
	 * For the size of joined datagrams, see torc_udp_join_set(), beside
	 * what an adopted socket has asked for. Nothing on a Unix socket: what
	 * has no room there are descriptors, which the kernel closes then.
	 */
	if (udp->address.type == TORC_UDP)
		udp->template.msg_controllen = CONTROL_BYTES;
	udp->parked.resume = resume_parked;
	udp->resource.close = close_resource;
	torc__op_init(&udp->recv_op, on_recv);
	torc__resource_join(shard, &udp->resource);
	shard->udp_count++;
	share_buffers(shard);
}

int
torc__udp_adopt(struct torc_udp **out, struct torc_shard *shard, int fd,
	const struct torc_address *address)
{
	struct torc_udp *udp;
	int ret = make(&udp, shard);

	if (ret < 0)
		return ret;
	udp->address = *address;
	udp->is_adopted = true;
	begin(udp, shard, fd);
	*out = udp;
	return 0;
}

int
torc_udp_bind(struct torc_udp **out, const struct torc_address *address)
{
	struct torc_shard *shard = torc__shard_current("torc_udp_bind");
	struct torc_udp *udp;
	int ret;

	if (!torc__address_is_datagram(address))
		return -EINVAL;
	ret = make(&udp, shard);
	if (ret < 0)
		return ret;
	ret = torc__bind_open(&shard->ring, address, 0, &udp->address);
	if (ret < 0) {
		torc_free(udp);
		return ret;
	}
	begin(udp, shard, ret);
	*out = udp;
	return 0;
}

int
torc_udp_address(struct torc_udp *udp, struct torc_address *out)
{
	torc__shard_own(udp->shard, "a udp socket", TORC__UDP_REMEDY);
	*out = udp->address;
	return 0;
}

void
torc_udp_close(struct torc_udp *udp)
{
	if (udp == NULL)
		return;
	torc__shard_own(udp->shard, "a udp socket", TORC__UDP_REMEDY);
	if (torc_unlikely(udp->is_closing)) {
		torc__resource_close_again(&udp->resource, "a udp socket");
		release(udp);
		return;
	}
	if (torc_unlikely(udp->sends > 0))
		torc__panic("a udp socket is closed while a task sends on it: "
			    "cancel and join that task first");
	close_now(udp);
}
