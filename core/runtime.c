/* SPDX-License-Identifier: MIT */
#include "core/runtime_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>
#include <torc/core/io/stream.h>

#include "core/cpus_priv.h"
#include "core/shard_priv.h"

/*
 * A 4 KiB page would do for most tasks, but not for printf of a double, nor
 * for a call into a library that nobody has measured.
 */
#if defined(TORC__ASAN) || defined(TORC__TSAN)
#define STACK_BYTES_DEFAULT ((size_t)256 << 10)
#else
#define STACK_BYTES_DEFAULT ((size_t)64 << 10)
#endif
#define STACK_BYTES_MIN ((size_t)8 << 10)

/* About what a wake-up costs; see core/wait.c. */
#define SPIN_DEFAULT_NS (50 * TORC_US)

/* Of buffers a group can name 65536. */
#define RECEIVE_BYTES_DEFAULT ((size_t)256 << 20)
#define STREAM_BUF_BYTES ((size_t)TORC_STREAM_BUF_BYTES)
#define STREAM_BUFS_MIN 128
#define STREAM_BUFS_MAX 65536

#define SHARDS_MAX 1024

struct runtime {
	struct torc_shard_options options;
	cpu_set_t cpus; /* allowed before any thread was pinned */
	unsigned count;
	struct torc_shard **shards;
	pthread_t *threads;

	/* Start-up: all shards, or none. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned opened;
	int open_error;
};

/* There is one ring per thread and one set of shards per process. */
static struct runtime *running;
static atomic_flag is_running = ATOMIC_FLAG_INIT;

struct torc_shard *
torc__runtime_shard(unsigned index)
{
	torc_assert(index < running->count);
	return running->shards[index];
}

unsigned
torc_shards_usable(void)
{
	return torc__cpus_usable();
}

unsigned
torc_shard_index(void)
{
	torc_assert(torc__shard != NULL);
	return torc__shard->index;
}

unsigned
torc_shard_count(void)
{
	torc_assert(running != NULL);
	return running->count;
}

/* By option, by environment, or the best there is. */
static int
choose_engine(struct torc_shard_options *options, const char *name)
{
	const char *from = "torc_options.engine";
	char names[64];

	if (name == NULL) {
		name = getenv("TORC_ENGINE");
		from = "TORC_ENGINE";
	}
	if (name == NULL || name[0] == '\0') {
		options->engine = &torc__engine_kernel;
		options->fallback = torc__engine_find("epoll");
		return 0;
	}
	options->engine = torc__engine_find(name);
	if (options->engine != NULL)
		return 0;
	torc__engine_names(names, sizeof(names));
	torc_log(TORC_LOG_ERROR, "%s=%s: there is no such engine; there are %s",
		from, name, names);
	return -EINVAL;
}

static struct torc_shard_options
fill_options(const struct torc_options *user)
{
	struct torc_shard_options options = {
		.ring = { .sq_entries = user->sq_entries,
			.cq_entries = user->cq_entries },
		.stack_bytes = user->stack_bytes,
		.spin_ns = user->spin_ns,
		.busy_poll = user->busy_poll,
	};
	size_t bytes = user->receive_bytes_max;
	size_t bufs;

	if (options.stack_bytes == 0)
		options.stack_bytes = STACK_BYTES_DEFAULT;
	if (options.stack_bytes < STACK_BYTES_MIN)
		options.stack_bytes = STACK_BYTES_MIN;
	if (options.spin_ns == 0)
		options.spin_ns = SPIN_DEFAULT_NS;
	else if (options.spin_ns == TORC_SPIN_NEVER)
		options.spin_ns = 0;
	bufs = (bytes ? bytes : RECEIVE_BYTES_DEFAULT) / STREAM_BUF_BYTES;
	if (bufs < STREAM_BUFS_MIN)
		bufs = STREAM_BUFS_MIN;
	if (bufs > STREAM_BUFS_MAX)
		bufs = STREAM_BUFS_MAX;
	options.stream_bufs_max = (uint32_t)bufs;
	return options;
}

static int
open_one(struct runtime *runtime, unsigned index)
{
	struct torc_shard *shard = runtime->shards[index];
	int ret = torc__shard_open(shard, index, &runtime->options);

	if (ret == 0) {
		ret = torc__overflow_watch(shard);
		if (ret < 0)
			torc__shard_close(shard);
	}
	return ret;
}

/*
 * Say how this thread's shard opened and wait for all others, or until one
 * has failed. 0, or the first -errno of any.
 */
static int
agree(struct runtime *runtime, int opened)
{
	int error;

	pthread_mutex_lock(&runtime->lock);
	runtime->opened++;
	if (opened < 0 && runtime->open_error == 0)
		runtime->open_error = opened;
	pthread_cond_broadcast(&runtime->changed);
	while (runtime->opened < runtime->count && runtime->open_error == 0)
		pthread_cond_wait(&runtime->changed, &runtime->lock);
	error = runtime->open_error;
	pthread_mutex_unlock(&runtime->lock);
	return error;
}

static void
close_shard(struct runtime *runtime, struct torc_shard *shard)
{
	torc__shard_drain(shard, runtime->shards, runtime->count);
	torc__overflow_unwatch(shard);
	torc__shard_close(shard);
}

/* Another shard could not open, so this one does not run. */
static void
abandon(struct torc_shard *shard)
{
	torc__overflow_unwatch(shard);
	torc__shard_close(shard);
}

struct thread_arg {
	struct runtime *runtime;
	unsigned index;
};

/*
 * A signal for the process is shard 0's business; one that this thread
 * causes itself, or a profiler's, still arrives here.
 */
static void
block_signals(void)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
		SIGABRT, SIGSYS, SIGPROF };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&set, own[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *
run_thread(void *arg)
{
	struct thread_arg *thread = arg;
	struct runtime *runtime = thread->runtime;
	struct torc_shard *shard = runtime->shards[thread->index];
	char name[16];
	int opened;

	block_signals();
	snprintf(name, sizeof(name), "torc-%u", thread->index);
	pthread_setname_np(pthread_self(), name);
	torc__cpus_pin(thread->index, &runtime->cpus);
	opened = open_one(runtime, thread->index);
	if (agree(runtime, opened) == 0) {
		torc__ring_begin(&shard->ring);
		if (torc__shard_run(shard) < 0)
			torc__panic("shard %u lost its ring", thread->index);
		close_shard(runtime, shard);
	} else if (opened == 0) {
		abandon(shard);
	}
	free(thread);
	return NULL;
}

static int
start_threads(struct runtime *runtime, unsigned *started)
{
	for (*started = 1; *started < runtime->count; (*started)++) {
		struct thread_arg *arg = malloc(sizeof(*arg));
		int ret = ENOMEM;

		if (arg != NULL) {
			*arg = (struct thread_arg){ runtime, *started };
			ret = pthread_create(&runtime->threads[*started], NULL,
				run_thread, arg);
		}
		if (ret != 0) {
			free(arg);
			torc_log(TORC_LOG_ERROR,
				"cannot start thread %u of %u: %s", *started,
				runtime->count, strerror(ret));
			return -ret;
		}
	}
	return 0;
}

struct main_arg {
	torc_task_fn *fn;
	void *arg;
	int result;
};

static void
on_stop(struct torc_msg *msg)
{
	torc__shard->is_stopping = true;
	free(msg);
}

static int
run_main(void *arg)
{
	struct main_arg *main_arg = arg;

	main_arg->result = main_arg->fn(main_arg->arg);
	for (unsigned i = 0; i < running->count; i++) {
		struct torc_msg *stop = malloc(sizeof(*stop));

		if (stop == NULL)
			torc__panic("out of memory while stopping");
		*stop = (struct torc_msg){ .fn = on_stop };
		torc__shard_post_remote(running->shards[i], stop);
	}
	return 0;
}

/* Shard 0, on the caller's thread. */
static int
run_first(struct runtime *runtime, torc_task_fn *fn, void *arg)
{
	struct torc_shard *shard = runtime->shards[0];
	struct main_arg main_arg = { .fn = fn, .arg = arg };
	struct torc_task *task = torc__task_new(shard, run_main, &main_arg);

	if (task == NULL)
		torc__panic("out of memory for the first task's stack");
	task->name = "main";
	torc__ring_begin(&shard->ring);
	if (torc__shard_run(shard) < 0)
		torc__panic("shard 0 lost its ring");
	close_shard(runtime, shard);
	return main_arg.result;
}

/*
 * Shard 0 opens before any thread is made: what forbids one ring forbids
 * them all, and is said once.
 */
static int
run_all(struct runtime *runtime, torc_task_fn *fn, void *arg)
{
	unsigned started;
	int ret = open_one(runtime, 0);

	if (ret < 0)
		return ret;
	ret = agree(runtime, start_threads(runtime, &started));
	if (ret == 0)
		ret = run_first(runtime, fn, arg);
	else
		abandon(runtime->shards[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(runtime->threads[i], NULL);
	return ret;
}

static int
make_shards(struct runtime *runtime)
{
	runtime->shards = calloc(runtime->count, sizeof(*runtime->shards));
	runtime->threads = calloc(runtime->count, sizeof(*runtime->threads));
	if (runtime->shards == NULL || runtime->threads == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < runtime->count; i++) {
		void *shard;

		if (posix_memalign(&shard, 64, sizeof(struct torc_shard)) != 0)
			return -ENOMEM;
		memset(shard, 0, sizeof(struct torc_shard));
		runtime->shards[i] = shard;
	}
	return 0;
}

static void
free_shards(struct runtime *runtime)
{
	for (unsigned i = 0; runtime->shards != NULL && i < runtime->count;
		i++) {
		if (runtime->shards[i] != NULL)
			torc__shard_fini(runtime->shards[i]);
		free(runtime->shards[i]);
	}
	free(runtime->shards);
	free(runtime->threads);
}

int
torc_run(const struct torc_options *options, torc_task_fn *fn, void *arg)
{
	static const struct torc_options defaults;
	struct runtime runtime = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	int ret;

	torc_assert(fn != NULL);
	if (options == NULL)
		options = &defaults;
	if (atomic_flag_test_and_set(&is_running)) {
		torc_log(TORC_LOG_ERROR,
			"torc_run called while torc runs: a process has one "
			"set of shards; spawn a task instead");
		return -EBUSY;
	}

	torc__cpus_allowed(&runtime.cpus);
	runtime.options = fill_options(options);
	runtime.count = options->shards ? options->shards : torc__cpus_usable();
	if (runtime.count > SHARDS_MAX)
		runtime.count = SHARDS_MAX;
	runtime.options.ring.count = runtime.count;
	ret = choose_engine(&runtime.options, options->engine);
	if (ret == 0)
		ret = make_shards(&runtime);
	if (ret == 0) {
		running = &runtime;
		if (runtime.count > 1)
			torc__cpus_pin(0, &runtime.cpus);
		ret = run_all(&runtime, fn, arg);
		if (runtime.count > 1)
			pthread_setaffinity_np(pthread_self(),
				sizeof(runtime.cpus), &runtime.cpus);
		running = NULL;
	}
	free_shards(&runtime);
	atomic_flag_clear(&is_running);
	return ret;
}
