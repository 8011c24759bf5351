/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever the order in which tasks come, wait, are cancelled and
 *         run out of time: nobody is in where he must not be, nothing that
 *         was given is lost, and nobody waits for ever.
 * Method  Hundreds of seeds in paused time. Tasks do random things with one
 *         of each, and write into a model what they believe to hold.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define PERMITS 5
#define ROUNDS 12
#define TASKS_MAX 64

struct model {
	struct torc_mutex mutex;
	struct torc_condition condition;
	struct torc_rwlock rwlock;
	struct torc_semaphore semaphore;
	struct torc_notify notify;
	struct torc_once once;
	struct torc_barrier barrier;

	int in_mutex, readers, writers, permits_out;
	int tokens; /* guarded by the mutex, announced by the condition */
	int notified, notifies_had;
	int doers, done;
	int broken; /* how often a rule was */
};

static void
rule(struct model *model, bool is_kept)
{
	model->broken += !is_kept;
}

static void
doze(void)
{
	(void)torc_sleep(torc_sim_random(3 * TORC_MS));
}

static int
use_mutex(struct model *model)
{
	int ret = torc_mutex_lock(&model->mutex);

	if (ret < 0)
		return ret;
	rule(model, model->in_mutex++ == 0);
	doze();
	/* Takes a token, or brings one. */
	if (torc_sim_random(2) == 0) {
		model->tokens++;
		torc_condition_signal(&model->condition);
	}
	while (model->tokens == 0 && ret == 0) {
		rule(model, --model->in_mutex == 0);
		ret = torc_condition_wait(&model->condition, &model->mutex);
		rule(model, model->in_mutex++ == 0);
	}
	if (ret == 0)
		model->tokens--;
	rule(model, --model->in_mutex == 0);
	torc_mutex_unlock(&model->mutex);
	return ret;
}

static void
write_down(struct model *model)
{
	rule(model, model->readers == 0 && model->writers++ == 0);
	doze();
	rule(model, model->readers == 0 && --model->writers == 0);
}

static int
use_rwlock(struct model *model)
{
	bool is_writer = torc_sim_random(3) == 0;
	int ret = is_writer ? torc_rwlock_write(&model->rwlock)
			    : torc_rwlock_read(&model->rwlock);

	if (ret < 0)
		return ret;
	if (is_writer) {
		write_down(model);
		if (torc_sim_random(2) == 0) {
			torc_rwlock_unlock_write(&model->rwlock);
			return 0;
		}
		torc_rwlock_downgrade(&model->rwlock);
	}
	model->readers++;
	rule(model, model->writers == 0);
	doze();
	rule(model, model->writers == 0);
	model->readers--;
	torc_rwlock_unlock_read(&model->rwlock);
	return 0;
}

static int
use_semaphore(struct model *model)
{
	uint32_t count = (uint32_t)torc_sim_random(PERMITS + 1);
	int ret = torc_semaphore_acquire(&model->semaphore, count);

	if (ret < 0)
		return ret;
	model->permits_out += (int)count;
	rule(model, model->permits_out <= PERMITS);
	doze();
	model->permits_out -= (int)count;
	torc_semaphore_release(&model->semaphore, count);
	return 0;
}

/* Half of them bring what the other half waits for. */
static int
use_notify(struct model *model)
{
	int ret;

	if (torc_sim_random(2) == 0) {
		doze();
		if (torc_sim_random(4) == 0)
			torc_notify_all(&model->notify);
		model->notified++;
		torc_notify_one(&model->notify);
		return 0;
	}
	ret = torc_notify_wait(&model->notify);
	model->notifies_had += ret == 0;
	return ret;
}

static int
do_once(void *arg)
{
	struct model *model = arg;
	int ret;

	rule(model, model->doers++ == 0 && model->done == 0);
	ret = torc_sleep(torc_sim_random(2 * TORC_MS));
	if (ret == 0 && torc_sim_random(3) > 0)
		ret = -EIO;
	model->done += ret == 0;
	rule(model, --model->doers == 0);
	return ret;
}

static int
use_once(struct model *model)
{
	int ret = torc_once_run(&model->once, do_once, model);

	rule(model, ret != 0 || model->done == 1);
	return ret == -EIO ? 0 : ret;
}

/* A cancel's or a deadline's error is no failure of the run. */
static int
do_random_things(void *arg)
{
	static int (*const uses[])(struct model *) = { use_mutex, use_rwlock,
		use_semaphore, use_notify, use_once };
	struct torc_deadline scope;

	for (int i = 0; i < ROUNDS && torc_interrupted() == 0; i++) {
		doze();
		torc_deadline_begin(&scope, 1 + torc_sim_random(20 * TORC_MS));
		(void)uses[torc_sim_random(5)](arg);
		torc_deadline_end(&scope);
	}
	return 0;
}

/* What is left when nobody does anything any more. */
static int
look_at_the_end(struct model *model)
{
	rule(model, model->in_mutex == 0 && model->permits_out == 0);
	rule(model, model->readers == 0 && model->writers == 0);
	rule(model, torc_semaphore_available(&model->semaphore) == PERMITS);
	rule(model, model->notified == 0 || model->notifies_had > 0 ||
			    torc_notify_wait(&model->notify) == 0);
	rule(model, torc_once_is_done(&model->once) == (model->done == 1));
	torc_mutex_fini(&model->mutex);
	torc_condition_fini(&model->condition);
	torc_rwlock_fini(&model->rwlock);
	torc_semaphore_fini(&model->semaphore);
	torc_notify_fini(&model->notify);
	torc_once_fini(&model->once);
	return model->broken == 0 ? 0 : 1;
}

static int
mix_scenario(void *arg)
{
	struct model model = { 0 };
	struct torc_task *tasks[TASKS_MAX];
	uint32_t count = torc_sim_size();

	(void)arg;
	torc_semaphore_init(&model.semaphore, PERMITS);
	for (uint32_t i = 0; i < count; i++)
		if (torc_spawn(&tasks[i], do_random_things, &model) < 0)
			return -ENOMEM;
	for (uint32_t i = 0; i < count / 4; i++) {
		doze();
		torc_cancel(tasks[torc_sim_random(count)]);
	}
	for (uint32_t i = 0; i < count; i++)
		if (torc_join(tasks[i], NULL) < 0)
			return 1;
	return look_at_the_end(&model);
}

static void
search(torc_task_fn *scenario, uint32_t size)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL,
		.size = size };
	struct torc_sim_result result;
	int ret = torc_sim_search(
		&options, NULL, seeds_count(300), scenario, NULL, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
}

static void
nothing_is_lost_and_nobody_is_where_he_must_not_be(void **state)
{
	(void)state;
	search(mix_scenario, 24);
}

/* ---- rounds of a barrier ---- */

struct rounds {
	struct torc_barrier barrier;
	uint32_t leaders_count;
	uint32_t passed[TASKS_MAX]; /* rounds of each task */
	uint32_t tasks_count;
	int broken;
};

struct runner {
	struct rounds *rounds;
	uint32_t index;
};

/* In the round of this task, nobody is more than one round away. */
static void
compare_rounds(struct rounds *rounds, uint32_t own)
{
	for (uint32_t i = 0; i < rounds->tasks_count; i++)
		rounds->broken += rounds->passed[i] + 1 < own ||
				  rounds->passed[i] > own + 1;
}

static int
run_rounds(void *arg)
{
	struct runner *runner = arg;
	struct rounds *rounds = runner->rounds;

	for (uint32_t round = 1; round <= ROUNDS;) {
		struct torc_deadline scope;
		int ret;

		doze();
		torc_deadline_begin(&scope, 1 + torc_sim_random(TORC_MS));
		ret = torc_barrier_wait(&rounds->barrier);
		torc_deadline_end(&scope);
		/* Too early for the others: come again. */
		if (ret < 0)
			continue;
		rounds->leaders_count += (uint32_t)ret;
		rounds->passed[runner->index] = round;
		compare_rounds(rounds, round);
		round++;
	}
	return 0;
}

static int
barrier_scenario(void *arg)
{
	struct rounds rounds = { .tasks_count = torc_sim_size() };
	struct runner runners[TASKS_MAX];
	struct torc_group group;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	torc_barrier_init(&rounds.barrier, rounds.tasks_count);
	for (uint32_t i = 0; i < rounds.tasks_count && ret == 0; i++) {
		runners[i] = (struct runner){ &rounds, i };
		ret = torc_group_spawn(&group, run_rounds, &runners[i]);
	}
	if (ret == 0)
		ret = torc_group_join(&group);
	torc_barrier_fini(&rounds.barrier);
	if (ret == 0)
		ret = rounds.broken != 0 || rounds.leaders_count != ROUNDS;
	return ret;
}

static void
a_barrier_keeps_its_tasks_in_step(void **state)
{
	(void)state;
	search(barrier_scenario, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			nothing_is_lost_and_nobody_is_where_he_must_not_be),
		cmocka_unit_test(a_barrier_keeps_its_tasks_in_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
