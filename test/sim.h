/* SPDX-License-Identifier: MIT */
#ifndef TORC_TEST_SIM_H
#define TORC_TEST_SIM_H

/*
 * sim - run a torc program in a simulated network, kernel and clock
 *
 *   static int
 *   scenario(void *arg)      listens, connects, checks; 0 is good
 *   { ... }
 *
 *   torc_sim_search(&options, NULL, 1000, scenario, NULL, &result)
 *
 * Everything that may vary is drawn from one 64-bit seed: when bytes arrive,
 * how many, which completion comes first, which shard runs, and every fault
 * that is switched on. The same seed gives the same run and the same hash.
 * Time is virtual: it jumps when all tasks wait, and an hour of time-outs
 * takes milliseconds.
 *
 * Search    torc_sim_search() runs one seed after the other until one fails,
 *           then takes away connections and faults as long as it still does,
 *           and prints the line that replays what is left and its last
 *           events.
 * Replay    With TORC_SEED=n in the environment a search runs this seed
 *           only, and prints its trace. TORC_SIM_FAULTS=a,b (or none) and
 *           TORC_SIM_SIZE=n go with it.
 * Deadlock  When tasks wait and nothing will ever happen again, what waits
 *           is printed and the main task is cancelled: the run fails instead
 *           of hanging.
 * Disk      Empty but for /tmp when a run begins, gone when it ends; without
 *           owners; permissions are kept and refuse nothing. Relative paths
 *           begin at "/".
 * Limits    Sockets, timers, signals, files, pipes and shards are simulated;
 *           processes and terminals do not exist. A thread of the program's
 *           own or torc_clock_ns() is real, and then a seed no longer decides;
 *           shards that wait for such a thread only are taken for a deadlock.
 *           torc_now_ns(), and with it every sleep and deadline, is virtual.
 * Lifetime  One run at a time in a process.
 * Shard     torc_sim_run() and torc_sim_search(): outside a shard. The rest:
 *           a task of the run.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/io/stream.h>
#include <torc/core/runtime.h>
#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What the kernel is free to do. A correct program shows none of it to its
 * users: all bytes arrive, only later.
 */
#define TORC_SIM_SHORT_SEND (UINT64_C(1) << 0)
#define TORC_SIM_SHORT_RECV (UINT64_C(1) << 1)
#define TORC_SIM_NO_BUFS (UINT64_C(1) << 2)
#define TORC_SIM_MULTISHOT_END (UINT64_C(1) << 3)
#define TORC_SIM_REORDER (UINT64_C(1) << 4)
#define TORC_SIM_PUNT (UINT64_C(1) << 5)
#define TORC_SIM_CANCEL_LATE (UINT64_C(1) << 6)
#define TORC_SIM_CQ_SMALL (UINT64_C(1) << 7)
#define TORC_SIM_EINTR (UINT64_C(1) << 8)
#define TORC_SIM_EMPTY_WAIT (UINT64_C(1) << 9)
#define TORC_SIM_ENTER_REFUSED (UINT64_C(1) << 10)
#define TORC_SIM_SHORT_SUBMIT (UINT64_C(1) << 11)
#define TORC_SIM_EMFILE (UINT64_C(1) << 12)
#define TORC_SIM_NO_CAP (UINT64_C(1) << 13)
#define TORC_SIM_SWALLOW (UINT64_C(1) << 14)
/* What a network, or the other side, may do: it shows as an error. */
#define TORC_SIM_RESET (UINT64_C(1) << 15)
#define TORC_SIM_REFUSE (UINT64_C(1) << 16)
#define TORC_SIM_BLACKHOLE (UINT64_C(1) << 17)
#define TORC_SIM_ABORTED (UINT64_C(1) << 18)
#define TORC_SIM_LOSS (UINT64_C(1) << 19)    /* datagrams only */
#define TORC_SIM_SHUFFLE (UINT64_C(1) << 20) /* datagrams only */
/* Slow connections with tiny buffers, and shards that take turns. */
#define TORC_SIM_SLOW (UINT64_C(1) << 21)
#define TORC_SIM_SWITCH (UINT64_C(1) << 22)
/* What a disk may do: -EIO. */
#define TORC_SIM_DISK_ERROR (UINT64_C(1) << 23)

#define TORC_SIM_ALL ((UINT64_C(1) << 24) - 1)
#define TORC_SIM_ERRORS                                               \
	(TORC_SIM_RESET | TORC_SIM_REFUSE | TORC_SIM_BLACKHOLE |      \
		TORC_SIM_ABORTED | TORC_SIM_LOSS | TORC_SIM_SHUFFLE | \
		TORC_SIM_DISK_ERROR)
/* All that a correct program hides, EMFILE for a connect excepted. */
#define TORC_SIM_HIDDEN (TORC_SIM_ALL & ~(TORC_SIM_ERRORS | TORC_SIM_EMFILE))

/* Zero means default. */
struct torc_sim_options {
	uint64_t seed; /* of torc_sim_run(), the first of a search; 0: 1 */
	uint64_t faults;
	uint32_t fault_permille; /* how often each strikes; 0: 20 */
	uint32_t size;           /* for torc_sim_size(); 0: 1 */
	uint64_t latency_min_ns; /* one way; 0: 20 us */
	uint64_t latency_max_ns; /* 0: 200 us */
	uint64_t bytes_per_s;    /* of each connection; 0: 1 GB/s */
	uint32_t sndbuf_bytes;   /* 0: 64 KiB */
	uint32_t rcvbuf_bytes;   /* 0: 64 KiB */
	uint32_t fds_max;        /* 0: 65536 */
	uint64_t disk_bytes;     /* then -ENOSPC; 0: 64 MiB */
	uint64_t steps_max;      /* events and enters; 0: 20 million */
	uint64_t time_max_ns;    /* virtual; 0: 30 days */
	bool is_quiet;           /* print nothing */
};

struct torc_sim_result {
	int value;            /* what torc_sim_run() returned */
	uint64_t seed;        /* of the last run, or of the one that failed */
	uint64_t hash;        /* of all that happened */
	uint64_t completions; /* of all runs */
	uint64_t steps;
	uint64_t faults_count; /* how often one struck */
	uint64_t elapsed_ns;   /* virtual, of the last run */
	uint32_t runs;
	uint32_t fds_left; /* descriptors that nobody closed */
	uint32_t ops_left; /* operations that never finished */

	/* After a search that failed: what still fails. */
	uint64_t faults;
	uint32_t size;
};

/*
 * Run fn(arg) as the main task of a runtime inside the simulation. `options`,
 * `runtime` and `result` may be NULL. `runtime`: 0 shards is one, no shard
 * spins unless spin_ns asks for it, and TORC_ABANDON_NEVER is an hour.
 *
 * Returns  what torc_run() would; -EDEADLK after a deadlock; -ETIME when
 *          steps_max or time_max_ns was reached, too; -ENOTEMPTY when fn
 *          returned 0 and left a descriptor or an operation behind.
 */
int torc_sim_run(const struct torc_sim_options *options,
	const struct torc_options *runtime, torc_task_fn *fn, void *arg,
	struct torc_sim_result *result) __attribute__((warn_unused_result));

/*
 * The same for `count` seeds from options->seed on, until one does not
 * return 0; see Search and Replay above. Returns 0 or what that one returned.
 */
int torc_sim_search(const struct torc_sim_options *options,
	const struct torc_options *runtime, uint32_t count, torc_task_fn *fn,
	void *arg, struct torc_sim_result *result)
	__attribute__((warn_unused_result));

/*
 * How many connections, messages or rounds the scenario should make: a
 * number that a search lowers as long as the failure stays.
 */
uint32_t torc_sim_size(void);

/* A number from 0 to count - 1, decided by the seed. */
uint64_t torc_sim_random(uint64_t count);

/* Virtual nanoseconds since the run began. */
uint64_t torc_sim_elapsed_ns(void);

/* As kill(2) would send it to the process. */
void torc_sim_raise(int signo);

/* The network resets this connection: both ends lose what is on its way. */
void torc_sim_reset(struct torc_stream *stream);

/* Print the last `events` events and what waits, to stderr. */
void torc_sim_print(unsigned events);

#ifdef __cplusplus
}
#endif

#endif /* TORC_TEST_SIM_H */
