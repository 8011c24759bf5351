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
#include "tests/support/child.h"
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

/* The same when its first turn is over, which submits the doorbell's read. */
int fake_shard_set_up_turned(void **state);

#define WITH_SHARD(test)                 \
	cmocka_unit_test_setup_teardown( \
		test, fake_shard_set_up, fake_shard_tear_down)
#define WITH_TURNED_SHARD(test)          \
	cmocka_unit_test_setup_teardown( \
		test, fake_shard_set_up_turned, fake_shard_tear_down)

/* Start fn(arg) as a task that is to be joined; from a task. */
struct torc_task *fake_shard_spawn(torc_task_fn *fn, void *arg);

/* Wait for it, from a task; returns its result. */
int fake_shard_join(struct torc_task *task);

/* Run fn(arg) as a task, until it and all that it left behind is done. */
int fake_shard_run(struct fake_shard *f, torc_task_fn *fn, void *arg);

/* The same, after which the trace must be `expected`. */
#define assert_trace(f, fn, arg, expected) \
	assert_trace_at(f, fn, arg, expected, __FILE__, __LINE__)
void assert_trace_at(struct fake_shard *f, torc_task_fn *fn, void *arg,
	const char *expected, const char *file, int line);

/* Turn the loop `count` times without waiting. */
void fake_shard_turn(struct fake_shard *f, unsigned count);

/* The next answer to the newest SQE of this opcode, and a turn to see it. */
void fake_shard_answer(
	struct fake_shard *f, uint8_t opcode, int32_t res, uint32_t cqe_flags);

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

/*
 * The engine keeps all cancels to itself; once one is out, the shard's first
 * no-op completes with `res` all the same. Until the shard is closed.
 */
void nop_completes_late(struct fake_shard *f, int32_t res);

/* "ok", "canceled", "timeout", or "other": how a wait ended. */
const char *outcome(int64_t ret);

/* Add to the trace how a wait ended, and in which whole millisecond. */
void trace_outcome(int64_t ret);

/*
 * What fn(arg) wrote, as a task of a fake shard in a child, which must end by
 * SIGABRT: see last_words().
 */
const char *last_words_of_task(torc_task_fn *fn, void *arg);

#endif /* TORC_TESTS_SUPPORT_FAKE_SHARD_H */
