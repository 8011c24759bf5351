/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and their events.
 *
 * Whoever begins to wait registers anew, even where the set seems to have
 * the events already. It costs one call per op that waits, not per event,
 * and it tells the truth: the kernel looks at the file again, so that nothing
 * is missed between the try and the wait, and it knows when the number has
 * come to mean another file behind our back. An event carries the generation
 * of its registration; one of an earlier file is dropped.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MIN 64u

/* Not asked for, always told. */
#define UNASKED (EPOLLERR | EPOLLHUP)

static struct torc_epoll_file *
lookup(const struct torc_epoll *epoll, int fd)
{
	if (fd < 0 || (uint32_t)fd >= epoll->files_max)
		return NULL;
	return &epoll->files[fd];
}

static int
make_room(struct torc_epoll *epoll, int fd)
{
	uint32_t max = epoll->files_max ? epoll->files_max : FILES_MIN;
	struct torc_epoll_file *files;

	if (fd < 0)
		return -EBADF;
	if ((uint32_t)fd < epoll->files_max)
		return 0;
	while (max <= (uint32_t)fd)
		max *= 2;
	files = realloc(epoll->files, max * sizeof(*files));
	if (files == NULL)
		return -ENOMEM;
	memset(files + epoll->files_max, 0,
		(max - epoll->files_max) * sizeof(*files));
	epoll->files = files;
	epoll->files_max = max;
	return 0;
}

void
torc__epoll_files_close(struct torc_epoll *epoll)
{
	for (uint32_t fd = 0; fd < epoll->files_max; fd++)
		if (epoll->files[fd].is_adopted)
			close((int)fd);
	free(epoll->files);
}

/* ---- what is registered ---- */

static int
control(struct torc_epoll *epoll, int how, int fd, uint32_t events)
{
	struct epoll_event event = {
		.events = events | EPOLLET,
		.data.u64 = (uint64_t)epoll->files[fd].generation << 32 |
			    (uint32_t)fd,
	};

	return epoll_ctl(epoll->fd, how, fd, &event) < 0 ? -errno : 0;
}

static uint32_t
wanted(const struct torc_epoll_file *file)
{
	uint32_t events = 0;

	for (struct torc_epoll_op *op = file->first; op != NULL;
		op = op->file_next)
		if (op->is_armed)
			events |= op->events;
	return events;
}

static bool
is_tcp(int fd)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* 0 or -errno; ENOENT is how a number shows that its file is another one. */
static int
watch(struct torc_epoll *epoll, int fd, uint32_t events)
{
	struct torc_epoll_file *file = &epoll->files[fd];
	int ret = -ENOENT;

	if (file->events != 0)
		ret = control(epoll, EPOLL_CTL_MOD, fd, events);
	if (ret == -ENOENT) {
		file->generation++;
		ret = control(epoll, EPOLL_CTL_ADD, fd, events);
		if (ret == -EEXIST)
			ret = control(epoll, EPOLL_CTL_MOD, fd, events);
		file->is_tcp = ret == 0 && is_tcp(fd);
	}
	file->events = ret == 0 ? events : 0;
	return ret;
}

static void
unwatch(struct torc_epoll *epoll, int fd)
{
	struct torc_epoll_file *file = &epoll->files[fd];

	if (file->events != 0)
		(void)control(epoll, EPOLL_CTL_DEL, fd, 0);
	file->events = 0;
}

/* Something happened that nobody waits for: not again. */
static __attribute__((noinline)) void
narrow(struct torc_epoll *epoll, int fd)
{
	uint32_t events = wanted(&epoll->files[fd]);

	if (events == 0)
		unwatch(epoll, fd);
	else if (events != epoll->files[fd].events)
		(void)watch(epoll, fd, events);
}

/* ---- who waits ---- */

int
torc__epoll_file_join(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	struct torc_epoll_op **at;
	int ret;

	if (op->is_kept || op->sqe.fd < 0)
		return 0;
	ret = make_room(epoll, op->sqe.fd);
	if (ret < 0)
		return ret;
	at = &epoll->files[op->sqe.fd].first;
	while (*at != NULL)
		at = &(*at)->file_next;
	op->file_next = NULL;
	*at = op;
	return 0;
}

void
torc__epoll_file_leave(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	struct torc_epoll_file *file = lookup(epoll, op->sqe.fd);
	struct torc_epoll_op **at;

	if (file == NULL)
		return;
	at = &file->first;
	while (*at != NULL && *at != op)
		at = &(*at)->file_next;
	if (*at == NULL)
		return;
	*at = op->file_next;
	if (file->is_adopted && file->first == NULL) {
		file->is_adopted = false;
		file->events = 0;
		close(op->sqe.fd);
	}
}

/* What a worker has ends when the worker is done. */
static void
abandon(struct torc_ring *ring, struct torc_epoll_op *op)
{
	while (op != NULL) {
		struct torc_epoll_op *next = op->file_next;

		if (!op->is_worked)
			torc__epoll_op_finish(ring, op, -ECANCELED);
		op = next;
	}
}

/*
 * The number has come to mean another file, closed by a close(2) of which
 * this engine knows nothing. What waited for the old one can't be told.
 */
static __attribute__((noinline, cold)) void
abandon_others(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll_file *file = &torc__epoll_of(ring)->files[op->sqe.fd];
	struct torc_epoll_op *first = file->first;

	file->first = op;
	while (first != NULL) {
		struct torc_epoll_op *next = first->file_next;

		if (first != op && !first->is_worked)
			torc__epoll_op_finish(ring, first, -ECANCELED);
		first = next;
	}
	op->file_next = NULL;
}

/* Where no call may wait, neither does an op. */
static int
may_wait(const struct torc_epoll_op *op)
{
	const struct torc_epoll_opcode *opcode = op->opcode;
	int flags, mode;

	if (opcode->is_patient)
		return 0;
	flags = fcntl(op->sqe.fd, F_GETFL);
	if (flags < 0)
		return -errno;
	mode = flags & O_ACCMODE;
	if ((opcode->is_reading && mode == O_WRONLY) ||
		(opcode->is_writing && mode == O_RDONLY))
		return -EBADF;
	return flags & O_NONBLOCK ? -EAGAIN : 0;
}

int
torc__epoll_file_wait(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int fd = op->sqe.fd;
	struct torc_epoll_file *file;
	uint32_t generation, others;
	int ret = may_wait(op);

	if (ret == 0)
		ret = torc__epoll_file_join(epoll, op);
	if (ret < 0)
		return ret;
	file = &epoll->files[fd];
	generation = file->generation;
	others = wanted(file);
	if (op->events == 0)
		op->events = op->opcode->events;
	op->is_armed = true;
	ret = watch(epoll, fd, others | op->events);
	if (torc_unlikely(ret < 0)) {
		op->is_armed = false;
		if (!op->is_kept)
			torc__epoll_file_leave(epoll, op);
	} else if (torc_unlikely(
			   others != 0 && file->generation != generation)) {
		abandon_others(ring, op);
	}
	return ret;
}

void
torc__epoll_file_event(struct torc_ring *ring, const struct epoll_event *event)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int fd = (int)(uint32_t)event->data.u64;
	uint32_t generation = (uint32_t)(event->data.u64 >> 32);
	struct torc_epoll_file *file = lookup(epoll, fd);
	struct torc_epoll_op *op, *next;
	bool is_waited_for = false;

	if (file == NULL || file->events == 0 || file->generation != generation)
		return;
	for (op = file->first; op != NULL; op = next) {
		next = op->file_next;
		if (!op->is_armed || !(event->events & (op->events | UNASKED)))
			continue;
		is_waited_for = true;
		op->seen = event->events;
		/* One that is in the middle of a burst comes anyway. */
		if (!torc__list_is_linked(&op->link))
			torc__epoll_op_run(ring, op);
	}
	if (torc_unlikely(!is_waited_for))
		narrow(epoll, fd);
}

bool
torc__epoll_file_is_tcp(const struct torc_epoll *epoll, int fd)
{
	const struct torc_epoll_file *file = lookup(epoll, fd);

	return file != NULL && file->events != 0 && file->is_tcp;
}

/* ---- the end of a descriptor ---- */

/* The ops of `fd` go on with another descriptor of the same file. */
static int
adopt(struct torc_ring *ring, int fd)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct torc_epoll_file *file;
	int ret;

	if (copy < 0)
		return -errno;
	ret = make_room(epoll, copy);
	if (ret < 0) {
		close(copy);
		return ret;
	}
	unwatch(epoll, fd);
	file = &epoll->files[copy];
	abandon(ring, file->first);
	file->first = epoll->files[fd].first;
	file->is_adopted = true;
	epoll->files[fd].first = NULL;
	for (struct torc_epoll_op *op = file->first; op != NULL;
		op = op->file_next)
		op->sqe.fd = copy;
	if (wanted(file) == 0)
		return 0;
	/* The set had this file a moment ago: it fails for want of memory. */
	return watch(epoll, copy, wanted(file));
}

static bool
is_worked_on(const struct torc_epoll_file *file)
{
	const struct torc_epoll_op *op = file->first;

	while (op != NULL && !op->is_worked)
		op = op->file_next;
	return op != NULL;
}

int
torc__epoll_file_close(struct torc_ring *ring, int fd)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	struct torc_epoll_file *file = lookup(epoll, fd);

	if (file != NULL && file->is_adopted)
		return -EBADF;
	if (file != NULL && is_worked_on(file)) {
		/* A worker uses the number: it is closed with the last op. */
		file->is_adopted = true;
		return 0;
	}
	if (file != NULL && file->first != NULL) {
		struct torc_epoll_op *first = file->first;

		if (adopt(ring, fd) < 0)
			abandon(ring, first);
		file = lookup(epoll, fd);
	}
	/* The set forgets a file with its last descriptor. */
	if (file != NULL)
		file->events = 0;
	return close(fd) < 0 ? -errno : 0;
}
