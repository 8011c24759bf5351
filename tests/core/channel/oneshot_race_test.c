/* SPDX-License-Identifier: MIT */
/*
 * Goal    What another thread does between a send's look at the oneshot and
 *         its change of it counts: a second item is a mistake that is named,
 *         a close turns the item away.
 * Method  oneshot.c is compiled with a compare-exchange that lets the other
 *         act first, as another CPU would. What panics does so in a child.
 */
#include <errno.h>
#include <stdatomic.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

static void act_first(void);

#pragma push_macro("atomic_compare_exchange_weak_explicit")
#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_weak_explicit(p, old, v, won, lost) \
	(act_first(), atomic_compare_exchange_strong(p, old, v))
#include "core/channel/oneshot.c"
#pragma pop_macro("atomic_compare_exchange_weak_explicit")

static struct torc_oneshot *raced;
static void (*other)(void);

/* Once: what the other does comes here as well. */
static void
act_first(void)
{
	void (*act)(void) = other;

	other = NULL;
	if (act != NULL)
		act();
}

static int
send_while(void (*act)(void))
{
	int item = 7;

	assert_int_equal(torc_oneshot_create(&raced, sizeof(item)), 0);
	other = act;
	return torc_oneshot_send(raced, &item);
}

static void
send_another(void)
{
	int item = 8;

	assert_int_equal(torc_oneshot_send(raced, &item), 0);
}

static void
close_it(void)
{
	torc_oneshot_close(raced);
}

static int
send_while_another_does(void)
{
	return send_while(send_another);
}

static void
two_sends_at_the_same_time_are_named(void **state)
{
	(void)state;
	assert_says(last_words(send_while_another_does),
		"a second torc_oneshot_send()");
}

static void
a_close_at_the_same_time_turns_the_item_away(void **state)
{
	int item = -1;

	(void)state;
	assert_int_equal(send_while(close_it), -EPIPE);
	assert_int_equal(torc_oneshot_try_recv(raced, &item), -EPIPE);
	assert_int_equal(item, -1);
	torc_oneshot_release(raced);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_sends_at_the_same_time_are_named),
		cmocka_unit_test(a_close_at_the_same_time_turns_the_item_away),
	};

	return cmocka_run_group_tests_name(
		"core/oneshot race", tests, NULL, NULL);
}
