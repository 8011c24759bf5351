/* SPDX-License-Identifier: MIT */
#include "core/io/process_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torc/alloc/arena.h>

#include "core/io/pipe_priv.h"
#include "core/shard_priv.h"

/* Not in the headers of every C library that torc is built with. */
#define SIGNAL_PROCESS_GROUP 4u

enum state { UNBORN, RUNNING, EXITED };

struct torc_process {
	struct torc_op exit_op; /* looks at the pidfd while it is RUNNING */
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_pipe *pipes[3];
	struct torc_future *waiter;
	struct torc_birth birth;
	struct torc_exit_status status;
	int error;     /* instead of a status */
	uint32_t pins; /* tasks inside a call that waits */
	enum state state;
	bool is_group;
	bool is_closing;
	bool is_gone;
	bool is_detached;
	bool is_left; /* detached, and the runtime ends */
};

static inline void
own(const struct torc_process *process)
{
	torc__shard_own(
		process->shard, "a process", "have torc_call_remote() do it");
}

/* ---- its end ---- */

static int
send_signal(struct torc_process *process, int signo)
{
	const struct torc_birth *birth = &process->birth;
	uint32_t flags = process->is_group ? SIGNAL_PROCESS_GROUP : 0;

	if (process->state == EXITED && !process->is_group)
		return -ESRCH;
	if (syscall(SYS_pidfd_send_signal, birth->pidfd, signo, NULL, flags) ==
		0)
		return 0;
	/* Before 6.9. The number is its own until it is reaped. */
	if (errno == EINVAL && process->is_group) {
		if (process->state == EXITED)
			return -ESRCH;
		if (kill(-birth->pid, signo) == 0)
			return 0;
	}
	return -errno;
}

/* 0; -EAGAIN while it runs. */
static int
reap(struct torc_process *process)
{
	struct torc_exit_status *status = &process->status;
	siginfo_t info = { 0 };

	if (waitid(TORC__WAIT_PIDFD, (id_t)process->birth.pidfd, &info,
		    WEXITED | WNOHANG) < 0)
		process->error = -errno;
	else if (info.si_pid == 0)
		return -EAGAIN;
	process->state = EXITED;
	if (info.si_code == CLD_EXITED) {
		status->code = info.si_status;
	} else {
		status->code = -1;
		status->signo = info.si_status;
		status->has_core = info.si_code == CLD_DUMPED;
	}
	return 0;
}

static void
watch(struct torc_process *process)
{
	struct torc_ring *ring = &process->shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	io_uring_prep_poll_add(sqe, process->birth.pidfd, POLLIN);
	torc__op_submit(ring, &process->exit_op, sqe);
}

static void
release(struct torc_process *process)
{
	if (!process->is_gone || process->pins > 0 ||
		process->resource.is_ending)
		return;
	torc__list_remove(&process->resource.link);
	torc_free(process);
}

static void
finish_close(struct torc_process *process)
{
	struct torc_shard *shard = process->shard;

	torc__resource_gone(shard, &process->resource);
	shard->ring.engine->close_fd(&shard->ring, process->birth.pidfd);
	torc__shard_fd_freed(shard);
	process->is_gone = true;
	release(process);
}

static void
on_exit_event(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_process *process =
		torc__container_of(op, struct torc_process, exit_op);
	struct torc_future *waiter;

	(void)res;
	(void)cqe_flags;
	if (process->state == RUNNING && reap(process) < 0 &&
		!process->is_left) {
		watch(process);
		return;
	}
	if (process->is_closing) {
		finish_close(process);
		return;
	}
	waiter = process->waiter;
	process->waiter = NULL;
	if (waiter != NULL)
		torc_future_complete(waiter, 0);
}

static void
close_pipes(struct torc_process *process)
{
	for (int i = 0; i < 3; i++)
		torc_pipe_close(process->pipes[i]);
}

static void
begin_close(struct torc_process *process)
{
	struct torc_future *waiter = process->waiter;

	process->is_closing = true;
	process->waiter = NULL;
	/* The runtime closes them as well, but they are not its owner's. */
	if (!process->resource.is_ending)
		close_pipes(process);
	if (torc__op_is_idle(&process->exit_op))
		finish_close(process);
	if (waiter != NULL)
		torc_future_complete(waiter, -ECANCELED);
}

/* The runtime has closed it, unless that is a mistake. */
static void
close_again(struct torc_process *process)
{
	torc__resource_close_again(&process->resource, "a process");
	close_pipes(process);
	release(process);
}

void
torc_process_close(struct torc_process *process)
{
	if (process == NULL)
		return;
	own(process);
	if (torc_unlikely(process->is_closing)) {
		close_again(process);
		return;
	}
	(void)send_signal(process, SIGKILL);
	begin_close(process);
}

void
torc_process_detach(struct torc_process *process)
{
	own(process);
	if (torc_unlikely(process->is_closing)) {
		close_again(process);
		return;
	}
	process->is_detached = true;
	begin_close(process);
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_process *process =
		torc__container_of(resource, struct torc_process, resource);

	if (process->is_gone) {
		release(process);
		return;
	}
	if (!process->is_closing) {
		resource->is_ending = true;
		torc_process_close(process);
	}
	if (!process->is_detached)
		return;
	process->is_left = true;
	torc__op_cancel(&process->shard->ring, &process->exit_op);
}

/* ---- its beginning ---- */

/* This side's end of a pipe into process->pipes, the child's into fds. */
static int
open_pipe(struct torc_process *process, int number)
{
	struct torc_ring *ring = &process->shard->ring;
	int ours = number == 0, fds[2];
	int ret = ring->engine->pipe(ring, fds);

	if (ret < 0)
		return ret;
	ret = torc__pipe_make(&process->pipes[number], fds[ours], false);
	if (ret < 0) {
		ring->engine->close_fd(ring, fds[0]);
		ring->engine->close_fd(ring, fds[1]);
		return ret;
	}
	process->birth.fds[number] = fds[!ours];
	return 0;
}

static int
open_stdio(struct torc_process *process)
{
	const struct torc_process_options *options = process->birth.options;
	const struct torc_process_stdio *stdio[3] = { &options->in,
		&options->out, &options->err };
	int ret = 0;

	for (int i = 0; i < 3 && ret == 0; i++) {
		process->birth.fds[i] = -1;
		if (stdio[i]->how == TORC_PROCESS_PIPE)
			ret = open_pipe(process, i);
		else if (stdio[i]->how == TORC_PROCESS_FD && stdio[i]->fd < 0)
			ret = -EBADF;
		else if (stdio[i]->how == TORC_PROCESS_FD)
			process->birth.fds[i] = stdio[i]->fd;
	}
	return ret;
}

/* The child has its copies, or there is no child. */
static void
close_far_ends(struct torc_process *process)
{
	struct torc_ring *ring = &process->shard->ring;

	for (int i = 0; i < 3; i++)
		if (process->pipes[i] != NULL)
			ring->engine->close_fd(ring, process->birth.fds[i]);
}

/* What was made before it was known that there will be no child. */
static void
abandon(struct torc_process *process)
{
	close_far_ends(process);
	close_pipes(process);
	torc_free(process);
}

static int
prepare(struct torc_process **out, const struct torc_process_options *options)
{
	struct torc_process *process;
	int ret;

	(void)torc__shard_current("torc_process_spawn_start");
	torc_assert(options->argv != NULL && options->argv[0] != NULL);
	if (torc__shard->ring.engine->is_simulated)
		return -EOPNOTSUPP;
	process = torc_calloc(1, sizeof(*process));
	if (process == NULL)
		return -ENOMEM;
	process->shard = torc__shard;
	process->is_group = options->own_group || options->own_session;
	process->birth.options = options;
	torc__op_init(&process->exit_op, on_exit_event);
	process->resource.close = close_resource;
	ret = open_stdio(process);
	if (ret < 0) {
		abandon(process);
		return ret;
	}
	*out = process;
	return 0;
}

static void
on_born(struct torc_future *job_done)
{
	struct torc_process_spawn *spawn = torc_future_waiter(job_done);
	struct torc_process *process = spawn->process;
	int64_t ret =
		job_done->value < 0 ? job_done->value : spawn->_job.result;

	if (ret < 0) {
		abandon(process);
		spawn->process = NULL;
	} else {
		close_far_ends(process);
		process->birth.options = NULL; /* the caller's again */
		process->state = RUNNING;
		torc__resource_join(process->shard, &process->resource);
		watch(process);
	}
	torc_future_complete(&spawn->done, ret);
}

static void
cancel_spawn(struct torc_future *done)
{
	struct torc_process_spawn *spawn = torc_future_source(done);

	torc_future_cancel(&spawn->_job.done);
}

void
torc_process_spawn_start(struct torc_process_spawn *spawn,
	const struct torc_process_options *options)
{
	int ret;

	torc_future_init(&spawn->done, cancel_spawn, spawn);
	spawn->process = NULL;
	ret = prepare(&spawn->process, options);
	if (ret < 0) {
		torc_future_complete(&spawn->done, ret);
		return;
	}
	torc_blocking_start(
		&spawn->_job, torc__process_birth, &spawn->process->birth);
	torc_future_then(&spawn->_job.done, on_born, spawn);
}

int
torc_process_spawn(struct torc_process **process,
	const struct torc_process_options *options)
{
	struct torc_process_spawn spawn;
	int ret = torc__interrupted("torc_process_spawn");

	if (ret < 0)
		return ret;
	torc_process_spawn_start(&spawn, options);
	ret = (int)torc_await(&spawn.done);
	if (ret == 0)
		*process = spawn.process;
	return ret;
}

/* ---- its life ---- */

struct torc_pipe *
torc_process_stdin(struct torc_process *process)
{
	return process->pipes[0];
}

struct torc_pipe *
torc_process_stdout(struct torc_process *process)
{
	return process->pipes[1];
}

struct torc_pipe *
torc_process_stderr(struct torc_process *process)
{
	return process->pipes[2];
}

pid_t
torc_process_pid(const struct torc_process *process)
{
	return process->birth.pid;
}

int
torc_process_kill(struct torc_process *process, int signo)
{
	own(process);
	if (torc_unlikely(process->is_closing))
		return torc__resource_refusal(&process->resource, "a process");
	return send_signal(process, signo);
}

int
torc_process_try_wait(
	struct torc_process *process, struct torc_exit_status *status)
{
	own(process);
	if (torc_unlikely(process->is_closing))
		return torc__resource_refusal(&process->resource, "a process");
	if (process->state != EXITED && reap(process) < 0)
		return -EAGAIN;
	if (status != NULL)
		*status = process->status;
	return process->error;
}

static void
leave_wait(struct torc_future *future)
{
	struct torc_process *process = torc_future_source(future);

	process->waiter = NULL;
	torc_future_complete(future, -ECANCELED);
}

void
torc_process_wait_start(
	struct torc_process *process, struct torc_future *future)
{
	own(process);
	if (torc_unlikely(process->is_closing)) {
		torc__resource_refuse(&process->resource, "a process", future);
		return;
	}
	if (torc_unlikely(process->waiter != NULL))
		torc__panic("a process that is being waited for is waited "
			    "for again: one task at a time");
	torc_future_init(future, leave_wait, process);
	if (process->state == EXITED)
		torc_future_complete(future, 0);
	else
		process->waiter = future;
}

void
torc__process_hold(struct torc_process *process)
{
	process->pins++;
}

bool
torc__process_let_go(struct torc_process *process)
{
	bool is_closing = process->is_closing;

	process->pins--;
	if (is_closing)
		release(process);
	return is_closing;
}

int
torc_process_wait(struct torc_process *process, struct torc_exit_status *status)
{
	struct torc_future future;
	int ret = torc__interrupted("torc_process_wait");

	if (ret < 0)
		return ret;
	torc__process_hold(process);
	torc_process_wait_start(process, &future);
	ret = (int)torc_await(&future);
	if (torc__process_let_go(process))
		return ret < 0 ? ret : -ECANCELED;
	return ret < 0 ? ret : torc_process_try_wait(process, status);
}
