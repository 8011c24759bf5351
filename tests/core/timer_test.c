/* SPDX-License-Identifier: MIT */
/*
 * Goal    A timer fires exactly once, never early, in order of its tick, and
 *         survives whatever another timer's fn does to it.
 * Method  No clock: the test says what time it is. The corners are tried by
 *         hand; then random calls run against a model that is an array and
 *         a loop, from a seed that is printed (TORC_SEED replays it).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/test.h"
#include "core/timer_priv.h"

#define TICK ((uint64_t)1 << TORC_TICK_BITS)
#define ALL UINT32_MAX

static uint64_t
tick_of(uint64_t deadline_ns)
{
	return deadline_ns / TICK + (deadline_ns % TICK != 0);
}

/* What the corner cases share: a wheel, and timers that count. */
struct probe {
	struct torc_timer timer;
	struct fixture *fixture;
	struct probe *victim;
	uint64_t again_ns;
	unsigned fired_count;
	unsigned fired_at;
};

struct fixture {
	struct torc_wheel wheel;
	struct probe probes[8];
	unsigned fired_total;
	uint64_t now_ns;
};

static struct fixture fixture;

static struct probe *
probe_fired(struct torc_timer *timer)
{
	struct probe *probe = torc__container_of(timer, struct probe, timer);

	assert_false(torc__timer_is_armed(timer));
	probe->fired_count++;
	probe->fired_at = ++probe->fixture->fired_total;
	return probe;
}

static void
count(struct torc_timer *timer)
{
	(void)probe_fired(timer);
}

static void
arm_again(struct torc_timer *timer)
{
	struct probe *probe = probe_fired(timer);

	torc__wheel_arm(&probe->fixture->wheel, timer, probe->again_ns);
}

static void
arm_in_a_tick(struct torc_timer *timer)
{
	struct probe *probe = probe_fired(timer);

	torc__wheel_arm(
		&probe->fixture->wheel, timer, probe->fixture->now_ns + TICK);
}

static void
disarm_victim(struct torc_timer *timer)
{
	struct probe *probe = probe_fired(timer);

	torc__wheel_disarm(&probe->fixture->wheel, &probe->victim->timer);
}

static void
destroy_itself(struct torc_timer *timer)
{
	(void)probe_fired(timer);
	memset(timer, 0xdd, sizeof(*timer));
}

static int
set_up(void **state)
{
	memset(&fixture, 0, sizeof(fixture));
	torc__wheel_init(&fixture.wheel, 0);
	for (unsigned i = 0; i < 8; i++) {
		fixture.probes[i].fixture = &fixture;
		fixture.probes[i].timer.fn = count;
	}
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	assert_true(torc__wheel_is_valid(&f->wheel));
	return 0;
}

static void
fires_at_its_deadline_and_not_a_nanosecond_before(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];

	torc__wheel_arm(&f->wheel, &p->timer, 10 * TICK + 1);

	assert_int_equal(torc__wheel_advance(&f->wheel, 10 * TICK + 1, ALL), 0);
	assert_int_equal(torc__wheel_advance(&f->wheel, 11 * TICK - 1, ALL), 0);
	assert_int_equal(torc__wheel_advance(&f->wheel, 11 * TICK, ALL), 1);
	assert_int_equal(p->fired_count, 1);
	assert_int_equal(torc__wheel_next_ns(&f->wheel), UINT64_MAX);
}

static void
a_deadline_on_a_tick_fires_on_that_tick(void **state)
{
	struct fixture *f = *state;

	torc__wheel_arm(&f->wheel, &f->probes[0].timer, 10 * TICK);

	assert_int_equal(torc__wheel_advance(&f->wheel, 10 * TICK - 1, ALL), 0);
	assert_int_equal(torc__wheel_advance(&f->wheel, 10 * TICK, ALL), 1);
}

static void
disarming_is_final_and_may_be_repeated(void **state)
{
	struct fixture *f = *state;
	struct torc_timer *timer = &f->probes[0].timer;

	torc__wheel_disarm(&f->wheel, timer);
	torc__wheel_arm(&f->wheel, timer, 70 * TICK);
	assert_true(torc__timer_is_armed(timer));
	torc__wheel_disarm(&f->wheel, timer);
	torc__wheel_disarm(&f->wheel, timer);

	assert_false(torc__timer_is_armed(timer));
	assert_int_equal(torc__wheel_next_ns(&f->wheel), UINT64_MAX);
	assert_int_equal(torc__wheel_advance(&f->wheel, 99 * TICK, ALL), 0);
}

static void
arming_an_armed_timer_moves_it(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];

	torc__wheel_arm(&f->wheel, &p->timer, 5 * TICK);
	torc__wheel_arm(&f->wheel, &p->timer, 5000 * TICK);
	torc__wheel_arm(&f->wheel, &p->timer, 50 * TICK);

	assert_int_equal(torc__wheel_advance(&f->wheel, 49 * TICK, ALL), 0);
	assert_int_equal(torc__wheel_advance(&f->wheel, 9000 * TICK, ALL), 1);
	assert_int_equal(p->fired_count, 1);
}

static void
a_deadline_in_the_past_fires_at_the_next_advance(void **state)
{
	struct fixture *f = *state;

	torc__wheel_advance(&f->wheel, 1000 * TICK, ALL);
	torc__wheel_arm(&f->wheel, &f->probes[0].timer, 3);
	torc__wheel_arm(&f->wheel, &f->probes[1].timer, 0);
	torc__wheel_arm(&f->wheel, &f->probes[2].timer, 1000 * TICK);

	assert_true(torc__wheel_next_ns(&f->wheel) <= 1000 * TICK);
	assert_int_equal(torc__wheel_advance(&f->wheel, 1000 * TICK, ALL), 3);
}

static void
a_deadline_of_uint64_max_never_fires(void **state)
{
	struct fixture *f = *state;

	torc__wheel_arm(&f->wheel, &f->probes[0].timer, UINT64_MAX);

	assert_true(torc__timer_is_armed(&f->probes[0].timer));
	assert_int_equal(torc__wheel_next_ns(&f->wheel), UINT64_MAX);
	assert_int_equal(torc__wheel_advance(&f->wheel, UINT64_MAX, ALL), 0);
	torc__wheel_disarm(&f->wheel, &f->probes[0].timer);
	assert_int_equal(f->wheel.timers_count, 0);
}

static void
the_last_tick_of_the_clock_can_be_waited_for(void **state)
{
	struct fixture *f = *state;
	uint64_t last = UINT64_MAX / TICK * TICK;

	torc__wheel_arm(&f->wheel, &f->probes[0].timer, last);

	assert_int_equal(torc__wheel_advance(&f->wheel, last - 1, ALL), 0);
	assert_int_equal(torc__wheel_advance(&f->wheel, last, ALL), 1);
}

static void
arming_itself_in_the_past_waits_for_an_advance(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];

	p->timer.fn = arm_again;
	p->again_ns = 1;
	torc__wheel_arm(&f->wheel, &p->timer, TICK);

	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(
			torc__wheel_advance(&f->wheel, 9 * TICK, ALL), 1);
		assert_int_equal(p->fired_count, i);
	}
}

static void
a_timer_that_arms_itself_ahead_fires_then(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];

	p->timer.fn = arm_again;
	p->again_ns = 100 * TICK;
	torc__wheel_arm(&f->wheel, &p->timer, TICK);

	assert_int_equal(torc__wheel_advance(&f->wheel, 99 * TICK, ALL), 1);
	assert_int_equal(torc__wheel_advance(&f->wheel, 100 * TICK, ALL), 1);
}

static void
a_sibling_due_in_the_same_tick_can_be_disarmed(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		f->probes[i].timer.fn = disarm_victim;
		f->probes[i].victim = &f->probes[1 - i];
		torc__wheel_arm(&f->wheel, &f->probes[i].timer, 7 * TICK);
	}

	assert_int_equal(torc__wheel_advance(&f->wheel, 7 * TICK, ALL), 1);
	assert_int_equal(f->fired_total, 1);
	assert_int_equal(f->wheel.timers_count, 0);
}

static void
fn_may_destroy_its_own_timer(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 4; i++) {
		f->probes[i].timer.fn = destroy_itself;
		torc__wheel_arm(&f->wheel, &f->probes[i].timer, 7 * TICK);
	}

	assert_int_equal(torc__wheel_advance(&f->wheel, 8 * TICK, ALL), 4);
}

static void
what_fire_max_leaves_stays_due_in_order(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 8; i++)
		torc__wheel_arm(
			&f->wheel, &f->probes[i].timer, (100 - i * 10) * TICK);

	assert_int_equal(torc__wheel_advance(&f->wheel, 200 * TICK, 3), 3);
	assert_true(torc__wheel_next_ns(&f->wheel) <= 200 * TICK);
	assert_int_equal(torc__wheel_advance(&f->wheel, 200 * TICK, ALL), 5);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(f->probes[i].fired_at, 8 - i);
}

static void
timers_that_are_always_late_do_not_starve_the_others(void **state)
{
	struct fixture *f = *state;
	unsigned calls = 0;

	for (unsigned i = 0; i < 4; i++) {
		f->probes[i].timer.fn = arm_again;
		torc__wheel_arm(&f->wheel, &f->probes[i].timer, 0);
	}
	torc__wheel_arm(&f->wheel, &f->probes[4].timer, 100 * TICK);

	while (f->probes[4].fired_count == 0 && calls < 20)
		torc__wheel_advance(&f->wheel, 50 * TICK * ++calls, 2);

	assert_true(calls < 10);
}

/* More timers become due with every call than a call may fire. */
static void
a_late_timer_is_not_starved_by_an_overload(void **state)
{
	struct fixture *f = *state;
	unsigned calls = 0;

	for (unsigned i = 0; i < 4; i++) {
		f->probes[i].timer.fn = arm_in_a_tick;
		torc__wheel_arm(&f->wheel, &f->probes[i].timer, TICK);
	}
	while (f->probes[4].fired_count == 0 && calls < 50) {
		f->now_ns = ++calls * TICK;
		torc__wheel_advance(&f->wheel, f->now_ns, 2);
		if (calls == 10)
			torc__wheel_arm(&f->wheel, &f->probes[4].timer, 0);
	}

	assert_in_range(calls, 11, 15);
}

/* Thousands of timers on one high slot: no call deals out all of them. */
static void
a_crowded_slot_is_dealt_out_in_bounded_steps(void **state)
{
	enum { CROWD = 1000 };
	struct fixture *f = *state;
	struct probe *crowd = calloc(CROWD, sizeof(*crowd));
	uint64_t start = ((uint64_t)1 << 18) * TICK;
	unsigned calls = 0;

	for (unsigned i = 0; i < CROWD; i++) {
		crowd[i].fixture = f;
		crowd[i].timer.fn = count;
		torc__wheel_arm(
			&f->wheel, &crowd[i].timer, start + (i + 1) * TICK);
	}
	while (torc__wheel_next_ns(&f->wheel) <= start) {
		torc__wheel_advance(&f->wheel, start, 10);
		assert_true(torc__wheel_is_valid(&f->wheel));
		calls++;
	}

	assert_true(calls >= CROWD / 20);
	assert_int_equal(f->fired_total, 0);
	torc__wheel_advance(&f->wheel, 2 * start, ALL);
	assert_int_equal(f->fired_total, CROWD);
	free(crowd);
}

/* A loop that only ever sleeps until next_ns needs few wakes. */
static void
next_ns_leads_to_every_deadline_in_one_wake_per_level(void **state)
{
	struct fixture *f = *state;

	for (unsigned bit = 0; bit < 63; bit++) {
		struct probe *p = &f->probes[0];
		uint64_t now = 123456789, wakes = 0;
		uint64_t deadline = now + ((uint64_t)1 << bit);

		torc__wheel_init(&f->wheel, now);
		p->fired_count = 0;
		torc__wheel_arm(&f->wheel, &p->timer, deadline);
		while (p->fired_count == 0 && wakes++ < 99) {
			now = torc__wheel_next_ns(&f->wheel);
			torc__wheel_advance(&f->wheel, now, ALL);
		}
		assert_true(wakes <= TORC_WHEEL_LEVELS);
		assert_true(now >= deadline && now - deadline < TICK);
	}
}

static void
an_idle_wheel_keeps_up_with_the_clock(void **state)
{
	struct fixture *f = *state;
	uint64_t now = ((uint64_t)1 << 30) * TICK;

	torc__wheel_advance(&f->wheel, now, ALL);
	torc__wheel_arm(&f->wheel, &f->probes[0].timer, now + 5 * TICK);

	assert_int_equal(torc__wheel_next_ns(&f->wheel), now + 5 * TICK);
}

/* The model: every timer with its deadline, searched by brute force. */
#define MODEL_TIMERS 200

struct model_timer {
	struct torc_timer timer;
	bool is_armed;
	bool is_late; /* it was armed after its deadline had passed */
	uint64_t deadline_ns;
	uint64_t advance_armed; /* the advance it was armed in or before */
};

static struct model {
	struct torc_wheel wheel;
	struct model_timer timers[MODEL_TIMERS];
	uint64_t now_ns;
	uint64_t advances;
	uint64_t last_tick;
	uint64_t fired_total;
	bool is_advancing;
	uint64_t random;
} model;

static uint64_t
random_u64(void)
{
	/* splitmix64 */
	uint64_t z = (model.random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Every magnitude is as likely as any other. */
static uint64_t
random_span(unsigned bits_max)
{
	unsigned bits = (unsigned)(random_u64() % (bits_max + 1));

	return bits == 0 ? 0 : random_u64() >> (64 - bits);
}

static void
model_arm(struct model_timer *t)
{
	uint64_t now = model.now_ns, span = random_span(48);
	uint64_t deadline = now + span;

	if (random_u64() % 8 == 0)
		deadline = span > now ? 0 : now - span;
	if (random_u64() % 64 == 0)
		deadline = UINT64_MAX - random_span(17);

	torc__wheel_arm(&model.wheel, &t->timer, deadline);
	t->is_armed = true;
	t->is_late = tick_of(deadline) <= now / TICK;
	t->deadline_ns = deadline;
	t->advance_armed = model.advances;
}

static void
model_disarm(struct model_timer *t)
{
	torc__wheel_disarm(&model.wheel, &t->timer);
	t->is_armed = false;
}

static void
model_meddle(void)
{
	struct model_timer *t = &model.timers[random_u64() % MODEL_TIMERS];

	if (random_u64() % 3 != 0)
		model_arm(t);
	else
		model_disarm(t);
}

static void
model_fired(struct torc_timer *timer)
{
	struct model_timer *t =
		torc__container_of(timer, struct model_timer, timer);

	assert_true(model.is_advancing);
	assert_true(t->is_armed);
	assert_true(t->deadline_ns <= model.now_ns);
	if (!t->is_late) {
		assert_true(tick_of(t->deadline_ns) >= model.last_tick);
		model.last_tick = tick_of(t->deadline_ns);
	} else {
		assert_true(t->advance_armed < model.advances);
	}
	t->is_armed = false;
	model.fired_total++;

	/* Freed and put to another use, for all the wheel can tell. */
	memset(&t->timer, 0, sizeof(t->timer));
	t->timer.fn = model_fired;
	for (uint64_t n = random_u64() % 4; n < 3; n++)
		model_meddle();
}

static void
model_check(void)
{
	uint64_t next = torc__wheel_next_ns(&model.wheel);
	bool is_anything_to_come = false;
	uint64_t armed_count = 0;

	for (unsigned i = 0; i < MODEL_TIMERS; i++) {
		struct model_timer *t = &model.timers[i];

		assert_int_equal(torc__timer_is_armed(&t->timer), t->is_armed);
		if (!t->is_armed)
			continue;
		armed_count++;
		if (tick_of(t->deadline_ns) > UINT64_MAX / TICK)
			continue;
		is_anything_to_come = true;
		assert_true(next <= tick_of(t->deadline_ns) * TICK ||
			    next <= model.now_ns);
	}
	assert_int_equal(model.wheel.timers_count, armed_count);
	assert_int_equal(next != UINT64_MAX, is_anything_to_come);
}

/* Nothing that was due before an advance without limit is due after it. */
static void
model_check_all_fired(void)
{
	for (unsigned i = 0; i < MODEL_TIMERS; i++) {
		struct model_timer *t = &model.timers[i];

		if (t->is_armed && t->advance_armed < model.advances)
			assert_true(
				tick_of(t->deadline_ns) > model.now_ns / TICK);
	}
}

static void
model_advance(unsigned fire_max)
{
	uint64_t before = model.fired_total, span = random_span(46);
	unsigned fired;

	/* Half of the time go exactly where the wheel wants to be next. */
	if (random_u64() % 2 == 0) {
		uint64_t next = torc__wheel_next_ns(&model.wheel);

		span = next != UINT64_MAX && next > model.now_ns
			       ? next - model.now_ns
			       : 0;
	}
	model.now_ns += span;
	model.advances++;
	model.last_tick = 0;
	model.is_advancing = true;
	fired = torc__wheel_advance(&model.wheel, model.now_ns, fire_max);
	model.is_advancing = false;

	assert_int_equal(fired, model.fired_total - before);
	assert_true(fired <= fire_max);
	if (fire_max == ALL)
		model_check_all_fired();
}

static void
random_calls_agree_with_a_naive_model(void **unused)
{
	const char *text = getenv("TORC_SEED");
	uint64_t seed;

	(void)unused;
	assert_int_equal(getentropy(&seed, sizeof(seed)), 0);
	if (text != NULL)
		seed = strtoull(text, NULL, 0);
	printf("TORC_SEED=%" PRIu64 "\n", seed);
	for (unsigned round = 0; round < 40; round++) {
		memset(&model, 0, sizeof(model));
		model.random = seed + round;
		model.now_ns = random_span(60);
		torc__wheel_init(&model.wheel, model.now_ns);
		for (unsigned i = 0; i < MODEL_TIMERS; i++)
			model.timers[i].timer.fn = model_fired;

		for (unsigned step = 0; step < 2000; step++) {
			if (random_u64() % 4 != 0)
				model_meddle();
			else
				model_advance(
					random_u64() % 2 == 0
						? ALL
						: (unsigned)random_u64() % 9);
			model_check();
			if (step % 16 == 0)
				assert_true(torc__wheel_is_valid(&model.wheel));
		}
		assert_true(model.fired_total > 100);
	}
}

#define WITH_WHEEL(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WHEEL(fires_at_its_deadline_and_not_a_nanosecond_before),
		WITH_WHEEL(a_deadline_on_a_tick_fires_on_that_tick),
		WITH_WHEEL(disarming_is_final_and_may_be_repeated),
		WITH_WHEEL(arming_an_armed_timer_moves_it),
		WITH_WHEEL(a_deadline_in_the_past_fires_at_the_next_advance),
		WITH_WHEEL(a_deadline_of_uint64_max_never_fires),
		WITH_WHEEL(the_last_tick_of_the_clock_can_be_waited_for),
		WITH_WHEEL(arming_itself_in_the_past_waits_for_an_advance),
		WITH_WHEEL(a_timer_that_arms_itself_ahead_fires_then),
		WITH_WHEEL(a_sibling_due_in_the_same_tick_can_be_disarmed),
		WITH_WHEEL(fn_may_destroy_its_own_timer),
		WITH_WHEEL(what_fire_max_leaves_stays_due_in_order),
		WITH_WHEEL(
			timers_that_are_always_late_do_not_starve_the_others),
		WITH_WHEEL(a_late_timer_is_not_starved_by_an_overload),
		WITH_WHEEL(an_idle_wheel_keeps_up_with_the_clock),
		WITH_WHEEL(a_crowded_slot_is_dealt_out_in_bounded_steps),
		WITH_WHEEL(
			next_ns_leads_to_every_deadline_in_one_wake_per_level),
		cmocka_unit_test(random_calls_agree_with_a_naive_model),
	};

	return cmocka_run_group_tests_name("core/timer", tests, NULL, NULL);
}
