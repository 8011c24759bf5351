/* SPDX-License-Identifier: MIT */
#include <torc/core/io/signal.h>

#include <errno.h>
#include <sys/signalfd.h>

#include <torc/alloc/arena.h>

#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* So many at most are read at once; each is 128 bytes. */
#define CAUGHT_MAX 16

struct torc_signals {
	struct torc_op op;
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_signals **home; /* NULL, or who is to forget it */
	struct signalfd_siginfo caught[CAUGHT_MAX]; /* the kernel writes them */
	uint32_t caught_count;
	uint32_t taken_count; /* of those */
	struct signalfd_siginfo last;
	struct torc_future *reader;
	sigset_t set;
	int fd;
	int error;
	bool is_closing;
	bool is_gone;
};

#define WHAT "a set of signals"

static inline void
own(const struct torc_signals *signals)
{
	torc__shard_own(signals->shard, WHAT, "send them on");
}

static bool
is_drained(const struct torc_signals *signals)
{
	return signals->taken_count == signals->caught_count;
}

static void
arm(struct torc_signals *signals)
{
	struct io_uring_sqe *sqe;

	if (!torc__op_is_idle(&signals->op) || !is_drained(signals))
		return;
	sqe = torc__ring_sqe(&signals->shard->ring);
	io_uring_prep_read(
		sqe, signals->fd, signals->caught, sizeof(signals->caught), 0);
	torc__op_submit(&signals->shard->ring, &signals->op, sqe);
}

static void
notify(struct torc_signals *signals)
{
	struct torc_future *reader = signals->reader;
	int value = signals->error;

	if (reader == NULL || (is_drained(signals) && value == 0))
		return;
	if (!is_drained(signals)) {
		signals->last = signals->caught[signals->taken_count++];
		value = (int)signals->last.ssi_signo;
	}
	signals->reader = NULL;
	torc_future_complete(reader, value);
}

static void
release(struct torc_signals *signals)
{
	if (!signals->is_gone || signals->resource.is_ending)
		return;
	torc__list_remove(&signals->resource.link);
	torc_free(signals);
}

static void
finish_close(struct torc_signals *signals)
{
	struct torc_ring *ring = &signals->shard->ring;

	torc__resource_gone(signals->shard, &signals->resource);
	ring->engine->close_fd(ring, signals->fd);
	torc__shard_fd_freed(signals->shard);
	signals->is_gone = true;
	release(signals);
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
	signals->taken_count = 0;
	signals->caught_count = 0;
	if (res >= (int32_t)sizeof(signals->last))
		signals->caught_count =
			(uint32_t)res / (uint32_t)sizeof(signals->last);
	else if (res < 0 && res != -EINTR && res != -EAGAIN &&
		 res != -ECANCELED)
		signals->error = res;
	if (is_drained(signals) && signals->error == 0)
		arm(signals);
	else
		notify(signals);
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_signals *signals =
		torc__container_of(resource, struct torc_signals, resource);

	if (signals->is_gone) {
		release(signals);
	} else if (!signals->is_closing) {
		resource->is_ending = true;
		torc_signals_close(signals);
	}
}

static int
check(const struct torc_shard *shard, int signo)
{
	if (signo == SIGKILL || signo == SIGSTOP || torc__signal_is_own(signo))
		return -EINVAL;
	return sigismember(&shard->caught, signo) == 1 ? -EBUSY : 0;
}

/* 0; -EINVAL; -EBUSY when one of them has its taker. */
static int
claim(struct torc_shard *shard, const sigset_t *set)
{
	int ret = 0;

	for (int signo = 1; signo < TORC__MASK_SIGNALS_MAX && ret == 0; signo++)
		if (sigismember(set, signo) == 1)
			ret = check(shard, signo);
	if (ret < 0)
		return ret;
	for (int signo = 1; signo < TORC__MASK_SIGNALS_MAX; signo++)
		if (sigismember(set, signo) == 1)
			sigaddset(&shard->caught, signo);
	torc__mask_block(&shard->mask, set);
	return 0;
}

static void
unclaim(struct torc_shard *shard, const sigset_t *set)
{
	for (int signo = 1; signo < TORC__MASK_SIGNALS_MAX; signo++)
		if (sigismember(set, signo) == 1)
			sigdelset(&shard->caught, signo);
	torc__mask_unblock(&shard->mask, set);
}

static struct torc_shard *
first_shard(void)
{
	struct torc_shard *shard = torc__shard_current("torc_signals_open");

	if (torc_unlikely(shard->index != 0))
		torc__panic("signals are caught on shard 0 alone: spawn the "
			    "task that waits for them there");
	return shard;
}

int
torc_signals_open(struct torc_signals **out, const sigset_t *set)
{
	struct torc_shard *shard = first_shard();
	struct torc_signals *signals = torc_calloc(1, sizeof(*signals));
	int ret;

	if (signals == NULL)
		return -ENOMEM;
	ret = claim(shard, set);
	if (ret == 0) {
		ret = shard->ring.engine->signals_open(&shard->ring, set);
		if (ret < 0)
			unclaim(shard, set);
	}
	if (ret < 0) {
		torc_free(signals);
		return ret;
	}
	signals->fd = ret;
	signals->set = *set;
	signals->shard = shard;
	signals->resource.close = close_resource;
	torc__op_init(&signals->op, on_read);
	torc__resource_join(shard, &signals->resource);
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
	own(signals);
	if (torc_unlikely(signals->is_closing)) {
		torc__resource_refuse(&signals->resource, WHAT, future);
		return;
	}
	if (torc_unlikely(signals->reader != NULL))
		torc__panic("signals that a task waits for are waited for "
			    "again: one task at a time");
	torc_future_init(future, cancel_wait, signals);
	signals->reader = future;
	notify(signals);
	arm(signals);
}

int
torc_signal_next(struct torc_signals *signals)
{
	struct torc_future future;
	int ret = torc__interrupted("torc_signal_next");

	if (ret < 0)
		return ret;
	torc_signal_start(signals, &future);
	return (int)torc_await(&future);
}

void
torc_signal_info(
	const struct torc_signals *signals, struct torc_signal_info *info)
{
	const struct signalfd_siginfo *last = &signals->last;

	own(signals);
	*info = (struct torc_signal_info){
		.signo = (int)last->ssi_signo,
		.code = last->ssi_code,
		.pid = (pid_t)last->ssi_pid,
		.uid = last->ssi_uid,
		.value = last->ssi_int,
		.status = last->ssi_status,
	};
}

void
torc_signals_close(struct torc_signals *signals)
{
	struct torc_shard *shard;
	struct torc_future *reader;
	sigset_t none;

	if (signals == NULL)
		return;
	own(signals);
	if (torc_unlikely(signals->is_closing)) {
		torc__resource_close_again(&signals->resource, WHAT);
		release(signals);
		return;
	}
	shard = signals->shard;
	signals->is_closing = true;
	if (signals->home != NULL)
		*signals->home = NULL;
	reader = signals->reader;
	signals->reader = NULL;
	/* A read that its cancel has yet to reach takes nobody's signal. */
	sigemptyset(&none);
	if (!shard->ring.engine->is_simulated)
		(void)signalfd(signals->fd, &none, 0);
	unclaim(shard, &signals->set);
	if (torc__op_is_idle(&signals->op))
		finish_close(signals);
	else
		torc__op_cancel(&shard->ring, &signals->op);
	if (reader != NULL)
		torc_future_complete(reader, -ECANCELED);
}

/* ---- asked to end ---- */

static void
on_interrupt(struct torc_future *caught)
{
	struct torc_interrupt *interrupt = torc_future_waiter(caught);

	torc_signals_close(interrupt->_signals);
	torc_future_complete(&interrupt->done, caught->value);
}

static void
cancel_interrupt(struct torc_future *done)
{
	struct torc_interrupt *interrupt = torc_future_source(done);

	torc_future_cancel(&interrupt->_caught);
}

void
torc_interrupt_start(struct torc_interrupt *interrupt)
{
	sigset_t set;
	int ret;

	(void)torc__shard_current("torc_interrupt_start");
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	torc_future_init(&interrupt->done, cancel_interrupt, interrupt);
	ret = torc_signals_open(&interrupt->_signals, &set);
	if (ret < 0) {
		torc_future_complete(&interrupt->done, ret);
		return;
	}
	interrupt->_signals->home = &interrupt->_signals;
	torc_signal_start(interrupt->_signals, &interrupt->_caught);
	torc_future_then(&interrupt->_caught, on_interrupt, interrupt);
}

int
torc_interrupt_wait(void)
{
	struct torc_interrupt interrupt;
	int ret = torc__interrupted("torc_interrupt_wait");

	if (ret < 0)
		return ret;
	torc_interrupt_start(&interrupt);
	return (int)torc_await(&interrupt.done);
}
