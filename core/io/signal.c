/* SPDX-License-Identifier: MIT */
#include <torc/core/io/signal.h>

#include <errno.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <time.h>

#include <torc/alloc/arena.h>

#include "core/shard_priv.h"

struct torc_signals {
	struct torc_op op;
	struct torc_shard *shard;
	struct torc_resource resource;
	struct signalfd_siginfo info; /* the kernel writes it */
	struct torc_future *reader;
	sigset_t set;
	sigset_t old_mask;
	int fd;
	int caught; /* read, and not taken; 0: none */
	int error;
	bool is_closing;
};

static void
arm(struct torc_signals *signals)
{
	struct io_uring_sqe *sqe;

	if (!torc__op_is_idle(&signals->op) || signals->caught != 0)
		return;
	sqe = torc__ring_sqe(&signals->shard->ring);
	io_uring_prep_read(
		sqe, signals->fd, &signals->info, sizeof(signals->info), 0);
	torc__op_submit(&signals->shard->ring, &signals->op, sqe);
}

static void
notify(struct torc_signals *signals)
{
	struct torc_future *reader = signals->reader;
	int value = signals->caught != 0 ? signals->caught : signals->error;

	if (reader == NULL || value == 0)
		return;
	signals->reader = NULL;
	signals->caught = 0;
	torc_future_complete(reader, value);
}

static void
finish_close(struct torc_signals *signals)
{
	struct torc_ring *ring = &signals->shard->ring;
	struct timespec none = { 0 };

	torc__list_remove(&signals->resource.link);
	ring->engine->close_fd(ring, signals->fd);
	/* Those that nobody waited for must not strike now. */
	while (sigtimedwait(&signals->set, NULL, &none) > 0)
		continue;
	pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
	torc_free(signals);
}

static void
on_read(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_signals *signals =
		torc__container_of(op, struct torc_signals, op);

	(void)cqe_flags;
	if (signals->is_closing) {
		finish_close(signals);
		return;
	}
	if (res == (int32_t)sizeof(signals->info))
		signals->caught = (int)signals->info.ssi_signo;
	else if (res < 0 && res != -EINTR && res != -EAGAIN &&
		 res != -ECANCELED)
		signals->error = res;
	if (signals->caught == 0 && signals->error == 0)
		arm(signals);
	else
		notify(signals);
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_signals *signals =
		torc__container_of(resource, struct torc_signals, resource);

	if (!signals->is_closing)
		torc_signals_close(signals);
}

int
torc_signals_open(struct torc_signals **out, const sigset_t *set)
{
	struct torc_signals *signals;
	struct torc_ring *ring;

	torc_assert(torc__shard != NULL && torc__shard->index == 0);
	ring = &torc__shard->ring;
	signals = torc_calloc(1, sizeof(*signals));
	if (signals == NULL)
		return -ENOMEM;
	pthread_sigmask(SIG_BLOCK, set, &signals->old_mask);
	signals->fd = ring->engine->signals_open(ring, set);
	if (signals->fd < 0) {
		int ret = signals->fd;

		pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
		torc_free(signals);
		return ret;
	}
	signals->set = *set;
	signals->shard = torc__shard;
	signals->resource.close = close_resource;
	torc__op_init(&signals->op, on_read);
	torc__list_push_back(
		&signals->shard->resources, &signals->resource.link);
	arm(signals);
	*out = signals;
	return 0;
}

static void
cancel_wait(struct torc_future *future)
{
	struct torc_signals *signals = torc_future_source(future);

	signals->reader = NULL;
	torc_future_complete(future, -ECANCELED);
}

void
torc_signal_start(struct torc_signals *signals, struct torc_future *future)
{
	torc_assert(signals->reader == NULL && !signals->is_closing);
	torc_future_init(future, cancel_wait, signals);
	signals->reader = future;
	notify(signals);
	arm(signals);
}

int
torc_signal_next(struct torc_signals *signals)
{
	struct torc_future future;
	int ret = torc_interrupted();

	if (ret < 0)
		return ret;
	torc_signal_start(signals, &future);
	return (int)torc_await(&future);
}

void
torc_signals_close(struct torc_signals *signals)
{
	struct torc_future *reader;

	if (signals == NULL)
		return;
	torc_assert(!signals->is_closing);
	signals->is_closing = true;
	reader = signals->reader;
	signals->reader = NULL;
	if (torc__op_is_idle(&signals->op))
		finish_close(signals);
	else
		torc__op_cancel(&signals->shard->ring, &signals->op);
	if (reader != NULL)
		torc_future_complete(reader, -ECANCELED);
}
