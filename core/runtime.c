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
#include "core/gate_priv.h"
#include "core/remote_priv.h"
#include "core/shard_priv.h"
#include "core/stall_priv.h"

/*
 * A 4 KiB page would do for most tasks, but not for printf of a double, nor
 * for a call into a library that nobody has measured.
 */
#if defined(TORC__ASAN) || defined(TORC__TSAN)
#define STACK_BYTES_DEFAULT ((size_t)256 << 10)
#define STALL_NS (200 * TORC_MS) /* everything takes longer */
#else
#define STALL_NS (10 * TORC_MS)
#define STACK_BYTES_DEFAULT ((size_t)64 << 10)
#endif
#define STACK_BYTES_MIN ((size_t)8 << 10)

#define ABANDON_DEFAULT_NS (10 * TORC_S)

/* About what a wake-up costs; see core/wait.c. */
#define SPIN_DEFAULT_NS (50 * TORC_US)

/* Of buffers a group can name 65536. */
#define RECEIVE_BYTES_DEFAULT ((size_t)256 << 20)
#define STREAM_BUF_BYTES ((size_t)TORC_STREAM_BUF_BYTES)
#define STREAM_BUFS_MIN 128
#define RECEIVE_BYTES_MAX (65536 * STREAM_BUF_BYTES)

struct runtime {
	struct torc_shard_options options;
	cpu_set_t cpus; /* allowed before any thread was pinned */
	unsigned count;
	struct torc_shard **shards;
	pthread_t *threads;
	uint64_t abandon_ns;
	uint64_t stall_ns;
	struct torc_stalls *stalls; /* NULL: nobody watches */
	struct torc_pool pool;
	struct torc_metrics_page page;

	/* Start-up: all shards, or none. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned opened;
	int open_error;
	/* The end: all is over, or -ETIME; under the lock, too. */
	int end_error;
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
torc_shard_index(void)
{
	return torc__shard_current("torc_shard_index")->index;
}

unsigned
torc_shard_count(void)
{
	if (torc_unlikely(running == NULL))
		torc__shard_outside("torc_shard_count");
	return running->count;
}

static struct torc_shard_options
fill_options(const struct torc_options *user)
{
	struct torc_shard_options options = {
		.ring = { .sq_entries = user->sq_entries,
			.cq_entries = user->cq_entries },
		.stack_bytes = user->stack_bytes,
		.io_bytes_max = user->io_bytes_max,
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
	options.stream_bufs_max = (uint32_t)bufs;
	return options;
}

static int
check_option(const char *name, size_t value, size_t max, const char *why)
{
	if (value <= max)
		return 0;
	torc_log(TORC_LOG_ERROR, "torc_options.%s is %zu: %zu at most, %s",
		name, value, max, why);
	return -EINVAL;
}

/* What cannot be had is an error; it is not cut to what can. */
static int
check_options(const struct torc_options *user)
{
	int ret = check_option("shards", user->shards, TORC__SHARDS_MAX,
		"one for each CPU of an affinity mask");

	if (ret == 0)
		ret = check_option("blocking_threads_max",
			user->blocking_threads_max, TORC__BLOCKING_THREADS_MAX,
			"more jobs than that wait in the queue");
	if (ret == 0)
		ret = check_option("receive_bytes_max", user->receive_bytes_max,
			RECEIVE_BYTES_MAX, "what a group of buffers can name");
	if (ret == 0)
		ret = check_option("io_bytes_max", user->io_bytes_max,
			TORC_IO_BYTES_LIMIT,
			"what the kernel registers; torc_io_alloc() goes on "
			"beyond it with ordinary memory");
	return ret;
}

static void
open_pool(struct runtime *runtime, const struct torc_options *user)
{
	struct torc_pool_options options = {
		.threads_max = user->blocking_threads_max,
		.queue_max = user->blocking_queue_max,
		.idle_ns = user->blocking_idle_ns,
		.cpus = &runtime->cpus,
	};

	/* A thread that looks for work must not take a shard's CPU. */
	if ((unsigned)CPU_COUNT(&runtime->cpus) > runtime->count)
		options.spin_ns = runtime->options.spin_ns;
	torc__pool_open(&runtime->pool, &options);
}

static int
open_one(struct runtime *runtime, unsigned index)
{
	struct torc_shard *shard = runtime->shards[index];
	int ret = torc__shard_open(shard, index, &runtime->options);

	if (ret == 0) {
		torc__blocking_join(shard, &runtime->pool);
		torc__metrics_page_join(&runtime->page, shard);
		torc__place_open(shard);
		ret = torc__overflow_watch(shard);
		if (ret < 0)
			(void)torc__shard_close(shard);
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
	int ret;

	/* The end of many tasks at once takes its time. */
	torc__stalls_leave(shard);
	torc__shard_drain(
		shard, runtime->shards, runtime->count, runtime->abandon_ns);
	torc__overflow_unwatch(shard);
	ret = torc__shard_close(shard);
	if (ret == 0)
		return;
	pthread_mutex_lock(&runtime->lock);
	runtime->end_error = ret;
	pthread_mutex_unlock(&runtime->lock);
}

/* Another shard could not open, so this one does not run. */
static void
abandon(struct torc_shard *shard)
{
	torc__overflow_unwatch(shard);
	(void)torc__shard_close(shard);
}

struct thread_arg {
	struct runtime *runtime;
	unsigned index;
};

bool
torc__signal_is_own(int signo)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
		SIGABRT, SIGSYS, SIGPROF, SIGURG };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (own[i] == signo)
			return true;
	return false;
}

void
torc__signals_block(sigset_t *before)
{
	sigset_t set;

	sigfillset(&set);
	for (int signo = 1; signo < TORC__MASK_SIGNALS_MAX; signo++)
		if (torc__signal_is_own(signo))
			sigdelset(&set, signo);
	pthread_sigmask(SIG_BLOCK, &set, before);
}

static void *
run_thread(void *arg)
{
	struct thread_arg *thread = arg;
	struct runtime *runtime = thread->runtime;
	struct torc_shard *shard = runtime->shards[thread->index];
	sigset_t before;
	char name[16];
	int opened;

	torc__signals_block(&before);
	snprintf(name, sizeof(name), "torc-%u", thread->index);
	pthread_setname_np(pthread_self(), name);
	torc__cpus_pin(thread->index, &runtime->cpus);
	opened = open_one(runtime, thread->index);
	if (agree(runtime, opened) == 0) {
		torc__stalls_join(runtime->stalls, shard);
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
	(void)msg;
	torc__shard->is_stopping = true;
}

static void
stop_all(void)
{
	/* Before the word to stop: what was let in finds its shard turning. */
	torc__gate_end();
	for (unsigned i = 0; i < running->count; i++) {
		struct torc_shard *shard = running->shards[i];

		shard->stop.fn = on_stop;
		torc__shard_post_remote(shard, &shard->stop);
	}
}

static int
run_main(void *arg)
{
	struct main_arg *main_arg = arg;

	main_arg->result = main_arg->fn(main_arg->arg);
	stop_all();
	return 0;
}

/* Shard 0, on the caller's thread. */
static int
run_first(struct runtime *runtime, torc_task_fn *fn, void *arg)
{
	struct torc_shard *shard = runtime->shards[0];
	struct main_arg main_arg = { .fn = fn, .arg = arg };
	struct torc_task *task = torc__task_new(shard, run_main, &main_arg);

	if (task != NULL) {
		task->name = "main";
	} else {
		torc_log(TORC_LOG_ERROR,
			"the first task can't have a stack of %zu KiB: out of "
			"memory, or of mappings (vm.max_map_count)",
			shard->stack_bytes / 1024);
		main_arg.result = -ENOMEM;
		stop_all();
	}
	torc__stalls_join(runtime->stalls, shard);
	torc__ring_begin(&shard->ring);
	if (torc__shard_run(shard) < 0)
		torc__panic("shard 0 lost its ring");
	close_shard(runtime, shard);
	return main_arg.result;
}

/* In a simulation no time passes while a task runs. */
static void
watch_stalls(struct runtime *runtime)
{
	int ret;

	if (runtime->stall_ns == TORC_STALL_NEVER ||
		runtime->shards[0]->ring.engine->is_simulated)
		return;
	ret = torc__stalls_open(&runtime->stalls, runtime->count,
		runtime->stall_ns, &runtime->cpus);
	if (ret < 0)
		torc_log(TORC_LOG_WARN,
			"stalled shards will not be noticed: %s",
			strerror(-ret));
}

/* Time does not pass for whoever looks at a simulation. */
static void
open_page(struct runtime *runtime)
{
	struct torc_shard *first = runtime->shards[0];
	const struct torc_engine *engine = first->ring.engine;

	if (engine->is_simulated)
		return;
	torc__metrics_page_open(
		&runtime->page, runtime->count, engine->name, first->now_ns);
	torc__metrics_page_join(&runtime->page, first);
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
	open_page(runtime);
	watch_stalls(runtime);
	ret = agree(runtime, start_threads(runtime, &started));
	if (ret == 0) {
		torc__gate_open();
		ret = run_first(runtime, fn, arg);
	} else {
		abandon(runtime->shards[0]);
	}
	for (unsigned i = 1; i < started; i++)
		pthread_join(runtime->threads[i], NULL);
	if (ret >= 0 && runtime->end_error < 0)
		ret = runtime->end_error;
	torc__gate_close();
	torc__block_on_give_up();
	torc__stalls_close(runtime->stalls);
	torc__metrics_page_close(&runtime->page);
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
		if (runtime->shards[i] != NULL) {
			torc__place_close(runtime->shards[i]);
			torc__shard_fini(runtime->shards[i]);
		}
		free(runtime->shards[i]);
	}
	free(runtime->shards);
	free(runtime->threads);
}

int
torc_run(const struct torc_options *user, torc_task_fn *fn, void *arg)
{
	struct torc_options options =
		user != NULL ? *user : (struct torc_options){ 0 };
	struct runtime runtime = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	int ret;

	torc_assert(fn != NULL);
	if (atomic_flag_test_and_set(&is_running)) {
		torc_log(TORC_LOG_ERROR,
			"torc_run called while torc runs: a process has one "
			"set of shards; spawn a task instead");
		return -EBUSY;
	}

	torc__panics_name_tasks();
	torc__cpus_allowed(&runtime.cpus);
	ret = torc__standard_hold();
	if (ret == 0)
		ret = torc__environment_apply(&options);
	if (ret == 0)
		ret = check_options(&options);
	runtime.options = fill_options(&options);
	runtime.stall_ns = options.stall_ns ? options.stall_ns : STALL_NS;
	runtime.abandon_ns =
		options.abandon_ns ? options.abandon_ns : ABANDON_DEFAULT_NS;
	runtime.count = options.shards;
	runtime.options.ring.count = runtime.count;
	if (ret == 0)
		ret = torc__environment_engine(
			&runtime.options, options.engine);
	if (ret == 0)
		ret = make_shards(&runtime);
	if (ret == 0) {
		running = &runtime;
		open_pool(&runtime, &options);
		torc__place_reset();
		if (runtime.count > 1)
			torc__cpus_pin(0, &runtime.cpus);
		ret = run_all(&runtime, fn, arg);
		torc__pool_close(&runtime.pool);
		if (runtime.count > 1)
			pthread_setaffinity_np(pthread_self(),
				sizeof(runtime.cpus), &runtime.cpus);
		running = NULL;
	}
	free_shards(&runtime);
	atomic_flag_clear(&is_running);
	return ret;
}

int
torc_main(torc_task_fn *fn)
{
	int ret = torc_run(NULL, fn, NULL);

	if (ret < 0)
		torc_log(TORC_LOG_ERROR, "main: %s", strerror(-ret));
	return ret != 0;
}
