/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SUPPORT_FAKE_SHARD_H
#define TORC_TESTS_SUPPORT_FAKE_SHARD_H

/*
 * fake_shard - a whole shard on the calling thread, on the fake engine
 *
 * Tasks are the real ones; time passes only when all of them wait. What
 * happens is written down with trace(), and the test compares the line.
 *
 * fake_shard_close() proves that the test left nothing: no live task, no
 * handle that was not joined, no op in flight, no descriptor.
 */

#include "core/shard_priv.h"
#include "tests/support/fake_engine.h"

#define TRACE_BYTES 512

struct fake_shard {
	struct torc_shard shard;
	struct fake *fake;
	char trace[TRACE_BYTES]; /* words with a blank between them */
	int fds_before;
	bool is_open;
};

void fake_shard_open(struct fake_shard *f);
void fake_shard_close(struct fake_shard *f);

/* For cmocka: *state is a shard that is opened before and closed after. */
int fake_shard_set_up(void **state);
int fake_shard_tear_down(void **state);

/* Start fn(arg) as a task that is to be joined; from a task. */
struct torc_task *fake_shard_spawn(torc_task_fn *fn, void *arg);

/* Run fn(arg) as a task, until it and all that it left behind is done. */
int fake_shard_run(struct fake_shard *f, torc_task_fn *fn, void *arg);

/* Turn the loop `count` times without waiting. */
void fake_shard_turn(struct fake_shard *f, unsigned count);

/* Add a word to the running shard's trace. */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Nanoseconds since the shard was opened. */
uint64_t fake_elapsed_ns(void);

/* An awaited no-op, as the smallest operation that there is. */
struct nop {
	struct torc_op op;
	struct torc_future done;
};

void nop_start(struct nop *nop);

/* Complete the nth of all no-ops that this shard has submitted, from 0. */
void nop_complete(uint32_t nth, int32_t res);

/* How many descriptors this process has open. */
int fds_open(void);

/*
 * Run fn in a child, which ends by _exit(fn's result). Returns its wait
 * status; what it wrote to stderr is in `text`.
 */
int run_in_child(int (*fn)(void), char *text, size_t text_bytes);

#endif /* TORC_TESTS_SUPPORT_FAKE_SHARD_H */
