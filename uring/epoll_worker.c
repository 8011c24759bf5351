/* SPDX-License-Identifier: MIT */
/*
 * Threads for calls that may take long and know no readiness: those on files.
 *
 *   waits in the queue ----> runs on a worker ----> in the ring's mail
 *          |                                            |
 *          +--- cancelled: -ECANCELED                   +--- its CQE
 *
 * All rings share them. One is made when an op waits and none is idle, up to
 * a bound, and they end with the last ring. What runs cannot be stopped: a
 * cancel says so, and the close of a ring waits for it.
 *
 * The op belongs to the worker from the moment it is taken from the queue
 * until it is in the mail; `lock` hands it over both times.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define WORKERS_MAX 16
#define STACK_BYTES ((size_t)256 << 10)

static struct {
	pthread_mutex_t life; /* opening and closing rings */
	uint32_t rings_count; /* under `life` */

	pthread_mutex_t lock; /* the rest */
	pthread_cond_t is_wanted;
	pthread_cond_t is_done;
	struct torc_link queue;
	uint32_t queue_count;
	uint32_t idle_count;
	uint32_t threads_count;
	bool is_over;
	pthread_t threads[WORKERS_MAX];
} pool = {
	.life = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.is_wanted = PTHREAD_COND_INITIALIZER,
	.is_done = PTHREAD_COND_INITIALIZER,
	.queue = { &pool.queue, &pool.queue },
};

/* NULL: no more to do. Under the lock. */
static struct torc_epoll_op *
take(void)
{
	struct torc_epoll_op *op;

	while (pool.queue_count == 0 && !pool.is_over) {
		pool.idle_count++;
		pthread_cond_wait(&pool.is_wanted, &pool.lock);
		pool.idle_count--;
	}
	if (pool.queue_count == 0)
		return NULL;
	op = torc__container_of(
		torc__list_pop_front(&pool.queue), struct torc_epoll_op, link);
	pool.queue_count--;
	op->is_taken = true;
	op->epoll->working_count++;
	return op;
}

static void *
work(void *arg)
{
	struct torc_epoll_op *op;

	(void)arg;
	pthread_setname_np(pthread_self(), "torc-worker");
	pthread_mutex_lock(&pool.lock);
	while ((op = take()) != NULL) {
		struct torc_epoll *epoll = op->epoll;

		pthread_mutex_unlock(&pool.lock);
		op->work_res = op->opcode->work(op);
		/* From here on it is the ring's again. */
		torc__epoll_mail_worked(epoll, op);
		pthread_mutex_lock(&pool.lock);
		if (--epoll->working_count == 0)
			pthread_cond_broadcast(&pool.is_done);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

/* One more; false when there can be none. Under the lock. */
static bool
add_thread(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int error;

	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(
		&pool.threads[pool.threads_count], &attr, work, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pool.threads_count++;
	return error == 0;
}

int
torc__epoll_work_start(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	int ret = 0;

	op->epoll = epoll;
	op->is_worked = true;
	pthread_mutex_lock(&pool.lock);
	if (pool.queue_count >= pool.idle_count &&
		pool.threads_count < WORKERS_MAX && !add_thread() &&
		pool.threads_count == 0)
		ret = -ENOMEM;
	if (ret == 0) {
		op->is_taken = false;
		torc__list_push_back(&pool.queue, &op->link);
		pool.queue_count++;
		pthread_cond_signal(&pool.is_wanted);
	}
	pthread_mutex_unlock(&pool.lock);
	return ret;
}

/* Under the lock. */
static void
take_back(struct torc_epoll_op *op)
{
	torc__list_remove(&op->link);
	pool.queue_count--;
}

bool
torc__epoll_work_cancel(struct torc_epoll_op *op)
{
	bool is_queued;

	pthread_mutex_lock(&pool.lock);
	is_queued = !op->is_taken;
	if (is_queued)
		take_back(op);
	pthread_mutex_unlock(&pool.lock);
	return is_queued;
}

/* ---- rings ---- */

void
torc__epoll_work_open(struct torc_epoll *epoll)
{
	pthread_mutex_lock(&pool.life);
	pool.rings_count++;
	epoll->is_working = true;
	pthread_mutex_unlock(&pool.life);
}

static void
stop_all(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.is_over = true;
	pthread_cond_broadcast(&pool.is_wanted);
	pthread_mutex_unlock(&pool.lock);
	for (uint32_t i = 0; i < pool.threads_count; i++)
		pthread_join(pool.threads[i], NULL);
	pool.threads_count = 0;
	pool.is_over = false;
}

void
torc__epoll_work_close(struct torc_epoll *epoll)
{
	struct torc_link *link, *next;

	if (!epoll->is_working)
		return;
	pthread_mutex_lock(&pool.lock);
	for (link = pool.queue.next; link != &pool.queue; link = next) {
		struct torc_epoll_op *op =
			torc__container_of(link, struct torc_epoll_op, link);

		next = link->next;
		if (op->epoll == epoll)
			take_back(op);
	}
	while (epoll->working_count > 0)
		pthread_cond_wait(&pool.is_done, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
	pthread_mutex_lock(&pool.life);
	if (--pool.rings_count == 0)
		stop_all();
	pthread_mutex_unlock(&pool.life);
}
