/* SPDX-License-Identifier: MIT */
/*
 * How a connection comes about: a SYN that finds a listener's queue, and the
 * accept that takes it from there.
 */
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include <torc/base/clock.h>

#include "uring/sim_world_priv.h"

/* A SYN that nobody takes is sent again after 1, 2, 4 ... seconds. */
#define SYN_TRIES 7
/* Phases of a connect, in op->tries, besides the SYNs. */
#define PHASE_ESTABLISHED 100
#define PHASE_REFUSED 101
#define PHASE_TIMED_OUT 102
#define SYN_TIMEOUT_NS (127 * TORC_S)

static void
give_peer(const struct torc_sim_file *file, const struct torc_sim_op *op)
{
	struct sockaddr *at = (void *)(uintptr_t)op->sqe.addr;
	socklen_t *len = (void *)(uintptr_t)op->sqe.addr2;

	if (at == NULL || len == NULL)
		return;
	memcpy(at, &file->remote.at,
		file->remote.len < *len ? file->remote.len : *len);
	*len = file->remote.len;
}

enum torc_sim_attempt
torc__sim_try_accept(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *listener = op->file, *file;
	struct torc_link *link;
	int fd;

	op->is_multishot = op->sqe.ioprio & IORING_ACCEPT_MULTISHOT;
	if (op->sqe.ioprio & ~IORING_ACCEPT_MULTISHOT || op->sqe.file_index)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (listener->kind > TORC__SIM_UDP)
		return torc__sim_done(op, -ENOTSOCK);
	if (listener->state != TORC__SIM_LISTENING)
		return torc__sim_done(op, -EINVAL);
	/* The descriptor comes first, with or without a connection. */
	if (sim->fds_count >= sim->config.fds_max ||
		torc__sim_strikes(sim, TORC__SIM_EMFILE))
		return torc__sim_done(op, -EMFILE);
	link = torc__list_pop_front(&listener->queue);
	if (link == NULL)
		return torc__sim_blocked(op, &listener->readers);
	listener->queue_count--;
	torc__sim_wake(sim, &listener->writers);
	file = torc__container_of(link, struct torc_sim_file, queued);
	if (torc__sim_strikes(sim, TORC__SIM_ABORTED)) {
		file->is_linger_reset = true;
		torc__sim_file_put(sim, file);
		return torc__sim_done(op, -ECONNABORTED);
	}
	fd = torc__sim_fd_open(sim, file);
	if (fd < 0) {
		torc__sim_file_put(sim, file);
		return torc__sim_done(op, fd);
	}
	give_peer(file, op);
	sim->counts.accepted++;
	op->res = fd;
	return op->is_multishot ? TORC__SIM_MORE : TORC__SIM_DONE;
}

/* The other end, in the listener's queue. NULL without memory. */
static struct torc_sim_file *
meet(struct torc_sim *sim, struct torc_sim_file *client,
	struct torc_sim_file *listener)
{
	struct torc_sim_file *server = torc__sim_file_new(sim, client->kind);

	if (server == NULL)
		return NULL;
	server->family = listener->family;
	server->is_packet = listener->is_packet;
	server->local = client->remote;
	server->remote = client->local;
	server->state = TORC__SIM_CONNECTED;
	server->peer = client;
	client->peer = server;
	if (torc__sim_pipe_open(sim, &client->rx, client) < 0 ||
		torc__sim_pipe_open(sim, &server->rx, server) < 0) {
		client->peer = server->peer = NULL;
		torc__sim_file_put(sim, server);
		return NULL;
	}
	listener->queue_count++;
	torc__list_push_back(&listener->queue, &server->queued);
	torc__sim_wake(sim, &listener->readers);
	torc__sim_wake(sim, &listener->pollers);
	return server;
}

static enum torc_sim_attempt
later(struct torc_sim *sim, struct torc_sim_op *op, uint32_t phase,
	uint64_t delay_ns)
{
	op->tries = phase;
	torc__sim_event_arm(sim, &op->event, sim->now_ns + delay_ns);
	return torc__sim_blocked(op, NULL);
}

static enum torc_sim_attempt
established(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;

	/* The other side may have reset it meanwhile. */
	if (file->state == TORC__SIM_DEAD) {
		int error = file->error;

		file->error = 0;
		return torc__sim_done(op, error != 0 ? -error : -ECONNRESET);
	}
	file->state = TORC__SIM_CONNECTED;
	torc__sim_wake(sim, &file->pollers);
	return torc__sim_done(op, 0);
}

static enum torc_sim_attempt
send_syn(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file, *listener;
	uint64_t latency_ns = sim->config.latency_max_ns;
	int error;

	listener = torc__sim_name_find(sim, file->kind,
		(const struct sockaddr *)&file->remote.at, file->remote.len,
		&error);
	if (listener == NULL)
		return later(sim, op, PHASE_REFUSED, latency_ns);
	if (listener->queue_count <= listener->backlog) {
		if (meet(sim, file, listener) == NULL)
			return torc__sim_done(op, -ENOMEM);
		return later(sim, op, PHASE_ESTABLISHED, latency_ns);
	}
	if (op->tries >= SYN_TRIES)
		return later(sim, op, PHASE_TIMED_OUT, TORC_S);
	return later(sim, op, op->tries + 1, TORC_S << (op->tries - 1));
}

static enum torc_sim_attempt
connect_tcp(struct torc_sim *sim, struct torc_sim_op *op)
{
	switch (op->tries) {
	case 0:
		op->file->state = TORC__SIM_CONNECTING;
		if (torc__sim_strikes(sim, TORC__SIM_BLACKHOLE))
			return later(sim, op, PHASE_TIMED_OUT, SYN_TIMEOUT_NS);
		if (torc__sim_strikes(sim, TORC__SIM_REFUSE))
			return later(sim, op, PHASE_REFUSED,
				2 * sim->config.latency_max_ns);
		return later(sim, op, 1, sim->config.latency_max_ns);
	case PHASE_ESTABLISHED:
		return established(sim, op);
	case PHASE_REFUSED:
		op->file->state = TORC__SIM_NEW;
		return torc__sim_done(op, -ECONNREFUSED);
	case PHASE_TIMED_OUT:
		op->file->state = TORC__SIM_NEW;
		return torc__sim_done(op, -ETIMEDOUT);
	}
	return send_syn(sim, op);
}

/* Such names are known by their type as well. */
static bool
is_abstract(const struct torc_sim_name *name)
{
	const struct sockaddr_un *un = (const void *)&name->at;

	return un->sun_path[0] == '\0';
}

static enum torc_sim_attempt
connect_unix(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file, *listener;
	int error;

	listener = torc__sim_name_find(sim, TORC__SIM_UNIX,
		(const struct sockaddr *)&file->remote.at, file->remote.len,
		&error);
	if (listener == NULL)
		return torc__sim_done(op, error);
	if (listener->kind != TORC__SIM_UNIX ||
		listener->is_packet != file->is_packet)
		return torc__sim_done(op, is_abstract(&file->remote)
						  ? -ECONNREFUSED
						  : -EPROTOTYPE);
	if (listener->state != TORC__SIM_LISTENING)
		return torc__sim_done(op, -ECONNREFUSED);
	if (listener->queue_count > listener->backlog)
		return torc__sim_blocked(op, &listener->writers);
	if (meet(sim, file, listener) == NULL)
		return torc__sim_done(op, -ENOMEM);
	return established(sim, op);
}

/* A Unix one must have somebody there; elsewhere nobody is asked. */
static enum torc_sim_attempt
connect_datagram(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file, *to;
	int error;

	if (file->family == AF_UNIX) {
		to = torc__sim_name_find(sim, TORC__SIM_UNIX,
			(const struct sockaddr *)&file->remote.at,
			file->remote.len, &error);
		if (to != NULL)
			error = to->kind == TORC__SIM_UDP    ? 0
				: is_abstract(&file->remote) ? -ECONNREFUSED
							     : -EPROTOTYPE;
		if (error < 0) {
			file->remote.len = 0;
			return torc__sim_done(op, error);
		}
	}
	file->state = TORC__SIM_CONNECTED;
	return torc__sim_done(op, 0);
}

enum torc_sim_attempt
torc__sim_try_connect(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	const struct sockaddr *to = (void *)(uintptr_t)op->sqe.addr;
	uint64_t len = op->sqe.off;

	if (file->kind > TORC__SIM_UDP)
		return torc__sim_done(op, -ENOTSOCK);
	if (op->tries == 0) {
		if (file->kind != TORC__SIM_UDP &&
			file->state == TORC__SIM_CONNECTED)
			return torc__sim_done(op, -EISCONN);
		if (file->state == TORC__SIM_CONNECTING)
			return torc__sim_done(op, -EALREADY);
		if (len < sizeof(sa_family_t) || len > sizeof(file->remote.at))
			return torc__sim_done(op, -EINVAL);
		memset(&file->remote, 0, sizeof(file->remote));
		memcpy(&file->remote.at, to, len);
		file->remote.len = (socklen_t)len;
		if (file->remote.at.ss_family != file->family)
			return torc__sim_done(op, -EAFNOSUPPORT);
		torc__sim_name_choose(sim, file, file->family);
	}
	if (file->kind == TORC__SIM_UDP)
		return connect_datagram(sim, op);
	return file->kind == TORC__SIM_UNIX ? connect_unix(sim, op)
					    : connect_tcp(sim, op);
}
