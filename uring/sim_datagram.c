/* SPDX-License-Identifier: MIT */
/*
 * Datagrams, which may be lost, late, or out of order; and sendmsg, which
 * they share with connections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>

#include "uring/sim_world_priv.h"

#define DATAGRAM_MAX 65507
#define SHUFFLE_MAX_NS (5 * TORC_MS)

/* A connected socket hears its peer alone. */
static bool
is_welcome(const struct torc_sim_file *file,
	const struct torc_sim_datagram *datagram)
{
	return file->state != TORC__SIM_CONNECTED ||
	       (file->remote.len == datagram->from.len &&
		       memcmp(&file->remote.at, &datagram->from.at,
			       file->remote.len) == 0);
}

static void
on_arrival(struct torc_sim *sim, struct torc_sim_event *event)
{
	struct torc_sim_datagram *datagram =
		torc__container_of(event, struct torc_sim_datagram, arrival);
	struct torc_sim_file *file;
	int error;

	torc__list_remove(&datagram->link);
	file = torc__sim_name_find(sim, TORC__SIM_UDP,
		(const struct sockaddr *)&datagram->to.at, datagram->to.len,
		&error);
	/* Nobody is told when there is no receiver, or no room for it. */
	if (file == NULL || !is_welcome(file, datagram) ||
		file->datagrams_bytes + datagram->bytes >
			sim->config.rcvbuf_bytes) {
		free(datagram);
		return;
	}
	torc__sim_note(sim, TORC__SIM_ARRIVE, 0, 0, file->serial,
		(int32_t)datagram->bytes, 0);
	file->datagrams_bytes += datagram->bytes;
	torc__list_push_back(&file->datagrams, &datagram->link);
	torc__sim_wake(sim, &file->readers);
	torc__sim_wake(sim, &file->pollers);
}

static void
gather(struct torc_sim_datagram *datagram, const struct msghdr *msg)
{
	uint32_t at = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		memcpy(datagram->data + at, msg->msg_iov[i].iov_base,
			msg->msg_iov[i].iov_len);
		at += (uint32_t)msg->msg_iov[i].iov_len;
	}
}

static uint64_t
travel_ns(struct torc_sim *sim)
{
	uint64_t span = sim->config.latency_max_ns - sim->config.latency_min_ns;

	if (torc__sim_strikes(sim, TORC__SIM_SHUFFLE))
		return torc__sim_draw_below(sim, SHUFFLE_MAX_NS);
	/* All by the same way: in order. */
	return sim->config.latency_min_ns + span / 2;
}

static void
set_starved(struct torc_sim *sim, struct torc_sim_file *file, bool is_starved)
{
	sim->starved_count += is_starved;
	sim->starved_count -= file->is_starved;
	file->is_starved = is_starved;
}

void
torc__sim_datagram_room(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_link *link = sim->files.next;

	torc__sim_wake(sim, &file->writers);
	for (; sim->starved_count > 0 && link != &sim->files;
		link = link->next) {
		struct torc_sim_file *sender =
			torc__container_of(link, struct torc_sim_file, all);

		if (!sender->is_starved)
			continue;
		set_starved(sim, sender, false);
		torc__sim_wake(sim, &sender->pollers);
	}
}

/* Nothing is lost on the way: a full receiver makes its sender wait. */
static enum torc_sim_attempt
deliver_unix(struct torc_sim *sim, struct torc_sim_op *op,
	struct torc_sim_datagram *datagram)
{
	uint32_t bytes = datagram->bytes, max = sim->config.rcvbuf_bytes;
	struct torc_sim_file *to;
	int error;

	to = torc__sim_name_find(sim, TORC__SIM_UNIX,
		(const struct sockaddr *)&datagram->to.at, datagram->to.len,
		&error);
	if (to != NULL)
		error = to->kind != TORC__SIM_UDP           ? -EPROTOTYPE
			: !is_welcome(to, datagram)         ? -EPERM
			: bytes > max                       ? -EMSGSIZE
			: to->datagrams_bytes > max - bytes ? -EAGAIN
							    : 0;
	set_starved(sim, op->file, error == -EAGAIN);
	if (error == 0) {
		to->datagrams_bytes += bytes;
		torc__list_push_back(&to->datagrams, &datagram->link);
		torc__sim_wake(sim, &to->readers);
		torc__sim_wake(sim, &to->pollers);
		return torc__sim_done(op, (int32_t)bytes);
	}
	free(datagram);
	if (error == -EAGAIN && !(op->sqe.msg_flags & MSG_DONTWAIT))
		return torc__sim_blocked(op, &to->writers);
	return torc__sim_done(op, error);
}

static enum torc_sim_attempt
send_datagram(
	struct torc_sim *sim, struct torc_sim_op *op, const struct msghdr *msg)
{
	struct torc_sim_datagram *datagram;
	size_t bytes = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		bytes += msg->msg_iov[i].iov_len;
	if (bytes > DATAGRAM_MAX)
		return torc__sim_done(op, -EMSGSIZE);
	if (msg->msg_name == NULL && op->file->state != TORC__SIM_CONNECTED)
		return torc__sim_done(op, -EDESTADDRREQ);
	if (msg->msg_namelen > sizeof(datagram->to.at))
		return torc__sim_done(op, -EINVAL);
	torc__sim_name_choose(sim, op->file, op->file->family);
	if (op->file->family != AF_UNIX &&
		torc__sim_strikes(sim, TORC__SIM_LOSS))
		return torc__sim_done(op, (int32_t)bytes);
	datagram = calloc(1, sizeof(*datagram) + bytes);
	if (datagram == NULL)
		return torc__sim_done(op, -ENOMEM);
	datagram->arrival.fn = on_arrival;
	datagram->from = op->file->local;
	datagram->to = op->file->remote;
	if (msg->msg_name != NULL) {
		memcpy(&datagram->to.at, msg->msg_name, msg->msg_namelen);
		datagram->to.len = msg->msg_namelen;
	}
	datagram->bytes = (uint32_t)bytes;
	gather(datagram, msg);
	if (op->file->family == AF_UNIX)
		return deliver_unix(sim, op, datagram);
	torc__list_push_back(&sim->flying, &datagram->link);
	torc__sim_event_arm(
		sim, &datagram->arrival, sim->now_ns + travel_ns(sim));
	return torc__sim_done(op, (int32_t)bytes);
}

enum torc_sim_attempt
torc__sim_try_sendmsg(struct torc_sim *sim, struct torc_sim_op *op)
{
	const struct msghdr *msg = (void *)(uintptr_t)op->sqe.addr;

	if (op->sqe.ioprio != 0 || op->sqe.flags & IOSQE_BUFFER_SELECT)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (op->file->kind > TORC__SIM_UDP)
		return torc__sim_done(op, -ENOTSOCK);
	if (op->file->kind == TORC__SIM_UDP && msg->msg_controllen != 0)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (op->file->kind == TORC__SIM_UDP)
		return send_datagram(sim, op, msg);
	return torc__sim_send_vector(sim, op, msg);
}

/* The header, the sender's name in the room for it, and what fits. */
static uint32_t
lay_out(const struct torc_soft_buffer *buffer,
	const struct torc_sim_datagram *datagram, const struct msghdr *room)
{
	uint8_t *at = buffer->data;
	struct io_uring_recvmsg_out out = {
		.namelen = datagram->from.len,
		.payloadlen = datagram->bytes,
	};
	uint32_t before = (uint32_t)(sizeof(out) + room->msg_namelen +
				     room->msg_controllen);
	uint32_t bytes = datagram->bytes, name_bytes = datagram->from.len;

	if (bytes > buffer->bytes - before) {
		bytes = buffer->bytes - before;
		out.flags = MSG_TRUNC;
	}
	if (name_bytes > room->msg_namelen)
		name_bytes = room->msg_namelen;
	memcpy(at, &out, sizeof(out));
	memcpy(at + sizeof(out), &datagram->from.at, name_bytes);
	memcpy(at + before, datagram->data, bytes);
	return before + bytes;
}

enum torc_sim_attempt
torc__sim_try_recvmsg(struct torc_sim *sim, struct torc_sim_op *op)
{
	const struct msghdr *room = (void *)(uintptr_t)op->sqe.addr;
	struct torc_sim_file *file = op->file;
	struct torc_ring *ring = op->ring->ring;
	struct torc_sim_datagram *datagram;
	struct torc_soft_buffer buffer;
	struct torc_link *link;

	op->is_multishot = op->sqe.ioprio & IORING_RECV_MULTISHOT;
	if (file->kind < TORC__SIM_UDP && op->sqe.ioprio == 0 &&
		!(op->sqe.flags & IOSQE_BUFFER_SELECT))
		return torc__sim_recv_message(sim, op);
	if (file->kind > TORC__SIM_UDP)
		return torc__sim_done(op, -ENOTSOCK);
	if (!op->is_multishot || !(op->sqe.flags & IOSQE_BUFFER_SELECT) ||
		file->kind != TORC__SIM_UDP)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (torc__soft_next_buffer(ring, op->sqe.buf_group, &buffer) < 0 ||
		torc__sim_strikes(sim, TORC__SIM_NO_BUFS))
		return torc__sim_done(op, -ENOBUFS);
	if (buffer.bytes < sizeof(struct io_uring_recvmsg_out) +
				   room->msg_namelen + room->msg_controllen)
		return torc__sim_done(op, -EFAULT);
	link = torc__list_pop_front(&file->datagrams);
	if (link == NULL) {
		op->waits_on = &file->readers;
		return TORC__SIM_BLOCKED;
	}
	datagram = torc__container_of(link, struct torc_sim_datagram, link);
	file->datagrams_bytes -= datagram->bytes;
	op->res = (int32_t)lay_out(&buffer, datagram, room);
	op->cqe_flags = torc__soft_use_buffer(ring, op->sqe.buf_group, &buffer);
	free(datagram);
	if (file->family == AF_UNIX)
		torc__sim_datagram_room(sim, file);
	return TORC__SIM_MORE;
}
