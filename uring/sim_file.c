/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and what they stand for. A file lives while a descriptor, an
 * op or a listener's queue names it: closing a descriptor with an op in
 * flight closes nothing yet, as in the kernel.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "uring/sim_disk_priv.h"

static void
on_reset(struct torc_sim *sim, struct torc_sim_event *event)
{
	torc__sim_socket_reset(
		sim, torc__container_of(event, struct torc_sim_file, reset), 0);
}

struct torc_sim_file *
torc__sim_file_new(struct torc_sim *sim, enum torc_sim_kind kind)
{
	struct torc_sim_file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return NULL;
	file->serial = ++sim->serials;
	file->kind = kind;
	file->fd = -1;
	file->refs_count = 1;
	file->rx.file = file;
	file->reset.fn = on_reset;
	torc__list_init(&file->readers);
	torc__list_init(&file->writers);
	torc__list_init(&file->pollers);
	torc__list_init(&file->queue);
	torc__list_init(&file->datagrams);
	torc__list_init(&file->rx.notes);
	torc__list_push_back(&sim->files, &file->all);
	return file;
}

void
torc__sim_file_put(struct torc_sim *sim, struct torc_sim_file *file)
{
	torc_assert(file->refs_count > 0);
	if (--file->refs_count > 0)
		return;
	if (file->kind <= TORC__SIM_UDP)
		torc__sim_socket_release(sim, file);
	if (file->kind == TORC__SIM_FIFO)
		torc__sim_fifo_release(sim, file);
	if (file->node != NULL)
		torc__sim_node_put(sim, file->node);
	torc__sim_event_disarm(sim, &file->reset);
	torc__list_remove(&file->all);
	free(file);
}

/* Twice as many slots, from the lowest free one on. */
static bool
grow(struct torc_sim *sim)
{
	uint32_t max = sim->fds_max ? 2 * sim->fds_max : 64;
	struct torc_sim_file **fds =
		realloc(sim->fds, max * sizeof(struct torc_sim_file *));
	uint32_t *fds_free;

	if (fds == NULL)
		return false;
	sim->fds = fds;
	fds_free = realloc(sim->fds_free, max * sizeof(*fds_free));
	if (fds_free == NULL)
		return false;
	sim->fds_free = fds_free;
	for (uint32_t i = sim->fds_max; i < max; i++)
		fds[i] = NULL;
	sim->fds_max = max;
	return true;
}

int
torc__sim_fd_open(struct torc_sim *sim, struct torc_sim_file *file)
{
	uint32_t slot;

	if (sim->fds_count >= sim->config.fds_max)
		return -EMFILE;
	/* The one that was closed last: what still names it is found out. */
	if (sim->fds_free_count > 0) {
		slot = sim->fds_free[--sim->fds_free_count];
	} else {
		if (sim->fds_top == sim->fds_max && !grow(sim))
			return -ENOMEM;
		slot = sim->fds_top++;
	}
	sim->fds[slot] = file;
	sim->fds_count++;
	file->fds_count++;
	file->fd = TORC__SIM_FD_BASE + (int)slot;
	return file->fd;
}

struct torc_sim_file *
torc__sim_fd_file(const struct torc_sim *sim, int fd)
{
	uint32_t slot = (uint32_t)fd - TORC__SIM_FD_BASE;

	return fd >= TORC__SIM_FD_BASE && slot < sim->fds_top ? sim->fds[slot]
							      : NULL;
}

int
torc__sim_fd_close(struct torc_sim *sim, int fd)
{
	struct torc_sim_file *file = torc__sim_fd_file(sim, fd);
	uint32_t slot = (uint32_t)fd - TORC__SIM_FD_BASE;

	if (file == NULL)
		return -EBADF;
	sim->fds[slot] = NULL;
	sim->fds_free[sim->fds_free_count++] = slot;
	sim->fds_count--;
	file->fds_count--;
	torc__sim_file_put(sim, file);
	return 0;
}

void
torc__sim_wake(struct torc_sim *sim, struct torc_link *waiters)
{
	struct torc_link *link;

	while ((link = torc__list_first(waiters)) != NULL)
		torc__sim_op_wake(sim,
			torc__container_of(link, struct torc_sim_op, link));
}

static uint32_t
poll_stream(const struct torc_sim_file *file)
{
	bool is_end = file->rx.is_end_seen || file->is_read_shut ||
		      file->state == TORC__SIM_DEAD;
	uint32_t mask = 0;

	if (file->error != 0)
		mask |= POLLERR;
	if (file->state == TORC__SIM_DEAD || (is_end && file->is_write_shut))
		mask |= POLLHUP;
	if (is_end)
		mask |= POLLRDHUP;
	if (is_end || file->rx.arrived > file->rx.head ||
		!torc__list_is_empty(&file->rx.notes))
		mask |= POLLIN | POLLRDNORM;
	if (file->state == TORC__SIM_CONNECTED &&
		(file->peer == NULL || file->is_write_shut ||
			torc__sim_pipe_room(&file->peer->rx) > 0))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

static uint32_t
poll_fifo(const struct torc_sim_file *file)
{
	uint32_t mask = 0;

	if (file->is_writer) {
		if (file->peer == NULL)
			return POLLERR | POLLOUT | POLLWRNORM;
		if (torc__sim_pipe_room(&file->peer->rx) >= PIPE_BUF)
			mask |= POLLOUT | POLLWRNORM;
		return mask;
	}
	if (file->rx.arrived > file->rx.head)
		mask |= POLLIN | POLLRDNORM;
	if (file->rx.is_end_seen)
		mask |= POLLHUP;
	return mask;
}

uint32_t
torc__sim_file_poll(const struct torc_sim_file *file)
{
	uint32_t mask = 0;

	switch (file->kind) {
	case TORC__SIM_TCP:
	case TORC__SIM_UNIX:
		if (file->state != TORC__SIM_LISTENING)
			return poll_stream(file);
		return torc__list_is_empty(&file->queue) ? 0
							 : POLLIN | POLLRDNORM;
	case TORC__SIM_UDP:
		mask = POLLOUT | POLLWRNORM;
		if (!torc__list_is_empty(&file->datagrams))
			mask |= POLLIN | POLLRDNORM;
		return mask;
	case TORC__SIM_EVENT:
		return POLLOUT | (file->count > 0 ? POLLIN : 0);
	case TORC__SIM_SIGNALS:
		return (file->raised & file->mask) != 0 ? POLLIN : 0;
	case TORC__SIM_FIFO:
		return poll_fifo(file);
	case TORC__SIM_DISK:
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	}
	return 0;
}
