/* SPDX-License-Identifier: MIT */
/*
 * Goal    torc_run() starts what was asked for where it was asked for, and
 *         when it returns nothing of it is left: no task, no descriptor, no
 *         pinned thread. No message between shards is lost.
 * Method  The real kernel, 1 to 4 shards on whatever CPUs there are. What ends
 *         the process happens in a child.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/runtime_priv.h"
#include "core/shard_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include "uring/op_priv.h"
#include <torc.h>

#if defined(TORC__ASAN) || defined(TORC__TSAN)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

#define HOUR (3600 * TORC_S)
#define SHARDS_MAX 4

/* What each shard saw of its thread. */
struct seen {
	pid_t tid;
	cpu_set_t cpus;
	char name[16];
};

struct fixture {
	int fds_before;
	cpu_set_t cpus_before;
	struct seen seen[SHARDS_MAX];
	unsigned shards;
};

static struct fixture fixture;

static int
set_up(void **state)
{
	memset(&fixture, 0, sizeof(fixture));
	fixture.fds_before = fds_open();
	sched_getaffinity(0, sizeof(cpu_set_t), &fixture.cpus_before);
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	cpu_set_t now;

	sched_getaffinity(0, sizeof(now), &now);
	assert_true(CPU_EQUAL(&now, &f->cpus_before));
	assert_int_equal(fds_open(), f->fds_before);
	return 0;
}

static int
run(unsigned shards, torc_task_fn *fn, void *arg)
{
	struct torc_options options = { .shards = shards,
		.spin_ns = TORC_SPIN_NEVER };

	fixture.shards = shards;
	return torc_run(&options, fn, arg);
}

/* ---- where ---- */

static int
look_around(void *arg)
{
	struct seen *seen = &fixture.seen[torc_shard_index()];

	seen->tid = gettid();
	sched_getaffinity(0, sizeof(seen->cpus), &seen->cpus);
	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	assert_int_equal(torc_shard_count(), fixture.shards);
	return (int)(intptr_t)arg;
}

static int
look_around_everywhere(void *arg)
{
	return torc_run_on_shards(look_around, arg);
}

static void
one_shard_is_the_calling_thread_and_not_pinned(void **state)
{
	struct fixture *f = *state;
	char name[16];

	pthread_getname_np(pthread_self(), name, sizeof(name));
	assert_int_equal(run(1, look_around, (void *)7), 7);

	assert_int_equal(f->seen[0].tid, gettid());
	assert_true(CPU_EQUAL(&f->seen[0].cpus, &f->cpus_before));
	assert_string_equal(f->seen[0].name, name);
}

static int
nth_cpu(const cpu_set_t *cpus, unsigned nth)
{
	nth %= (unsigned)CPU_COUNT(cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, cpus) && nth-- == 0)
			return cpu;
	}
	return -1;
}

static void
each_of_several_shards_has_a_pinned_thread_with_a_name(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 2; n <= SHARDS_MAX; n++) {
		assert_int_equal(run(n, look_around_everywhere, NULL), 0);
		assert_int_equal(f->seen[0].tid, gettid());
		for (unsigned i = 0; i < n; i++) {
			struct seen *seen = &f->seen[i];
			char name[16];

			snprintf(name, sizeof(name), "torc-%u", i);
			if (i > 0)
				assert_string_equal(seen->name, name);
			assert_int_equal(CPU_COUNT(&seen->cpus), 1);
			assert_true(CPU_ISSET(
				nth_cpu(&f->cpus_before, i), &seen->cpus));
		}
	}
}

static void
no_number_of_shards_means_one_per_usable_cpu(void **state)
{
	struct fixture *f = *state;
	struct torc_options options = { 0 };

	f->shards = torc_shards_usable();
	assert_in_range(f->shards, 1, CPU_COUNT(&f->cpus_before));
	assert_int_equal(torc_run(&options, look_around, NULL), 0);
	assert_int_equal(torc_run(NULL, look_around, NULL), 0);
}

/* ---- how often ---- */

static void
a_process_may_run_it_again_and_again(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(run(1 + (unsigned)i % 2, look_around,
					 (void *)(intptr_t)-i),
			-i);
}

static int
run_inside(void *arg)
{
	return torc_run(NULL, look_around, arg);
}

static void
a_nested_run_is_refused(void **state)
{
	(void)state;
	assert_int_equal(run(1, run_inside, NULL), -EBUSY);
}

/* ---- on all shards ---- */

static int
fail_in_turn(void *arg)
{
	(void)arg;
	switch (torc_shard_index()) {
	case 0: /* in second place */
		return torc_sleep(50 * TORC_MS) == 0 ? -EPIPE : -EINVAL;
	case 1:
		return -EIO;
	}
	return 5;
}

static int
fail_everywhere(void *arg)
{
	return torc_run_on_shards(fail_in_turn, arg);
}

static void
the_first_error_in_time_is_the_result(void **state)
{
	(void)state;
	assert_int_equal(run(1, fail_everywhere, NULL), -EPIPE);
	assert_int_equal(run(3, fail_everywhere, NULL), -EIO);
}

static _Atomic unsigned canceled_count;

static int
sleep_and_count(void *arg)
{
	(void)arg;
	if (torc_sleep(HOUR) == -ECANCELED)
		canceled_count++;
	return 0;
}

static int
sleep_everywhere_within_a_deadline(void *arg)
{
	struct torc_deadline scope;
	int ret;

	(void)arg;
	torc_deadline_begin(&scope, 20 * TORC_MS);
	ret = torc_run_on_shards(sleep_and_count, NULL);
	torc_deadline_end(&scope);
	return ret;
}

static void
an_interrupt_cancels_the_task_on_every_shard(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= SHARDS_MAX; n++) {
		canceled_count = 0;
		assert_int_equal(
			run(n, sleep_everywhere_within_a_deadline, NULL),
			-ETIMEDOUT);
		assert_int_equal(canceled_count, n);
	}
}

/* At once: the others may not have begun. */
static int
fail_on_the_last(void *arg)
{
	if (torc_shard_index() == torc_shard_count() - 1)
		return -EIO;
	return sleep_and_count(arg);
}

static int
fail_on_the_last_of_all(void *arg)
{
	return torc_run_on_shards(fail_on_the_last, arg);
}

static void
a_failure_cancels_the_task_on_every_other_shard(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= SHARDS_MAX; n++) {
		canceled_count = 0;
		assert_int_equal(run(n, fail_on_the_last_of_all, NULL), -EIO);
		assert_int_equal(canceled_count, n - 1);
	}
}

static _Atomic unsigned begun_count, begun_before_count;

static int
count_begun(void *arg)
{
	(void)arg;
	begun_count++;
	return 0;
}

static int
run_when_canceled(void *arg)
{
	struct torc_shield shield;
	int ret, shielded;

	(void)arg;
	torc_cancel(torc_self());
	ret = torc_run_on_shards(count_begun, NULL);
	begun_before_count = begun_count;
	torc_shield_begin(&shield);
	shielded = torc_run_on_shards(count_begun, NULL);
	torc_shield_end(&shield);
	return shielded == 0 ? ret : shielded;
}

static void
a_cancelled_caller_begins_nothing_but_inside_a_shield(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= SHARDS_MAX; n++) {
		begun_count = 0;
		assert_int_equal(run(n, run_when_canceled, NULL), -ECANCELED);
		assert_int_equal(begun_before_count, 0);
		assert_int_equal(begun_count, n);
	}
}

/* ---- the end ---- */

struct pipe_read {
	struct torc_op op;
	struct torc_future done;
	int fds[2];
	char byte;
};

static void
on_read(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct pipe_read *r = torc__container_of(op, struct pipe_read, op);

	(void)cqe_flags;
	torc_future_complete(&r->done, res);
}

static void
cancel_read(struct torc_future *done)
{
	struct pipe_read *r = torc_future_source(done);

	torc__op_cancel(&torc__shard->ring, &r->op);
}

/* A read that nothing will ever answer. */
static int
read_in_vain(void *arg)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&torc__shard->ring);
	struct pipe_read r = { 0 };
	int64_t ret;

	(void)arg;
	assert_int_equal(pipe(r.fds), 0);
	torc__op_init(&r.op, on_read);
	torc_future_init(&r.done, cancel_read, &r);
	io_uring_prep_read(sqe, r.fds[0], &r.byte, 1, 0);
	torc__op_submit(&torc__shard->ring, &r.op, sqe);
	ret = torc_await(&r.done);
	if (ret == -ECANCELED)
		canceled_count++;
	close(r.fds[0]);
	close(r.fds[1]);
	return 0;
}

static int
leave_things_open(void *arg)
{
	struct torc_listener *listener;
	struct torc_stream *stream;
	struct torc_address address;
	struct torc_task *task;
	char text[64];

	(void)arg;
	snprintf(text, sizeof(text), "unix:@torc-test-%d-%u", getpid(),
		torc_shard_index());
	assert_int_equal(torc_address_parse(&address, text, NULL), 0);
	assert_int_equal(torc_listen(&listener, &address, NULL), 0);
	assert_int_equal(torc_connect(&stream, &address), 0);
	assert_int_equal(torc_spawn(&task, sleep_and_count, NULL), 0);
	assert_int_equal(torc_spawn(NULL, sleep_and_count, NULL), 0);
	assert_int_equal(torc_spawn(NULL, read_in_vain, NULL), 0);
	return torc_sleep(5 * TORC_MS);
}

static int
leave_things_open_everywhere(void *arg)
{
	assert_int_equal(torc_run_on_shards(leave_things_open, arg), 0);
	return 9;
}

static void
what_main_leaves_behind_is_cancelled_and_closed(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= SHARDS_MAX; n++) {
		canceled_count = 0;
		assert_int_equal(run(n, leave_things_open_everywhere, NULL), 9);
		assert_int_equal(canceled_count, 3 * n);
		assert_int_equal(fds_open(), fixture.fds_before);
	}
}

/* ---- messages ---- */

#define NOTES_ALL 200000

struct note {
	struct torc_msg msg;
	unsigned from, to, number;
};

static struct note *notes;
static unsigned notes_each; /* from each shard to each other one */

/* Of one shard, and touched by no other. */
static struct {
	_Alignas(64) unsigned next[SHARDS_MAX];
	unsigned arrived_count;
	unsigned disorder_count;
	struct torc_future *all_arrived;
} mailboxes[SHARDS_MAX];

static void
on_note(struct torc_msg *msg)
{
	struct note *note = torc__container_of(msg, struct note, msg);
	unsigned me = torc_shard_index();

	if (note->to != me || note->number != mailboxes[me].next[note->from]++)
		mailboxes[me].disorder_count++;
	if (++mailboxes[me].arrived_count ==
			notes_each * (torc_shard_count() - 1) &&
		mailboxes[me].all_arrived != NULL)
		torc_future_complete(mailboxes[me].all_arrived, 0);
}

/* Bursts, with sleeps in between that are long enough to fall asleep. */
static int
send_notes(void *arg)
{
	unsigned me = torc_shard_index(), count = torc_shard_count();
	struct note *note = notes + (size_t)me * (count - 1) * notes_each;

	(void)arg;
	for (unsigned i = 0; i < notes_each; i++) {
		for (unsigned to = 0; to < count; to++) {
			if (to == me)
				continue;
			*note = (struct note){ { .fn = on_note }, me, to, i };
			torc__shard_post_remote(
				torc__runtime_shard(to), &note->msg);
			note++;
		}
		if (i * 2654435761u >> 24 == 0)
			assert_int_equal(torc_sleep(TORC_US), 0);
	}
	return 0;
}

static int
exchange_notes(void *arg)
{
	unsigned me = torc_shard_index();
	struct torc_future all;
	struct torc_task *sender;

	torc_future_init(&all, NULL, NULL);
	mailboxes[me].all_arrived = &all;
	assert_int_equal(torc_spawn(&sender, send_notes, arg), 0);
	if (mailboxes[me].arrived_count < notes_each * (torc_shard_count() - 1))
		torc_await(&all);
	assert_int_equal(torc_join(sender, NULL), 0);
	return 0;
}

static int
exchange_notes_everywhere(void *arg)
{
	struct torc_deadline scope;
	int ret;

	torc_deadline_begin(&scope, 100 * TORC_S);
	ret = torc_run_on_shards(exchange_notes, arg);
	torc_deadline_end(&scope);
	return ret;
}

static void
no_message_between_shards_is_lost_or_overtakes_another(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= SHARDS_MAX; n++) {
		notes_each = NOTES_ALL / (n * (n - 1));
		notes = calloc(NOTES_ALL, sizeof(*notes));
		memset(mailboxes, 0, sizeof(mailboxes));
		assert_int_equal(run(n, exchange_notes_everywhere, NULL), 0);

		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(mailboxes[i].disorder_count, 0);
			assert_int_equal(mailboxes[i].arrived_count,
				notes_each * (n - 1));
		}
		free(notes);
	}
}

/* ---- a stack too small ---- */

static int
dig(unsigned depth)
{
	volatile char page[1024];

	page[0] = (char)depth;
	page[1023] = 1;
	if (depth == 0)
		return page[0];
	return dig(depth - 1) + page[1023];
}

static int
dig_deep(void *arg)
{
	(void)arg;
	torc_task_name_set("digger");
	return dig(100000);
}

static int
overflow_a_stack(void)
{
	struct torc_options options = { .shards = 1, .stack_bytes = 128 << 10 };

	return torc_run(&options, dig_deep, NULL);
}

static __attribute__((noinline)) int
fill_a_frame(void)
{
	volatile char frame[1 << 20];

	frame[0] = 1;
	return frame[0];
}

static int
dig_wide(void *arg)
{
	(void)arg;
	torc_task_name_set("digger");
	return fill_a_frame();
}

static int
jump_over_the_guard(void)
{
	struct torc_options options = { .shards = 1, .stack_bytes = 128 << 10 };

	return torc_run(&options, dig_wide, NULL);
}

static void
see_the_overflow(int (*overflow)(void))
{
	char text[16384];
	int status = run_in_child(overflow, text, sizeof(text));

	assert_non_null(strstr(text, "digger"));
	assert_non_null(strstr(text, "overflowed its stack"));
	assert_non_null(strstr(text, "stack_bytes"));
#ifdef TORC__ASAN
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
#endif
}

static void
a_stack_overflow_names_the_task_and_its_stack(void **state)
{
	(void)state;
	see_the_overflow(overflow_a_stack);
}

static void
a_frame_beyond_the_stack_does_not_jump_over_its_guard(void **state)
{
	(void)state;
	see_the_overflow(jump_over_the_guard);
}

#define WITH_KERNEL(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* A slab of stacks does not fit what the process may map. */
static int
run_without_stacks(void)
{
	struct torc_options options = { .shards = 2,
		.stack_bytes = (size_t)1 << 30 };
	struct rlimit limit = { (rlim_t)16 << 30, (rlim_t)16 << 30 };

	alarm(30);
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return 2;
	return torc_run(&options, look_around, NULL) == -ENOMEM ? 0 : 1;
}

static void
without_a_stack_for_main_it_says_enomem(void **state)
{
	char text[4096];

	(void)state;
	/* A sanitizer's shadow takes more than any limit allows. */
	if (IS_SANITIZED) {
		print_message("skip: a sanitizer maps more than the limit\n");
		skip();
	}
	assert_int_equal(
		run_in_child(run_without_stacks, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "the first task can't have a stack"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_KERNEL(one_shard_is_the_calling_thread_and_not_pinned),
		WITH_KERNEL(
			each_of_several_shards_has_a_pinned_thread_with_a_name),
		WITH_KERNEL(no_number_of_shards_means_one_per_usable_cpu),
		WITH_KERNEL(a_process_may_run_it_again_and_again),
		WITH_KERNEL(a_nested_run_is_refused),
		WITH_KERNEL(the_first_error_in_time_is_the_result),
		WITH_KERNEL(an_interrupt_cancels_the_task_on_every_shard),
		WITH_KERNEL(a_failure_cancels_the_task_on_every_other_shard),
		WITH_KERNEL(
			a_cancelled_caller_begins_nothing_but_inside_a_shield),
		WITH_KERNEL(what_main_leaves_behind_is_cancelled_and_closed),
		WITH_KERNEL(
			no_message_between_shards_is_lost_or_overtakes_another),
		cmocka_unit_test(a_stack_overflow_names_the_task_and_its_stack),
		cmocka_unit_test(
			a_frame_beyond_the_stack_does_not_jump_over_its_guard),
		cmocka_unit_test(without_a_stack_for_main_it_says_enomem),
	};

	return cmocka_run_group_tests_name("core/runtime", tests, NULL, NULL);
}
