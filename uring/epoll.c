/* SPDX-License-Identifier: MIT */
/*
 * The epoll engine: for where io_uring is forbidden, and the baseline that
 * says what completion gains over readiness.
 *
 * The CQ shows nothing new outside of an enter.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "uring/epoll_priv.h"
#include "uring/sys_priv.h"

#define EVENTS_MAX 256

static void
epoll_explain(int error, char *text, size_t bytes)
{
	const char *word = strerror(-error);

	switch (-error) {
	case EMFILE:
	case ENFILE:
		snprintf(text, bytes,
			"no descriptor for an epoll set (%s): raise ulimit -n",
			word);
		return;
	case ENOMEM:
		snprintf(text, bytes,
			"no memory for an epoll set and its queues: ask for "
			"smaller ones (sq_entries, cq_entries)");
		return;
	case ENOSYS:
	case EPERM:
		snprintf(text, bytes,
			"epoll is forbidden here (%s): allow epoll_create1, "
			"epoll_ctl and epoll_wait in the seccomp profile",
			word);
		return;
	}
	snprintf(text, bytes, "epoll_create1 failed: %s", word);
}

static void
free_engine(struct torc_epoll *epoll)
{
	torc__epoll_work_close(epoll);
	torc__epoll_mail_close(epoll);
	torc__epoll_files_close(epoll);
	torc__epoll_ops_close(epoll);
	if (epoll->fd >= 0)
		close(epoll->fd);
	free(epoll);
}

static int
open_engine(struct torc_epoll *epoll)
{
	int ret = torc__epoll_ops_open(epoll);

	if (ret < 0)
		return ret;
	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd < 0)
		return -errno;
	ret = torc__epoll_mail_open(epoll);
	if (ret == 0)
		torc__epoll_work_open(epoll);
	return ret;
}

static int
epoll_open(struct torc_ring *ring, const struct torc_ring_options *options)
{
	struct torc_epoll *epoll = calloc(1, sizeof(*epoll));
	int ret;

	if (epoll == NULL)
		return -ENOMEM;
	epoll->fd = -1;
	epoll->mail.bell_fd = -1;
	torc__list_init(&epoll->free_ops);
	torc__list_init(&epoll->slabs);
	torc__list_init(&epoll->later);
	torc__list_init(&epoll->timed);
	torc__list_init(&epoll->mail.worked);
	ret = open_engine(epoll);
	if (ret == 0)
		ret = torc__soft_open(ring, options, epoll);
	if (ret < 0) {
		free_engine(epoll);
		return ret;
	}
	ring->uring.ring_fd = epoll->fd;
	return 0;
}

static void
epoll_close(struct torc_ring *ring)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);

	torc__soft_close(ring);
	ring->uring.sq.ring_ptr = NULL;
	free_engine(epoll);
}

/* Up to a millisecond late where epoll_pwait2 (5.11) is not to be had. */
static int
wait_timed(int fd, struct epoll_event *events, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / TORC_S),
		.tv_nsec = (long)(timeout_ns % TORC_S),
	};
	int count = epoll_pwait2(fd, events, EVENTS_MAX, &ts, NULL);
	uint64_t timeout_ms;

	/* EPERM: a seccomp profile that is older than the call. */
	if (count >= 0 || (errno != ENOSYS && errno != EPERM))
		return count;
	timeout_ms = (timeout_ns + TORC_MS - 1) / TORC_MS;
	if (timeout_ms > INT32_MAX)
		timeout_ms = INT32_MAX;
	return epoll_wait(fd, events, EVENTS_MAX, (int)timeout_ms);
}

/* Carry out what became ready; how many events, or -errno. */
static int
look(struct torc_ring *ring, uint64_t timeout_ns)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	struct epoll_event events[EVENTS_MAX];
	int count;

	if (timeout_ns == 0 || timeout_ns == UINT64_MAX)
		count = epoll_wait(epoll->fd, events, EVENTS_MAX,
			timeout_ns == 0 ? 0 : -1);
	else
		count = wait_timed(epoll->fd, events, timeout_ns);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++)
		if (events[i].data.u64 == TORC__EPOLL_MAIL)
			torc__epoll_mail_take(ring);
		else
			torc__epoll_file_event(ring, &events[i]);
	return count;
}

/* From now to the earlier of the two. */
static uint64_t
span_ns(const struct torc_epoll *epoll, uint64_t until_ns)
{
	uint64_t next_ns = torc__epoll_time_next_ns(epoll);
	uint64_t now_ns;

	if (next_ns > until_ns)
		next_ns = until_ns;
	if (next_ns == UINT64_MAX)
		return UINT64_MAX;
	now_ns = torc_clock_ns();
	return next_ns > now_ns ? next_ns - now_ns : 0;
}

/* Look until `min_complete` CQEs are there: 0, -ETIME or -EINTR. */
static int
wait_for(struct torc_ring *ring, uint32_t min_complete, uint64_t timeout_ns)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	uint64_t until_ns = UINT64_MAX;

	if (timeout_ns != UINT64_MAX &&
		__builtin_add_overflow(torc_clock_ns(), timeout_ns, &until_ns))
		until_ns = UINT64_MAX;
	while (torc__ring_cq_count(ring) < min_complete) {
		uint64_t left_ns = span_ns(epoll, until_ns);
		bool is_over = left_ns == 0 && torc_clock_ns() >= until_ns;
		int ret;

		if (!torc__list_is_empty(&epoll->later))
			left_ns = 0;
		ret = look(ring, left_ns);
		if (ret < 0)
			return ret;
		torc__epoll_time_run(ring);
		torc__epoll_run_later(ring);
		if (is_over && torc__ring_cq_count(ring) < min_complete)
			return -ETIME;
	}
	return 0;
}

/*
 * Results that are there already are worth more than news: of two enters in
 * a row at most one does without a look, and a turn that only sends costs no
 * system call besides its sends.
 */
static bool
may_skip_look(struct torc_ring *ring, struct torc_epoll *epoll)
{
	if (!epoll->has_looked || torc__ring_cq_count(ring) == 0)
		return false;
	epoll->has_looked = false;
	return true;
}

static int
epoll_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int taken, ret = 0;

	torc__soft_flush(ring);
	torc__epoll_run_later(ring);
	taken = torc__epoll_submit(ring, to_submit);
	torc__epoll_time_run(ring);
	if (torc__ring_cq_count(ring) < min_complete) {
		epoll->has_looked = true;
		ret = wait_for(ring, min_complete, timeout_ns);
	} else if (!may_skip_look(ring, epoll)) {
		epoll->has_looked = true;
		ret = look(ring, 0);
	}
	if (taken != 0)
		return taken;
	return ret < 0 ? ret : 0;
}

static uint64_t
epoll_now_ns(struct torc_ring *ring)
{
	(void)ring;
	return torc_clock_ns();
}

/* A ring that is closed has nothing left to forget. */
static void
epoll_close_fd(struct torc_ring *ring, int fd)
{
	if (torc__soft_of(ring) == NULL)
		close(fd);
	else
		(void)torc__epoll_file_close(ring, fd);
}

const struct torc_engine torc__engine_epoll = {
	.name = "epoll",
	.is_polling = true,
	.is_blind = true,
	.open = epoll_open,
	.close = epoll_close,
	.enter = epoll_enter,
	.reg = torc__soft_register,
	.now_ns = epoll_now_ns,
	.explain = epoll_explain,
	.socket = torc__sys_socket,
	.socketpair = torc__sys_socketpair,
	.pipe = torc__sys_pipe,
	.read_dir = torc__sys_read_dir,
	.chmod = torc__sys_chmod,
	.read_link = torc__sys_read_link,
	.real_path = torc__sys_real_path,
	.bind = torc__sys_bind,
	.listen = torc__sys_listen,
	.shutdown = torc__sys_shutdown,
	.setsockopt = torc__sys_setsockopt,
	.getsockopt = torc__sys_getsockopt,
	.getsockname = torc__sys_getsockname,
	.getpeername = torc__sys_getpeername,
	.dup = torc__sys_dup,
	.unix_is_stale = torc__sys_unix_is_stale,
	.unix_remove = torc__sys_unix_remove,
	.event_open = torc__sys_event_open,
	.event_ring_remote = torc__sys_event_ring_remote,
	.signals_open = torc__sys_signals_open,
	.close_fd = epoll_close_fd,
};
