/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_RUNTIME_H
#define TORC_CORE_RUNTIME_H

/*
 * runtime - N pinned shards, or the calling thread alone
 *
 *   static int
 *   serve(void *arg) { ... }
 *   TORC_MAIN(serve)
 *
 * The main task runs on shard 0, which is the calling thread. When it
 * returns, every other task on every shard is cancelled and waited for, a
 * task that begins meanwhile begins cancelled, sockets that were left open
 * are closed, and torc_run() returns its result. Nothing is in flight after
 * that.
 *
 * The end   A task that has not ended abandon_ns after its cancel, because it
 *           ignores it or is in a shield, is abandoned: it never runs again,
 *           its sockets and files are closed, its stack and what it allocated
 *           stay, a line in the log names it; what it waits for or holds (a
 *           lock, say) is not to be used again. So it is with the memory of an
 *           operation that does not finish within 5 s of that close. Then
 *           torc_run() returns -ETIME, or the main task's error if it had one.
 *           Jobs of blocking.h are waited for, however long they take; the
 *           time counts from the last of them.
 * Standard  If descriptor 0, 1 or 2 is closed, torc_run() opens /dev/null
 *           there, or where there is none an empty file that can't be written,
 *           and leaves it so; else what torc opens would be the program's
 *           standard output.
 * Lifetime  torc_run() may be called again after it returned; not inside.
 * Shard     torc_run(): any thread outside a shard. The rest: a shard's.
 * Errors    -errno. -EINVAL: no such engine, a wrong value in the
 *           environment, or an option above its limit; -EPERM,
 *           -ENOSYS: io_uring was asked for and is forbidden or missing;
 *           -ENOMEM; -EMFILE; -EBUSY: a nested or a second torc_run();
 *           -ETIME: see The end. What a ring lacks is logged in one line
 *           with its remedy.
 * Kernel    6.1 for io_uring, see uring/README.md; epoll takes over without.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For spin_ns: sleep at once when there is nothing to do. */
#define TORC_SPIN_NEVER UINT64_MAX

/* For stall_ns: let it stall. */
#define TORC_STALL_NEVER UINT64_MAX

/* For abandon_ns: the end waits for each task, however long it takes. */
#define TORC_ABANDON_NEVER UINT64_MAX

/* Zero means default; a number above the limit beside it is -EINVAL. */
struct torc_options {
	/*
	 * What carries out the I/O: "kernel" is io_uring, "epoll" system
	 * calls that do not block, "sim" a simulation. NULL: what the
	 * environment's TORC_ENGINE names; without it io_uring, or where
	 * that is refused, epoll, with one line in the log that says why.
	 */
	const char *engine;
	/*
	 * Shards. 0: what the environment's TORC_SHARDS says; without it one
	 * per CPU that the affinity mask and the cgroup's quota allow. 1: the
	 * calling thread alone, not pinned. More, at most 1024: shard i is
	 * pinned to the i-th allowed CPU.
	 */
	unsigned shards;
	/*
	 * Never sleep: takes a CPU per shard, and waits for no wake-up. Also
	 * set by TORC_BUSY_POLL=1 in the environment.
	 */
	bool busy_poll;
	/*
	 * How long a shard looks before it sleeps, while completions follow
	 * each other closely. 0: 50 us. TORC_SPIN_NEVER: not at all.
	 */
	uint64_t spin_ns;
	/*
	 * Of each task; 0: 64 KiB. Only touched pages take memory. A task that
	 * needs more ends the process with a line that names it; where a
	 * function has more than a page of locals only if it is compiled with
	 * -fstack-clash-protection, as torc.pc asks for: else its frame may
	 * jump over the guard into another stack.
	 */
	size_t stack_bytes;
	/*
	 * Memory for received bytes not read yet, per shard; 0: 256 MiB; at
	 * most 4 GiB.
	 */
	size_t receive_bytes_max;
	/*
	 * How much of what torc_io_alloc() gives is registered with the
	 * kernel, per shard; it is mapped, and counts against ulimit -l, when
	 * a shard first uses it. Beyond, it gives ordinary memory. In steps of
	 * 2 MiB, rounded up; 0: 4 MiB; at most 1 GiB.
	 */
	size_t io_bytes_max;
	uint32_t sq_entries; /* 0: 256 */
	uint32_t cq_entries; /* 0: 4096 */
	/*
	 * Name in the log the task that keeps its shard from turning for so
	 * long, with its calls: once, and at most 5 such a minute; link with
	 * -rdynamic to see names, but for those of static functions, which
	 * are addresses all the same. It is interrupted by SIGURG for that: a
	 * call that blocks, such as sleep(3), poll(2) or connect(2), may end
	 * early with EINTR. A program that has a handler for SIGURG keeps it,
	 * and is told no calls. 0: TORC_STALL_MS of the environment, or 10 ms
	 * (200 ms in builds with a sanitizer). TORC_STALL_NEVER: not at all.
	 */
	uint64_t stall_ns;
	/*
	 * How long the end waits for tasks that were cancelled; see The end
	 * above. 0: 10 s. TORC_ABANDON_NEVER: for ever.
	 */
	uint64_t abandon_ns;
	/* Of blocking.h: threads, queued jobs, and an idle thread's life. */
	unsigned blocking_threads_max; /* 0: 64; at most 4096 */
	unsigned blocking_queue_max;   /* 0: 1024 */
	uint64_t blocking_idle_ns;     /* 0: 10 s */
};

/*
 * Run fn(arg) as the main task. `options` may be NULL. Returns what fn
 * returned, or -errno when the runtime could not start, or -ETIME when not
 * all has ended.
 */
int torc_run(const struct torc_options *options, torc_task_fn *fn, void *arg);

/*
 * A main() that runs fn(NULL) on the default options; the process's exit
 * status is 0 when it returned 0, else 1.
 */
#define TORC_MAIN(fn)                 \
	int main(void)                \
	{                             \
		return torc_main(fn); \
	}

/*
 * What TORC_MAIN() does: torc_run(NULL, fn, NULL), and a line in the log when
 * the result is an error. Returns the exit status.
 */
int torc_main(torc_task_fn *fn);

/*
 * How many shards 0 stands for here: TORC_SHARDS of the environment, else the
 * CPUs of the affinity mask, but no more than the cgroup's quota pays for. Any
 * thread, any time.
 */
unsigned torc_shards_usable(void);

/* Which shard this is, from 0, and how many there are. */
unsigned torc_shard_index(void);
unsigned torc_shard_count(void);

/*
 * Run fn(arg) as one task on every shard, and wait for all of them. The first
 * result below 0 cancels the others; when the caller is interrupted they are
 * all cancelled. All have ended when this returns: a task that is to outlast
 * another's failure must not return it.
 *
 * Returns  0; the first result below 0, or -ENOMEM when a shard could not
 *          start its task; the interrupt, if that came first.
 */
int torc_run_on_shards(torc_task_fn *fn, void *arg)
	__attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_RUNTIME_H */
