/* SPDX-License-Identifier: MIT */
/*
 * pread_file - random reads of a file, as an epoll program does them
 *
 *   pread_file PATH buffered|direct SECONDS DEPTH
 *   pread_file --make BYTES PATH
 *
 * Readiness does not exist for files, so that an event loop hands each read
 * to a pool of threads: here DEPTH of them, which take jobs from a queue
 * under a lock, call pread() and put the job on a list of what is done. The
 * loop waits in epoll for an eventfd. The jobs of a turn are queued at once,
 * threads are woken only when they sleep, and the loop only by the first job
 * of a list.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "perf/baseline/file.h"

struct job {
	char *block;
	uint64_t offset;
	uint64_t start_ns;
	ssize_t res;
	STAILQ_ENTRY(job) link;
};

STAILQ_HEAD(job_list, job);

struct pool {
	struct file_run run;
	int epoll_fd;
	int event_fd;

	/* Loop to threads, under `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job_list queue;
	unsigned sleepers;
	bool closing;

	/* Threads to loop, under `done_lock`. */
	pthread_mutex_t done_lock;
	struct job_list done;

	unsigned inflight; /* the loop's own */
	bool stopping;
	struct job jobs[FILE_DEPTH_MAX];
	pthread_t threads[FILE_DEPTH_MAX];
};

/* NULL when the pool closes. */
static struct job *
job_take(struct pool *p)
{
	struct job *job;

	pthread_mutex_lock(&p->lock);
	while (STAILQ_EMPTY(&p->queue) && !p->closing) {
		/* Whoever wakes it counts it off. */
		p->sleepers++;
		pthread_cond_wait(&p->work, &p->lock);
	}
	job = STAILQ_FIRST(&p->queue);
	if (job != NULL)
		STAILQ_REMOVE_HEAD(&p->queue, link);
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void
job_done(struct pool *p, struct job *job)
{
	uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&p->done_lock);
	first = STAILQ_EMPTY(&p->done);
	STAILQ_INSERT_TAIL(&p->done, job, link);
	pthread_mutex_unlock(&p->done_lock);
	if (first && write(p->event_fd, &one, sizeof(one)) < 0)
		net_fail(p->run.args.name, "cannot wake the loop", errno);
}

static void *
work(void *arg)
{
	struct pool *p = arg;
	struct job *job;

	while ((job = job_take(p)) != NULL) {
		job->res = pread(p->run.fd, job->block, FILE_BLOCK_BYTES,
			(off_t)job->offset);
		if (job->res < 0)
			job->res = -errno;
		job_done(p, job);
	}
	return NULL;
}

static void
job_prepare(struct pool *p, struct job *job)
{
	job->offset = file_next(&p->run);
	job->start_ns = p->run.now_ns;
	p->inflight++;
}

/* Hand over `count` jobs that were prepared. */
static void
jobs_start(struct pool *p, struct job_list *jobs, unsigned count)
{
	unsigned woken;

	pthread_mutex_lock(&p->lock);
	STAILQ_CONCAT(&p->queue, jobs);
	woken = count < p->sleepers ? count : p->sleepers;
	p->sleepers -= woken;
	pthread_mutex_unlock(&p->lock);
	while (woken-- > 0)
		pthread_cond_signal(&p->work);
}

/*
 * All that is done is taken at once, and each job starts its next read. The
 * eventfd need not be read: it is watched for edges, and each write is one.
 */
static void
on_event(struct pool *p)
{
	struct job_list jobs = STAILQ_HEAD_INITIALIZER(jobs);
	unsigned count = 0;
	struct job *job;

	pthread_mutex_lock(&p->done_lock);
	STAILQ_CONCAT(&jobs, &p->done);
	pthread_mutex_unlock(&p->done_lock);
	if (!file_turn(&p->run))
		p->stopping = true;
	STAILQ_FOREACH(job, &jobs, link)
	{
		p->inflight--;
		count++;
		file_check(&p->run, job->block, job->offset, job->res,
			job->start_ns);
		if (!p->stopping)
			job_prepare(p, job);
	}
	if (!p->stopping && count > 0)
		jobs_start(p, &jobs, count);
}

static void
turn(struct pool *p)
{
	struct epoll_event events[2];
	int count = epoll_wait(p->epoll_fd, events, 2, -1);

	for (int i = 0; i < count; i++) {
		if (events[i].data.fd == p->event_fd)
			on_event(p);
		else
			p->stopping = true;
	}
}

static void
watch(struct pool *p, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		net_fail(p->run.args.name, "cannot watch", errno);
}

static void
pool_open(struct pool *p)
{
	char *blocks = file_buffers(&p->run);

	STAILQ_INIT(&p->queue);
	STAILQ_INIT(&p->done);
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->done_lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->epoll_fd < 0 || p->event_fd < 0)
		net_fail(p->run.args.name, "cannot make a loop", errno);
	watch(p, p->event_fd, EPOLLIN | EPOLLET);
	watch(p, p->run.stop_fd, EPOLLIN | EPOLLET);
	for (unsigned i = 0; i < p->run.depth; i++) {
		int res;

		p->jobs[i].block = blocks + (size_t)i * FILE_BLOCK_BYTES;
		res = pthread_create(&p->threads[i], NULL, work, p);
		if (res != 0)
			net_fail(
				p->run.args.name, "cannot start a thread", res);
	}
}

static void
pool_close(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->run.depth; i++)
		pthread_join(p->threads[i], NULL);
	free(p->jobs[0].block);
}

int
main(int argc, char **argv)
{
	static struct pool p;
	struct job_list jobs = STAILQ_HEAD_INITIALIZER(jobs);

	file_open(&p.run, "pread_file", false, argc, argv);
	pool_open(&p);
	file_begin(&p.run);
	for (unsigned i = 0; i < p.run.depth; i++) {
		job_prepare(&p, &p.jobs[i]);
		STAILQ_INSERT_TAIL(&jobs, &p.jobs[i], link);
	}
	jobs_start(&p, &jobs, p.run.depth);
	while (p.inflight > 0)
		turn(&p);
	file_report(&p.run);
	pool_close(&p);
	return 0;
}
